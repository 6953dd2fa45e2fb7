import marimo

app = marimo.App(app_title="10 · Sequences and attention", width="medium")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import cutaway
    from cutaway import nn
    from cutaway.course.ch10_sequences import corpus, models
    from cutaway.course.notebook import card, figures, whose, yours

    return card, corpus, cutaway, figures, mo, models, nn, np, whose, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 10 · Sequences and attention

        So far each example stood by itself. In a text, a melody or a price the order is the matter, and what comes next depends on what came
        long before. A **language model** does one thing: it reads a text and says, for each place, how probable each symbol is as the
        next one. It learns by cross-entropy, and it writes by drawing from what it says, again and again.

        $$p(s_1 s_2 \dots s_T) = \prod_t p(s_{t+1} \mid s_1 \dots s_t), \qquad
          L = -\frac{1}{T} \sum_t \log p(s_{t+1} \mid s_1 \dots s_t)$$

        The text to learn here is written by a small grammar, so that what a network writes can be judged: words must exist, and **the
        verb must agree with its subject**, however far away that is. *The keys of the old ship are small*: not *is*.
        """
    )
    return


@app.cell
def _(corpus, np, yours):
    LENGTH = 32
    text = corpus.text(3000)
    symbols = sorted(set(text))
    ids = np.array([symbols.index(c) for c in text])
    windows, windows_passed = yours("10.windows")
    x, t = windows(ids, LENGTH)
    return LENGTH, ids, symbols, t, text, windows_passed, x


@app.cell
def _(mo):
    row = mo.ui.slider(0, 60, 1, value=0, label="example", show_value=True)
    row
    return (row,)


@app.cell
def _(figures, ids, mo, np, row, symbols, t, text, whose, windows_passed, x):
    _counts = np.ones((len(symbols), len(symbols)))
    np.add.at(_counts, (ids[:-1], ids[1:]), 1)
    _next = _counts / _counts.sum(1, keepdims=True)
    _one = _counts.sum(0) / _counts.sum()
    pair_loss = float(-np.log(_next[ids[:-1], ids[1:]]).mean())
    _say = lambda s: "".join(symbols[i] for i in s).replace(" ", "␣")
    _shown = [s.replace(" ", "␣") for s in symbols]
    _at = int(x[row.value][-1])
    mo.vstack([
        mo.md(f"> {text[:230]} …"),
        figures.code(f"x  {_say(x[row.value])}\nt  {_say(t[row.value])}"),
        figures.side_by_side([
            ("surprise for each symbol (nats) of guessers that do not learn", figures.bars("guessers", ["all symbols alike", "by how frequent it is", "by the symbol before"],
                          [float(np.log(len(symbols))), float(-(_one * np.log(_one)).sum()), pair_loss])),
            (f"what follows {_shown[_at]} in the text", figures.bars("next", [_shown[i] for i in np.argsort(-_next[_at])[:6]],
                                                                  [float(v) for v in np.sort(_next[_at])[::-1][:6]])),
        ]),
        mo.md(f"{len(text):,} letters, {len(symbols)} different symbols, {len(x):,} examples of {x.shape[1]}. *Cut {whose(windows_passed)}.* "
              "The last bar on the left is what counting pairs can do; whoever is below it remembers more than one letter."),
    ])
    return (pair_loss,)


@app.cell
def _(card):
    card("10.windows")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A network with a state

        A **recurrent network** reads one symbol after the other and keeps a state $h$, a row of numbers, in which everything must be that
        it will still need. The same weights at every step:

        $$h_t = \tanh(x_t W_x + h_{t-1} W_h + b)$$

        Written out over time it is a deep network with a layer for each step, and back-propagation goes through all of them: *through
        time*. From one step to the one before, a gradient is multiplied by $1 - h_t^2$ and by $W_h^\top$. Do that thirty times with a
        matrix that shrinks, and nothing is left: what happened long ago cannot be learned. With one that stretches, it explodes.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("10.rnn_step"), card("10.rnn_step_backward")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A state that can be kept

        Hochreiter and Schmidhuber's **long short-term memory** (1997) keeps a second state $c$, and changes it by *adding*. Three gates,
        each a sigmoid between 0 and 1, say what enters, what is kept, and what is shown:

        $$z = x W_x + h W_h + b = (i, f, g, o) \qquad c' = \sigma(f) \odot c + \sigma(i) \odot \tanh(g) \qquad h' = \sigma(o) \odot \tanh(c')$$

        Along $c$ the gradient is multiplied by $\sigma(f)$ alone. With a forget gate near 1 it arrives almost whole.
        """
    )
    return


