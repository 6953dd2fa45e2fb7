"""The page: sections of HTML around the charts. All of it is in one file; the policy in its head forbids requests."""

from html import escape
from importlib import resources

import numpy as np

from cutaway.train.report import scale
from cutaway.train.report.chart import Line, confusion, histogram, legend, line_chart
from cutaway.train.report.evidence import Evidence, Histogram, Mistake, Plate, Weights
from cutaway.train.report.png import data_uri

MISTAKES_SHOWN = 60
FILTERS_SHOWN = 64
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# The ends of the scale of signed weights (Okabe and Ito's blue and vermilion), and its middle.
_NEGATIVE, _ZERO, _POSITIVE = np.array([0, 114, 178]), np.array([246, 244, 239]), np.array([213, 94, 0])


def render(e: Evidence) -> str:
    """The whole page as text."""
    sections = [
        _head(e),
        _curves(e),
        _plates(e.plates),
        _confusion(e),
        _mistakes(e),
        _filters(e.filters),
        _histograms(e.histograms),
        _tables(e),
    ]
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<link rel="icon" href="data:,"><title>{escape(e.title)} · {100 * _accuracy(e):.2f} %</title>\n'
        f"<style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n<footer>Written by <code>cutaway train</code>. Beside this file: <code>config.json</code>, "
        "<code>metrics.jsonl</code> (a line per evaluation), <code>recipe.py</code>, <code>model.safetensors</code> "
        "and <code>trainer.safetensors</code>.</footer>\n</main></body></html>\n"
    )


def signed_colours(weights: np.ndarray, largest: float) -> np.ndarray:
    """RGB uint8 `[..., 3]` of signed values: blue below zero, paper at zero, vermilion above, full at `largest`."""
    t = np.clip(weights / (largest or 1.0), -1, 1)[..., None]
    colour = np.where(t < 0, _ZERO + (_NEGATIVE - _ZERO) * -t, _ZERO + (_POSITIVE - _ZERO) * t)
    return colour.round().astype(np.uint8)


def _accuracy(e: Evidence) -> float:
    return e.metrics[-1]["test_accuracy"] if e.metrics else 0.0


def _head(e: Evidence) -> str:
    total, right = int(e.confusion.sum()), int(np.trace(e.confusion))
    last = e.metrics[-1] if e.metrics else {}
    figures = [
        ("main", f"{100 * _accuracy(e):.2f} %", "test accuracy"),
        ("", f"{total - right:,}", f"of {total:,} test examples misread"),
        ("", f"{sum(w.count for w in e.parameters):,}", "parameters"),
        ("", f"{last.get('epoch', 0):.4g}", "epochs"),
        ("", _duration(last.get("seconds", 0.0)), "of training"),
    ]
    items = "".join(f'<li class="{kind}"><b>{number}</b>{text}</li>' for kind, number, text in figures)
    return f'<h1>{escape(e.title)}</h1><p class="soft">{escape(e.summary)}</p><ul class="figures">{items}</ul>'


def _curves(e: Evidence) -> str:
    if not e.metrics:
        return ""
    epochs = [m["epoch"] for m in e.metrics]
    x = scale.linear(0.0, max(epochs[-1], 1e-9), 6)
    both = [("train", "training"), ("test", "test")]

    def lines(measure: str) -> list[Line]:
        return [Line(kind, name, epochs, [m[f"{kind}_{measure}"] for m in e.metrics]) for kind, name in both]

    seen = [v for line in lines("accuracy") for v in line.y]
    finest = 0.5 / max(int(e.confusion.sum()), 1)
    accuracy = line_chart(
        "accuracy against epochs", lines("accuracy"), x, scale.accuracy(seen, finest), "epochs", "accuracy"
    )
    losses = lines("loss")
    if len(e.batch_loss):
        at, mean = scale.smooth(e.batch_loss)
        place = [float(i) / e.steps_per_epoch for i in at]
        losses.insert(0, Line("batch", "batches", place, mean.tolist(), dots=False))
    finite = [v for line in losses for v in line.y if np.isfinite(v) and v > 0]
    y = scale.log(min(finite, default=0.1), max(finite, default=1.0))
    apart = (
        "The test is the training set here: there are no other examples, and the two curves are one."
        if e.test_is_training_set
        else "Test examples are never trained on. Where the two curves part, the network has begun to remember instead of "
        "to understand."
    )
    loss = line_chart("loss against epochs", losses, x, y, "epochs", "loss (nats)")
    return (
        f"<h2>How it learned</h2><p>{apart} Each step up the accuracy axis divides the errors.</p>"
        f'<div class="pair"><div class="card"><h3>Accuracy</h3>{legend(both)}{accuracy}</div>'
        f'<div class="card"><h3>Loss</h3>{legend([*both, ("batch", "batches, as trained")])}{loss}</div></div>'
    )


