import marimo

app = marimo.App(app_title="5 · Optimisers", width="medium")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn, optim
    from cutaway.course.ch05_optimisers.problems import BOOK, PROBLEMS, RATES, VALLEY, race
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.data import mnist
    from cutaway.nn import functional as F
    from cutaway.plug import rule

    return BOOK, F, PROBLEMS, RATES, VALLEY, card, cutaway, figures, mnist, mo, nn, np, optim, race, rule, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 5 · Optimisers

        Back-propagation says which way is down. How far to go, and whether to follow the slope of this place alone, is the
        business of the **optimiser**: a rule that takes a parameter $p$ and its gradient $g = \partial L / \partial p$ and gives
        the next $p$. The rules of this chapter are a line or two each. They differ in what they *remember*.

        | rule | remembers | step |
        |---|---|---|
        | SGD | nothing | $p \leftarrow p - \eta\, g$ |
        | Momentum | a velocity $v$ | $v \leftarrow \mu v - \eta\, g, \quad p \leftarrow p + v$ |
        | Nesterov | a velocity $v$ | $v \leftarrow \mu v - \eta\, g, \quad p \leftarrow p + \mu v - \eta\, g$ |
        | AdaGrad | all squares $h$ | $h \leftarrow h + g^2, \quad p \leftarrow p - \eta\, g / \sqrt{h}$ |
        | RMSprop | recent squares $h$ | $h \leftarrow \rho h + (1 - \rho) g^2, \quad p \leftarrow p - \eta\, g / \sqrt{h}$ |
        | Adam | recent gradients $m$, recent squares $v$ | $p \leftarrow p - \eta\, \hat m / \sqrt{\hat v}$ |

        No rule is the best. At the end of the chapter six problems are run, and each rule wins one of them.

        ## Down the slope, in a zigzag

        Stochastic gradient descent (Robbins and Monro 1951) is the first line of the table; *stochastic* because $g$ is the
        gradient of a random batch. Take the height $f(x, y) = \tfrac{1}{20} x^2 + y^2$, a valley along $x$. Its gradient
        $(\tfrac{1}{10} x, 2 y)$ points mostly *across* the valley: twenty times as much curvature in $y$ as in $x$. The arrows point downhill,
        and hardly any of them points at the lowest place.
        """
    )
    return


@app.cell
def _(figures, mo):
    _far = figures.contour("downhill", lambda x, y: x**2 / 20 + y**2, arrows=lambda x, y: (-x / 10, -2 * y), y_range=(-5, 5))
    mo.vstack([figures.side_by_side([("height, and the way down", _far)])])
    return


@app.cell
def _(card):
    card("5.sgd")
    return


@app.cell
def _(np, race, yours):
    sgd, sgd_is_mine = yours("5.sgd")
    momentum, momentum_is_mine = yours("5.momentum")
    nesterov, nesterov_is_mine = yours("5.nesterov")
    adagrad, adagrad_is_mine = yours("5.adagrad")
    rmsprop, rmsprop_is_mine = yours("5.rmsprop")
    adam, adam_is_mine = yours("5.adam")
    # name -> the rule as (p, g, *memory, lr, t), how many arrays it remembers, the colour it has in this chapter
    rules = {
        "SGD": (lambda p, g, lr, t: (sgd(p, g, lr),), 0, "a"),
        "Momentum": (lambda p, g, v, lr, t: momentum(p, g, v, lr, 0.9), 1, "b"),
        "Nesterov": (lambda p, g, v, lr, t: nesterov(p, g, v, lr, 0.9), 1, "c"),
        "AdaGrad": (lambda p, g, h, lr, t: adagrad(p, g, h, lr), 1, "d"),
        "RMSprop": (lambda p, g, h, lr, t: rmsprop(p, g, h, lr, 0.9), 1, "e"),
        "Adam": (lambda p, g, m, v, lr, t: adam(p, g, m, v, lr, 0.9, 0.999, t), 2, "f"),
    }
    own = sum([sgd_is_mine, momentum_is_mine, nesterov_is_mine, adagrad_is_mine, rmsprop_is_mine, adam_is_mine])

    def walk(name_or_rule, problem, lr, steps):
        """Places[steps + 1, 2] of one walk."""
        f, memory = rules[name_or_rule][:2] if isinstance(name_or_rule, str) else (name_or_rule, 1)
        return race(f, memory, problem._replace(steps=steps), np.array([lr])).path[:, 0, 0]

    return momentum, momentum_is_mine, own, rmsprop, rules, sgd_is_mine, walk


@app.cell
def _(mo):
    descent_rate = mo.ui.slider(0.05, 1.05, 0.05, value=0.9, label="learning rate η", show_value=True)
    descent_steps = mo.ui.slider(0, 60, 1, value=30, label="steps", show_value=True)
    mo.hstack([descent_rate, descent_steps], justify="start", wrap=True)
    return descent_rate, descent_steps


@app.cell
def _(BOOK, descent_rate, descent_steps, figures, mo, np, sgd_is_mine, walk, whose):
    _path = walk("SGD", BOOK, descent_rate.value, descent_steps.value)
    _end = float(BOOK.height(_path[-1], 0))
    _eta = np.linspace(0, 1.1, 111)
    _now = descent_rate.value
    valley = lambda x, y: x**2 / 20 + y**2
    mo.vstack([
        figures.side_by_side([
            (f"after {descent_steps.value} steps at height {_end:.3g}", figures.contour(
                "descent", valley, [figures.Curve(_path[:, 0], _path[:, 1], "SGD", "a")], x_range=(-8, 8), y_range=(-4, 4))),
            ("what a step multiplies each coordinate by, in size", figures.lines(
                "factors", [figures.Curve(_eta, abs(1 - 0.1 * _eta), "x: |1 - 0.1 η|", "c"),
                            figures.Curve(_eta, abs(1 - 2 * _eta), "y: |1 - 2 η|", "b"),
                            figures.Curve([_now, _now], [abs(1 - 0.1 * _now), abs(1 - 2 * _now)], "now", "soft", dots=True)],
                "learning rate η", "factor", y_range=(0, 1.2))),
        ]),
        mo.md(
            f"""
            *Walked {whose(sgd_is_mine)}.* Above η = 0.5 a step in y overshoots the bottom: a zigzag. Above η = 1 the factor of y is larger
            than 1, and the walk leaves the valley. The factor of x is near 1 all the while: what the steep direction bears is too
            little for the flat one. The ratio of the two curvatures, here 20, is called the **condition number**; the larger it is, the
            longer descent takes.
            """
        ),
    ])
    return (valley,)


@app.cell
def _(card):
    card("5.largest_rate")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Momentum: a ball, not a walker

        Give the point a velocity. Each step pushes it downhill and takes some of it away as friction (Polyak 1964):

        $$v \leftarrow \mu\, v - \eta\, g, \qquad p \leftarrow p + v$$

        Across the valley pushes change their sign and cancel; along it they add up. A constant slope $g$ brings $v$ to
        $-\eta g\,(1 + \mu + \mu^2 + \cdots) = -\eta g / (1 - \mu)$: with $\mu = 0.9$ ten times the step of SGD. It also bears more: on
        curvature $c$ SGD flies off above $\eta = 2/c$, momentum above $2 (1 + \mu) / c$.

        Move $\mu$: at 0 it is SGD, at 0.9 it rolls, at 0.99 it rolls on and on.
        """
    )
    return


