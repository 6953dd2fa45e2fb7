import marimo

app = marimo.App(app_title="11 · Under the casing", width="medium")


@app.cell
def _():
    from itertools import pairwise

    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn
    from cutaway.course.ch11_casing.lower import lower, run, without_repeats, written
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.engine.look.html import notebook
    from cutaway.engine.passes import PASSES
    from cutaway.nn import functional as F

    return F, PASSES, card, cutaway, figures, lower, mo, nn, notebook, np, pairwise, run, whose, without_repeats, written, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 11 · Under the casing

        You have called `backward()` for ten chapters. Here you build it, in far less than 150 lines, and train a network with it. Then
        you open the other half of the machine: the compiler, which takes your whole training step, rearranges it, and turns it into
        instructions of your processor. Both work on the same thing: a list of small operations, each with the numbers of its inputs.

        ## The tape

        Whatever is computed is computed by a few operations, one after the other. Write each down with its inputs while it happens, and
        you have a **tape**. For each operation the derivative towards its inputs is known in advance, and it is short:

        $$\frac{\partial (a + b)}{\partial a} = 1 \qquad \frac{\partial (ab)}{\partial a} = b \qquad
          \frac{\partial a^n}{\partial a} = n a^{n-1} \qquad \frac{d e^a}{da} = e^a \qquad \frac{d \log a}{da} = \frac{1}{a}$$

        The chain rule does the rest. If $y$ depends on $u$ only through $v_1, v_2, \dots$, which were computed from $u$ directly, then

        $$\frac{\partial y}{\partial u} = \sum_k \frac{\partial y}{\partial v_k}\,\frac{\partial v_k}{\partial u}.$$

        Multiply along a path, add over the paths. Read from the end of the tape to its beginning, every $\partial y / \partial v_k$ is
        known when it is needed, and one walk gives the derivatives towards *everything*. That is all of back-propagation.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("11.slopes"), card("11.needed"), card("11.walk")])
    return


@app.cell
def _(mo):
    formulas = {
        "a·b + a": "a * b + a",
        "a neuron: sigmoid(a·b + c)": "1 / (1 + exp(-(a * b + c)))",
        "tanh a": "(exp(a) - exp(-a)) / (exp(a) + exp(-a))",
        "softplus a": "log(1 + exp(a))",
        "squares: (a - b)² + (a - c)²": "(a - b) ** 2 + (a - c) ** 2",
        "a·b·c, twice": "a * b * c + a * b * c",
    }
    formula = mo.ui.dropdown(list(formulas), value="a neuron: sigmoid(a·b + c)", label="expression")
    a = mo.ui.slider(-2.0, 2.0, 0.1, value=1.0, label="a", show_value=True)
    b = mo.ui.slider(-2.0, 2.0, 0.1, value=1.5, label="b", show_value=True)
    c = mo.ui.slider(-2.0, 2.0, 0.1, value=-0.5, label="c", show_value=True)
    mo.vstack([formula, mo.hstack([a, b, c], justify="start", wrap=True)])
    return a, b, c, formula, formulas


