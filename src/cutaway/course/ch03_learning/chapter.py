import marimo

app = marimo.App(app_title="3 · Learning", width="medium")


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
        # 3 · Learning

        A network has thousands of weights, and nobody chooses them. Instead: measure how wrong the network is on examples, ask for
        each weight in which direction that grows, and go a little the other way. The measure is the **loss**, the direction the
        **gradient**, the way down **gradient descent**. The rest of the course makes these three faster and better.

        ## Two kinds of examples

        What is judged must not have been learned from. A network with enough weights can learn its examples by heart and know nothing
        else: **over-fitting**. So some examples are kept back, the *test data*, and count only in the end. Below a polynomial learns
        twelve noisy points of a sine. The more freedom it has, the better it fits what it has seen.
        """
    )
    return


@app.cell
def _(mo):
    degree = mo.ui.slider(0, 11, 1, value=3, label="degree of the polynomial", show_value=True)
    degree
    return (degree,)


@app.cell
def _(cutaway, degree, figures, mo, np):
    def _points(n, seed):
        x, y = cutaway.data.regression(n, noise=0.25, seed=seed)
        return x.numpy().ravel().astype(float), y.numpy().ravel().astype(float)

    _x, _y = _points(12, 4)
    _tx, _ty = _points(200, 8)
    _fit = lambda d: np.linalg.lstsq(np.vander(2 * _x - 1, d + 1), _y, rcond=None)[0]
    _off = lambda w, x, y: float(((np.vander(2 * x - 1, len(w)) @ w - y) ** 2).mean())
    _w = _fit(degree.value)
    _line = np.linspace(_x.min(), _x.max(), 200)
    _degrees = list(range(12))
    _inside = (_tx > _x.min()) & (_tx < _x.max())
    _train = [_off(_fit(d), _x, _y) for d in _degrees]
    _test = [_off(_fit(d), _tx[_inside], _ty[_inside]) for d in _degrees]
    mo.vstack([figures.side_by_side([
        (f"degree {degree.value}: training {_train[degree.value]:.3f}, test {_test[degree.value]:.3f}", figures.lines("fit", [
            figures.Curve(_tx, _ty, "test data", "soft", dots=True),
            figures.Curve(_line, np.vander(2 * _line - 1, len(_w)) @ _w, "what it says", "a"),
            figures.Curve(_x, _y, "training data", "b", dots=True)], "x", "y", y_range=(-2, 2))),
        ("mean squared error against freedom", figures.lines("errors", [
            figures.Curve(_degrees, np.maximum(_train, 1e-4), "training", "b"), figures.Curve(_degrees, _test, "test", "a"),
            figures.Curve([degree.value] * 2, [max(_train[degree.value], 1e-4), _test[degree.value]], "", "soft", dots=True)],
            "degree", "error", log=True)),
    ]), mo.md("Degree 11 goes through all twelve points. Ask it about any other.")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## How wrong?

        For numbers, the **mean squared error**; for classes, the **cross-entropy**, which looks at the share $p$ that the right class got:

        $$\mathrm{MSE} = \frac{1}{ND} \sum_{n,d} (y_{nd} - t_{nd})^2 \qquad
          \mathrm{CE} = -\frac{1}{N} \sum_n \log p_{n,\,t_n}$$

        $-\log p$ is the surprise of seeing what had probability $p$: none at $p = 1$, without bound towards 0. Unlike the squared
        error it punishes certainty that was wrong much harder than doubt.
        """
    )
    return


@app.cell
def _(mo):
    share = mo.ui.slider(0.01, 0.99, 0.01, value=0.6, label="share of the right class", show_value=True)
    share
    return (share,)


