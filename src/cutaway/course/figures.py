"""Figures of the chapters: SVG and HTML made here, in the colours of the training report. No image file, no other library.

Each function gives a `Figure`, which a notebook shows; `str(figure)` is the HTML.

| call                                          | what it draws                                                         |
|-----------------------------------------------|-----------------------------------------------------------------------|
| `lines(title, [Curve(x, y, name, kind)], ...)`| curves over common axes; kinds a b c d soft, `dots` for points only    |
| `plane(title, decide, points, labels)`        | what a function says over the plane, by colour, and points on it       |
| `bars(title, names, values)`                  | a bar for each name                                                   |
| `spread(title, values)`                       | a histogram                                                           |
| `cells(array)`                                | an array as coloured cells with numbers                               |
| `picture(array)`, `pictures([...])`           | an array as an image, in grey or signed colours                       |
| `contour(title, f, paths)`                    | heights of f(x, y) as shades, and paths over them                     |
| `table(head, rows)`                           | a table                                                               |
| `circuit(nodes, wires)`                       | a graph of operations, values above the wires and gradients below      |
| `code(text)`                                  | text as it is: a program, a listing                                   |
| `tokens(texts, weights)`                      | pieces of text in a row, each shaded by its weight                    |
| `graph(loss)`                                 | the page of `cutaway.inspect` of a recording                          |
| `side_by_side([(title, figure), ...])`        | figures beside one another                                            |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import numpy as np

from cutaway.core.tensor import Tensor
from cutaway.course.words import number, short
from cutaway.train.report import scale
from cutaway.train.report.page import signed_colours
from cutaway.train.report.png import data_uri
from cutaway.train.report.scale import Scale

WIDTH, HEIGHT = 520, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 44
KINDS = ("a", "b", "c", "d", "e", "f")


class Figure(str):
    """HTML that a notebook shows as such."""

    def _repr_html_(self) -> str:
        return f'<div class="cutaway-course"><style>{style()}</style>{self}</div>'

    def _mime_(self) -> tuple[str, str]:
        return "text/html", self._repr_html_()


def style() -> str:
    """The style sheet of the figures."""
    return resources.files("cutaway.course").joinpath("figures.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Curve:
    """One curve: places, values, a name for the legend, and a kind: a to f are colours, soft is grey and dashed.

    dots    True: points, and no line between them
    """

    x: Any
    y: Any
    name: str = ""
    kind: str = "a"
    dots: bool = False


def lines(
    title: str,
    curves: Sequence[Curve],
    x_name: str = "",
    y_name: str = "",
    *,
    log: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    height: int = HEIGHT,
) -> Figure:
    """Curves over common axes; `log` makes the vertical axis logarithmic.  Points that are not finite are left out."""
    xs = np.concatenate([_flat(c.x) for c in curves])
    ys = np.concatenate([_flat(c.y) for c in curves])
    ys = ys[np.isfinite(ys) & ((ys > 0) | (not log))]
    x = scale.linear(*(x_range or _ends(xs)), 6)
    y = _decades(*(y_range or _ends(ys))) if log else scale.linear(*(y_range or _roomy(ys)), 5)
    parts = []
    for c in curves:
        points = [
            (_x(x, a), _y(y, b, height))
            for a, b in zip(_flat(c.x), _flat(c.y))
            if np.isfinite(b) and (b > 0 or not log) and -0.02 <= y.place(b) <= 1.02
        ]
        if not c.dots:
            parts.append(f'<polyline class="line {c.kind}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>')
        else:
            parts += [f'<circle class="dot {c.kind}" cx="{a:.1f}" cy="{b:.1f}" r="3.4"/>' for a, b in points]
    names = [(f"{c.kind} dots" if c.dots else c.kind, c.name) for c in curves if c.name]
    return Figure(_legend(names) + _svg(title, _axes(x, y, x_name, y_name, height) + "".join(parts), height))


def plane(
    title: str,
    decide: Callable[[np.ndarray], Any] | None,
    points: Any = None,
    labels: Any = None,
    *,
    span: tuple[float, float] = (-0.5, 1.5),
    names: tuple[str, str] = ("x₁", "x₂"),
    fine: int = 121,
    classes: int = 0,
) -> Figure:
    """The plane in two colours, as `decide(places[n, 2]) -> values[n]` in 0..1 says; on it points with labels 0, 1, ...

    classes     so many: the values are labels 0, 1, ..., each with the colour of its points
    """
    low, high = span
    x = y = scale.linear(low, high, 4)
    body = ""
    if decide is not None:
        side = np.linspace(low, high, fine)
        places = np.stack(np.meshgrid(side, side[::-1]), -1).reshape(-1, 2)
        shade = np.asarray(_array(decide(places)), float).reshape(fine, fine)
        pixels = _CLASSES[shade.astype(int) % len(_CLASSES)] if classes else signed_colours(1.1 * (shade - 0.5), 1.0)
        body = _image(pixels, SQUARE)
    if points is not None:
        where, what = _array(points), _array(labels).astype(int).ravel()
        for (a, b), k in zip(where, what):
            at = f'cx="{_x(x, a, SQUARE):.1f}" cy="{_y(y, b, SQUARE):.1f}"'
            body += f'<circle class="point p{k}" {at} r="6"><title>({number(a)}, {number(b)}): {k}</title></circle>'
    return Figure(_svg(title, body + _axes(x, y, *names, SQUARE, SQUARE), SQUARE, SQUARE))


SQUARE = 320
_CLASSES = np.array([[166, 200, 222], [232, 190, 160], [160, 208, 190], [218, 186, 204], [222, 206, 150]], np.uint8)


def contour(
    title: str,
    f: Callable[[np.ndarray, np.ndarray], Any],
    paths: Sequence[Curve] = (),
    *,
    x_range: tuple[float, float] = (-10, 10),
    y_range: tuple[float, float] = (-10, 10),
    arrows: Callable[[float, float], tuple[float, float]] | None = None,
    names: tuple[str, str] = ("x", "y"),
) -> Figure:
    """Heights of f(x, y) as bands between contour lines, and on them paths, or arrows (dx, dy) at a grid of places."""
    x, y = scale.linear(*x_range, 5), scale.linear(*y_range, 5)
    across, down = np.linspace(*x_range, 447), np.linspace(y_range[1], y_range[0], 263)
    z = np.asarray(_array(f(*np.meshgrid(across, down))), float)
    rank = np.sqrt(np.clip((z - z.min()) / (float(np.ptp(z)) or 1.0), 0, 1))
    steps = np.floor(rank * 12)
    edge = (np.diff(steps, axis=1, prepend=steps[:, :1]) != 0) | (np.diff(steps, axis=0, prepend=steps[:1]) != 0)
    paper, ink = np.array([246, 244, 239]), np.array([96, 140, 170])
    pixels = (paper + (ink - paper) * (0.15 + 0.75 * steps / 12)[..., None]).round()
    pixels[edge] = pixels[edge] * 0.82
    body = _image(pixels.astype(np.uint8), WIDTH)
    if arrows is not None:
        body += _arrows(arrows, x, y, x_range, y_range)
    for c in paths:
        known = np.isfinite(_flat(c.x)) & np.isfinite(_flat(c.y))
        inside = zip(np.clip(_flat(c.x)[known], *x_range), np.clip(_flat(c.y)[known], *y_range))
        points = [(_x(x, a), _y(y, b)) for a, b in inside]
        body += f'<polyline class="line {c.kind}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'
        body += "".join(f'<circle class="dot {c.kind}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in points)
    key = _legend([(c.kind, c.name) for c in paths if c.name])
    return Figure(key + _svg(title, body + _axes(x, y, *names, HEIGHT, grid=False)))


def _arrows(
    arrows: Callable[[float, float], tuple[float, float]],
    x: Scale,
    y: Scale,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> str:
    places = [(a, b) for a in np.linspace(*x_range, 17)[1:-1] for b in np.linspace(*y_range, 13)[1:-1]]
    found = [arrows(float(a), float(b)) for a, b in places]
    longest = max((u * u + v * v) ** 0.5 for u, v in found) or 1.0
    body = '<defs><marker id="tip" orient="auto" markerWidth="5" markerHeight="5" refX="3" refY="2.5">'
    body += '<path class="tip" d="M0 0L5 2.5L0 5z"/></marker></defs>'
    for (a, b), (u, v) in zip(places, found):
        p, q = _x(x, a), _y(y, b)
        body += (
            f'<line class="arrow" marker-end="url(#tip)" x1="{p:.1f}" y1="{q:.1f}" x2="{p + 26 * u / longest:.1f}" '
            f'y2="{q - 26 * v / longest:.1f}"/>'
        )
    return body


def bars(
    title: str, names: Sequence[str], values: Sequence[float], x_name: str = "", *, log: bool = False, unit: str = ""
) -> Figure:
    """A horizontal bar for each name, with its number; `log`: on a logarithmic axis."""
    top = max([float(v) for v in values if np.isfinite(v)] + [1e-12])
    least = min([float(v) for v in values if np.isfinite(v) and v > 0] + [top])

    def share(v: float) -> float:
        if not np.isfinite(v) or v <= 0:
            return 0.0
        return 0.06 + 0.94 * np.log(v / least) / (np.log(top / least) or 1.0) if log else v / top

    left = 14 + 7.2 * max(map(len, names))
    right = max(80.0, 14 + 7.2 * max(len(f"{number(v)}{unit}") for v in values))
    wide, step = WIDTH - left - right, 28
    body = ""
    for i, (name, v) in enumerate(zip(names, values)):
        y = 8 + i * step
        w = max(1.0, wide * share(float(v)))
        body += (
            f'<text class="tick" x="{left - 8:.0f}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="bar" x="{left:.0f}" y="{y}" width="{w:.1f}" height="20" rx="3"/>'
            f'<text class="tick" x="{left + w + 6:.0f}" y="{y + 15}">{number(v)}{escape(unit)}</text>'
        )
    tall = 16 + len(names) * step + (22 if x_name else 0)
    if x_name:
        body += f'<text class="name" x="{left + wide / 2:.0f}" y="{tall - 6}" text-anchor="middle">{escape(x_name)}</text>'
    return Figure(_svg(title, body, tall))


def spread(
    title: str,
    values: Any,
    x_name: str = "value",
    *,
    bins: int = 40,
    x_range: tuple[float, float] | None = None,
    height: int = 200,
) -> Figure:
    """A histogram: the share of the values in each of `bins`."""
    flat = _flat(values)
    counts, edges = np.histogram(flat, bins, x_range or _ends(flat))
    share = 100 * counts / max(len(flat), 1)
    x, y = scale.linear(float(edges[0]), float(edges[-1]), 5), scale.linear(0.0, float(share.max()) or 1.0, 4)
    floor = _y(y, 0.0, height)
    body = "".join(
        f'<rect class="bar" x="{_x(x, a):.1f}" y="{_y(y, s, height):.1f}" width="{max(_x(x, b) - _x(x, a) - 0.6, 0.4):.1f}" '
        f'height="{floor - _y(y, s, height):.1f}"/>'
        for a, b, s in zip(edges[:-1], edges[1:], share)
        if s > 0
    )
    return Figure(_svg(title, _axes(x, y, x_name, "share (%)", height) + body, height))


def cells(array: Any, *, like: Any = None, names: tuple[str, str] = ("", "")) -> Figure:
    """An array of up to two axes (more are flattened in front) as coloured cells; those unlike `like` get a frame."""
    a = np.asarray(_array(array), float)
    flat = a.reshape(1, -1) if a.ndim < 2 else a.reshape(-1, a.shape[-1])
    other = None if like is None else np.asarray(_array(like), float)
    if flat.shape[0] > 16 or flat.shape[1] > 16:
        return picture(flat, signed=True)
    reach = flat if other is None else other
    known = np.abs(reach[np.isfinite(reach)])
    colours = signed_colours(np.nan_to_num(flat), 1.6 * float(known.max(initial=0.0)) or 1.0)
    rows = ""
    for i, row in enumerate(flat):
        rows += "<tr>"
        for j, v in enumerate(row):
            same = other is None or other.shape != a.shape or np.isclose(v, other.reshape(flat.shape)[i, j], equal_nan=True)
            colour = "rgb({},{},{})".format(*colours[i, j])
            rows += f'<td{"" if same else " class=off"} style="background:{colour}">{number(v)}</td>'
        rows += "</tr>"
    about = f'<p class="shape">{escape(" × ".join(map(str, a.shape)) or "a number")}</p>'
    return Figure(f'<table class="cells">{rows}</table>{about}')


def picture(array: Any, *, signed: bool = False, size: int = 140, title: str = "") -> Figure:
    """An array[H, W] as an image: grey from 0 to 1, or signed colours, blue below zero."""
    a = np.asarray(_array(array), float)
    if signed:
        pixels = signed_colours(a, float(np.abs(a).max(initial=0.0)) or 1.0)
    else:
        pixels = (255 * np.clip(a, 0, 1)).round().astype(np.uint8)
    named = f'alt="{escape(title)}" title="{escape(title)}"'
    return Figure(f'<img class="pixels" width="{size}" {named} src="{data_uri(pixels)}">')


def pictures(arrays: Sequence[Any], names: Sequence[str] = (), *, signed: bool = False, size: int = 72) -> Figure:
    """Many arrays[H, W] as images with names below."""
    names = list(names) or [""] * len(arrays)
    each = "".join(
        f"<figure>{picture(a, signed=signed, size=size, title=n)}<figcaption>{escape(n)}</figcaption></figure>"
        for a, n in zip(arrays, names)
    )
    return Figure(f'<div class="pictures">{each}</div>')


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Figure:
    """A table of values."""
    names = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(c if isinstance(c, str) else short(c))}</td>" for c in row) + "</tr>" for row in rows
    )
    return Figure(f'<table class="answers"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>')


def circuit(
    title: str,
    nodes: dict[str, tuple[float, float, str]],
    wires: Sequence[tuple[str, str, Any, Any]],
    *,
    width: int = 760,
    height: int = 260,
) -> Figure:
    """Operations as circles, inputs as names, and wires from left to right with what goes forward above and back below.

    nodes   name: (x, y, text) with x, y from 0 to 1; a text of one or two characters is an operation
    wires   (from, to, value, gradient); None for what is not there yet
    """
    at = {n: (60 + x * (width - 130), 30 + y * (height - 60)) for n, (x, y, _) in nodes.items()}
    body = ""
    for a, b, value, slope in wires:
        (p, q), (r, s) = at[a], at[b]
        body += f'<line class="wire" x1="{p:.0f}" y1="{q:.0f}" x2="{r:.0f}" y2="{s:.0f}"/>'
        u, v = p + 0.45 * (r - p), q + 0.45 * (s - q)
        if value is not None:
            body += f'<text class="forth" x="{u:.0f}" y="{v - 7:.0f}" text-anchor="middle">{escape(short(value))}</text>'
        if slope is not None:
            body += f'<text class="back" x="{u:.0f}" y="{v + 18:.0f}" text-anchor="middle">{escape(short(slope))}</text>'
    for name, (_, _, text) in nodes.items():
        x, y = at[name]
        if len(text) <= 2:
            body += f'<circle class="node" cx="{x:.0f}" cy="{y:.0f}" r="17"/>'
            body += f'<text class="sign" x="{x:.0f}" y="{y + 6:.0f}" text-anchor="middle">{escape(text)}</text>'
        else:
            w = 7.4 * len(text) + 14
            body += f'<rect class="node" x="{x - w / 2:.0f}" y="{y - 13:.0f}" width="{w:.0f}" height="26" rx="6"/>'
            body += f'<text class="named" x="{x:.0f}" y="{y + 4.5:.0f}" text-anchor="middle">{escape(text)}</text>'
    return Figure(_legend([("a", "forward: values"), ("b", "backward: gradients")]) + _svg(title, body, height, width))


def code(text: str, height: int = 320) -> Figure:
    """Text as it is, in letters of one width; what is longer than `height` can be scrolled."""
    return Figure(f'<pre class="listing" tabindex="0" style="max-height:{height}px">{escape(text)}</pre>')


def tokens(texts: Sequence[str], weights: Any, at: int = -1) -> Figure:
    """Pieces of text in a row, each shaded by its weight (0 to 1); the one at `at` has a frame."""
    colours = signed_colours(np.asarray(_array(weights), float)[None], 1.0)[0]
    each = "".join(
        f'<span{" class=here" if i == at else ""} style="background:rgb({r},{g},{b})" title="{number(w)}">{escape(t)}</span>'
        for i, (t, w, (r, g, b)) in enumerate(zip(texts, np.asarray(_array(weights), float), colours))
    )
    return Figure(f'<p class="tokens">{each}</p>')


def graph(recording: Any, height: int = 560) -> Figure:
    """The page of a recording (`with cutaway.inspect.record() as r`), in a frame of its own."""
    return frame(recording._repr_html_(), height)


def frame(page: str, height: int = 560) -> Figure:
    """A page of the library's that stands in a frame of its own (of a recording, of an agent's episodes)."""
    return Figure(page.replace("height:640px", f"height:{height}px", 1))


def side_by_side(figures: Sequence[tuple[str, Any]]) -> Figure:
    """Figures beside one another, each under its title; they wrap on a narrow screen."""
    each = "".join(f'<div class="card"><h4>{escape(title)}</h4>{figure}</div>' for title, figure in figures)
    return Figure(f'<div class="beside">{each}</div>')


# --- axes -------------------------------------------------------------------------------------------------------------


def _array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _flat(x: Any) -> np.ndarray:
    return np.asarray(_array(x), float).ravel()


def _ends(x: np.ndarray) -> tuple[float, float]:
    return (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)


def _decades(low: float, high: float) -> Scale:
    """A logarithmic axis over whole powers of ten, however many."""
    first = int(np.floor(np.log10(low) + 1e-9))
    last = max(int(np.ceil(np.log10(high) - 1e-9)), first + 1)
    every = 1 + (last - first) // 7
    ticks = [(10.0**k, _power(k)) for k in range(first, last + 1) if (k - first) % every == 0]
    return Scale(lambda v: (float(np.log10(v)) - first) / (last - first), ticks)


def _power(k: int) -> str:
    """A power of ten: 0.01, 1000, 10⁻⁹."""
    return f"{10.0**k:g}" if -3 <= k <= 4 else "10" + "".join("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".index(c)] for c in str(k))


def _roomy(y: np.ndarray) -> tuple[float, float]:
    low, high = _ends(y)
    room = 0.04 * ((high - low) or 1.0)
    return low - room, high + room


def _x(s: Scale, v: float, width: int = WIDTH) -> float:
    return LEFT + s.place(float(v)) * (width - LEFT - RIGHT)


def _y(s: Scale, v: float, height: int = HEIGHT) -> float:
    return height - BOTTOM - s.place(float(v)) * (height - TOP - BOTTOM)


def _image(pixels: np.ndarray, width: int) -> str:
    height = SQUARE if width == SQUARE else HEIGHT
    at = f'x="{LEFT}" y="{TOP}" width="{width - LEFT - RIGHT}" height="{height - TOP - BOTTOM}"'
    return f'<image {at} preserveAspectRatio="none" href="{data_uri(pixels)}"/>'


def _axes(x: Scale, y: Scale, x_name: str, y_name: str, height: int = HEIGHT, width: int = WIDTH, grid: bool = True) -> str:
    right, floor = width - RIGHT, height - BOTTOM
    parts = []
    for value, label in y.ticks:
        at = _y(y, value, height)
        if grid and width != SQUARE:
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    for value, label in x.ticks:
        at = _x(x, value, width)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{floor}" y2="{floor + 4}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{floor + 18}" text-anchor="middle">{label}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    middle = (TOP + floor) / 2
    turned = f'x="13" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 13 {middle:.0f})"'
    parts.append(
        f'<text class="name" x="{(LEFT + right) / 2:.0f}" y="{height - 6}" text-anchor="middle">{escape(x_name)}</text>'
        f'<text class="name" {turned}>{escape(y_name)}</text>'
    )
    return "".join(parts)


def _legend(names: Sequence[tuple[str, str]]) -> str:
    each = "".join(f'<span><i class="key {kind}"></i>{escape(name)}</span>' for kind, name in names)
    return f'<p class="legend">{each}</p>' if each else ""


def _svg(title: str, body: str, height: int = HEIGHT, width: int = WIDTH) -> str:
    frame = f'viewBox="0 0 {width} {height}" style="max-width:{width}px"'
    return f'<svg {frame} role="img" aria-label="{escape(title)}">{body}</svg>'