@app.cell
def _(a, b, c, figures, formula, formulas, lower, mo, np, run, whose, written, yours):
    (_slopes, _p1), (_needed, _p2), (_walk, _p3) = yours("11.slopes"), yours("11.needed"), yours("11.walk")
    lines = lower(formulas[formula.value])
    _named = {"a": a.value, "b": b.value, "c": c.value}
    _values, _local = run(lines, _named, _slopes)
    _parents = [list(ins) for _, ins in lines]
    _grads = _walk(_parents, _local, len(lines) - 1)
    _order = _needed(_parents, len(lines) - 1)
    _rows = [(text, f"{_values[i]:.4g}", ", ".join(f"{s:.4g}" for s in _local[i]), f"{_grads[i]:.4g}", str(_order.index(i) + 1))
             for i, text in enumerate(written(lines))]
    _total = {n: sum(g for g, (op, _) in zip(_grads, lines) if op == n) for n in _named}
    _x = np.linspace(-2, 2, 81)
    _y = [run(lines, _named | {"a": float(v)}, _slopes)[0][-1] for v in _x]
    _line = _values[-1] + _total["a"] * (_x - a.value)
    _room = 0.1 * (max(_y) - min(_y) or 1.0)
    mo.vstack([figures.side_by_side([
        (f"y = {formulas[formula.value]}", figures.table(["the tape", "value", "slopes", "gradient", "walked"], _rows)),
        (f"∂y/∂a = {_total['a']:.4g}   ∂y/∂b = {_total['b']:.4g}   ∂y/∂c = {_total['c']:.4g}", figures.lines("y along a", [
            figures.Curve(_x, _y, "y", "a"), figures.Curve(_x, _line, "with the slope of the tape", "b"),
            figures.Curve([a.value], [_values[-1]], "", "b", dots=True)], "a", "y", y_range=(min(_y) - _room, max(_y) + _room))),
    ]), mo.md("The values were computed downwards, the gradients upwards: each line hands `gradient × slope` to its inputs. A name that stands in "
              f"the expression twice has two lines here, and its gradient is their sum. *Computed {whose(_p1 and _p2 and _p3)}.*")])
    return (lines,)


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Written down by itself

        Nobody should have to write the tape. Python lets a class say what `+` means, so let the numbers record themselves: a `Value` holds
        its number, the Values it came from, and the slopes towards them. Sixty lines are enough, and the next figure trains with them.

        Three things go wrong the first time. A Value that is used twice must *add up* what it gets. A node may pass its gradient on only
        when all of it has arrived, so the youngest go first; a counter of creation orders them, as nothing is older than its inputs. And
        a walk by functions that call themselves ends at Python's limit, about a thousand calls deep; a loop does not.
        """
    )
    return


@app.cell
def _(card):
    card("11.Value")
    return


@app.cell
def _(mo):
    units = mo.ui.slider(1, 8, 1, value=5, label="hidden neurons", show_value=True)
    steps = mo.ui.slider(0, 150, 10, value=60, label="steps", show_value=True)
    mo.vstack([mo.md("A network of scalars: two inputs, hidden neurons with a sigmoid, one answer, thirty points, momentum. Every number in it is a `Value`."),
               mo.hstack([units, steps], justify="start", wrap=True)])
    return steps, units


@app.cell
def _(F, cutaway, figures, mo, nn, np, steps, units, whose, yours):
    from time import perf_counter as _clock

    _Value, _passed = yours("11.Value")
    _x, _t = (v.numpy() for v in cutaway.data.moons(30, noise=0.15, seed=2))
    _n = units.value
    _rng = np.random.default_rng(0)
    _start = _rng.normal(0, 3.0, (_n, 3)), _rng.normal(0, 1.0, _n + 1)  # a row for each hidden neuron: two weights and a bias

    def _network(w, v, p, q):
        h = [1 / (1 + (-(row[0] * p + row[1] * q + row[2])).exp()) for row in w]
        return sum((h[i] * v[i] for i in range(_n)), v[_n])

    def _loss(w, v):
        each = [(1 + (-z if t else z).exp()).log() for (p, q), t in zip(_x.tolist(), _t) for z in [_network(w, v, p, q)]]
        return sum(each) / len(each)

    _w = [[_Value(float(k)) for k in row] for row in _start[0]]
    _v = [_Value(float(k)) for k in _start[1]]
    _all = [*_v, *(k for row in _w for k in row)]
    _losses, _first, _speed = [], None, [0.0] * len(_all)
    _began = _clock()
    for _ in range(steps.value):
        for _k in _all:
            _k.grad = 0.0
        _now = _loss(_w, _v)
        _now.backward()
        _first = _first or [k.grad for k in _all]
        _speed = [0.9 * v - 2.0 * k.grad for v, k in zip(_speed, _all)]
        for _k, _d in zip(_all, _speed):
            _k.data += _d
        _losses.append(_now.data)
    slow = (_clock() - _began) / max(steps.value, 1)

    _net = nn.Sequential(nn.Linear(2, _n), nn.Sigmoid(), nn.Linear(_n, 1)).double()  # the same network, of tensors
    with cutaway.no_grad():
        _net[0].weight.copy_(cutaway.tensor(_start[0][:, :2]))
        _net[0].bias.copy_(cutaway.tensor(_start[0][:, 2]))
        _net[2].weight.copy_(cutaway.tensor(_start[1][None, :_n]))
        _net[2].bias.copy_(cutaway.tensor(_start[1][_n:]))
    _xs, _ts = cutaway.tensor(_x).double(), cutaway.tensor(_t).double()[:, None]
    _opt = cutaway.optim.SGD(_net.parameters(), lr=2.0, momentum=0.9)

    def _step(x, t):
        _opt.zero_grad()
        loss = F.binary_cross_entropy_with_logits(_net(x), t)
        loss.backward()
        _opt.step()
        return loss

    F.binary_cross_entropy_with_logits(_net(_xs), _ts).backward()
    _theirs = np.concatenate([_net[2].weight.grad.numpy().ravel(), _net[2].bias.grad.numpy(), np.column_stack(
        [_net[0].weight.grad.numpy(), _net[0].bias.grad.numpy()]).ravel()])
    _off = abs(np.array(_first) - _theirs).max() if _first else 0.0

    def _time(f, n=30):
        f(_xs, _ts)
        found = []
        for _ in range(n):
            began = _clock()
            f(_xs, _ts)
            found.append(_clock() - began)
        return float(np.median(found))

    _times = [slow, _time(_step), _time(cutaway.compile(_step))]

    def _decide(places):
        h = 1 / (1 + np.exp(-(places @ np.array([[k.data for k in row[:2]] for row in _w]).T + [row[2].data for row in _w])))
        return h @ [k.data for k in _v[:_n]] + _v[_n].data > 0

    _shown = [(f"{100 * (_decide(_x) == _t).mean():.0f} % of the points right",
               figures.plane("moons", _decide, _x, _t, span=(-1.6, 2.6), fine=61))]
    if _losses:
        _shown.append(("loss", figures.lines("loss", [figures.Curve(range(len(_losses)), _losses, "mean over the points", "a")], "step", "loss (nats)")))
        _shown.append(("time of one step (ms, on this machine)", figures.bars(
            "time", ["your scalars" if _passed else "scalars", "tensors, one by one", "compiled"], [1e3 * s for s in _times], log=True, unit=" ms")))
    mo.vstack([figures.side_by_side(_shown), mo.md(
        f"At the first step the gradients of all {len(_all)} parameters were compared with the library's: the largest difference is {_off:.1e}. "
        "A Value costs an object for each number; a tensor's operation costs as much for a thousand numbers as for one, and a compiled step "
        f"pays once for all operations. *Trained {whose(_passed)}.*")])
    return


@app.cell
def _(mo):
    go = mo.ui.slider(0, 40, 2, value=20, label="steps", show_value=True)
    mo.vstack([mo.md("The same tape under a network of the *library*: within `cutaway.use(autograd=Value)`, `loss.backward()` is yours. `nn.Linear`, `nn.Tanh`, "
                     "`F.cross_entropy` and `Adam` do not notice. Beside it, the same training with the library's own. `cutaway train gates --mine` does the "
                     "same with a whole recipe, once yours has passed."), go])
    return (go,)


@app.cell
def _(F, cutaway, figures, go, mo, nn, whose, yours):
    from contextlib import nullcontext as _nothing

    _Value, _passed = yours("11.Value")
    _x, _t = cutaway.data.moons(16, noise=0.15, seed=3)

    def _learn(around):
        cutaway.manual_seed(1)
        net = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2))
        optimizer = cutaway.optim.Adam(net.parameters(), lr=0.1)
        losses = []
        with around:
            for _ in range(go.value):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(_x), _t)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        return net, losses

    (_net, _mine), (_, _theirs) = _learn(cutaway.use(autograd=_Value)), _learn(_nothing())

    def _decide(places):
        with cutaway.no_grad():
            return _net(cutaway.tensor(places).float()).argmax(1).numpy()

    _shown = [("what the library's network has learned with this tape", figures.plane("plugged in", _decide, _x, _t, span=(-1.6, 2.6), fine=61))]
    if _mine:
        _shown.append((f"loss: largest difference {max(abs(p - q) for p, q in zip(_mine, _theirs)):.1e}", figures.lines("loss", [
            figures.Curve(range(len(_mine)), _mine, "your tape" if _passed else "the course's tape", "a"),
            figures.Curve(range(len(_theirs)), _theirs, "the library's", "b", dots=True)], "step", "loss (nats)")))
    mo.vstack([figures.side_by_side(_shown), mo.md(f"*Gradients {whose(_passed)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## From numbers to tensors

        Cutaway's own tape, `src/cutaway/core/autograd.py`, is the one you wrote with arrays in place of numbers. One thing is new. An
        operation of arrays may **broadcast**: add a bias of shape `[8]` to a batch of shape `[30, 8]`, and each number of the bias is used
        thirty times. Used thirty times, thirty gradients, and they add up. Cutaway undoes it in one place, in the walk, so that no rule
        needs to know: the rule of `mul` really is the line `lambda g, b: g * b`.
        """
    )
    return