@app.cell
def _(figures, mo, np, share, whose, yours):
    _ce, _a = yours("3.cross_entropy")
    _p = np.linspace(0.005, 0.995, 199)
    _losses = lambda p: (_ce(np.array([[p, 1 - p]]), np.array([0])), ((1 - p) ** 2 + (1 - p) ** 2) / 2)
    _curves = np.array([_losses(v) for v in _p])
    _now = _losses(share.value)
    _y1 = np.array([[0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]])
    _y2 = np.array([[0.1, 0.05, 0.1, 0.0, 0.05, 0.1, 0.0, 0.6, 0.0, 0.0]])
    _t = np.eye(10)[[2]]
    _rows = [(n, f"{0.5 * ((y - _t) ** 2).sum():.4f}", f"{_ce(y, np.array([2])):.4f}")
             for n, y in (("0.6 for the 2, which is right", _y1), ("0.6 for the 7", _y2))]
    mo.vstack([figures.side_by_side([
        ("loss of one example against the share of its class", figures.lines("losses", [
            figures.Curve(_p, _curves[:, 0], f"cross-entropy, now {_now[0]:.3f}", "a"),
            figures.Curve(_p, _curves[:, 1], f"squared error, now {_now[1]:.3f}", "b"),
            figures.Curve([share.value] * 2, _now, "", "soft", dots=True)], "share of the right class", "loss")),
        ("the book's example (4.2): ten shares, the answer is 2", figures.table(["", "half the sum of squares", "cross-entropy"], _rows)),
    ]), mo.md(f"*Cross-entropy computed {whose(_a)}.*")])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("3.mse"), card("3.cross_entropy")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Why not accuracy?

        Accuracy is what one wants in the end, so why not climb it directly? Below, one weight of a small classifier is moved, and all
        others stay. The loss answers every movement. The accuracy is a staircase: it says the same until some example changes sides,
        and its slope is 0 wherever it has one. It is the step again, of chapter 2.
        """
    )
    return


@app.cell
def _(mo):
    moved = mo.ui.slider(-4.0, 4.0, 0.1, value=0.0, label="the weight is moved by", show_value=True)
    moved
    return (moved,)


@app.cell
def _(F, cutaway, figures, moved, nn):
    cutaway.manual_seed(5)
    _x, _t = cutaway.data.moons(60, noise=0.25, seed=1)
    _net = nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 2))
    _optimizer = cutaway.optim.Adam(_net.parameters(), lr=0.1)
    for _ in range(40):
        _optimizer.zero_grad()
        F.cross_entropy(_net(_x), _t).backward()
        _optimizer.step()
    _kept = _net[2].weight[0, 0].item()

    def _both(by):
        with cutaway.no_grad():
            _net[2].weight[0, 0] = _kept + by
            z = _net(_x)
            return F.cross_entropy(z, _t).item(), (z.argmax(1) == _t).float().mean().item()

    _by = [k / 25 - 4 for k in range(201)]
    _found = [_both(v) for v in _by]
    _now = _both(moved.value)
    figures.side_by_side([
        (f"loss: {_now[0]:.3f}", figures.lines("loss", [
            figures.Curve(_by, [f[0] for f in _found], "cross-entropy", "a"),
            figures.Curve([moved.value], [_now[0]], "", "b", dots=True)], "weight moved by", "loss", height=260)),
        (f"accuracy: {_now[1]:.3f}", figures.lines("accuracy", [
            figures.Curve(_by, [f[1] for f in _found], "accuracy", "c"),
            figures.Curve([moved.value], [_now[1]], "", "b", dots=True)], "weight moved by", "accuracy", height=260)),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Slopes, by trying

        The derivative is how much $f$ grows for each unit that $x$ grows, in the limit of small steps. On a computer one cannot go to
        the limit: with a step of $10^{-50}$ nothing changes at all, since $x + h$ is $x$. And a difference to one side is off by
        $\tfrac{h}{2} f''$, while both sides together, the **central difference**, are off by only $\tfrac{h^2}{6} f'''$:

        $$f'(x) \approx \frac{f(x + h) - f(x - h)}{2h}$$

        $f(x) = 0.01 x^2 + 0.1 x$, the book's example, has slope $0.02 x + 0.1$: 0.2 at 5 and 0.3 at 10.
        """
    )
    return


@app.cell
def _(mo):
    place = mo.ui.slider(0.0, 20.0, 0.5, value=5.0, label="x", show_value=True)
    power = mo.ui.slider(-15, 0, 1, value=-4, label="h = 10 to the", show_value=True)
    mo.hstack([place, power], justify="start", wrap=True)
    return place, power


