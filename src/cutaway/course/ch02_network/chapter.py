import marimo

app = marimo.App(app_title="2 · Neural network", width="medium")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn
    from cutaway.course.digits import digits, given_weights
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.nn import functional as F

    return F, card, cutaway, digits, figures, given_weights, mo, nn, np, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 2 · Neural network

        In chapter 1 a person chose the weights. A network is to find them itself, and for that three things change. The threshold
        becomes smooth. Neurons come in layers, whole layers at once, as matrix products. And the last layer says something that can be
        compared with a target: a number, a probability, or shares of several classes. Finding the weights is chapter 3; here we
        build what they are found for, and use one that has found them.

        ## Three thresholds

        $$\text{step}(x) = \begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases} \qquad
          \sigma(x) = \frac{1}{1 + e^{-x}} \qquad \mathrm{ReLU}(x) = \max(0, x)$$
        """
    )
    return


@app.cell
def _(mo):
    steep = mo.ui.slider(1, 30, 1, value=1, label="σ(k x): k", show_value=True)
    steep
    return (steep,)


@app.cell
def _(figures, mo, np, steep, whose, yours):
    _step, _a = yours("2.step")
    _sigmoid, _b = yours("2.sigmoid")
    _relu, _c = yours("2.relu")
    _x = np.linspace(-3, 3, 241)
    mo.vstack([
        figures.lines("thresholds", [
            figures.Curve(_x, _step(_x), "step", "soft"),
            figures.Curve(_x, _sigmoid(steep.value * _x), f"sigmoid of {steep.value} x", "a"),
            figures.Curve(_x, _relu(_x), "ReLU", "b"),
        ], "x", "y", y_range=(-0.1, 2.0)),
        mo.md(f"*Drawn {whose(_a and _b and _c)}. A large k makes a step of the sigmoid: large weights do the same.*"),
    ])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("2.step"), card("2.sigmoid"), card("2.relu")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Why smooth?

        To learn is to ask, for each weight: if it were a little larger, would the answer be better? Here is a neuron with one
        input, $x = 1$, and a bias of $-0.6$. Move its weight a little and look at the answer. The step says the same before and after,
        until it jumps: a small change tells nothing. The sigmoid answers every change, however small, and the slope says by how much.
        So does ReLU, where it is on. **A slope that is zero nearly everywhere cannot teach**, and the step's is.
        """
    )
    return


@app.cell
def _(mo):
    weight = mo.ui.slider(-2.0, 3.0, 0.05, value=0.9, label="w", show_value=True)
    nudge = mo.ui.slider(0.05, 0.5, 0.05, value=0.1, label="nudge", show_value=True)
    mo.hstack([weight, nudge], justify="start", wrap=True)
    return nudge, weight


