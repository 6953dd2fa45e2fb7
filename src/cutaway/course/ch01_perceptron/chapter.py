import marimo

app = marimo.App(app_title="1 · Perceptron", width="medium")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.nn import functional as F

    return F, card, cutaway, figures, mo, nn, np, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 1 · Perceptron

        A perceptron takes some numbers, weighs them, adds them up, and says 1 if the sum is above a threshold, else 0.
        Rosenblatt built one in 1958 out of motors and photocells. Everything in this course is made of it: a modern
        network is this neuron, with a smoother threshold, many million times.

        With inputs $x_1, x_2$, weights $w_1, w_2$ and threshold $\theta$:

        $$y = \begin{cases} 1 & w_1 x_1 + w_2 x_2 > \theta \\ 0 & \text{else} \end{cases}$$

        Bring $\theta$ to the other side and call $b = -\theta$ the **bias**: how ready the neuron is to fire by itself.

        $$y = \begin{cases} 1 & b + w_1 x_1 + w_2 x_2 > 0 \\ 0 & \text{else} \end{cases}$$

        A weight says how much an input counts, and the sign says for or against. The bias says how much it takes.
        """
    )
    return


@app.cell
def _(card):
    card("1.neuron")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Gates by hand

        AND fires if both inputs are 1, OR if at least one is, NAND is AND turned round. Each is a neuron with three well-chosen
        numbers. Choose them: where the sum is 0 there is a straight line, with 1 on one side (orange) and 0 on the other (blue).
        """
    )
    return


@app.cell
def _(mo):
    gate = mo.ui.dropdown(["AND", "NAND", "OR", "XOR"], value="AND", label="gate")
    w1 = mo.ui.slider(-1.0, 1.0, 0.1, value=0.5, label="w₁", show_value=True)
    w2 = mo.ui.slider(-1.0, 1.0, 0.1, value=0.5, label="w₂", show_value=True)
    b = mo.ui.slider(-1.5, 1.5, 0.1, value=-0.2, label="b", show_value=True)
    mo.vstack([gate, mo.hstack([w1, w2, b], justify="start", wrap=True)])
    return b, gate, w1, w2