@app.cell
def _(card):
    card("11.unbroadcast")
    return


@app.cell
def _(mo):
    hidden = mo.ui.slider(4, 64, 4, value=16, label="hidden neurons", show_value=True)
    depth = mo.ui.slider(1, 4, 1, value=1, label="hidden layers", show_value=True)
    kind = mo.ui.dropdown(["Tanh", "ReLU", "Sigmoid", "GELU", "SiLU"], value="Tanh", label="activation")
    mo.vstack([mo.md("Choose a network of your own for the rest of the chapter. Its tape, as `cutaway.inspect` records it (click a box):"),
               mo.hstack([hidden, depth, kind], justify="start", wrap=True)])
    return depth, hidden, kind


@app.cell
def _(F, cutaway, depth, figures, hidden, kind, nn, pairwise):
    cutaway.manual_seed(0)
    _sizes = [2, *[hidden.value] * depth.value]
    _layers = [layer for p, q in pairwise(_sizes) for layer in (nn.Linear(p, q), getattr(nn, kind.value)())]
    net = nn.Sequential(*_layers, nn.Linear(hidden.value, 2))
    points, classes = cutaway.data.moons(64, noise=0.15, seed=2)
    with cutaway.inspect.record() as _recording:
        F.cross_entropy(net(points), classes).backward()
    figures.graph(_recording, 480)
    return classes, net, points


