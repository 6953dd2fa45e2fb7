import marimo

app = marimo.App(app_title="6 · Making it learn", width="medium")


@app.cell
def _():
    import importlib.util

    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn, optim
    from cutaway.course.ch06_training.check import dropper, normaliser
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.data import mnist
    from cutaway.nn import functional as F

    return F, card, cutaway, dropper, figures, importlib, mnist, mo, nn, normaliser, np, optim, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 6 · Making it learn

        A network may be right in every formula and learn nothing: its values die out on the way through the layers, or it learns its
        examples by heart, or a number that you chose is wrong by a factor of ten. This chapter is about those three.

        ## Where weights begin

        Zeros will not do: then all units of a layer compute the same, get the same gradient, and stay the same for ever. So they begin at random,
        and the question is how far they **spread**. Send 1000 random examples through five layers of 100 units, $h \leftarrow
        \varphi(h W)$, with weights drawn from a normal distribution, and look at the values of each layer. They should be different from one another
        and not all at the ends of the activation. Then send a gradient back, and look at its size.

        Choose an activation and a spread. With the sigmoid and spread 1 nearly everything is at 0 or 1, where its slope is nearly zero: hardly a unit can
        still be moved. With 0.01 everything is at 0.5, a hundred units say no more than one, and the gradient **vanishes**: it shrinks forty times
        at each layer.
        """
    )
    return


@app.cell
def _(mo):
    activation = mo.ui.dropdown(["sigmoid", "tanh", "relu"], value="sigmoid", label="activation")
    begin = mo.ui.dropdown(["1", "0.01", "Xavier", "He", "the slider's"], value="1", label="spread of the weights")
    own_std = mo.ui.slider(-2.5, 0.5, 0.1, value=-1.6, label="log10 of a spread of your own", show_value=True)
    mo.hstack([activation, begin, own_std], justify="start", wrap=True)
    return activation, begin, own_std


@app.cell
def _(F, activation, begin, cutaway, figures, mo, np, own_std, whose, yours):
    _std, _passed = yours("6.initial_std")
    _spreads = {"1": 1.0, "0.01": 0.01, "Xavier": _std(100, 100, "tanh"), "He": _std(100, 100, "relu"), "the slider's": 10**own_std.value}
    _f = {"sigmoid": F.sigmoid, "tanh": F.tanh, "relu": F.relu}[activation.value]

    def _through(std):
        """Values of the five layers, and the gradient of the input of each."""
        cutaway.manual_seed(0)
        h = cutaway.randn(1000, 100).requires_grad_()
        seen, before = [], []
        for _ in range(5):
            before.append(h)
            h.retain_grad()
            h = _f(h @ (cutaway.randn(100, 100) * std))
            seen.append(h.detach().numpy())
        (h * cutaway.randn(1000, 100)).sum().backward()
        return seen, [float(b.grad.numpy().std()) for b in before]

    _all = {name: _through(std) for name, std in _spreads.items()}
    _layers = np.arange(1, 6)
    _ends = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": None}[activation.value]
    cutaway.manual_seed(0)
    _drawn = [("the input: spread 1", figures.spread("input", cutaway.randn(1000, 100), "value"))] + [
        (f"layer {i}: spread {v.std():.3g}", figures.spread(f"layer {i}", v, "value", x_range=_ends or (0, max(1e-6, float(np.quantile(v, 0.995))))))
        for i, v in enumerate(_all[begin.value][0], 1)
    ]
    _kinds = dict(zip(_spreads, ("a", "b", "c", "d", "soft")))
    _values = [figures.Curve(_layers, [v.std() for v in seen], name, _kinds[name]) for name, (seen, _) in _all.items()]
    _slopes = [figures.Curve(_layers, grads, name, _kinds[name]) for name, (_, grads) in _all.items()]
    mo.vstack([
        mo.md(f"**{activation.value}, weights with spread {begin.value}** = {_spreads[begin.value]:.3g}"),
        figures.side_by_side(_drawn),
        mo.md("The spread of the values, and of the gradient that arrives at each layer's input, for all the choices at once:"),
        figures.side_by_side([
            ("values, layer by layer", figures.lines("values", _values, "layer", "spread", log=True)),
            ("gradients, on their way from layer 5 to 1", figures.lines("gradients", _slopes, "layer", "", log=True)),
        ]),
        mo.md(f"*Xavier's and He's spread computed {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        A sum of $n$ independent products $h_i w_i$ has the variance $n\,\mathrm{Var}(h)\,\mathrm{Var}(w)$ if the means are 0. For values to keep their
        size, $n_{in} \mathrm{Var}(w) = 1$; for gradients, which go the other way, $n_{out} \mathrm{Var}(w) = 1$. Glorot and Bengio (**Xavier**, 2010) take
        the middle; ReLU sets half of the values to 0 and so halves their mean square, which **He** and others (2015) make up for:

        $$\sigma_{Xavier} = \sqrt{\frac{2}{n_{in} + n_{out}}}, \qquad \sigma_{He} = \sqrt{\frac{2}{n_{in}}}.$$

        Choose ReLU and look at the curves: He's is nearly level, and Xavier's loses about a factor $\sqrt 2$ at each layer. With tanh Xavier's falls
        slowly, from 0.63 to 0.32 over five layers, because tanh bends.
        """
    )
    return


