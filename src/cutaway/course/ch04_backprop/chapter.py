import marimo

app = marimo.App(app_title="4 · Back-propagation", width="medium")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn
    from cutaway.course.digits import digits
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.nn import functional as F

    return F, card, cutaway, digits, figures, mo, nn, np, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 4 · Back-propagation

        Chapter 3 asked for the slope of the loss by moving each weight and computing everything again: two forward passes for
        every one of 39,760 parameters. All those slopes can be had from one forward pass and one backward, exactly. The idea is the
        chain rule, and the trick is the order in which it is multiplied out.

        ## Apples and oranges

        $(2 \cdot 100 + 3 \cdot 150) \cdot 1.1 = 715$. Break it into nodes that each do one thing. Forward, values go from left to right.
        Backward begins on the right with 1, and each node hands on what arrives, **times its own slope**:

        $$\frac{\partial L}{\partial x} = \underbrace{\frac{\partial L}{\partial z}}_{\text{arrives}}\;\underbrace{\frac{\partial z}{\partial x}}_{\text{local}}$$

        A sum hands on what arrives. A product hands on what arrives times the *other* side, so it must have kept it. At the inputs
        stands how much the total grows with each: a cent on the price of an apple costs 2.2 cents, as there are two and tax is on them.
        """
    )
    return


@app.cell
def _(mo):
    apples = mo.ui.slider(0, 10, 1, value=2, label="apples", show_value=True)
    price_a = mo.ui.slider(10, 300, 10, value=100, label="price", show_value=True)
    oranges = mo.ui.slider(0, 10, 1, value=3, label="oranges", show_value=True)
    price_o = mo.ui.slider(10, 300, 10, value=150, label="price", show_value=True)
    tax = mo.ui.slider(1.0, 2.0, 0.05, value=1.1, label="tax", show_value=True)
    so_far = mo.ui.slider(0, 4, 1, value=4, label="steps backward", show_value=True)
    mo.vstack([mo.hstack([apples, price_a, oranges, price_o], justify="start", wrap=True), mo.hstack([tax, so_far], justify="start", wrap=True)])
    return apples, oranges, price_a, price_o, so_far, tax


@app.cell
def _(apples, figures, mo, oranges, price_a, price_o, so_far, tax, whose, yours):
    _shopping, _passed = yours("4.shopping")
    _a, _p, _o, _q, _t = (float(v.value) for v in (apples, price_a, oranges, price_o, tax))
    _total, _g = _shopping(_a, _p, _o, _q, _t)
    _back = lambda n, v: v if so_far.value >= n else None
    _nodes = {"a": (0, 0.0, "apples"), "p": (0, 0.34, "price"), "q": (0, 0.64, "price"), "o": (0, 1.0, "oranges"),
              "pa": (0.3, 0.17, "×"), "po": (0.3, 0.82, "×"), "sum": (0.52, 0.48, "+"), "t": (0.52, 1.0, "tax"),
              "all": (0.75, 0.48, "×"), "L": (1.0, 0.48, "total")}
    _wires = [("a", "pa", _a, _back(4, _g[0])), ("p", "pa", _p, _back(4, _g[1])), ("o", "po", _o, _back(4, _g[2])),
              ("q", "po", _q, _back(4, _g[3])), ("pa", "sum", _a * _p, _back(3, _t)), ("po", "sum", _o * _q, _back(3, _t)),
              ("sum", "all", _a * _p + _o * _q, _back(2, _t)), ("t", "all", _t, _back(2, _g[4])), ("all", "L", _total, _back(1, 1.0))]
    mo.vstack([figures.circuit("shopping", _nodes, _wires, height=320), mo.md(f"*Gradients computed {whose(_passed)}.*")])
    return


@app.cell
def _(card):
    card("4.shopping")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        And this is what the library recorded of the same sum, in its own viewer. Step backward through it; click a node for its rule.
        """
    )
    return