@app.cell
def _(F, cutaway, figures, mo, np, nudge, weight):
    _w = np.linspace(-2, 3, 201)
    _shown, _rows = [], []
    for _name, _f in (("step", F.step), ("sigmoid", F.sigmoid), ("ReLU", F.relu)):
        _here = cutaway.tensor(weight.value, dtype=cutaway.float64, requires_grad=True)
        _y = _f(_here * 1.0 - 0.6)
        (_slope,) = cutaway.autograd.grad(_y, _here)
        _moved = _f(cutaway.tensor(weight.value + nudge.value) - 0.6).item()
        _rows.append((_name, f"{_y.item():.3f}", f"{_moved:.3f}", f"{_moved - _y.item():+.3f}", f"{_slope.item():.3f}"))
        _curve = figures.Curve(_w, _f(cutaway.tensor(_w) - 0.6), _name, "a")
        _spots = figures.Curve([weight.value, weight.value + nudge.value], [_y.item(), _moved], "", "b", dots=True)
        _shown.append((_name, figures.lines(_name, [_curve, _spots], "w", "answer", height=260)))
    mo.vstack([
        figures.side_by_side(_shown),
        figures.table(["", "answer", "after the nudge", "change", "slope (by the library)"], _rows),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Layers are matrix products

        Neuron $m$ of a layer adds up its inputs with its weights. All neurons, for all examples, are one product:

        $$y_{nm} = \sum_k x_{nk}\, w_{km} + b_m \qquad\text{that is}\qquad Y = X W + b$$

        Write the shapes below each other and it cannot go wrong: `x[N, D] @ w[D, M]` needs the same `D` on both sides, and `[N, M]` is
        left. The bias `b[M]` is added to every row.
        """
    )
    return


@app.cell
def _(mo):
    count = mo.ui.slider(1, 5, 1, value=3, label="N examples", show_value=True)
    inputs = mo.ui.slider(1, 5, 1, value=2, label="D inputs", show_value=True)
    neurons = mo.ui.slider(1, 5, 1, value=4, label="M neurons", show_value=True)
    mo.hstack([count, inputs, neurons], justify="start", wrap=True)
    return count, inputs, neurons


@app.cell
def _(count, cutaway, figures, inputs, mo, neurons, np, whose, yours):
    _affine, _passed = yours("2.affine")
    _r = np.random.default_rng(0)
    _x = _r.integers(-2, 3, (count.value, inputs.value)).astype(float)
    _w = _r.integers(-2, 3, (inputs.value, neurons.value)).astype(float)
    _b = _r.integers(-2, 3, neurons.value).astype(float)
    try:
        cutaway.tensor(_x) @ cutaway.tensor(_w.T)
        _said = "With w transposed the product happens to fit here, and means something else."
    except cutaway.ShapeError as _e:
        _said = f"With w transposed Cutaway says: `{_e}`"
    mo.vstack([
        figures.side_by_side([("x", figures.cells(_x)), ("w", figures.cells(_w)), ("b", figures.cells(_b)),
                              ("x @ w + b", figures.cells(_affine(_x, _w, _b)))]),
        mo.md(f"{_said}\n\n*Computed {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(card):
    card("2.affine")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Something must bend

        Two layers with nothing between them are one layer: $(x W_1) W_2 = x (W_1 W_2)$. A hundred such layers can do what one can,
        and no more than chapter 1's single neuron. Put a sigmoid or a ReLU between them and each layer draws with the pieces that
        the one before has made. Below, networks with random weights and one output, over a plane of inputs.
        """
    )
    return


@app.cell
def _(mo):
    layers = mo.ui.slider(1, 6, 1, value=3, label="hidden layers of 16 neurons", show_value=True)
    again = mo.ui.slider(0, 9, 1, value=1, label="other weights", show_value=True)
    mo.hstack([layers, again], justify="start", wrap=True)
    return again, layers


@app.cell
def _(again, cutaway, figures, layers, nn):
    def _net(bend):
        cutaway.manual_seed(again.value)
        parts, width = [], 2
        for _ in range(layers.value):
            _linear = nn.Linear(width, 16)
            nn.init.normal_(_linear.weight, 0.0, 1.4 / width**0.5)
            nn.init.normal_(_linear.bias, 0.0, 0.5)
            parts += [_linear, bend()]
            width = 16
        return nn.Sequential(*parts, nn.Linear(16, 1))

    def _shade(model):
        def decide(places):
            with cutaway.no_grad():
                y = model(cutaway.tensor(places).float()).numpy()[:, 0]
            y = (y - y.mean()) / (y.std() or 1.0)
            return 1 / (1 + cutaway.exp(cutaway.tensor(-2 * y))).numpy()
        return decide

    figures.side_by_side([
        (_name, figures.plane(_name, _shade(_net(_kind)), span=(-3, 3), fine=81))
        for _name, _kind in (("nothing between", nn.Identity), ("sigmoid", nn.Sigmoid), ("ReLU", nn.ReLU))
    ])
    return


@app.cell
def _(card):
    card("2.forward")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## What comes out

        | the question | last layer | what it says |
        |---|---|---|
        | how much? (regression) | identity, $y = z$ | any number |
        | yes or no? | sigmoid, $y = \sigma(z)$ | a probability |
        | which one of C? | softmax, $y_c = e^{z_c} / \sum_i e^{z_i}$ | shares that add up to 1 |

        Softmax leaves the order as it is: the largest $z$ gets the largest share. To *use* a network, `argmax` of $z$ is enough;
        softmax is for learning, which needs to know how sure it was. With two classes it is a sigmoid of the difference.
        """
    )
    return


@app.cell
def _(mo):
    z1 = mo.ui.slider(-4.0, 4.0, 0.1, value=0.3, label="z₁", show_value=True)
    z2 = mo.ui.slider(-4.0, 4.0, 0.1, value=2.9, label="z₂", show_value=True)
    z3 = mo.ui.slider(-4.0, 4.0, 0.1, value=4.0, label="z₃", show_value=True)
    all_by = mo.ui.slider(0, 1000, 10, value=0, label="add to all", show_value=True)
    mo.hstack([z1, z2, z3, all_by], justify="start", wrap=True)
    return all_by, z1, z2, z3


@app.cell
def _(all_by, figures, mo, np, whose, yours, z1, z2, z3):
    _softmax, _passed = yours("2.softmax")
    _z = np.array([[z1.value, z2.value, z3.value]]) + all_by.value
    with np.errstate(all="ignore"):
        _plain = np.exp(_z) / np.exp(_z).sum()
    _safe = _softmax(_z)
    _names = ["class 1", "class 2", "class 3"]
    mo.vstack([
        figures.side_by_side([
            ("softmax, maximum subtracted", figures.bars("softmax", _names, _safe[0])),
            ("softmax as the formula stands", figures.table(["z", "exp(z)", "share"], [
                (f"{v:.1f}", f"{e:.3g}", f"{p:.3g}") for v, e, p in zip(_z[0], np.exp(np.minimum(_z[0], 709.7)) if all_by.value < 706 else [np.inf] * 3, _plain[0])])),
        ]),
        mo.md(rf"""
        $e^z$ is beyond float64 from $z = 710$ on (float32: 89), and infinity by infinity is NaN: move the last slider past 700. Since

        $$\frac{{e^{{z_c}}}}{{\sum_i e^{{z_i}}}} = \frac{{C e^{{z_c}}}}{{C \sum_i e^{{z_i}}}} = \frac{{e^{{z_c + \log C}}}}{{\sum_i e^{{z_i + \log C}}}},$$

        any number may be subtracted from all $z$ first, and with the maximum no exponent is above 0. *Left, computed {whose(_passed)}.*
        """),
    ])
    return


@app.cell
def _(card):
    card("2.softmax")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Reading digits

        MNIST: 28 × 28 pixels, so 784 inputs; 10 outputs, one a digit. Between them 50 and 100 neurons. The weights are given: the
        library found them a moment ago, by what chapters 3 to 5 explain. What remains is what you have written above: products,
        sigmoids, `argmax`.
        """
    )
    return