@app.cell
def _(figures, mo, np, place, power, whose, yours):
    _derivative, _passed = yours("3.derivative")
    _f = lambda x: 0.01 * x**2 + 0.1 * x
    _x, _here = np.linspace(0, 20, 101), place.value
    _slope = _derivative(_f, _here)
    _true, _h = 0.02 * _here + 0.1, 10.0**power.value
    _one = lambda h: (_f(_here + h) - _f(_here)) / h
    _two = lambda h: (_f(_here + h) - _f(_here - h)) / (2 * h)
    _hs = np.arange(-15, 1.0)
    _off = lambda g: [max(abs(g(10.0**k) - _true), 1e-17) for k in _hs]
    mo.vstack([figures.side_by_side([
        (f"slope at {_here:g}, your way: {_slope:.13f}" if _passed else f"slope at {_here:g}: {_slope:.13f}", figures.lines("tangent", [
            figures.Curve(_x, _f(_x), "f", "a"), figures.Curve(_x, _f(_here) + _slope * (_x - _here), "tangent", "b"),
            figures.Curve([_here], [_f(_here)], "", "b", dots=True)], "x", "f(x)", y_range=(-1, 6))),
        (f"error with h = {_h:g}: one side {abs(_one(_h) - _true):.1e}, both {abs(_two(_h) - _true):.1e}", figures.lines("error", [
            figures.Curve(_hs, _off(_one), "to one side", "c"), figures.Curve(_hs, _off(_two), "central", "a"),
            figures.Curve([power.value] * 2, [max(abs(_one(_h) - _true), 1e-17), max(abs(_two(_h) - _true), 1e-17)], "", "b", dots=True)],
            "h, power of ten", "error", log=True)),
    ]), mo.md(f"From the right the error falls with h; then rounding takes over, as two nearly equal numbers are subtracted. *Slope {whose(_passed)}.*")])
    return


@app.cell
def _(card):
    card("3.derivative")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## The gradient

        A function of several numbers has a slope for each of them, the others held still: the **partial derivatives**. All of them
        together are the **gradient**, a vector that points where the function grows fastest. The arrows below are its negative, for

        $$f(x_0, x_1) = x_0^2 + x_1^2, \qquad \nabla f = (2 x_0,\; 2 x_1).$$

        ## Gradient descent

        Stand somewhere, ask for the gradient, go against it by $\eta$ times its length, ask again: $x \leftarrow x - \eta \nabla f(x)$. Too
        small an $\eta$ goes nowhere; too large a one jumps over the valley, and higher on the other side.
        """
    )
    return


@app.cell
def _(mo):
    rate = mo.ui.slider(steps=[1e-10, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 0.99, 1.0, 1.01, 1.1, 10.0], value=0.1, label="η", show_value=True)
    steps = mo.ui.slider(0, 100, 1, value=20, label="steps", show_value=True)
    shape = mo.ui.slider(1, 20, 1, value=1, label="f = x₀² + k x₁²: k", show_value=True)
    mo.hstack([rate, steps, shape], justify="start", wrap=True)
    return rate, shape, steps


@app.cell
def _(figures, mo, np, rate, shape, steps, whose, yours):
    _descend, _a = yours("3.descend")
    _gradient, _b = yours("3.gradient")
    _k = np.array([1.0, float(shape.value)])
    _f = lambda x: float((_k * x**2).sum())
    _grad = lambda x: _gradient(_f, x)
    with np.errstate(all="ignore"):
        _path = np.array([_descend(_grad, np.array([-3.0, 4.0]), rate.value, n) for n in range(min(steps.value, 100) + 1)])
    _end = _path[-1]
    mo.vstack([figures.side_by_side([
        ("the way, and arrows downhill", figures.contour(
            "descent", lambda a, b: a**2 + shape.value * b**2, [figures.Curve(_path[:, 0], _path[:, 1], f"{steps.value} steps", "b")],
            x_range=(-5, 5), y_range=(-5, 5), arrows=lambda a, b: (-2 * a, -2 * shape.value * b), names=("x₀", "x₁"))),
        (f"ends at ({_end[0]:.3g}, {_end[1]:.3g})", figures.lines(
            "height", [figures.Curve(np.arange(len(_path)), [max(_f(p), 1e-25) for p in _path], "f", "a")], "step", "f", log=True)
            if len(_path) > 1 and np.isfinite(_path).all() else "no step, or out of all bounds"),
    ]), mo.md(f"From (-3, 4) with η = 0.1, a hundred steps end within 10⁻⁹ of the bottom (the book: -6.1e-10, 8.1e-10). η = 10 flies off to "
              f"10¹³ and more; η = 10⁻¹⁰ has hardly moved. On a narrow valley (k = 20) no η suits both directions: chapter 5. *Computed {whose(_a and _b)}.*")])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("3.gradient"), card("3.descend")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Learning, in four steps

        1. **Mini-batch**: choose some of the training examples by chance; the loss on them stands for the loss on all.
        2. **Gradient** of that loss, for every weight and bias.
        3. **Update**: every parameter a little against its gradient.
        4. Again from 1.

        Chance makes it *stochastic* gradient descent, SGD. Here are all four with nothing but this chapter: the two-layer network, its
        gradients by trying, two values for each parameter and step. The problem is three spiral arms; the network has 2 inputs, 12
        hidden neurons and 3 outputs, 75 parameters.
        """
    )
    return