@app.cell
def _(card):
    card("5.momentum")
    return


@app.cell
def _(mo):
    friction = mo.ui.slider(0.0, 0.99, 0.03, value=0.9, label="momentum μ", show_value=True)
    rolling_rate = mo.ui.slider(0.02, 1.0, 0.02, value=0.1, label="learning rate η", show_value=True)
    mo.hstack([friction, rolling_rate], justify="start", wrap=True)
    return friction, rolling_rate


@app.cell
def _(BOOK, figures, friction, mo, momentum, momentum_is_mine, np, rolling_rate, valley, walk, whose):
    _roll = lambda p, g, v, lr, t: momentum(p, g, v, lr, friction.value)
    _rolled, _walked = walk(_roll, BOOK, rolling_rate.value, 60), walk("SGD", BOOK, rolling_rate.value, 60)
    _steps = np.arange(61)
    mo.vstack([
        figures.side_by_side([
            ("60 steps at the same learning rate", figures.contour(
                "momentum", valley, [figures.Curve(_walked[:, 0], _walked[:, 1], "SGD", "a"),
                                     figures.Curve(_rolled[:, 0], _rolled[:, 1], f"Momentum, μ = {friction.value:g}", "b")],
                x_range=(-8, 8), y_range=(-4, 4))),
            ("height, on a logarithmic axis", figures.lines(
                "height", [figures.Curve(_steps, BOOK.height(_walked, 0), "SGD", "a"),
                           figures.Curve(_steps, BOOK.height(_rolled, 0), "Momentum", "b")],
                "steps", "height", log=True, y_range=(1e-6, 100))),
        ]),
        mo.md(f"*Rolled {whose(momentum_is_mine)}.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Nesterov: look where you are going

        The velocity will carry the point to $p + \mu v$ whatever the slope here is. So take the slope *there* (Nesterov 1983; in this
        form Sutskever and others 2013):

        $$v \leftarrow \mu\, v - \eta\, \nabla f(p + \mu v), \qquad p \leftarrow p + v$$

        A ball that is about to run up the other side brakes before it gets there. The gradient at another place is awkward in a
        training loop, so one follows $q = p + \mu v$, the place looked at, instead of $p$. Put $p = q - \mu v$ into the two lines:

        $$v_{new} = \mu\, v - \eta\, \nabla f(q), \qquad q_{new} = p_{new} + \mu\, v_{new} = q - \mu v + v_{new} + \mu\, v_{new} = q + \mu\, v_{new} - \eta\, \nabla f(q)$$

        and with the name $p$ for $q$ that is the rule. In the valley below, which is 100 times steeper across than along and does not
        lie along an axis, look at the swings: they die out sooner.
        """
    )
    return


@app.cell
def _(card):
    card("5.nesterov")
    return


@app.cell
def _(mo):
    ahead_rate = mo.ui.slider(0.02, 0.6, 0.02, value=0.2, label="learning rate η", show_value=True)
    ahead_rate
    return (ahead_rate,)


@app.cell
def _(VALLEY, ahead_rate, figures, np, walk):
    _walks = {name: walk(name, VALLEY, ahead_rate.value, 60) for name in ("SGD", "Momentum", "Nesterov")}
    _kinds = dict(zip(_walks, "abc"))
    _steps = np.arange(61)
    figures.side_by_side([
        ("60 steps in the slanting valley", figures.contour(
            "nesterov", lambda x, y: VALLEY.height(np.stack([x, y], -1), 0),
            [figures.Curve(w[:, 0], w[:, 1], n, _kinds[n]) for n, w in _walks.items()], x_range=(-11, 9), y_range=(-7, 9))),
        ("height, on a logarithmic axis", figures.lines(
            "height", [figures.Curve(_steps, VALLEY.height(w, 0), n, _kinds[n]) for n, w in _walks.items()],
            "steps", "height", log=True, y_range=(1e-6, 100))),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## AdaGrad: a learning rate for each element

        In a network some weights see large gradients and some see one rarely. AdaGrad (Duchi, Hazan and Singer 2011) divides each
        element's step by the root of all the squares it has seen:

        $$h \leftarrow h + g^2, \qquad p \leftarrow p - \eta\, \frac{g}{\sqrt{h} + \epsilon}$$

        The first step is $\eta\, g / |g|$: of size $\eta$, however steep it is. What has been steep goes carefully, what has been flat goes
        far. Multiply the loss by a million, and nothing changes. But $h$ only grows: after $t$ steps of equal gradients the step is
        $\eta / \sqrt t$. This is what one wants against noise, and the end of all learning if the land changes.

        ## RMSprop: forget

        Let $h$ be an average over recent steps (Tieleman and Hinton 2012); $\rho = 0.9$ remembers about ten:

        $$h \leftarrow \rho\, h + (1 - \rho)\, g^2, \qquad p \leftarrow p - \eta\, \frac{g}{\sqrt{h} + \epsilon}$$

        Where gradients keep their size a step is about $\eta$ long, however small they are: on a plain it does not slow down.
        The right figure shows each element's own learning rate, $\eta / (\sqrt h + \epsilon)$: AdaGrad's only falls, RMSprop's rises again
        as the gradients get smaller. Move $\rho$ towards 1, where it forgets less.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("5.adagrad"), card("5.rmsprop")])
    return


@app.cell
def _(mo):
    own_rate = mo.ui.slider(0.1, 3.0, 0.1, value=0.5, label="learning rate η of both", show_value=True)
    forget = mo.ui.slider(0.5, 0.99, 0.01, value=0.9, label="ρ of RMSprop", show_value=True)
    mo.hstack([own_rate, forget], justify="start", wrap=True)
    return forget, own_rate


@app.cell
def _(BOOK, figures, forget, np, own_rate, rmsprop, valley, walk):
    _eta, _rho = own_rate.value, forget.value
    _grad = walk("AdaGrad", BOOK, _eta, 40)
    _rms = walk(lambda p, g, h, lr, t: rmsprop(p, g, h, lr, _rho), BOOK, _eta, 40)
    _curvature = np.array([0.1, 2.0])
    _all = np.cumsum((_curvature * _grad) ** 2, 0)
    _recent = [np.zeros(2)]
    for _place in _rms:
        _recent.append(_rho * _recent[-1] + (1 - _rho) * (_curvature * _place) ** 2)
    _recent = np.array(_recent[1:])
    _steps = np.arange(1, 42)
    _own = lambda h: _eta / (np.sqrt(h) + 1e-8)
    figures.side_by_side([
        ("40 steps in the book's valley", figures.contour(
            "own rates", valley, [figures.Curve(_grad[:, 0], _grad[:, 1], "AdaGrad", "d"),
                                  figures.Curve(_rms[:, 0], _rms[:, 1], "RMSprop", "e")], x_range=(-8, 8), y_range=(-4, 4))),
        ("the learning rate of x and of y, logarithmic", figures.lines(
            "rates", [figures.Curve(_steps, _own(_all[:, 0]), "AdaGrad, x", "d"), figures.Curve(_steps, _own(_all[:, 1]), "AdaGrad, y", "b"),
                      figures.Curve(_steps, _own(_recent[:, 0]), "RMSprop, x", "e"), figures.Curve(_steps, _own(_recent[:, 1]), "RMSprop, y", "c")],
            "step", "own rate", log=True, y_range=(0.02, 1000))),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Adam: both, made fair

        Adam (Kingma and Ba 2015) averages the gradients, as momentum does, and their squares, as RMSprop does:

        $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2.$$

        Both begin at 0, so at first both are too small. After $t$ steps $m = (1 - \beta_1) \sum_{k=1}^{t} \beta_1^{t-k} g_k$, and those
        weights add up to $(1 - \beta_1)(1 + \beta_1 + \cdots + \beta_1^{t-1}) = 1 - \beta_1^t$ and not to 1. Divide by that:

        $$\hat m = \frac{m}{1 - \beta_1^t}, \qquad \hat v = \frac{v}{1 - \beta_2^t}, \qquad p \leftarrow p - \eta\, \frac{\hat m}{\sqrt{\hat v} + \epsilon}.$$

        With $\beta_2 = 0.999$ the average $v$ is a thousandth of what it should be in the first step. Uncorrected, steps would be
        $0.1 / \sqrt{0.001} \approx 3$ times too long just when nothing is known yet.
        """
    )
    return


@app.cell
def _(card):
    card("5.averages")
    return


@app.cell
def _(mo):
    beta = mo.ui.slider(0.5, 0.99, 0.01, value=0.9, label="β", show_value=True)
    beta
    return (beta,)


@app.cell
def _(beta, figures, mo, np, whose, yours):
    _averages, _passed = yours("5.averages")
    _steps = np.arange(1, 81)
    _seen = 1 + 0.5 * np.random.default_rng(0).normal(size=80)
    _plain, _fair = _averages(_seen, beta.value)
    mo.vstack([
        figures.side_by_side([
            ("numbers around 1, and their moving average", figures.lines(
                "averages", [figures.Curve(_steps, _seen, "numbers", "soft", dots=True), figures.Curve(_steps, _plain, "m, from 0", "b"),
                             figures.Curve(_steps, _fair, "made fair", "a")], "step", "value")),
            ("the weights' sum, 1 - βᵗ", figures.lines(
                "weights", [figures.Curve(_steps, 1 - beta.value**_steps, "", "c")], "step", "sum", y_range=(0, 1.05))),
        ]),
        mo.md(f"*Averaged {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(card):
    card("5.adam")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Six paths

        The valley of the beginning again, from $(-7, 2)$, each rule with a learning rate that suits it. SGD swings from side to side,
        momentum draws a wide bend, Nesterov cuts it short, AdaGrad goes nearly straight, RMSprop keeps its pace, Adam bends and
        comes back.
        """
    )
    return


@app.cell
def _(mo):
    six_steps = mo.ui.slider(1, 60, 1, value=30, label="steps", show_value=True)
    six_steps
    return (six_steps,)


@app.cell
def _(BOOK, figures, mo, own, rules, six_steps, valley, walk):
    _rates = {"SGD": 0.95, "Momentum": 0.1, "Nesterov": 0.1, "AdaGrad": 1.5, "RMSprop": 0.3, "Adam": 0.3}
    _drawn = []
    for _name, _lr in _rates.items():
        _path = walk(_name, BOOK, _lr, six_steps.value)
        _drawn.append((f"{_name}, η = {_lr:g}: height {float(BOOK.height(_path[-1], 0)):.2g}", figures.contour(
            _name, valley, [figures.Curve(_path[:, 0], _path[:, 1], "", rules[_name][2])], x_range=(-10, 10), y_range=(-5, 5))))
    mo.vstack([figures.side_by_side(_drawn), mo.md(f"*{own} of the six rules are your own.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Which is best?

        One learning rate each proves little: a rule with a lucky rate beats one with an unlucky rate. So in what follows every rule
        tries eighteen rates, 0.0001, 0.0002, 0.0005, ... up to 50, and the best counts. The other numbers stay: $\mu = 0.9$, $\rho = 0.9$,
        $\beta_1 = 0.9$, $\beta_2 = 0.999$. The table gives the height that is reached, lower is better; it was made just now, by the rules above.
        """
    )
    return


@app.cell
def _(PROBLEMS, RATES, figures, mo, own, race, rules):
    races = {p.name: {name: race(f, memory, p) for name, (f, memory, _) in rules.items()} for p in PROBLEMS}
    winners = {p: min(found, key=lambda name: found[name].score.min()) for p, found in races.items()}
    assert list(winners.values()) == ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam"]
    _said = lambda p, name, r: f"{'★ ' if winners[p] == name else ''}{r.score.min():.2g} (η {RATES[r.best]:g})"
    mo.vstack([
        figures.table(["problem", *rules], [(p, *(_said(p, name, r) for name, r in found.items())) for p, found in races.items()]),
        mo.md(f"*{own} of the six rules are your own. ★ is the lowest of a row.*"),
    ])
    return races, winners


@app.cell
def _(mo):
    mo.md(
        r"""
        Why each wins where it does:

        - **Round bowl: SGD.** If all directions are equally steep, the gradient points at the bottom, and $\eta = 1/c$ arrives. There is
          nothing to remember, and what is remembered leads past it.
        - **Long gorge: Momentum.** The way along is a thousand times flatter than across. Who bears the largest rate is first:
          $2(1 + \mu)/c = 1.9$ for momentum, $2(1 + \mu)/((1 + 2\mu)\,c) \approx 0.68$ for Nesterov, $2/c = 1$ for SGD, which has no velocity, however.
        - **Slanting valley: Nesterov.** Here 60 steps are enough to arrive, and what counts is how soon the swings die out. A rate for
          each element does not help: the valley lies at 45° to both axes.
        - **Rare elements: AdaGrad.** What is seen once in ninety steps must learn much from it, and what is seen always must
          average its noise away: the rate falls as $1/\sqrt{\text{times seen}}$, for each element by itself.
        - **Changing land: RMSprop.** The lowest place jumps, and the land gets flat and steep again. AdaGrad has become slow by then,
          velocities carry on in the old direction, and Adam's $v$ remembers a thousand steps.
        - **Small network: Adam.** The loss of a network is curved differently for each weight, and differently in each place. A
          velocity for the long way and a rate for each weight both help here; the height is a mean over three initial values.

        Below, the whole sweep. Where a curve ends on the right, a larger rate flies off. Look not only at how deep a curve goes but at how
        *wide* it is: the wider, the less one has to search.
        """
    )
    return


@app.cell
def _(PROBLEMS, mo):
    chosen = mo.ui.slider(1, len(PROBLEMS), 1, value=6, label="problem", show_value=True)
    chosen
    return (chosen,)


@app.cell
def _(PROBLEMS, RATES, chosen, figures, mo, np, races, rules, winners):
    _p = PROBLEMS[chosen.value - 1]
    _curves = [figures.Curve(np.log10(RATES), np.maximum(r.score, 1e-9), name, rules[name][2]) for name, r in races[_p.name].items()]
    _start = float(_p.height(_p.start, 0).mean())
    _low = max(min(float(r.score.min()) for r in races[_p.name].values()), 1e-9)
    mo.vstack([
        mo.md(f"**{_p.name}**: {_p.about}. It begins at height {_start:.3g}; {winners[_p.name]} gets lowest."),
        figures.lines("sweep", _curves, "log₁₀ of the learning rate", "height at the end", log=True, y_range=(_low, 3 * _start), height=360),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## On real digits

        A network of five layers, 784–100–100–100–100–10 with ReLU, learns MNIST with each rule: the same initial values, the same
        batches. Here it is a small part: 1,000 digits, 60 steps. The button makes it 1,500 steps on all 60,000.
        """
    )
    return


@app.cell
def _(mo):
    longer = mo.ui.run_button(label="train on all digits")
    longer
    return (longer,)


@app.cell
def _(F, cutaway, figures, longer, mnist, mo, nn, np, own, rule, rules):
    _train, _test = mnist()
    _flat = lambda images: images.reshape(len(images), 784).astype(np.float32) / 255
    _n, _steps = (60_000, 1500) if longer.value else (1000, 60)
    _x, _y = _flat(_train.images[:_n]), _train.labels[:_n]
    _tx, _ty = cutaway.tensor(_flat(_test.images)), _test.labels
    # (learning rate, what the rule remembers); the rates are the best of those tried over 400 steps on all digits
    _settings = {"SGD": (0.2, ""), "Momentum": (0.05, "v"), "Nesterov": (0.05, "v"), "AdaGrad": (0.01, "h"),
                 "RMSprop": (0.001, "h"), "Adam": (0.002, "m v")}
    _curves, _rows = [], []
    _each = list(_settings.items())
    for _name, (_lr, _memory) in mo.status.progress_bar(_each, title="six rules", remove_on_exit=True) if longer.value else _each:
        _f = rules[_name][0]
        _learned = rule(lambda p, g, *rest, lr, t, f=_f: f(p, g, *rest, lr, t), *_memory.split(), name=_name, t=0)
        cutaway.manual_seed(0)
        _layers = [_m for a, b in ((784, 100), (100, 100), (100, 100), (100, 100)) for _m in (nn.Linear(a, b), nn.ReLU())]
        _net = nn.init.apply_(nn.Sequential(*_layers, nn.Linear(100, 10)), "he")
        _optimizer = _learned(_net.parameters(), lr=_lr)
        _random, _losses = np.random.default_rng(0), []

        def _step(x, y, net=_net, optimizer=_optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        _step = cutaway.compile(_step) if longer.value else _step
        for _ in range(_steps):
            _batch = _random.integers(0, _n, 128)
            _losses.append(_step(cutaway.tensor(_x[_batch]), cutaway.tensor(_y[_batch])).item())
        with cutaway.no_grad():
            _right = float((_net(_tx).numpy().argmax(1) == _ty).mean())
        _wide = max(1, _steps // 60)
        _smooth = np.convolve(_losses, np.ones(2 * _wide) / (2 * _wide), "valid")
        _curves.append(figures.Curve(np.arange(len(_smooth)) + _wide, _smooth, _name, rules[_name][2]))
        _rows.append((_name, f"{_lr:g}", f"{_smooth[-1]:.3f}", f"{_right:.4f}"))
    mo.vstack([
        figures.side_by_side([
            (f"{_steps} steps on {_n:,} digits", figures.lines("training", _curves, "steps", "loss (nats), smoothed", log=True)),
            ("at the end", figures.table(["rule", "η", "loss", "test accuracy"], _rows)),
        ]),
        mo.md(f"*{own} of the six rules are your own.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        The learning rates are the best of four or five that were tried for 400 steps. With them, after 1,500 steps, the mean test accuracies of three
        runs (seeds 0, 1, 2) were

        | SGD | Momentum | Nesterov | AdaGrad | RMSprop | Adam |
        |---|---|---|---|---|---|
        | 0.9656 | 0.9652 | 0.9683 | 0.9683 | 0.9719 | 0.9634 |

        All within a percent, and two runs of one rule differ by up to another. With a bad rate it is otherwise: after 400 steps SGD had 0.945 with
        $\eta = 0.2$ and 0.900 with $\eta = 0.02$. Look for the rate first, then for the rule.

        ## In the library, and in its place

        `optim.SGD`, `Momentum`, `Nesterov`, `Adagrad`, `RMSprop`, `Adam` are these rules with more options; `src/cutaway/optim` has a file for
        each. A rule is written once, as a formula, and runs three ways: on arrays as here, operation by operation, and inside a compiled
        training step, as loops in machine code. That is why the exercises ask for `+ - * / **` only. Your own goes there as well:

        ```bash
        cutaway check 5
        cutaway train mnist-mlp --mine                                  # your SGD
        cutaway train mnist-mlp --mine --optimizer adam --lr 0.001      # your Adam
        ```

        *Next: chapter 6, where to begin, how not to learn by heart, and how to choose the numbers.*
        """
    )
    return


if __name__ == "__main__":
    app.run()