@app.cell
def _(digits, given_weights):
    (_, (images, labels)) = digits()
    weights = given_weights()
    return images, labels, weights


@app.cell
def _(mo):
    which = mo.ui.slider(0, 199, 1, value=8, label="test image", show_value=True)
    which
    return (which,)


@app.cell
def _(figures, images, labels, mo, weights, which, whose, yours):
    _forward, _a = yours("2.forward")
    _softmax, _b = yours("2.softmax")
    _x = images[which.value : which.value + 1]
    _p = _softmax(_forward(_x, *weights))[0]
    mo.vstack([
        figures.side_by_side([
            (f"a {labels[which.value]}", figures.picture(_x.reshape(28, 28), size=200)),
            (f"read as {_p.argmax()}", figures.bars("shares", [str(k) for k in range(10)], _p)),
        ]),
        figures.table(["layer", "shape", "what it is"], [
            ("x", "1 × 784", "the pixels, 0 to 1"), ("x W₁ + b₁", "1 × 50", "784 · 50 + 50 = 39,250 parameters"),
            ("h₁ W₂ + b₂", "1 × 100", "50 · 100 + 100 = 5,100"), ("h₂ W₃ + b₃", "1 × 10", "100 · 10 + 10 = 1,010"),
        ]),
        mo.md(f"*Read {whose(_a and _b)}.*"),
    ])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("2.accuracy"), card("2.batches")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Batches

        A batch is many examples as the rows of one matrix, `x[100, 784]`, and nothing in the layers changes. It is faster, since a
        product of matrices uses each number that it has fetched many times. Below, 1,000 images
        are read, one at a time, ten, a hundred, a thousand at a time; the best of seven tries counts.
        """
    )
    return


@app.cell
def _(figures, images, labels, mo, np, weights, whose, yours):
    from time import perf_counter

    _forward, _a = yours("2.forward")
    _accuracy, _b = yours("2.accuracy")
    _batches, _c = yours("2.batches")
    _times = {}
    for _size in (1, 10, 100, 1000):
        _tries = []
        for _ in range(7):
            _began = perf_counter()
            for _x in _batches(images[:1000], _size):
                _forward(_x, *weights)
            _tries.append(1000 * (perf_counter() - _began))
        _times[f"{_size} at a time"] = min(_tries)
    _z = np.concatenate([_forward(x, *weights) for x in _batches(images, 100)])
    score = _accuracy(_z, labels)
    _wrong = np.flatnonzero(_z.argmax(1) != labels)[:12]
    mo.vstack([
        mo.md(f"**{100 * score:.2f} % of the 10,000 test images are read right**, {whose(_a and _b and _c)}."),
        figures.side_by_side([
            ("milliseconds for 1,000 images, on this machine, now", figures.bars("time", list(_times), list(_times.values()), unit=" ms")),
            ("misread", figures.pictures([images[k].reshape(28, 28) for k in _wrong],
                                         [f"{labels[k]} as {_z[k].argmax()}" for k in _wrong])),
        ]),
    ])
    return (score,)


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Your part in the real thing

        `cutaway.use` puts a part of yours in the place of the library's. Here a network of the library, with the weights from above,
        reads the test images once more; every `nn.Sigmoid` in it calls your function (or the course's, until yours has passed).
        """
    )
    return


@app.cell
def _(cutaway, images, labels, mo, nn, score, weights, whose, yours):
    _mine, _passed = yours("2.sigmoid")
    _w1, _b1, _w2, _b2, _w3, _b3 = map(cutaway.tensor, weights)
    _net = nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 100), nn.Sigmoid(), nn.Linear(100, 10))
    with cutaway.no_grad():
        for _p, _value in zip(_net.parameters(), (_w1.T, _b1, _w2.T, _b2, _w3.T, _b3)):
            _p.copy_(_value)
        with cutaway.use(sigmoid=cutaway.plug.arrays(_mine, lambda g, x: None)) as _used:
            _z = _net(cutaway.tensor(images))
    _right = (_z.argmax(1).numpy() == labels).mean()
    assert _used.calls["sigmoid"] == 2 and abs(_right - score) < 1e-3
    mo.md(f"**{100 * _right:.2f} % right**, as before. The sigmoid was called {_used.calls['sigmoid']} times, {whose(_passed)}. Chapter 4 writes its backward, and then it can train, too.")
    return


@app.cell
def _(mo):
    mo.md(r"""*Next: chapter 3, where the weights come from.*""")
    return


if __name__ == "__main__":
    app.run()