@app.cell
def _(card):
    card("10.lstm_step")
    return


@app.cell
def _(mo):
    stretch = mo.ui.slider(0.5, 2.0, 0.1, value=1.0, label="largest stretch of W_h", show_value=True)
    forget = mo.ui.slider(-2.0, 6.0, 0.5, value=2.0, label="bias of the forget gate", show_value=True)
    mo.hstack([stretch, forget], justify="start", wrap=True)
    return forget, stretch


@app.cell
def _(figures, forget, mo, np, stretch, whose, yours):
    (_step, _a), (_back, _b), (_lstm, _c) = (yours(f"10.{n}") for n in ("rnn_step", "rnn_step_backward", "lstm_step"))
    _rng = np.random.default_rng(0)
    _size, _steps = 16, 40
    _w_h = np.linalg.qr(_rng.normal(size=(_size, _size)))[0] * stretch.value
    _w_x, _bias = 0.3 * _rng.normal(size=(4, _size)), np.zeros(_size)
    _xs = _rng.normal(size=(_steps, 1, 4))
    _h, _kept = np.zeros((1, _size)), []
    for _x in _xs:
        _kept.append(_h)
        _h = _step(_x, _h, _w_x, _w_h, _bias)
    _g, _rnn = np.ones((1, _size)) / 4, []
    for _x, _before in zip(_xs[::-1], _kept[::-1]):
        _rnn.append(float(np.linalg.norm(_g)))
        _g = _back(_g, _x, _before, _w_x, _w_h, _bias)[1]

    _v_x, _v_h = 0.3 * _rng.normal(size=(4, 4 * _size)), 0.1 * _rng.normal(size=(_size, 4 * _size))
    _vb = np.concatenate([np.zeros(_size), np.full(_size, forget.value), np.zeros(2 * _size)])

    def _last(c, start):  # the last c, if c is what was kept at step `start`
        h = np.zeros((1, _size))
        for x in _xs[start:]:
            h, c = _lstm(x, h, c, _v_x, _v_h, _vb)
        return c

    _way = np.ones((1, _size)) / 4
    _long = [float(abs((_last(1e-4 * _way, s) - _last(-1e-4 * _way, s)) / 2e-4).max() * 4) for s in range(_steps)][::-1]
    _ago = np.arange(_steps)
    mo.vstack([
        figures.lines("memory", [figures.Curve(_ago, np.maximum(_rnn, 1e-12), "recurrent network", "b"),
                                 figures.Curve(_ago, np.maximum(_long, 1e-12), "LSTM, along c", "a")],
                      "steps ago", "gradient that arrives", log=True, y_range=(1e-9, 1e4)),
        mo.md(f"Forty steps ago: {_rnn[-1]:.1e} of the gradient is left in the recurrent network, {_long[-1]:.1e} in the LSTM. *Computed {whose(_a and _b and _c)}.* "
              "Even with a stretch of 1, tanh takes its share at every step. Where a gradient explodes, its length is cut (clipping)."),
    ])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Looking instead of remembering

        Whoever must keep everything in one row of numbers forgets. **Attention** looks back instead. Each place asks a question $q$, each
        place offers a key $k$ and a value $v$; how well question and key agree says how much of that value is taken:

        $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{E}}\right) V$$

        Row $t$ of the softmax says how place $t$ shares itself out among all places. The scores are sums of $E$ products, and grow like
        $\sqrt{E}$; divided by it, the softmax begins soft. A language model must not see what it is to guess, so the scores
        of later places are set to $-\infty$: a **causal mask**. There is no step from one place to the next: all are computed at once, and from
        any place to any other the way is one step long.
        """
    )
    return


@app.cell
def _(card):
    card("10.attention")
    return


@app.cell
def _(mo):
    sharp = mo.ui.slider(0.0, 8.0, 0.5, value=4.0, label="how strongly question and key agree", show_value=True)
    asks = mo.ui.slider(0, 7, 1, value=6, label="who asks", show_value=True)
    causal = mo.ui.checkbox(value=True, label="causal")
    mo.hstack([sharp, asks, causal], justify="start", wrap=True)
    return asks, causal, sharp


@app.cell
def _(asks, causal, cutaway, figures, mo, np, sharp, whose, yours):
    _attention, _passed = yours("10.attention")
    _words = ["the", "keys", "of", "the", "old", "ship", "are", "small"]
    #        noun  many  verb  small word
    _kinds = np.array([[0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0.5], [1, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0.5]])
    _ask = np.zeros((8, 4))
    _ask[6] = [1, 1, 0, -1]                                   # the verb asks for a noun, and it may be many
    _ask[[0, 3, 4, 7], 0] = 1
    _ask[[1, 2, 5], 3] = 1
    _q, _k = (cutaway.tensor(a).float() for a in (sharp.value * _ask, _kinds))
    _shares = _attention(_q, _k, cutaway.eye(8), causal.value).numpy()
    mo.vstack([figures.side_by_side([
        ("who looks at whom: a row for each place that asks", figures.cells(_shares.round(2))),
        (f"“{_words[asks.value]}” looks at", figures.bars("shares", [f"{i} {w}" for i, w in enumerate(_words)], [float(v) for v in _shares[asks.value]])),
    ]), figures.tokens([w + " " for w in _words], 0.9 * _shares[asks.value], asks.value),
        mo.md("Values that are the rows of a unit matrix give back the shares. Keys here are four numbers (a noun? many? a verb? a small word?), "
              f"set by hand as the gates of chapter 1 were; a network learns them. *Computed {whose(_passed)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## What else a GPT needs

        **Heads.** One look is not enough: a verb wants its subject and the letter before. So the $D$ columns are split into several heads that look
        by themselves, each on its own $D/\text{heads}$ columns.

        **Places.** Attention sees a set, not a row: exchange two places and it does not notice. So each place adds to its symbol a row
        of numbers that says where it is. With waves of many lengths, a shift by $s$ places is the same turn everywhere, and the product of two
        rows depends only on how far apart they are.

        **Layer normalisation.** Each row to mean 0 and variance 1, then scaled and moved by learned numbers: as batch normalisation
        in chapter 6, but within one example, so that length and batch do not matter.

        **Two ways at once.** Each block *adds* its result to its input (chapter 8: residual connections), so that the gradient has a free way.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("10.split_heads"), card("10.positions"), card("10.layer_norm")])
    return


@app.cell
def _(mo):
    anchor = mo.ui.slider(0, 63, 1, value=20, label="place", show_value=True)
    width = mo.ui.slider(8, 64, 8, value=32, label="columns", show_value=True)
    mo.hstack([anchor, width], justify="start", wrap=True)
    return anchor, width


@app.cell
def _(anchor, figures, mo, np, whose, width, yours):
    _positions, _passed = yours("10.positions")
    _p = _positions(64, width.value)
    _like = _p @ _p[anchor.value] / (width.value / 2)
    mo.vstack([figures.side_by_side([
        ("64 places (rows), their numbers (columns)", figures.picture(_p, signed=True, size=300)),
        (f"how alike the other places are to place {anchor.value}", figures.lines("alike", [
            figures.Curve(np.arange(64), _like, "product of two rows", "a"), figures.Curve([anchor.value], [1.0], "", "b", dots=True)], "place", "")),
    ]), mo.md(f"*Computed {whose(_passed)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A small GPT, made of your parts

        This is all of it. `split` is your `split_heads`, `places` your `positions`; your `attention` and `layer_norm` go in by
        `cutaway.use`, where the block calls the library's. (`cutaway train RECIPE --mine` does the same in any recipe that uses them.)
        """
    )
    return