@app.cell
def _(cutaway, figures):
    _names = {"apples": 2.0, "apple_price": 100.0, "oranges": 3.0, "orange_price": 150.0, "tax": 1.1}
    apples_, apple_price, oranges_, orange_price, tax_ = (cutaway.tensor(v, requires_grad=True) for v in _names.values())
    with cutaway.inspect.record() as seen:
        total = (apples_ * apple_price + oranges_ * orange_price) * tax_
        total.backward()
    figures.graph(seen, height=580)
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Four nodes

        | node | forward | backward: what goes on | must have kept |
        |---|---|---|---|
        | add | $z = x + y$ | $g$ to both | nothing |
        | multiply | $z = x y$ | $g y$ to $x$, $g x$ to $y$ | both inputs |
        | divide | $z = x / y$ | $g / y$ to $x$, $-g x / y^2$ to $y$ | both inputs |
        | exp | $y = e^x$ | $g y$ | the result |

        Move the inputs and what arrives.
        """
    )
    return


@app.cell
def _(mo):
    in_x = mo.ui.slider(-3.0, 3.0, 0.25, value=1.5, label="x", show_value=True)
    in_y = mo.ui.slider(0.25, 3.0, 0.25, value=2.0, label="y", show_value=True)
    in_g = mo.ui.slider(-2.0, 2.0, 0.25, value=1.0, label="g arrives", show_value=True)
    mo.hstack([in_x, in_y, in_g], justify="start", wrap=True)
    return in_g, in_x, in_y


@app.cell
def _(figures, in_g, in_x, in_y, mo, np, whose, yours):
    _x, _y, _g = (np.array([v.value]) for v in (in_x, in_y, in_g))
    _rows, _all = [], True
    for _name, _inputs in (("Multiply", (_x, _y)), ("Divide", (_x, _y)), ("Exp", (_x,))):
        _class, _passed = yours(f"4.{_name}")
        _all &= _passed
        _node = _class()
        _z = _node.forward(*_inputs)
        _back = _node.backward(_g)
        _back = _back if isinstance(_back, tuple) else (_back,)
        _rows.append((_name, ", ".join(f"{v[0]:g}" for v in _inputs), f"{_z[0]:.4g}", f"{_g[0]:g}", ", ".join(f"{float(v[0]):.4g}" for v in _back)))
    mo.vstack([figures.table(["node", "inputs", "forward", "arrives", "goes on"], _rows), mo.md(f"*Computed {whose(_all)}.*")])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("4.Multiply"), card("4.AddBias"), card("4.Divide"), card("4.Exp")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## ReLU and sigmoid

        The sigmoid is four nodes in a row, $-x$, $e^{\cdot}$, $1 + \cdot$, $1 / \cdot$. Multiply their slopes and it becomes something short:

        $$\frac{\partial y}{\partial x} = y^2\, e^{-x} = \frac{1}{1 + e^{-x}} \cdot \frac{e^{-x}}{1 + e^{-x}} = y\,(1 - y)$$

        So one node will do, and it need keep only its result. Its slope is at most $\tfrac14$: ten sigmoids in a row leave less than a
        millionth of a gradient, which is why deep networks took to ReLU, whose slope is 1 wherever it is on (chapter 6).
        """
    )
    return


