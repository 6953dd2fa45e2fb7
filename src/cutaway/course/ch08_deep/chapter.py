import marimo

app = marimo.App(app_title="8 · Deep", width="medium")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway.course.digits import digits
    from cutaway.course.notebook import card, figures, whose, yours
    from cutaway.nn import functional as F
    from cutaway.train.recipes import mnist_deep

    return F, card, cutaway, digits, figures, mnist_deep, mo, np, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 8 · Deep

        Take the convolutional network of chapter 7 and stack more of the same. This chapter's is the book's: six convolutions of 3 × 3, three
        poolings, two dense layers, He's initial values, dropout. Fully trained it reads 99.4 % of digits it has never seen (the book:
        99.38 %; `cutaway train mnist-deep`, eight epochs with images that are moved about a little: 99.60 %). Here is a taste of
        it on part of the digits, in small batches and with little dropout, as there are so few steps; the button trains on all.
        """
    )
    return


@app.cell
def _(mo):
    images = mo.ui.slider(500, 6000, 500, value=2000, label="training images", show_value=True)
    epochs = mo.ui.slider(1, 10, 1, value=3, label="epochs", show_value=True)
    moved = mo.ui.slider(0, 4, 1, value=2, label="moved by up to (pixels)", show_value=True)
    everything = mo.ui.run_button(label="all 60,000 digits, the same number of epochs (15 seconds or more each)")
    mo.vstack([mo.hstack([images, epochs, moved], justify="start", wrap=True), everything])
    return epochs, everything, images, moved


@app.cell
def _(F, cutaway, digits, epochs, everything, images, mnist_deep, mo, moved, np, yours):
    shift, shift_passed = yours("8.shift")
    (_x, _t), (test_x, test_t) = digits()
    _count = 60000 if everything.value else images.value
    _x, _t = _x[:_count].reshape(-1, 1, 28, 28), _t[:_count]
    test_x = test_x.reshape(-1, 1, 28, 28)
    if not everything.value:
        test_x, test_t = test_x[:2000], test_t[:2000]
    cutaway.manual_seed(0)
    net = mnist_deep.model((1, 28, 28), 10, mnist_deep.Config(dropout=0.5 if everything.value else 0.1))
    cutaway.nn.init.apply_(net, "he")
    _size = 100 if everything.value else 25
    _steps = epochs.value * len(_x) // _size
    _optimizer = cutaway.optim.Adam(net.parameters(), lr=0.002)
    _schedule = cutaway.optim.lr_scheduler.OneCycleLR(_optimizer, 0.003, total_steps=_steps + 1, cycle_momentum=False)

    def _step(x, t):
        _optimizer.zero_grad()
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        _optimizer.step()
        return loss

    _fast = cutaway.compile(_step)
    _rng = np.random.default_rng(0)
    losses = []
    for _epoch in range(epochs.value):
        _batches = _rng.permutation(len(_x)).reshape(-1, _size)
        if everything.value:
            _batches = mo.status.progress_bar(list(_batches), title=f"epoch {_epoch + 1} of {epochs.value}", show_eta=True, remove_on_exit=True)
        for _rows in _batches:
            _by = _rng.integers(-moved.value, moved.value + 1, (2, _size))
            _batch = shift(_x[_rows], *_by) if moved.value else _x[_rows]
            losses.append(_fast(cutaway.from_numpy(np.ascontiguousarray(_batch, np.float32)), cutaway.from_numpy(_t[_rows])).item())
            _schedule.step()
    net.eval()
    _forward = cutaway.compile(lambda x: net(x).softmax(1))

    def says(x):
        with cutaway.no_grad():
            return np.concatenate([_forward(cutaway.from_numpy(x[i : i + 500])).numpy().copy() for i in range(0, len(x), 500)])

    shares = says(test_x)
    return losses, net, says, shares, shift, shift_passed, test_t, test_x


@app.cell
def _(figures, losses, mo, net, np, shares, test_t, test_x, whose, yours):
    _mistakes, _passed = yours("8.mistakes")
    _worst = _mistakes(shares, test_t)[:20]
    _names = [f"{test_t[i]} → {shares[i].argmax()}, {100 * shares[i].max():.0f} %" for i in _worst]
    _right = (shares.argmax(1) == test_t).mean()
    _k = max(1, len(losses) // 60)
    _mean = np.array(losses)[: len(losses) // _k * _k].reshape(-1, _k).mean(1)
    mo.vstack([
        figures.side_by_side([
            (f"{sum(p.numel() for p in net.parameters()):,} parameters; test accuracy {100 * _right:.2f} %", figures.lines(
                "loss", [figures.Curve(_k * np.arange(len(_mean)), _mean, "loss on the mini-batches", "a")], "step", "loss (nats)")),
            ("its surest mistakes: what it is → what it was read as", figures.pictures([test_x[i, 0] for i in _worst], _names, size=64))]),
        mo.md(f"Of {len(test_t):,} test digits {int((shares.argmax(1) != test_t).sum())} are wrong. *Sorted {whose(_passed)}.* Train it fully, and what "
              "is left are digits that people read wrong, too."),
    ])
    return


@app.cell
def _(card):
    card("8.mistakes")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Why deep, and why small filters

        Two 3 × 3 convolutions on top of one another see as far as one of 5 × 5; three see 7 × 7. With $C$ channels in and out:

        $$\underbrace{2 \cdot 9\,C^2}_{\text{two of } 3 \times 3} = 18\,C^2 \;<\; \underbrace{25\,C^2}_{\text{one of } 5 \times 5}$$

        Fewer weights, and a ReLU more in between, so the deeper one can say more. And a deep network breaks its task up: the first layers find
        edges, the next corners, later ones parts of a digit. Each needs few examples to learn its small piece. (VGG, 2014, is built of
        3 × 3 alone.) A stride or a pooling widens the view faster: after it every step is twice as wide.
        """
    )
    return