@app.cell
def _(figures, models):
    from inspect import getsource as _source

    _text = _source(models.Block) + "\n\n" + _source(models.GPT)
    figures.code(_text[: _text.index("    def shares")] + _text[_text.index("class GPT") : _text.index("    def looks")].rstrip(), 420)
    return


@app.cell
def _(card):
    card("10.sample")
    return


@app.cell
def _(mo):
    steps = mo.ui.slider(0, 1000, 50, value=600, label="steps", show_value=True)
    heads = mo.ui.slider(steps=[1, 2, 4, 8], value=4, label="heads", show_value=True)
    mo.vstack([mo.md("One block, 48 columns, pieces of 32 letters. Train it:"), mo.hstack([steps, heads], justify="start", wrap=True)])
    return heads, steps


@app.cell
def _(LENGTH, cutaway, heads, models, steps, symbols, t, x, yours):
    _names = ("attention", "layer_norm", "split_heads", "positions")
    (_attention, _p1), (_layer_norm, _p2), (_split, _p3), (_places, _p4) = (yours(f"10.{n}") for n in _names)
    mine = [n for n, p in zip(_names, (_p1, _p2, _p3, _p4)) if p]
    parts = {}
    if _p1:
        parts["scaled_dot_product_attention"] = _attention
    if _p2:
        parts["layer_norm"] = lambda input, normalized_shape, weight=None, bias=None, eps=1e-5: _layer_norm(input, weight, bias, eps)

    def with_mine(f):
        if not parts:
            return f()
        with cutaway.use(**parts):
            return f()

    def make(seed=0, layers=1, heads=heads.value, width=48, length=LENGTH):
        cutaway.manual_seed(seed)
        return models.GPT(len(symbols), _places(length, width), heads, layers, _split)

    gpt = make()
    losses = with_mine(lambda: models.train(gpt, x, t, steps.value, 0.007))
    return gpt, losses, make, mine, with_mine