@app.cell
def _(figures, mo, np, whose, yours):
    _x = np.linspace(-5, 5, 200)
    _shown, _all = [], True
    for _name in ("Sigmoid", "ReLU"):
        _class, _passed = yours(f"4.{_name}")
        _all &= _passed
        _layer = _class()
        _y = _layer.forward(_x)
        _slope = _layer.backward(np.ones(200))
        _shown.append((_name, figures.lines(_name, [figures.Curve(_x, _y, "forward", "a"), figures.Curve(_x, _slope, "slope: backward of 1", "b")],
                                            "x", "", y_range=(-0.1, 1.6), height=260)))
    mo.vstack([figures.side_by_side(_shown), mo.md(f"*Drawn {whose(_all)}.*")])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("4.ReLU"), card("4.Sigmoid")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## What must be kept

        Backward needs what forward had in its hands: that is why training takes so much more memory than using a network. In Cutaway
        every operation says in its gradient rule, by the names of the rule's parameters, what it needs: `y` is the result, `a` and `b`
        are inputs, anything else is not kept. This table is read off the running library.
        """
    )
    return


@app.cell
def _(figures):
    from cutaway.core.op import OPS

    _words = {"a": "first input", "b": "second input", "y": "result"}
    _rows = []
    for _name in ("add", "sub", "mul", "div", "exp", "log", "sigmoid", "tanh", "relu", "maximum", "matmul", "sum"):
        _op = OPS.get(_name)
        if _op is not None:
            _kept = {_words[r] for rule in _op.rules if rule for r in rule.reads if r in _words}
            _rows.append((_name, ", ".join(sorted(_kept)) or "nothing"))
    figures.table(["operation", "keeps, until backward"], _rows)
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A whole layer, a whole batch

        $Y = XW + b$ with $N$ rows. A gradient has the shape of what it belongs to, and that nearly decides the formulas:

        $$\frac{\partial L}{\partial X} = G\, W^{\mathsf T} \qquad
          \frac{\partial L}{\partial W} = X^{\mathsf T} G \qquad
          \frac{\partial L}{\partial b} = \sum_n G_n$$

        `[N, M] @ [M, D]` is `[N, D]`, and `[D, N] @ [N, M]` is `[D, M]`: the second product adds up over the batch, and so does the third. All
        rows used the same weights, so every row has its say in their gradient.
        """
    )
    return


@app.cell
def _(mo):
    rows = mo.ui.slider(1, 5, 1, value=2, label="N rows", show_value=True)
    rows
    return (rows,)