@app.cell
def _(mo):
    kernel = mo.ui.slider(3, 7, 2, value=3, label="small kernel", show_value=True)
    layers = mo.ui.slider(1, 10, 1, value=3, label="layers of it", show_value=True)
    channels = mo.ui.slider(8, 128, 8, value=32, label="channels", show_value=True)
    every = mo.ui.slider(0, 4, 1, value=0, label="a 2 × 2 pooling after every ... layers (0: none)", show_value=True)
    mo.hstack([kernel, layers, channels, every], justify="start", wrap=True)
    return channels, every, kernel, layers


@app.cell
def _(channels, every, figures, kernel, layers, mo, whose, yours):
    (_field, _a), (_count, _b) = yours("8.receptive_field"), yours("8.stack_parameters")
    _stack, _seen = [], []
    for _i in range(layers.value):
        _stack.append((kernel.value, 1))
        _seen.append(_field(_stack))
        if every.value and (_i + 1) % every.value == 0:
            _stack.append((2, 2))
    _far = _field([(kernel.value, 1)] * layers.value)
    _names = [f"{layers.value} of {kernel.value} × {kernel.value}", f"1 of {_far} × {_far}"]
    mo.vstack([figures.side_by_side([
        (f"after {layers.value} layers an output sees {_seen[-1]} × {_seen[-1]} pixels", figures.lines("field", [
            figures.Curve(range(1, layers.value + 1), _seen, "this stack", "a"), figures.Curve(range(1, layers.value + 1), _seen, "", "a", dots=True),
            figures.Curve([1, layers.value], [28, 28], "a whole digit", "soft")], "layers", "pixels across")),
        (f"parameters, to see {_far} × {_far} without pooling", figures.bars("weights", _names, [
            _count(channels.value, kernel.value, layers.value) / 1000, _count(channels.value, _far, 1) / 1000], unit=" thousand")),
    ]), mo.md(f"*Computed {whose(_a and _b)}.*")])
    return