@app.cell
def _(b, figures, gate, mo, np, w1, w2):
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    tables = {"AND": [0, 0, 0, 1], "NAND": [1, 1, 1, 0], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
    _w = np.array([w1.value, w2.value])
    _target = np.array(tables[gate.value])
    _says = (corners @ _w + b.value > 0).astype(int)
    _plane = figures.plane(gate.value, lambda x: x @ _w + b.value > 0, corners, _target)
    _rows = [
        (f"{int(p)}, {int(q)}", f"{_w[0] * p + _w[1] * q + b.value:+.1f}", str(y), str(t), "" if y == t else "wrong")
        for (p, q), y, t in zip(corners, _says, _target)
    ]
    _right = int((_says == _target).sum())
    mo.vstack([
        figures.side_by_side([
            ("the plane as this neuron sees it; the points are what the gate wants", _plane),
            (f"{_right} of 4 rows right", figures.table(["x₁, x₂", "sum", "neuron", gate.value, ""], _rows)),
        ]),
    ])
    return corners, tables


@app.cell
def _(card, mo):
    mo.vstack([card("1.and_weights"), card("1.nand_weights"), card("1.or_weights")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A rule that finds the numbers

        Turning sliders is work for a machine. Rosenblatt's rule: show the neuron a row, compare its answer $y$ with the target
        $t$, and push the weights in the direction that would have helped.

        $$w \leftarrow w + \eta\,(t - y)\,x \qquad b \leftarrow b + \eta\,(t - y)$$

        If the answer is right, $t - y = 0$ and nothing changes. If it should have fired and did not, the weights of the inputs
        that were on go up; if it fired in vain, they go down. $\eta$ is the **learning rate**. If some line parts the ones from
        the zeros, the rule finds one after finitely many mistakes (Novikoff 1962); if none does, it never settles.
        """
    )
    return


@app.cell
def _(card):
    card("1.learn")
    return


@app.cell
def _(mo):
    which = mo.ui.dropdown(["AND", "NAND", "OR", "XOR"], value="AND", label="learn")
    passes = mo.ui.slider(0, 20, 1, value=0, label="passes over the four rows", show_value=True)
    mo.hstack([which, passes], justify="start", wrap=True)
    return passes, which


@app.cell
def _(corners, figures, mo, np, passes, tables, which, whose, yours):
    _learn, _passed = yours("1.learn")
    _t = np.array(tables[which.value])

    def _errors(epochs):
        w, b = _learn(corners, _t, 0.25, epochs)
        return 4 - int(((corners @ np.asarray(w) + b > 0) == _t).sum())

    _w, _b = _learn(corners, _t, 0.25, passes.value)
    _count = list(range(21))
    mo.vstack([
        figures.side_by_side([
            (f"{which.value} after {passes.value} passes: w = ({_w[0]:g}, {_w[1]:g}), b = {_b:g}",
             figures.plane(which.value, lambda x: x @ np.asarray(_w) + _b > 0, corners, _t)),
            ("rows that are wrong", figures.lines(
                "errors", [figures.Curve(_count, [_errors(n) for n in _count], which.value, "a"),
                           figures.Curve([passes.value], [_errors(passes.value)], "", "b", dots=True)],
                "passes", "wrong rows", y_range=(0, 4), height=280)),
        ]),
        mo.md(f"*Learned {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## XOR cannot be cut by one line

        XOR is 1 if exactly one input is 1. Its ones lie on one diagonal of the square and its zeros on the other, and a straight
        line that has both ends of one diagonal on one side has the middle on that side, too; the same holds for the other
        diagonal, and they share the middle. In numbers: the four rows ask for

        $$b \le 0,\quad w_2 + b > 0,\quad w_1 + b > 0,\quad w_1 + w_2 + b \le 0.$$

        Add the second and the third: $w_1 + w_2 + 2b > 0$. Add the first and the fourth: $w_1 + w_2 + 2b \le 0$. No numbers do both.
        Minsky and Papert wrote a book about such limits in 1969, and for a decade few people worked on perceptrons.

        If you would rather see it fail: here are all neurons with $w_1, w_2$ and $b$ on a grid from -2 to 2, every one of them tried.
        """
    )
    return


@app.cell
def _(card):
    card("1.rows_right")
    return


@app.cell
def _(corners, figures, mo, np, tables, whose, yours):
    _right, _passed = yours("1.rows_right")
    _grid = np.linspace(-2, 2, 17)

    def _search(t):
        found = [_right(corners, np.array(t), np.array([p, q]), c) for p in _grid for q in _grid for c in _grid]
        return [found.count(k) for k in range(5)]

    search = {name: _search(t) for name, t in tables.items()}
    assert search["XOR"][4] == 0 and min(search[n][4] for n in ("AND", "NAND", "OR")) > 0
    mo.vstack([
        figures.table(["gate", *(f"{k} rows right" for k in range(5))],
                      [(n, *(f"{c:,}" for c in counts)) for n, counts in search.items()]),
        mo.md(f"*{sum(search['XOR']):,} neurons each, counted {whose(_passed)}. None of them is XOR: three rows of four is the best.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Two layers can

        What one neuron cannot say, three can. NAND and OR look at the inputs, AND looks at them:

        $$s_1 = \mathrm{NAND}(x_1, x_2) \qquad s_2 = \mathrm{OR}(x_1, x_2) \qquad y = \mathrm{AND}(s_1, s_2)$$

        The first layer draws two lines; the second asks for the strip between them. Move each point to its $(s_1, s_2)$, and one
        line suffices there: **a hidden layer makes a new plane in which the problem is easy**. That is all that depth is for.
        """
    )
    return


@app.cell
def _(corners, figures, mo, np, tables, whose, yours):
    _xor, _passed = yours("1.xor_layers")
    _both = lambda x: ((x @ [-0.5, -0.5] + 0.7 > 0) & (x @ [0.5, 0.5] - 0.2 > 0)).astype(float)
    _hidden = np.array([_xor(int(p), int(q)) for p, q in corners], float)
    mo.vstack([
        figures.side_by_side([
            ("the inputs: two lines, and 1 between them", figures.plane("xor", _both, corners, tables["XOR"])),
            ("the hidden layer: one line is enough (two points fell together)",
             figures.plane("hidden", lambda s: s @ [0.5, 0.5] - 0.7 > 0, _hidden[:, :2], tables["XOR"], names=("s₁", "s₂"))),
            ("all of it", figures.table(["x₁, x₂", "s₁", "s₂", "y"],
                                        [(f"{int(p)}, {int(q)}", *(str(int(v)) for v in h)) for (p, q), h in zip(corners, _hidden)])),
        ]),
        mo.md(f"*Computed {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(card):
    card("1.xor_layers")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## From gates to a computer

        XOR and AND of two bits are their sum and their carry: a **half adder**. Two half adders and an OR add three bits, and a row
        of those adds numbers. NAND alone makes every gate, so a multi-layer perceptron can compute whatever a computer can; the
        question of the other chapters is how it can *learn* to.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("1.half_adder"), card("1.add")])
    return


@app.cell
def _(mo):
    first = mo.ui.slider(0, 15, 1, value=11, label="a", show_value=True)
    second = mo.ui.slider(0, 15, 1, value=6, label="b", show_value=True)
    mo.hstack([first, second], justify="start", wrap=True)
    return first, second


@app.cell
def _(figures, first, mo, second, whose, yours):
    _add, _passed = yours("1.add")
    _a, _b = ([(v.value >> k) & 1 for k in range(4)] for v in (first, second))
    _sum = _add(_a, _b)
    _value = sum(bit << k for k, bit in enumerate(_sum))
    _written = lambda bits: " ".join(str(bit) for bit in bits[::-1])
    mo.vstack([
        figures.table(["", "bits", "number"], [("a", _written(_a), str(first.value)), ("b", _written(_b), str(second.value)),
                                               ("a + b, by neurons", _written(_sum), str(_value))]),
        mo.md(f"*Added {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Let a real network find it

        Weights set by hand do not scale. The same shape as above, two inputs, a hidden layer, one answer, with a smooth threshold
        instead of a step, learns XOR by itself from the four rows. This is Cutaway at work, as it is in the rest of the course:
        why the threshold has to be smooth is chapter 2, what the loss is chapter 3, and what `backward` does chapter 4.
        """
    )
    return


@app.cell
def _(mo):
    hidden = mo.ui.slider(1, 8, 1, value=3, label="hidden neurons", show_value=True)
    steps = mo.ui.slider(0, 400, 20, value=200, label="steps", show_value=True)
    mo.hstack([hidden, steps], justify="start", wrap=True)
    return hidden, steps


@app.cell
def _(F, corners, cutaway, figures, hidden, mo, nn, np, steps, tables):
    cutaway.manual_seed(3)
    net = nn.Sequential(nn.Linear(2, hidden.value), nn.Tanh(), nn.Linear(hidden.value, 1), nn.Sigmoid())
    _optimizer = cutaway.optim.Adam(net.parameters(), lr=0.05)
    _x, _t = cutaway.tensor(corners).float(), cutaway.tensor(tables["XOR"]).float()[:, None]
    _loss = []
    for _ in range(steps.value):
        _optimizer.zero_grad()
        _now = F.binary_cross_entropy(net(_x), _t)
        _now.backward()
        _optimizer.step()
        _loss.append(_now.item())
    with cutaway.no_grad():
        _right = int(((net(_x).numpy() > 0.5) == _t.numpy()).sum())
        _plane = figures.plane("learned", lambda p: net(cutaway.tensor(p).float()), corners, tables["XOR"], fine=61)
    _shown = [("what it has learned", _plane)]
    if _loss:
        _curve = figures.Curve(np.arange(len(_loss)), _loss, "loss", "a")
        _shown.append((f"{_right} of 4 rows right", figures.lines("loss", [_curve], "steps", "loss (nats)", height=280)))
    mo.vstack([figures.side_by_side(_shown), mo.md("With one hidden neuron it cannot, however long it learns: that would be one line again.")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## In the terminal

        `cutaway learn --here` copies the exercises into your folder, `cutaway check 1` judges them, `cutaway learn --progress` shows
        how far you are. `cutaway train gates` trains one network that is AND, OR, NAND or XOR, whichever it is asked for.

        *Next: chapter 2, from thresholds to a network that reads digits.*
        """
    )
    return


if __name__ == "__main__":
    app.run()