@app.cell
def _(figures, mo, np, rows, whose, yours):
    _class, _passed = yours("4.Affine")
    _r = np.random.default_rng(1)
    _x, _w, _b = (_r.integers(-2, 3, s).astype(float) for s in ((rows.value, 3), (3, 2), (2,)))
    _g = _r.integers(-1, 2, (rows.value, 2)).astype(float)
    _layer = _class()
    _y = _layer.forward(_x, _w, _b)
    _gx, _gw, _gb = _layer.backward(_g)
    mo.vstack([
        figures.side_by_side([(n, figures.cells(v)) for n, v in (("x", _x), ("w", _w), ("b", _b), ("y = x w + b", _y))]),
        figures.side_by_side([(n, figures.cells(v)) for n, v in (("g arrives", _g), ("gx = g wᵀ", _gx), ("gw = xᵀ g", _gw), ("gb = sum of g's rows", _gb))]),
        mo.md(f"*Computed {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(card):
    card("4.Affine")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Softmax with its loss

        Softmax's own gradient is a matrix for every row, and the logarithm's is $1/p$, which explodes. Put together, nearly all of it
        cancels, and what is left is the difference between what was said and what is true:

        $$\frac{\partial L}{\partial z_{nc}} = \frac{p_{nc} - [c = t_n]}{N}$$

        Right and sure: almost nothing goes back. Wrong and sure: almost 1. The pair was chosen so (identity with squared error does
        the same, and so does a sigmoid with its own cross-entropy).
        """
    )
    return


@app.cell
def _(mo):
    u1 = mo.ui.slider(-4.0, 4.0, 0.25, value=1.0, label="z₁", show_value=True)
    u2 = mo.ui.slider(-4.0, 4.0, 0.25, value=2.0, label="z₂", show_value=True)
    u3 = mo.ui.slider(-4.0, 4.0, 0.25, value=0.0, label="z₃", show_value=True)
    right = mo.ui.slider(1, 3, 1, value=1, label="right class", show_value=True)
    mo.hstack([u1, u2, u3, right], justify="start", wrap=True)
    return right, u1, u2, u3


@app.cell
def _(figures, mo, np, right, u1, u2, u3, whose, yours):
    _class, _passed = yours("4.SoftmaxLoss")
    _z = np.array([[u1.value, u2.value, u3.value]])
    _layer = _class()
    _loss = _layer.forward(_z, np.array([right.value - 1]))
    _gz = _layer.backward(1.0)[0]
    _p = _gz + np.eye(3)[right.value - 1]
    mo.vstack([
        figures.side_by_side([
            (f"shares, loss {_loss:.3f}", figures.bars("shares", ["class 1", "class 2", "class 3"], _p)),
            ("gradient: share less target", figures.table(["", "share", "target", "gradient"], [
                (f"class {k + 1}", f"{_p[k]:.3f}", str(int(k == right.value - 1)), f"{_gz[k]:+.3f}") for k in range(3)])),
        ]),
        mo.md(f"The gradients add up to 0: what one class gains the others lose. *Computed {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(card):
    card("4.SoftmaxLoss")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Trust, and check

        A backward that is nearly right trains a network nearly well, and nobody notices. So it is compared with chapter 3's slow
        gradient, once, on a few numbers. The two-layer network, its layers from above, all four gradients at once:
        """
    )
    return


@app.cell
def _(figures, mo, np, whose, yours):
    from cutaway.course.ch04_backprop.exercises import net_gradients_spec as _slow

    _fast, _a = yours("4.net_gradients")
    _error, _b = yours("4.gradient_error")
    _r = np.random.default_rng(2)
    _given = (_r.normal(size=(4, 3)), _r.integers(0, 3, 4), _r.normal(size=(3, 5)), _r.normal(size=5), _r.normal(size=(5, 3)), _r.normal(size=3))
    _mine, _true = _fast(*_given), _slow(*_given)
    _broken = tuple(g if k != 1 else g / 4 for k, g in enumerate(_mine))
    mo.vstack([
        figures.table(["gradient", "shape", "relative error", "with gb1 averaged by mistake"], [
            (n, " × ".join(map(str, g.shape)), f"{_error(g, s):.1e}", f"{_error(w, s):.1e}")
            for n, g, s, w in zip(("gw1", "gb1", "gw2", "gb2"), _mine, _true, _broken)]),
        mo.md(f"Cutaway has this as `cutaway.autograd.gradcheck`, which also guesses at the mistake. *Checked {whose(_a and _b)}.*"),
    ])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("4.gradient_error"), card("4.net_gradients")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## How many times faster?

        MNIST's two-layer network, 784-50-10, a batch of 100: all 39,760 slopes, three ways, timed here and now. By trying, a
        few forward passes are timed and multiplied.
        """
    )
    return


@app.cell
def _(F, cutaway, digits, figures, mo, nn, np, whose, yours):
    from time import perf_counter as _clock

    from cutaway.course.ch03_learning.check import net_loss as _net_loss

    _fast, _passed = yours("4.net_gradients")
    (_x, _t), _ = digits()
    _r = np.random.default_rng(0)
    _given = (_x[:100].astype(float), _t[:100], 0.01 * _r.standard_normal((784, 50)), np.zeros(50), 0.01 * _r.standard_normal((50, 10)), np.zeros(10))

    def _best(call, tries=15):
        times = []
        for _ in range(tries):
            began = _clock()
            call()
            times.append(_clock() - began)
        return min(times)

    cutaway.manual_seed(0)
    _net = nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10))
    _bx, _bt = cutaway.tensor(_x[:100]), cutaway.tensor(_t[:100])

    def _both():
        return cutaway.autograd.grad(F.cross_entropy(_net(_bx), _bt), list(_net.parameters()))

    _compiled = cutaway.compile(_both)
    _compiled()
    by_trying, by_hand, by_engine = 79520 * _best(lambda: _net_loss(*_given)), _best(lambda: _fast(*_given)), _best(_compiled)
    mo.vstack([
        figures.bars("time for one gradient", ["by trying", "by your layers, NumPy", "by the library, compiled"],
                     [1000 * v for v in (by_trying, by_hand, by_engine)], "milliseconds, logarithmic", log=True, unit=" ms"),
        mo.md(f"**{by_trying / by_hand:,.0f} times faster**, and {by_trying / by_engine:,.0f} times when compiled. *The second bar {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(mo):
    rounds = mo.ui.slider(0, 6, 1, value=1, label="epochs", show_value=True)
    mo.vstack([mo.md("## The two-layer network again\n\nTrained with those gradients and `p - lr g`, nothing else: no Tensor, no library."), rounds])
    return (rounds,)


@app.cell
def _(digits, figures, mo, np, rounds, whose, yours):
    _gradients, _passed = yours("4.net_gradients")
    (_x, _t), (_u, _v) = digits()
    _r = np.random.default_rng(0)
    _params = [(0.01 * _r.standard_normal((784, 50))).astype(np.float32), np.zeros(50, np.float32),
               (0.01 * _r.standard_normal((50, 10))).astype(np.float32), np.zeros(10, np.float32)]

    def _score(x, t):
        w1, b1, w2, b2 = _params
        return float(((1 / (1 + np.exp(-(x @ w1 + b1))) @ w2 + b2).argmax(1) == t).mean())

    _at, _train, _test = [0], [_score(_x[:5000], _t[:5000])], [_score(_u, _v)]
    for _epoch in range(rounds.value):
        for _k, _rows in enumerate(_r.permutation(60000).reshape(-1, 100)):
            _params = [p - np.float32(0.1) * g for p, g in zip(_params, _gradients(_x[_rows], _t[_rows], *_params))]
        _at.append(600 * (_epoch + 1))
        _train.append(_score(_x[:5000], _t[:5000]))
        _test.append(_score(_u, _v))
    mo.vstack([
        figures.lines("accuracy", [figures.Curve(_at, _train, "training", "b"), figures.Curve(_at, _test, "test", "a"),
                                   figures.Curve(_at, _test, "", "a", dots=True)], "steps", "accuracy", y_range=(0, 1)),
        mo.md(f"Test accuracy {100 * _test[-1]:.2f} %, {whose(_passed)}. After 17 epochs it is 94 %."),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Your layers in the real thing

        `ReLU`, `Sigmoid`, `Affine` and `SoftmaxLoss`, once passed, take the library's place in a real run, with the run folder, the
        report and everything else of `cutaway train`, and so does `sgd` of chapter 3:

        ```bash
        cutaway train mnist-mlp --mine --epochs 2
        ```

        It says which parts are yours, and comes to the library's numbers but for rounding. From Python, `cutaway.use` does it:
        """
    )
    return


@app.cell
def _(F, cutaway, figures, mo, nn, np, whose, yours):
    from cutaway.course.ch04_backprop.check import PLUGS as _PLUGS

    _parts, _all = dict[str, object](), True
    for _plug in _PLUGS:
        _answer, _passed = yours(f"4.{_plug.names[0]}")
        _all &= _passed
        _parts |= _plug.make(_answer)
    _x, _t = cutaway.data.spiral(150, noise=0.1, seed=0)

    def _learn():
        cutaway.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
        optimizer = cutaway.optim.Adam(net.parameters(), lr=0.02)
        losses = []
        for _ in range(150):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(_x), _t)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return net, losses

    with cutaway.use(**_parts) as _used:
        _net, _mine = _learn()
    _, _theirs = _learn()
    assert np.allclose(_mine, _theirs, rtol=1e-2) and _used.calls["linear"] == 300
    with cutaway.no_grad():
        _plane = figures.plane("spiral", lambda p: _net(cutaway.tensor(p).float()).argmax(1), _x, _t, span=(-1.1, 1.1), classes=3)
    _steps = np.arange(150)
    mo.vstack([figures.side_by_side([
        ("learned with the parts of this chapter", _plane),
        ("loss", figures.lines("loss", [figures.Curve(_steps, _theirs, "the library's parts", "soft"), figures.Curve(_steps, _mine, "these parts", "b")], "steps", "loss (nats)")),
    ]), figures.table(["part", "calls"], [(n, str(c)) for n, c in _used.calls.items()]), mo.md(f"*Trained {whose(_all)}.*\n\n*Next: chapter 5, better ways downhill.*")])
    return


if __name__ == "__main__":
    app.run()