@app.cell
def _(card, mo):
    mo.vstack([card("8.receptive_field"), card("8.stack_parameters")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## More examples than there are

        A digit that is moved by two pixels is the same digit, and the network has not seen it yet. So move each image a little
        differently every time it is used: **augmentation**. What may be done depends on the task: cats may be mirrored, a 6 may not be
        turned upside down. Set the slider at the top to 0 pixels, and compare the test accuracy.
        """
    )
    return


@app.cell
def _(mo):
    down = mo.ui.slider(-10, 10, 1, value=3, label="down", show_value=True)
    right = mo.ui.slider(-10, 10, 1, value=-4, label="right", show_value=True)
    mo.hstack([down, right], justify="start", wrap=True)
    return down, right


@app.cell
def _(down, figures, mo, np, right, shift, shift_passed, test_x, whose):
    _some = test_x[:8]
    _all = lambda v: np.full(8, v)
    _rng = np.random.default_rng(1)
    mo.vstack([figures.side_by_side([
        (f"all by {down.value} down, {right.value} right", figures.pictures(list(shift(_some, _all(down.value), _all(right.value))[:, 0]), size=56)),
        ("as in training: each by chance", figures.pictures(list(shift(_some, *_rng.integers(-3, 4, (2, 8)))[:, 0]), size=56)),
    ]), mo.md(f"*Moved {whose(shift_passed)}.*")])
    return


@app.cell
def _(card):
    card("8.shift")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A way around

        Deeper is better only as long as it can be trained. Backwards through twenty layers a gradient is multiplied twenty times, and it fades
        or explodes, as in chapter 6. He and others (2015) let each block *add* to what comes in:

        $$y = x + f(x) \qquad \frac{\partial L}{\partial x} = \frac{\partial L}{\partial y} + \frac{\partial L}{\partial y}\,\frac{\partial f}{\partial x}$$

        The first term goes through unchanged, whatever $f$ does. A block that has nothing to add learns $f = 0$, and that is easy. With this
        networks of over a hundred layers could be trained for the first time.
        """
    )
    return


@app.cell
def _(card):
    card("8.Residual")
    return


@app.cell
def _(mo):
    depth = mo.ui.slider(5, 60, 5, value=30, label="blocks", show_value=True)
    scale = mo.ui.slider(0.2, 2.0, 0.1, value=0.7, label="standard deviation of the weights, times √(1/width)", show_value=True)
    mo.hstack([depth, scale], justify="start", wrap=True)
    return depth, scale


@app.cell
def _(depth, figures, mo, np, scale, whose, yours):
    _Residual, _passed = yours("8.Residual")
    _rng = np.random.default_rng(0)

    class _Dense:
        def __init__(self, w):
            self.w = w

        def forward(self, x):
            self.y = np.tanh(x @ self.w)
            return self.y

        def backward(self, g):
            return (g * (1 - self.y**2)) @ self.w.T

    _weights = [_rng.normal(0, scale.value / 8, (64, 64)) for _ in range(depth.value)]
    _x = _rng.normal(size=(32, 64))

    def _norms(make):
        blocks, x = [make(w) for w in _weights], _x
        for block in blocks:
            x = block.forward(x)
        g, found = np.ones_like(x) / x.size, []
        for block in reversed(blocks):
            g = block.backward(g)
            found.append(float(np.linalg.norm(g)) * x.size**0.5)
        return found[::-1]

    _plain, _around = _norms(_Dense), _norms(lambda w: _Residual(_Dense(w)))
    _at = np.arange(1, depth.value + 1)
    mo.vstack([figures.lines("gradients", [
        figures.Curve(_at, np.maximum(_plain, 1e-14), "layers one after the other", "b"), figures.Curve(_at, np.maximum(_around, 1e-14), "each with a way around", "a")],
        "block (1 is next to the input)", "length of the gradient", log=True), mo.md(
        f"At the first block: {_plain[0]:.1e} without, {_around[0]:.1e} with a way around. *Computed {whose(_passed)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## What it costs

        Nine tenths of the time of such a network goes into its convolutions. For an input $N \times C \times H \times W$, $F$ filters
        $C \times K \times K$ and an output $F \times O_H \times O_W$:

        $$\text{FLOP} = 2\,N F\,O_H O_W\,C K^2 \qquad \text{bytes} = 4\,(N C H W + F C K^2 + N F\,O_H O_W)$$

        How many FLOP for each byte decides what holds a machine up: few, and it waits for memory (adding two arrays: a twelfth); many, and
        it computes all the time (a convolution: dozens). But only a program that reads each number *once* gets there. Here are five
        programs for one small convolution, from the definition on.
        """
    )
    return


@app.cell
def _(card):
    card("8.convolution_cost")
    return


@app.cell
def _(mo):
    batch = mo.ui.slider(1, 8, 1, value=2, label="images", show_value=True)
    side = mo.ui.slider(6, 20, 2, value=12, label="pixels across", show_value=True)
    filters = mo.ui.slider(2, 16, 2, value=8, label="channels and filters", show_value=True)
    mo.hstack([batch, side, filters], justify="start", wrap=True)
    return batch, filters, side


@app.cell
def _(F, batch, cutaway, figures, filters, mo, np, side, whose, yours):
    from time import perf_counter as _clock

    _cost, _passed = yours("8.convolution_cost")
    _n, _c, _s = batch.value, filters.value, side.value
    _rng = np.random.default_rng(0)
    _x, _w = _rng.normal(size=(_n, _c, _s, _s)).astype(np.float32), _rng.normal(size=(_c, _c, 3, 3)).astype(np.float32)
    _o = _s - 2

    def _loops(x, w):
        x, w = x.tolist(), w.tolist()
        return [[[[sum(x[i][c][y + k][z + j] * w[f][c][k][j] for c in range(_c) for k in range(3) for j in range(3))
                   for z in range(_o)] for y in range(_o)] for f in range(_c)] for i in range(_n)]

    def _places(x, w):  # a product for each place of the output
        out = np.empty((_n, _c, _o, _o), np.float32)
        for y in range(_o):
            for z in range(_o):
                out[:, :, y, z] = np.tensordot(x[:, :, y : y + 3, z : z + 3], w, ((1, 2, 3), (1, 2, 3)))
        return out

    def _im2col(x, w):  # one product for all
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 9 * _c)
        return (columns @ w.reshape(_c, -1).T).reshape(_n, _o, _o, _c).transpose(0, 3, 1, 2)

    _tx, _tw = cutaway.from_numpy(_x), cutaway.from_numpy(_w)
    _program = cutaway.compile(lambda x, w: F.conv2d(x, w))
    _ways = [("Python loops", lambda: _loops(_x, _w), 1), ("NumPy, place by place", lambda: _places(_x, _w), 3), ("NumPy, im2col", lambda: _im2col(_x, _w), 20),
             ("Cutaway, eager", lambda: F.conv2d(_tx, _tw), 20), ("Cutaway, compiled", lambda: _program(_tx, _tw), 20)]
    _times, _truth = [], None
    for _name, _f, _times_each in _ways:
        _y = _f()
        _y = _y.numpy() if hasattr(_y, "numpy") else np.array(_y)
        _truth = _y if _truth is None else _truth
        assert np.allclose(_y, _truth, atol=1e-3), _name
        _each = []
        for _ in range(_times_each):
            _began = _clock()
            _f()
            _each.append(_clock() - _began)
        _times.append(float(np.median(_each)))
    _flops, _bytes = _cost(_n, _c, _s, _s, _c, 3, 0)
    _columns = 4 * _n * _o * _o * 9 * _c
    mo.vstack([figures.side_by_side([
        ("time (µs, on this machine, logarithmic)", figures.bars("time", [n for n, _, _ in _ways], [1e6 * s for s in _times], log=True, unit=" µs")),
        ("GFLOP in a second (logarithmic)", figures.bars("speed", [n for n, _, _ in _ways], [_flops / s / 1e9 for s in _times], log=True)),
        ("bytes moved (KiB)", figures.bars("bytes", ["the least", "place by place", "im2col"], [
            _bytes / 1024, (4 * _n * _o * _o * (9 * _c + _c) + _o * _o * _w.nbytes) / 1024, (_bytes + 2 * _columns) / 1024])),
    ]), mo.md(f"{_flops / 1e6:.2f} MFLOP, {_bytes / 1024:.0f} KiB: {_flops / _bytes:.0f} FLOP for each byte. All five give the same numbers. im2col pays with memory: it writes every "
              f"pixel nine times. The compiled program convolves where the numbers lie. *Counted {whose(_passed)}.* Larger problems show more: `cutaway bench W4` times this chapter's "
              "network whole, and chapter 11 opens the program.")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Fewer bits

        A network does not need many digits. Half the bits are half the bytes to move, and twice as many numbers in a register. **float16** has 5
        bits of exponent and 10 of fraction: fine steps, but nothing above 65,504. **bfloat16** is the upper half of a float32: its whole
        range, in coarse steps. **int8** is a whole number and one scale for all. Training wants range (bfloat16, or float16 with a loss
        that is scaled up); a trained network often still works with 8 bits.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("8.half"), card("8.to_bfloat16"), card("8.quantise")])
    return


@app.cell
def _(mo):
    sign = mo.ui.slider(0, 1, 1, value=0, label="sign", show_value=True)
    exponent = mo.ui.slider(0, 31, 1, value=16, label="exponent", show_value=True)
    fraction = mo.ui.slider(0, 1023, 1, value=584, label="fraction", show_value=True)
    mo.hstack([sign, exponent, fraction], justify="start", wrap=True)
    return exponent, fraction, sign


@app.cell
def _(exponent, figures, fraction, mo, np, sign, whose, yours):
    (_half, _a), (_brain, _b), (_eight, _c) = yours("8.half"), yours("8.to_bfloat16"), yours("8.quantise")
    _bits = sign.value << 15 | exponent.value << 10 | fraction.value
    _x = np.logspace(-6, 6, 241).astype(np.float32) * np.float32(1.2345)
    with np.errstate(over="ignore"):
        _halves = _x.astype(np.float16).astype(np.float32)
    _q, _scale = _eight(_x[(_x < 2)])
    _off = lambda y, x: np.maximum(np.abs(np.where(np.isfinite(y), y, np.nan) - x) / x, 1e-6)
    _text = f"{_bits:016b}"
    mo.vstack([figures.side_by_side([
        ("sixteen bits", figures.table(["sign", "exponent", "fraction", "float16"], [(_text[0], _text[1:6], _text[6:], f"{_half(_bits):.6g}")])),
        ("the same bits, read as bfloat16", figures.table(["sign", "exponent", "fraction", "bfloat16"], [
            (_text[0], _text[1:9], _text[9:], f"{np.array([_bits << 16], np.uint32).view(np.float32)[0]:.6g}")])),
    ]), figures.lines("error", [
        figures.Curve(np.log10(_x), _off(_halves, _x), "float16", "a"), figures.Curve(np.log10(_x), _off(_brain(_x), _x), "bfloat16", "b"),
        figures.Curve(np.log10(_x[_x < 2]), _off(_q * _scale, _x[_x < 2]), "int8, largest number 2", "c")],
        "size of the number, power of ten", "relative error", log=True, y_range=(1e-5, 1)),
        mo.md(f"float16 loses its digits below 10⁻⁵ and ends at 65,504; bfloat16 errs by the same small share everywhere; int8 has no digits left a hundred times below its largest "
              f"number. *Computed {whose(_a and _b and _c)}.*")])
    return


@app.cell
def _(cutaway, figures, mo, net, np, says, shares, test_t, test_x, whose, yours):
    (_brain, _a), (_eight, _b) = yours("8.to_bfloat16"), yours("8.quantise")

    def _four(x):  # the same with 15 steps, as a network of 4 bits would have
        scale = float(np.abs(x).max()) / 7
        return np.round(x / scale) * scale

    def _int8(x):
        q, scale = _eight(x)
        return q * np.float32(scale)

    _kept = [p.detach().numpy().copy() for p in net.parameters()]
    _all = sum(p.size for p in _kept)
    _some, _classes = test_x[:1000], test_t[:1000]
    _rows = [("float32", f"{4 * _all / 1024:.0f} KiB", f"{100 * (shares[:1000].argmax(1) == _classes).mean():.1f} %", "0")]
    for _name, _f, _size in (("float16", lambda w: w.astype(np.float16), 2), ("bfloat16", _brain, 2), ("int8", _int8, 1), ("4 bits", _four, 0.5)):
        with cutaway.no_grad():
            for _p, _w in zip(net.parameters(), _kept):
                _p.copy_(cutaway.tensor(np.asarray(_f(_w), np.float32)))
        _now = says(_some)
        with cutaway.no_grad():
            for _p, _w in zip(net.parameters(), _kept):
                _p.copy_(cutaway.tensor(_w))
        _rows.append((_name, f"{_size * _all / 1024:.0f} KiB", f"{100 * (_now.argmax(1) == _classes).mean():.1f} %", f"{abs(_now - shares[:1000]).max():.1e}"))
    mo.vstack([mo.md("The network from the top of the page, its weights rounded after training:"),
               figures.table(["weights as", "size", "right, of 1,000 digits", "largest change of a share"], _rows), mo.md(f"*Rounded {whose(_a and _b)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Further

        Deep networks do more than name digits: they find objects in images and outline them pixel by pixel, describe images in words, paint in
        another's style, drive, and play. The last of these, learning by one's own experience, is the next chapter.

        `cutaway train mnist-deep --mine` moves the training images with your `shift`, once it has passed. The other exercises of this chapter
        look at networks or are written into them (`Residual` goes around a layer); the library has no single place where they would go.

        *Next: chapter 9, reinforcement learning.*
        """
    )
    return


if __name__ == "__main__":
    app.run()