def _plates(plates: list[Plate]) -> str:
    if not plates:
        return ""
    cards = "".join(
        f'<div class="card"><h3>{escape(p.title)}</h3><div class="plates">'
        + "".join(
            f'<figure><img alt="{escape(p.title)}, {when}" src="{data_uri(signed_colours(2 * picture - 1, 1.0))}">'
            f"<figcaption>{when}</figcaption></figure>"
            for when, picture in (("before", p.before), ("after", p.after))
        )
        + "</div></div>"
        for p in plates
    )
    return (
        "<h2>What it answers over the whole plane</h2>"
        "<p>The first input grows to the right, the second upwards; the four corners are the rows of the truth table. "
        f'</p>{legend([("low", "answers 0"), ("high", "answers 1")])}<div class="pair">{cards}</div>'
    )


def _confusion(e: Evidence) -> str:
    drawing = confusion("confusion matrix of the test set", e.confusion, e.classes)
    return (
        "<h2>What it confuses</h2><p>Each row is what an example truly is, each column what was guessed. Along the "
        "diagonal it was right; the stronger a colour off the diagonal, the more often that mistake was made.</p>"
        f'<div class="pair"><div class="card">{drawing}</div>'
        f'<div class="card"><h3>Class by class</h3>{_class_table(e)}</div></div>'
    )


def _class_table(e: Evidence) -> str:
    rows = []
    for i, (name, counts) in enumerate(zip(e.classes, e.confusion, strict=True)):
        wrong = np.where(np.arange(len(counts)) == i, 0, counts)
        often = int(wrong.argmax())
        times = "once" if wrong[often] == 1 else f"{int(wrong[often])} times"
        taken = f"{escape(e.classes[often])} ({times})" if wrong[often] else "nothing else"
        share = f"{100 * counts[i] / max(counts.sum(), 1):.1f} %"
        rows.append(f'<tr><td>{escape(name)}</td><td class="number">{share}</td><td>{taken}</td></tr>')
    head = '<thead><tr><th>truth</th><th class="number">read right</th><th>most often taken for</th></tr></thead>'
    return f'<table class="classes">{head}<tbody>{"".join(rows)}</tbody></table>'


def _mistakes(e: Evidence) -> str:
    wrong = int(e.confusion.sum() - np.trace(e.confusion))
    if not wrong:
        return "<h2>Where it was wrong</h2><p>Nowhere: every test example was read right.</p>"
    if not e.mistakes:
        return ""
    shown = sorted(e.mistakes, key=lambda m: -m.confidence)[:MISTAKES_SHOWN]
    count = f"All {wrong:,}" if len(shown) == wrong else f"{len(shown)} of the {wrong:,}"
    return (
        f"<h2>Where it was wrong</h2><p>{count} misread test images, the surest mistakes first: the truth, "
        "then the guess and how sure the network was of it.</p>"
        f'<div class="tiles">{"".join(_mistake(m, e.classes) for m in shown)}</div>'
    )