@app.cell
def _(card):
    card("6.initial_std")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        And does it matter? A network of five layers, 784–100–100–100–100–10 with ReLU, learns 1,000 digits by plain SGD, with three initial
        spreads. Move the number of steps.
        """
    )
    return


@app.cell
def _(cutaway, mnist, np):
    _train, _test = mnist()
    _flat = lambda images: images.reshape(len(images), 784).astype(np.float32) / 255
    digits, labels = _flat(_train.images[:1000]), _train.labels[:1000]
    test_digits, test_labels = cutaway.tensor(_flat(_test.images[:2000])), _test.labels[:2000]
    return digits, labels, test_digits, test_labels


@app.cell
def _(F, cutaway, nn, np):
    def network(hidden, init, normalise=False, drop=0.0):
        """784 pixels, hidden layers with ReLU, ten digits."""
        cutaway.manual_seed(0)
        layers, inputs = [], 784
        for units in hidden:
            layers.append(nn.init.apply_(nn.Linear(inputs, units), init))
            layers += [nn.BatchNorm1d(units)] if normalise else []
            layers += [nn.ReLU(), nn.Dropout(drop)] if drop else [nn.ReLU()]
            inputs = units
        return nn.Sequential(*layers, nn.init.apply_(nn.Linear(inputs, 10), init))

    def learn(net, optimizer, x, t, steps, batch=100, watch=None):
        """Losses of the steps; `watch` is called after every fifteenth."""
        random, losses = np.random.default_rng(0), []
        for step in range(steps):
            rows = random.choice(len(x), batch, replace=False)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(cutaway.tensor(x[rows])), cutaway.tensor(t[rows]))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if watch is not None and step % 15 == 14:
                watch(step + 1)
        return losses

    def accuracy(net, x, t):
        net.eval()
        with cutaway.no_grad():
            right = float((net(x).numpy().argmax(1) == t).mean())
        net.train()
        return right

    return accuracy, learn, network


@app.cell
def _(mo):
    init_steps = mo.ui.slider(20, 200, 20, value=80, label="steps", show_value=True)
    init_steps
    return (init_steps,)


@app.cell
def _(digits, figures, init_steps, labels, learn, network, np, optim):
    _curves = []
    for _name, _init, _kind in (("0.01", "std=0.01", "b"), ("Xavier", "xavier", "c"), ("He", "he", "d")):
        _net = network([100] * 4, _init)
        _losses = learn(_net, optim.SGD(_net.parameters(), lr=0.05), digits, labels, init_steps.value)
        _curves.append(figures.Curve(np.arange(len(_losses)), _losses, _name, _kind))
    figures.lines("initial values", _curves, "steps", "loss (nats)", y_range=(0, 3))
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        At spread 0.01 the loss stays at $\ln 10 \approx 2.30$, that of guessing. On all 60,000 digits, after 2,000 steps on batches of 128 with
        $\eta = 0.01$ (means of three runs), the loss was 2.301 with 0.01, 0.298 with Xavier's and 0.232 with He's, and the test accuracy 0.114, 0.919
        and 0.936: the first has not begun to learn.

        ## Batch normalisation: keep it in range by force

        Good initial values keep the layers' values in range at the beginning. Batch normalisation (Ioffe and Szegedy 2015) does so at every
        step: take each unit's values over the batch, $x_1 \dots x_N$, and give them mean 0 and variance 1; then let the network choose a spread
        $\gamma$ and a place $\beta$ of its own, which it learns:

        $$\mu = \frac1N \sum_i x_i, \qquad \sigma^2 = \frac1N \sum_i (x_i - \mu)^2, \qquad \hat x_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y_i = \gamma\, \hat x_i + \beta.$$
        """
    )
    return