@app.cell
def _(mo):
    go = mo.ui.slider(0, 600, 50, value=200, label="steps", show_value=True)
    eta = mo.ui.slider(steps=[0.1, 0.3, 1.0, 3.0, 10.0], value=3.0, label="η", show_value=True)
    mo.hstack([go, eta], justify="start", wrap=True)
    return eta, go


@app.cell
def _(cutaway, eta, figures, go, mo, np, whose, yours):
    from time import perf_counter as _clock

    _names = ("3.minibatch", "3.net_loss", "3.gradient", "3.sgd")
    (_minibatch, _a), (_net_loss, _b), (_gradient, _c), (_sgd, _d) = map(yours, _names)
    _x, _t = (v.numpy() for v in cutaway.data.spiral(150, noise=0.1, seed=0))
    _x = _x.astype(float)
    _rng = np.random.default_rng(1)
    _params = [_rng.normal(0, 1, (2, 12)), np.zeros(12), _rng.normal(0, 1, (12, 3)), np.zeros(3)]
    _losses, _began = [], _clock()
    for _ in range(go.value):
        _bx, _bt = _minibatch(_x, _t, 30, _rng)                                              # 1
        _grads = [_gradient(lambda v, i=i: _net_loss(_bx, _bt, *_params[:i], v, *_params[i + 1 :]), p)
                  for i, p in enumerate(_params)]                                             # 2
        _params = [_sgd(p, g, eta.value) for p, g in zip(_params, _grads)]                    # 3
        _losses.append(_net_loss(_bx, _bt, *_params))
    slow = (_clock() - _began) / max(go.value, 1)

    def _decide(places):
        h = 1 / (1 + np.exp(-(places @ _params[0] + _params[1])))
        return (h @ _params[2] + _params[3]).argmax(1)

    _right = (_decide(_x) == _t).mean()
    _line = figures.lines("loss", [figures.Curve(range(len(_losses)), _losses, "loss on the mini-batch", "a")], "steps", "loss (nats)") if _losses else ""
    mo.vstack([figures.side_by_side([
        (f"{100 * _right:.0f} % of the points right", figures.plane("spiral", _decide, _x, _t, span=(-1.1, 1.1), classes=3)),
        (f"{1000 * slow:.1f} ms a step", _line)]),
        mo.md(f"*Learned {whose(_a and _b and _c and _d)}.*")])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("3.sgd"), card("3.minibatch"), card("3.net_loss")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## MNIST, if one can wait

        The book's network for digits has 784 inputs, 50 hidden neurons and 10 outputs: 39,760 parameters, and so 79,520 forward passes
        for one step by trying. Here some of them are timed, on this machine, and the whole is reckoned from them.
        """
    )
    return


@app.cell
def _(digits, figures, mo, np, yours):
    from time import perf_counter as _clock

    _net_loss, _ = yours("3.net_loss")
    (_x, _t), _ = digits()
    _rng = np.random.default_rng(0)
    _w1, _b1 = 0.01 * _rng.standard_normal((784, 50)), np.zeros(50)
    _w2, _b2 = 0.01 * _rng.standard_normal((50, 10)), np.zeros(10)
    _bx = _x[:100].astype(float)
    _times = []
    for _ in range(20):
        _began = _clock()
        _net_loss(_bx, _t[:100], _w1, _b1, _w2, _b2)
        _times.append(_clock() - _began)
    forward = float(np.median(_times))
    mo.vstack([figures.table(["what", "time"], [
        ("one forward pass of a batch of 100", f"{1e3 * forward:.2f} ms"),
        ("one step: 2 · 39,760 passes", f"{79520 * forward:.0f} s"),
        ("an epoch: 600 steps", f"{79520 * 600 * forward / 3600:.0f} hours"),
        ("the book's 10,000 steps", f"{79520 * 10000 * forward / 86400:.1f} days"),
    ]), mo.md("Chapter 4 gets the same gradients, exactly, for about the price of two more passes, whatever the number of parameters.")])
    return


@app.cell
def _(mo):
    epochs = mo.ui.slider(1, 8, 1, value=2, label="epochs", show_value=True)
    how = mo.ui.slider(steps=[0.01, 0.03, 0.1, 0.3, 1.0], value=0.1, label="η", show_value=True)
    mo.vstack([
        mo.md("And this is the same network, on all 60,000 digits, with the library's gradients: mini-batches of 100, plain SGD."),
        mo.hstack([epochs, how], justify="start", wrap=True),
    ])
    return epochs, how


@app.cell
def _(F, cutaway, digits, epochs, figures, how, mo, nn, np, whose, yours):
    _sgd, _passed = yours("3.sgd")
    (_x, _t), (_u, _v) = digits()
    cutaway.manual_seed(0)
    _net = nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10))
    nn.init.apply_(_net, "0.01")
    _optimizer = cutaway.plug.rule(_sgd)(_net.parameters(), lr=how.value)

    def _step(x, t):
        _optimizer.zero_grad()
        loss = F.cross_entropy(_net(x), t)
        loss.backward()
        _optimizer.step()
        return loss

    _fast = cutaway.compile(_step)
    _losses, _at, _train, _test = [], [], [], []

    def _score(x, t):
        with cutaway.no_grad():
            return float((_net(cutaway.from_numpy(x)).argmax(1).numpy() == t).mean())

    for _epoch in range(epochs.value + 1):
        _at.append(600 * _epoch)
        _train.append(_score(_x[:5000], _t[:5000]))
        _test.append(_score(_u, _v))
        if _epoch == epochs.value:
            break
        for _rows in cutaway.randperm(60000).numpy().reshape(-1, 100):
            _losses.append(_fast(cutaway.from_numpy(_x[_rows]), cutaway.from_numpy(_t[_rows])).item())
    _mean = np.array(_losses).reshape(-1, 20).mean(1)
    mo.vstack([figures.side_by_side([
        ("loss on the mini-batches", figures.lines("loss", [figures.Curve(20 * np.arange(len(_mean)), _mean, "mean of 20", "a")], "steps", "loss (nats)")),
        (f"test accuracy {100 * _test[-1]:.2f} %", figures.lines("accuracy", [
            figures.Curve(_at, _train, "training", "b"), figures.Curve(_at, _test, "test", "a"), figures.Curve(_at, _test, "", "a", dots=True)],
            "steps", "accuracy", y_range=(0, 1))),
    ]), mo.md(f"Training and test go together: no over-fitting here. Seventeen epochs, as in the book, reach 94 to 95 %: `cutaway train mnist-mlp`. "
              f"*Each step taken {whose(_passed)}.* With yours passed, `cutaway train mnist-mlp --mine` uses it, too.\n\n*Next: chapter 4, gradients without waiting.*")])
    return


if __name__ == "__main__":
    app.run()