def _mistake(m: Mistake, classes: list[str]) -> str:
    truth, guess = escape(classes[m.truth]), escape(classes[m.guess])
    tip = f"test image {m.index}: {truth} read as {guess}"
    return (
        f'<figure title="{tip}"><img alt="{tip}" src="{data_uri(_pixels(m.image))}">'
        f"<figcaption><b>{truth}</b> read as <b>{guess}</b>, {100 * m.confidence:.0f} %</figcaption></figure>"
    )


def _pixels(image: np.ndarray) -> np.ndarray:
    pixels = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0]


def _filters(filters: tuple[np.ndarray, np.ndarray] | None) -> str:
    if filters is None:
        return ""
    cards = "".join(
        f'<div class="card"><h3>{when}</h3><div class="filters">{_filter_images(w, when)}</div></div>'
        for when, w in zip(("Before training", "After training"), filters, strict=True)
    )
    count = len(filters[0])
    some = f"the first {FILTERS_SHOWN} of {count}" if count > FILTERS_SHOWN else f"all {count}"
    return (
        f"<h2>What the first layer looks for</h2><p>The weights of the first layer as pictures, {some}, in the "
        "same order on both sides. What began as noise has become strokes and edges, if it has learned.</p>"
        f'{legend([("low", "speaks against"), ("high", "speaks for")])}<div class="pair">{cards}</div>'
    )


def _filter_images(weights: np.ndarray, when: str) -> str:
    largest = float(np.quantile(np.abs(weights), 0.995))  # not the maximum: one extreme weight would pale the rest
    pictures = [data_uri(signed_colours(w.mean(0), largest)) for w in weights[:FILTERS_SHOWN]]
    return "".join(
        f'<img alt="filter {i}, {when.lower()}" title="filter {i}" src="{picture}">'
        for i, picture in enumerate(pictures)
    )


def _histograms(histograms: list[Histogram]) -> str:
    if not histograms:
        return ""
    cards = []
    for h in histograms:
        note = ""
        if h.zeros_before or h.zeros_after:
            shares = f"{100 * h.zeros_before:.0f} % before, {100 * h.zeros_after:.0f} % after"
            note = f'<p class="note">Exactly zero, not drawn: {shares}.</p>'
        drawing = histogram(f"activations of {h.name}", h.edges, h.before, h.after, "value")
        cards.append(f'<div class="card"><h3>{escape(h.name)}</h3>{drawing}{note}</div>')
    key = legend([("ghost", "before training"), ("bar", "after training")])
    return (
        "<h2>What each layer says</h2><p>The values that each layer puts out over a sample of test images. A healthy "
        "layer spreads its values; one that piles up at the ends of a sigmoid, or is always zero, no longer learns.</p>"
        f'{key}<div class="pair">{"".join(cards)}</div>'
    )


def _tables(e: Evidence) -> str:
    settings = "".join(f"<tr><th>{escape(k)}</th><td>{escape(_value(v))}</td></tr>" for k, v in e.settings.items())
    rows = "".join(_row(w) for w in e.parameters)
    total = sum(w.count for w in e.parameters)
    return (
        '<h2>How it was made</h2><div class="pair">'
        f'<div class="card"><h3>Settings</h3><table>{settings}</table></div>'
        '<div class="card"><h3>Parameters</h3><div class="scroll"><table><thead><tr><th>name</th><th>shape</th>'
        '<th class="number">values</th><th class="number hide-narrow">spread before</th>'
        '<th class="number">after</th></tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><td>all</td><td></td><td class="number">{total:,}</td>'
        '<td class="hide-narrow"></td><td></td></tr></tfoot></table></div>'
        '<p class="note">Spread: the standard deviation of the values.</p></div></div>'
    )


def _row(w: Weights) -> str:
    shape = " × ".join(map(str, w.shape)) or "scalar"
    return (
        f'<tr><td><code>{escape(w.name)}</code></td><td>{shape}</td><td class="number">{w.count:,}</td>'
        f'<td class="number hide-narrow">{w.spread_before:.3g}</td><td class="number">{w.spread_after:.3g}</td></tr>'
    )


def _value(v: object) -> str:
    if v is None or v == "":
        return "–"
    return f"{v:g}" if isinstance(v, float) else str(v)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