@app.cell
def _(card):
    card("6.batchnorm")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ### Its gradient

        Write $s = \sqrt{\sigma^2 + \epsilon}$ and $g_i = \partial L / \partial y_i$. The two parameters are easy, for $y_i = \gamma \hat x_i + \beta$:

        $$\frac{\partial L}{\partial \gamma} = \sum_i g_i\, \hat x_i, \qquad \frac{\partial L}{\partial \beta} = \sum_i g_i, \qquad \hat g_i := \frac{\partial L}{\partial \hat x_i} = \gamma\, g_i.$$

        Now $\hat x_j = (x_j - \mu) / s$. If $x_i$ moves, three things move: $x_j$ itself if $j = i$, the mean by $\partial \mu / \partial x_i = 1/N$, and the
        spread by

        $$\frac{\partial s}{\partial x_i} = \frac{1}{2 s} \frac{\partial \sigma^2}{\partial x_i} = \frac{1}{2 s} \cdot \frac{2}{N} (x_i - \mu) = \frac{\hat x_i}{N}$$

        (in $\partial \sigma^2 / \partial x_i$ the mean's own motion drops out, because $\sum_j (x_j - \mu) = 0$). The quotient rule puts them together:

        $$\frac{\partial \hat x_j}{\partial x_i} = \frac1s \Big( [i = j] - \frac1N \Big) - \frac{x_j - \mu}{s^2} \cdot \frac{\hat x_i}{N} = \frac1s \Big( [i = j] - \frac1N - \frac{\hat x_j\, \hat x_i}{N} \Big).$$

        Sum over all $j$ that $x_i$ has a part in, and the gradient is

        $$\frac{\partial L}{\partial x_i} = \sum_j \hat g_j\, \frac{\partial \hat x_j}{\partial x_i} = \frac{\gamma}{s} \Big( g_i - \frac1N \sum_j g_j - \hat x_i \cdot \frac1N \sum_j g_j\, \hat x_j \Big).$$

        Read it: from the gradient its mean is taken away, and its part along $\hat x$. Moving all $x_i$ together changes nothing that comes out, nor does
        stretching them, so no gradient is left in those two directions. Move the slider: a column of eight values, their gradient before and after.
        """
    )
    return


@app.cell
def _(card):
    card("6.batchnorm_backward")
    return


@app.cell
def _(mo):
    push = mo.ui.slider(-2.0, 2.0, 0.25, value=1.0, label="g of the first example", show_value=True)
    apart = mo.ui.slider(0.25, 4.0, 0.25, value=1.0, label="spread of x", show_value=True)
    mo.hstack([push, apart], justify="start", wrap=True)
    return apart, push


@app.cell
def _(apart, figures, mo, np, push, whose, yours):
    _forward, _ = yours("6.batchnorm")
    _backward, _passed = yours("6.batchnorm_backward")
    _x = apart.value * np.array([-1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5])[:, None]
    _g = np.array([push.value, 0, 0, 0.5, 0, 0, 0, 0])[:, None]
    _y = _forward(_x, np.ones(1), np.zeros(1), 1e-12)
    _gx, _ggamma, _gbeta = _backward(_g, _x, np.ones(1), 1e-12)
    mo.vstack([
        figures.side_by_side([
            ("x, its normalised y, the gradient g of y, the gradient of x", figures.cells(np.concatenate([_x, _y, _g, _gx], 1).T)),
            ("what is left of two directions", figures.table(["", "g", "gradient of x"], [
                ("sum", f"{_g.sum():.3g}", f"{_gx.sum():.1g}"), ("along x̂", f"{(_g * _y).sum():.3g}", f"{(_gx * _y).sum():.1g}")])),
        ]),
        mo.md(f"*Computed {whose(_passed)}; the gradients of γ and β are {_ggamma[0]:.3g} and {_gbeta[0]:.3g}.*"),
    ])
    return


@app.cell
def _(card, mo):
    mo.vstack([
        mo.md(
            r"""
            ### And afterwards?

            When the network is asked about one digit there is no batch to take a mean of. So in training each layer remembers a running mean and
            variance, and uses those later: `model.train()` and `model.eval()` switch between the two.
            """
        ),
        card("6.running"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        The same network with and without, for initial weights of any spread. Move it from 0.001 to 1 and see over how much more of that range the
        normalised one learns.
        """
    )
    return