@app.cell
def _(mo):
    heat = mo.ui.slider(0.1, 2.0, 0.1, value=0.6, label="temperature", show_value=True)
    seed = mo.ui.slider(0, 20, 1, value=0, label="chance", show_value=True)
    mo.hstack([heat, seed], justify="start", wrap=True)
    return heat, seed


@app.cell
def _(LENGTH, corpus, figures, gpt, heat, losses, mine, mo, models, np, pair_loss, seed, symbols, with_mine, yours):
    _sample, _passed = yours("10.sample")
    _start = [symbols.index(c) for c in "the keys of the ship "]
    _ids = with_mine(lambda: models.write(gpt, _start, 300, LENGTH, _sample, heat.value, seed.value))
    written = "".join(symbols[i] for i in _ids)
    _known, _right = corpus.judged(written)
    _sentences = [s.strip() + "." for s in written.split(".")[:-1]]
    _marks = [(s, 0.35 if corpus.grammatical(s) else -0.45) for s in _sentences]
    _k = max(1, len(losses) // 100)
    _mean = [float(np.mean(losses[i : i + _k])) for i in range(0, len(losses) - _k + 1, _k)]
    _at = np.arange(len(_mean)) * _k
    _lines = figures.lines("loss", [figures.Curve(_at, _mean, "the GPT", "a"), figures.Curve([0, max(_at)], [pair_loss] * 2, "counting pairs", "soft")],
                           "step", "loss (nats a symbol)", y_range=(0, 3.4)) if len(_mean) > 1 else "not trained: it writes noise"
    _mine = f"your {', '.join(mine)} inside" if mine else "the course's parts inside; pass an exercise and yours is"
    mo.vstack([figures.side_by_side([
        (f"loss, now {losses[-1]:.2f}" if losses else "loss", _lines),
        ("what it writes", figures.tokens([s + " " for s, _ in _marks], [v for _, v in _marks])),
    ]), mo.md(f"{100 * _known:.0f} % of its words exist, {100 * _right:.0f} % of its whole sentences are grammatical (orange; the others are blue). "
              f"*Trained with {_mine}.* Low temperatures write what is safest, high ones invent words.")])
    return


@app.cell
def _(mo):
    ask = mo.ui.text(value="the keys of the old ship ", label="a beginning of your own", full_width=True)
    place = mo.ui.slider(0, 31, 1, value=24, label="place that looks", show_value=True)
    mo.vstack([ask, place])
    return ask, place


@app.cell
def _(LENGTH, ask, cutaway, figures, gpt, mo, np, place, symbols, with_mine):
    _known = [c for c in ask.value.lower() if c in symbols][-LENGTH:] or ["t"]
    _row = cutaway.tensor([[symbols.index(c) for c in _known]])
    with cutaway.no_grad():
        _p = with_mine(lambda: gpt(_row).softmax(-1)).numpy()[0]
    _looks = with_mine(lambda: gpt.looks(_row))[0][0]
    _who = min(place.value, len(_known) - 1)
    _best = np.argsort(-_p[_who])[:6]
    mo.vstack([figures.side_by_side([
        *((f"head {k + 1}", figures.tokens(_known, _looks[k, _who], _who)) for k in range(len(_looks))),
    ]), figures.side_by_side([
        *((f"head {k + 1}", figures.picture(_looks[k], signed=True, size=150)) for k in range(len(_looks))),
        (f"after “{''.join(_known[: _who + 1])[-14:]}” it expects", figures.bars("next", [symbols[i].replace(" ", "␣") for i in _best], [float(_p[_who][i]) for i in _best])),
    ]), mo.md("Each row of a square is a place that looks, each column one that is looked at; the upper right half is masked. Some heads learn to look at the "
              "letter before, some at where the word began. Train longer, and compare.")])
    return


@app.cell
def _(mo):
    race = mo.ui.run_button(label="train all three: recurrent, LSTM, GPT of two blocks")
    mo.vstack([mo.md("## Which of them learns agreement?\n\nThe same text, 600 steps each, pieces of 64 letters. This takes a minute or so. Both recurrent networks "
                     "go letter by letter, sixty-four times forward and sixty-four back for each step of learning; the GPT sees all at once."), race])
    return (race,)


@app.cell
def _(corpus, cutaway, figures, ids, make, mo, models, nn, np, race, symbols, with_mine, yours):
    if race.value:
        _windows, _sample = yours("10.windows")[0], yours("10.sample")[0]
        _x, _t = _windows(ids, 64)
        _curves, _rows = [], []
        for _kind, _name in zip("bca", ("recurrent", "LSTM", "GPT")):
            cutaway.manual_seed(0)
            _model = make(layers=2, heads=4, width=64, length=64) if _name == "GPT" else models.Recurrent(
                nn.RNN if _name == "recurrent" else nn.LSTM, len(symbols), 64)
            _bar = lambda steps, n=_name: mo.status.progress_bar(steps, title=f"{n}: the first step takes longest", remove_on_exit=True)
            _loss = with_mine(lambda m=_model, b=_bar: models.train(m, _x, _t, 600, 0.003 if isinstance(m, models.GPT) else 0.005, shown=b))
            _ids = with_mine(lambda m=_model: models.write(m, [symbols.index(c) for c in "the "], 2000, 64, _sample, 0.7))
            _known, _right = corpus.judged("".join(symbols[i] for i in _ids))
            _mean = np.array(_loss).reshape(-1, 10).mean(1)
            _curves.append(figures.Curve(10 * np.arange(len(_mean)), _mean, _name, _kind))
            _rows.append((_name, f"{sum(p.numel() for p in _model.parameters()):,}", f"{_mean[-1]:.3f}", f"{100 * _known:.0f} %", f"{100 * _right:.0f} %"))
        _shown = figures.side_by_side([
            ("loss", figures.lines("loss", _curves, "step", "loss (nats a symbol)", y_range=(0.3, 2.0))),
            ("2,000 letters written by each", figures.table(["", "parameters", "loss", "words that exist", "grammatical"], _rows))])
    else:
        _shown = mo.md("*Press the button; until then, a guess: which of them gets* the keys of the old ship are *right?*")
    _shown
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## From here to a large one

        A large language model is this network with more of everything: a hundred blocks instead of one, pieces of words instead of
        letters, texts of people instead of a grammar. Its parts you have just made. What it takes to make them fast is chapter 8 and chapter 11.
        """
    )
    return


if __name__ == "__main__":
    app.run()