@app.cell
def _(mo):
    mo.md(
        r"""
        ## The compiler

        Python decides nothing while a network trains: step after step it calls the same operations on the same shapes. So
        `cutaway.compile(step)` calls your function once with placeholders, keeps the tape, backward and optimiser included, and from then on
        runs a program made from it. What it makes goes through stages, and the first of them are **passes**: each takes the
        list of lines and gives another list that computes the same.

        Here are three such passes on the expression that you chose at the top. *Shared* finds lines that compute the same. *Fused* puts lines
        into one kernel, a loop over all elements, so that what lies between stays in a register instead of going to memory. *Slots*
        gives every value that does go to memory its place, and a place is used again when its value has been read for the last time.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("11.shared"), card("11.fused"), card("11.slots")])
    return


@app.cell
def _(figures, formula, lines, mo, whose, without_repeats, written, yours):
    (_shared, _p1), (_fused, _p2), (_slots, _p3) = yours("11.shared"), yours("11.fused"), yours("11.slots")
    _first = _shared(lines)
    _small = without_repeats(lines, _first)
    _kernels, _places = _fused(_small), _slots(_small)
    _last = {k: i for i, k in enumerate(_kernels) if k >= 0}  # the line of each kernel that is written to memory
    _kept = [i for i, k in enumerate(_kernels) if k < 0 or _last[k] == i]
    _read = {k: {j for i, (_, ins) in enumerate(_small) if _kernels[i] == k for j in ins} for k in _last}
    _memory = [("", tuple(_kept.index(j) for j in _kept if j in _read.get(_kernels[i], ()) and j < i)) for i in _kept]
    _inside = len(_small) - len(_kept)
    mo.vstack([figures.side_by_side([
        (f"as traced: {len(lines)} lines", figures.table(["line", "first of its kind"], [
            (text, "" if f == i else f"the same as %{f}") for i, (text, f) in enumerate(zip(written(lines), _first))])),
        (f"shared, fused, placed: {len(_small)} lines, kernels to {max(_kernels)}, slots to {max(_places)}", figures.table(["line", "kernel", "slot"], [
            (text, "given" if k < 0 else str(k), str(s)) for text, k, s in zip(written(_small), _kernels, _places)])),
        ("places in memory", figures.bars("memory", ["each line its own", "slots used again", "fused, then slots"],
                                          [len(lines), max(_places) + 1, max(_slots(_memory)) + 1])),
    ]), mo.md(f"*{formula.value}*: of {len(_small)} results, {_inside} never leave the processor's registers. *Passes {whose(_p1 and _p2 and _p3)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Your own network, stage by stage

        And this is the real compiler at work on the network you chose: forward, backward and the optimiser's update, one graph. The list of
        passes below is the compiler's own: `clean` shares and drops what nobody needs, `decompose` writes composites such as
        logsumexp out in simple operations, `simplify` folds constants and cancels, `layout` chooses how arrays lie in memory, `sums`
        arranges reductions. After each, the graph is verified, and each is checked in the tests against a reference interpreter.
        """
    )
    return