@app.cell
def _(mo):
    norm_std = mo.ui.slider(-3.0, 0.0, 0.25, value=-1.75, label="log10 of the initial spread", show_value=True)
    norm_std
    return (norm_std,)


@app.cell
def _(cutaway, digits, figures, labels, learn, mo, network, norm_std, normaliser, np, optim, yours):
    _parts = [yours(f"6.{name}") for name in ("batchnorm", "batchnorm_backward", "running")]
    _mine = all(passed for _, passed in _parts)

    def _curve(normalise, name, kind):
        net = network([100] * 4, f"std={10**norm_std.value:.6f}", normalise)
        losses = learn(net, optim.SGD(net.parameters(), lr=0.05), digits, labels, 80)
        return figures.Curve(np.arange(80), losses, name, kind)

    if _mine:
        with cutaway.use(batch_norm=normaliser(*(answer for answer, _ in _parts))):
            _with = _curve(True, "with yours", "a")
    else:
        _with = _curve(True, "with batch normalisation", "a")
    _without = _curve(False, "without", "b")
    mo.vstack([
        figures.lines("batch normalisation", [_with, _without], "steps", "loss (nats)", y_range=(0, 4)),
        mo.md(f"*Initial spread {10**norm_std.value:.2g}. {'Your own three answers are' if _mine else 'The library is'} at work in the normalised one.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        The book's experiment, five hidden layers and 1,000 digits, with plain SGD at $\eta = 0.01$; the share of training digits that are right after 200
        steps (20 epochs), by the initial spread:

        | spread | 1 | 0.158 | 0.0251 | 0.0040 | 0.0006 | 0.0001 |
        |---|---|---|---|---|---|---|
        | plain | 0.097 | 0.850 | 0.116 | 0.116 | 0.116 | 0.116 |
        | normalised | 0.411 | 0.790 | 0.988 | 0.998 | 0.625 | 0.116 |

        Where the spread happens to suit the plain network, normalisation gains nothing here; over two decades where the plain one stands still, it learns. It does not
        forgive everything.

        ## Learning by heart

        A network with more weights than examples can store the examples, mistakes included. Take 300 digits, give some of them a wrong label, and let
        a network with two hidden layers of 100 learn them: soon every training label is reproduced, wrong ones too, and other digits, which are judged
        by their true labels, are read worse than before. The gap between the two is **overfitting**. More and cleaner data is the best remedy; these two need none.

        **Weight decay.** Large weights make sharp corners. Charge for them: $L + \frac{\lambda}{2} \sum w^2$. The gradient gets an additional
        $\lambda w$, and each step shrinks every weight a little.

        **Dropout** (Srivastava and others 2014). In training, set each value to 0 with probability $p$. No unit can rely on a particular other one. What is kept is
        divided by $1 - p$, so that sums keep their expected size; later nothing is dropped. The book does it the other way round, and multiplies
        by $1 - p$ when asked.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("6.weight_decay"), card("6.dropout"), card("6.dropout_backward")])
    return


@app.cell
def _(mo):
    decay = mo.ui.slider(0.0, 0.2, 0.02, value=0.06, label="weight decay λ", show_value=True)
    share = mo.ui.slider(0.0, 0.6, 0.1, value=0.0, label="dropout p", show_value=True)
    false = mo.ui.slider(0.0, 0.5, 0.1, value=0.3, label="share of random labels", show_value=True)
    mo.hstack([decay, share, false], justify="start", wrap=True)
    return decay, false, share


@app.cell
def _(accuracy, cutaway, digits, false, labels, learn, network, np, optim, test_digits, test_labels):
    _random = np.random.default_rng(5)
    given = np.where(_random.random(300) < false.value, _random.integers(0, 10, 300), labels[:300])

    def fit(weight_decay, drop):
        """Accuracies over 180 steps on 300 digits: places, on these, on others."""
        net = network([100] * 2, "he", drop=drop)
        weights = [p for p in net.parameters() if p.ndim == 2]
        biases = [p for p in net.parameters() if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": weight_decay}, {"params": biases}]
        seen = [[0.0], [0.1], [0.1]]
        few = cutaway.tensor(digits[:300])

        def watch(step):
            for column, value in zip(seen, (step, accuracy(net, few, given), accuracy(net, test_digits, test_labels))):
                column.append(value)

        learn(net, optim.SGD(groups, lr=0.02, momentum=0.9), digits[:300], given, 180, watch=watch)
        return seen

    plain_fit = fit(0.0, 0.0)
    return fit, plain_fit


@app.cell
def _(cutaway, decay, dropper, figures, fit, mo, plain_fit, share, yours):
    _parts = [yours(f"6.{name}") for name in ("dropout", "dropout_backward")]
    _mine = all(passed for _, passed in _parts) and share.value > 0
    if _mine:
        with cutaway.use(dropout=dropper(*(answer for answer, _ in _parts))):
            _now = fit(decay.value, share.value)
    else:
        _now = fit(decay.value, share.value)
    _draw = lambda seen: figures.lines(
        "accuracy", [figures.Curve(seen[0], seen[1], "training digits, as labelled", "a"), figures.Curve(seen[0], seen[2], "other digits, true labels", "b")],
        "steps", "accuracy", y_range=(0, 1))
    _gap = lambda seen: f"{seen[1][-1]:.3f} of those, {seen[2][-1]:.3f} of others: a gap of {seen[1][-1] - seen[2][-1]:.3f}"
    mo.vstack([
        figures.side_by_side([
            (f"without: {_gap(plain_fit)}", _draw(plain_fit)),
            (f"λ = {decay.value:g}, p = {share.value:g}: {_gap(_now)}", _draw(_now)),
        ]),
        mo.md("*Values are dropped with your own answers.*" if _mine else ""),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        With 30 % random labels, after 180 steps (means of two runs):

        | | plain | λ = 0.02 | λ = 0.05 | λ = 0.1 | p = 0.2 |
        |---|---|---|---|---|---|
        | labels of its own digits reproduced | 0.997 | 0.937 | 0.768 | 0.578 | 0.977 |
        | other digits right | 0.603 | 0.641 | 0.684 | 0.596 | 0.647 |

        Both help, and too much harms. With clean labels there is less to gain. The book's experiment, 300 digits and seven layers, gave here (600 steps, for dropout
        900; means of three runs) 1.000 and 0.756 plain, 0.911 and 0.724 with λ = 0.1, 0.988 and 0.765 with λ = 0.05, 0.947 and 0.718 with p = 0.2: the gap closes, mostly
        because less is learned by heart, and the other digits gain a percent at best.

        **Stopping early** needs no term at all: keep some digits aside, look at their loss after each epoch, and stop when it no longer falls. Those digits are
        **validation** data. They are not the test data, for what has been used to decide cannot judge any more.
        """
    )
    return


@app.cell
def _(card):
    card("6.early_stop")
    return


@app.cell
def _(mo):
    patience = mo.ui.slider(1, 12, 1, value=4, label="patience (epochs)", show_value=True)
    patience
    return (patience,)


@app.cell
def _(figures, mo, np, patience, whose, yours):
    _stop, _passed = yours("6.early_stop")
    _epochs = np.arange(40)
    _seen = 2 * np.exp(-_epochs / 5) + 0.02 * _epochs + 0.06 * np.random.default_rng(2).normal(size=40)
    _at, _best = _stop(_seen, patience.value)
    mo.vstack([
        figures.lines("early stopping", [
            figures.Curve(_epochs, 2 * np.exp(-_epochs / 5), "training loss (drawn)", "soft"),
            figures.Curve(_epochs, _seen, "validation loss (drawn)", "a"),
            figures.Curve([_at], [_seen[_at]], "stop", "b", dots=True), figures.Curve([_best], [_seen[_best]], "best", "c", dots=True),
        ], "epochs", "loss", height=280),
        mo.md(f"*With patience {patience.value} it stops after epoch {_at} and keeps epoch {_best}; found {whose(_passed)}.*"),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Choosing the numbers

        Learning rate, decay, width: **hyper-parameters**, which no gradient finds. Three habits (Bergstra and Bengio 2012):

        1. Draw them on a **logarithmic scale**. From 0.001 to 0.002 is as far as from 0.1 to 0.2.
        2. Draw them **at random**, not on a grid. If one of two numbers does not matter, nine points of a grid try three values of the other; nine
           random points try nine.
        3. Judge by validation data, and briefly: what is hopeless after an epoch may be given up.
        """
    )
    return


@app.cell
def _(card):
    card("6.log_uniform")
    return


@app.cell
def _(mo):
    trials = mo.ui.slider(9, 36, 9, value=18, label="trials", show_value=True)
    trials
    return (trials,)


@app.cell
def _(accuracy, cutaway, digits, figures, labels, learn, mo, network, np, optim, trials, whose, yours):
    _draw, _passed = yours("6.log_uniform")
    _random = np.random.default_rng(0)
    _held, _held_labels = cutaway.tensor(digits[500:1000]), labels[500:1000]

    def attempt(lr, weight_decay):
        """Accuracy on 500 validation digits after 40 steps on 500 others."""
        net = network([50], "he")
        learn(net, optim.SGD(net.parameters(), lr=lr, weight_decay=weight_decay), digits[:500], labels[:500], 40)
        return accuracy(net, _held, _held_labels)

    _rates = _draw(_random.random(trials.value), 1e-4, 10.0)
    _decays = _draw(_random.random(trials.value), 1e-6, 1.0)
    _found = np.array([attempt(lr, d) for lr, d in zip(_rates.tolist(), _decays.tolist())])
    _order = np.argsort(-_found)
    _third = len(_found) // 3
    _groups = [("best third", _order[:_third], "b"), ("middle", _order[_third:-_third], "f"), ("worst third", _order[-_third:], "a")]
    _dots = lambda x: [figures.Curve(np.log10(x[rows]), _found[rows], name, kind, dots=True) for name, rows, kind in _groups]
    _plane = [figures.Curve(np.log10(_rates[rows]), np.log10(_decays[rows]), name, kind, dots=True) for name, rows, kind in _groups]
    mo.vstack([
        figures.side_by_side([
            ("where each trial was", figures.lines("plane", _plane, "log10 learning rate", "log10 weight decay", x_range=(-4, 1), y_range=(-6, 0))),
            ("the same, over the learning rate alone", figures.lines("rate", _dots(_rates), "log10 learning rate", "accuracy", x_range=(-4, 1), y_range=(0, 1))),
            ("... and over the decay alone", figures.lines("decay", _dots(_decays), "log10 weight decay", "accuracy", x_range=(-6, 0), y_range=(0, 1))),
            ("the best five", figures.table(["learning rate", "weight decay", "accuracy"],
                                            [(f"{_rates[i]:.3g}", f"{_decays[i]:.2g}", f"{_found[i]:.3f}") for i in _order[:5]])),
        ]),
        mo.md(
            f"*Drawn {whose(_passed)}.* The learning rate shows a hill with a cliff on the right; of the decay little can be seen. Next one "
            "draws again, from the range of the best third."
        ),
    ])
    return (attempt,)


@app.cell
def _(mo):
    mo.md(
        r"""
        ### With a library

        [Optuna](https://optuna.org) does the drawing, and looks at what has been good so far when it draws (a tree of Parzen estimators, Bergstra and
        others 2011). It is an extra of Cutaway, `pip install "cutaway[tune]"`; this is all there is to it:

        ```python
        def objective(trial):
            lr = trial.suggest_float("lr", 1e-4, 10.0, log=True)
            decay = trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)
            return attempt(lr, decay)

        study = optuna.create_study(direction="maximize")
        study.optimize(objective, n_trials=30)
        ```
        """
    )
    return


@app.cell
def _(importlib, mo):
    has_optuna = importlib.util.find_spec("optuna") is not None
    tune = mo.ui.run_button(label="30 trials with Optuna", disabled=not has_optuna)
    tune if has_optuna else mo.vstack([tune, mo.md('*Optuna is not installed: `pip install "cutaway[tune]"`, then open the chapter again.*')])
    return (tune,)


@app.cell
def _(attempt, figures, mo, np, tune):
    mo.stop(not tune.value)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    _study.optimize(
        lambda trial: attempt(trial.suggest_float("lr", 1e-4, 10.0, log=True), trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)),
        n_trials=30,
    )
    _values = [t.value for t in _study.trials]
    _rates = [np.log10(t.params["lr"]) for t in _study.trials]
    mo.vstack([
        figures.side_by_side([
            ("accuracy of each trial, and the best so far", figures.lines("trials", [
                figures.Curve(np.arange(1, 31), _values, "trial", "a", dots=True),
                figures.Curve(np.arange(1, 31), np.maximum.accumulate(_values), "best so far", "b")], "trial", "accuracy", y_range=(0, 1))),
            ("which learning rate it tried", figures.lines("rates", [figures.Curve(np.arange(1, 31), _rates, "", "a", dots=True)],
                                                           "trial", "log10 learning rate")),
        ]),
        mo.md(f"Best: {_study.best_value:.3f} with learning rate {_study.best_params['lr']:.3g}, weight decay {_study.best_params['weight_decay']:.2g}."),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        The book's own search, in numbers: seven layers, 400 digits, 200 steps, judged by 100 others, learning rates from 1e-6 to 1e-2 and decays from 1e-8 to 1e-4.
        Of 100 trials here half read no more than 0.13 right. The best six, 0.73 to 0.75, all had learning rates from 0.0055 to 0.0098, and decays anywhere
        between 3e-7 and 8e-5.

        ## Your parts in a real run

        ```bash
        cutaway check 6
        cutaway train mnist-mlp --mine --dropout 0.2                    # your dropout, forward and backward
        cutaway train mnist-mlp --init he --weight-decay 0.0001 --limit 300 --epochs 200
        ```

        `cutaway.use(batch_norm=...)` puts your batch normalisation into any network that has one, as in the figure above.

        *Next: chapter 7, layers that see pictures.*
        """
    )
    return


if __name__ == "__main__":
    app.run()