@app.cell
def _(F, classes, cutaway, mo, net, points):
    _optimizer = cutaway.optim.SGD(net.parameters(), lr=0.1)

    def step(x, t):
        _optimizer.zero_grad()
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        _optimizer.step()
        return loss

    fast = cutaway.compile(step)
    fast(points, classes)
    passes = fast.passes()
    mo.Html(passes._repr_html_())
    return fast, passes


@app.cell
def _(PASSES, mo):
    stage = mo.ui.slider(0, len(PASSES), 1, value=3, label="after pass", show_value=True)
    stage
    return (stage,)


@app.cell
def _(figures, passes, stage):
    import re

    _now = passes[stage.value]
    _text = re.sub(r" +\S+\.py:\d+$", "", str(_now.graph), flags=re.M)
    figures.side_by_side([
        (f"what {_now.name} changed", figures.code(_now.diff() if stage.value else "  this is the trace, as your step wrote it", 420)),
        (f"the graph after it: {len(_now.graph.values)} values", figures.code(_text, 420)),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        Then the **schedule** cuts the graph into kernels, as `fused` did. A matrix product takes the operations behind it into its own loop:
        `einsum_tanh` is a layer with its activation. **Memory** is planned for all of them at once, as `slots` did, in one block: a box below
        is a value, as wide as it lives and as tall as it is large. No memory is asked for while the program runs.
        """
    )
    return


@app.cell
def _(fast, mo, notebook):
    _memory = fast.memory()
    mo.vstack([mo.Html(notebook(_memory.picture())), mo.md(f"{_memory.summary()}.")])
    return


@app.cell
def _(mo):
    which = mo.ui.slider(0, 12, 1, value=0, label="kernel", show_value=True)
    mo.vstack([mo.md("Last, each kernel is written in LLVM's language, as loops over vectors, and LLVM makes machine code of it. Look at one:"), which])
    return (which,)


@app.cell
def _(fast, figures, mo, which):
    _kernels = fast.kernels()
    _k = _kernels[min(which.value, len(_kernels) - 1)]
    _most = sorted(_kernels, key=lambda k: -k.seconds)[:8]
    mo.vstack([figures.side_by_side([
        (f"{_k.number} {_k.name} -> {_k.result}: as written", figures.code(fast.llvm(_k.number), 380)),
        ("as it runs on this machine", figures.code(fast.asm(_k.number), 380)),
    ]), figures.side_by_side([
        ("where the time goes (µs)", figures.bars("time", [f"{k.number} {k.name}" for k in _most], [1e6 * k.seconds for k in _most], unit=" µs")),
        ("bytes read and written", figures.bars("bytes", [f"{k.number} {k.name}" for k in _most], [k.nbytes / 1024 for k in _most], unit=" KiB")),
    ]), mo.md(f"{len(_kernels)} kernels. On a network this small the time is mostly that of beginning each; take 64 neurons and four layers, and the "
              "products grow. `cutaway.compile(step).save(\"page.html\")` writes all of this, for any step of yours, to one page.")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## What you have made

        A tape that finds gradients, and the ideas of a compiler that makes it fast. What a framework adds is breadth: more
        operations, more shapes, more machines. The sources are as short as they can be, and meant to be read: `core/op.py` (what an operation
        is), `core/autograd.py` (your walk), `engine/passes/`, `engine/schedule.py`, `engine/program.py`. `docs/architecture.md` is the map.
        """
    )
    return


if __name__ == "__main__":
    app.run()
