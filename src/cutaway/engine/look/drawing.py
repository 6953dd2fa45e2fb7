"""Charts of HTML and SVG that keep their text's size at any width: positions are in percent, sizes in pixels.

A mark carries its story as a <title>, which browsers show on hover and page.js also on keyboard focus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

SHAPES = {  # by kind of kernel, around (0, 0), of area pi: told apart without colours, too
    "contraction": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0 -2 0z",
    "elementwise": "M-.886 -.886h1.772v1.772h-1.772z",
    "reduction": "M0 -1.55L1.35 .78H-1.35z",
    "other": "M0 -1.253L1.253 0L0 1.253L-1.253 0z",
}
KINDS = tuple(SHAPES)

Tick = tuple[float, str]  # where, in percent of the axis, and what stands there


def plot(label: str, body: str, x: Sequence[Tick], y: Sequence[Tick], x_name: str, y_name: str, height: int) -> str:
    """A frame with axes around SVG `body`; `x` from the left, `y` from the top."""
    lines = "".join(f'<line class="grid" x1="0" x2="100%" y1="{at:.2f}%" y2="{at:.2f}%"/>' for at, _ in y)
    lines += "".join(f'<line class="grid" x1="{at:.2f}%" x2="{at:.2f}%" y1="0" y2="100%"/>' for at, _ in x)
    left = "".join(f'<span style="top:{at:.2f}%">{escape(text)}</span>' for at, text in y)
    below = "".join(f'<span style="left:{at:.2f}%">{escape(text)}</span>' for at, text in x)
    return (
        f'<div class="plot" style="--height:{height}px"><p class="axis-name">{escape(y_name)}</p>'
        f'<div class="left" aria-hidden="true">{left}</div>'
        f'<svg class="area" role="group" aria-label="{escape(label)}" height="{height}">{lines}{body}</svg>'
        f'<div class="below" aria-hidden="true">{below}</div><p class="axis-name x">{escape(x_name)}</p></div>'
    )


def bar(x: float, width: float, y: str, height: str, kind: str, kernel: int, story: str, text: str = "") -> str:
    """A box with a text that is cut off at its edges; `x` and `width` in percent."""
    inner = f'<text x="5" y="50%" dy=".35em">{escape(text)}</text>' if text else ""
    return (
        f'<svg class="mark {kind}" data-kernel="{kernel}" x="{x:.5f}%" width="{width:.5f}%" y="{y}" height="{height}">'
        f'<title>{escape(story)}</title><rect width="100%" height="100%"/>{inner}</svg>'
    )


def dot(x: float, y: float, radius: float, kind: str, kernel: int, story: str) -> str:
    """A mark in the shape of its kind; `x` from the left and `y` from the top in percent, `radius` in pixels."""
    return (
        f'<svg class="mark {kind}" data-kernel="{kernel}" x="{x:.3f}%" y="{y:.3f}%" overflow="visible">'
        f'<title>{escape(story)}</title><path d="{SHAPES[kind]}" transform="scale({radius:.2f})"/></svg>'
    )


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line between two places in percent."""
    return f'<line class="{kind}" x1="{x1:.3f}%" y1="{y1:.3f}%" x2="{x2:.3f}%" y2="{y2:.3f}%"/>'


def explored(name: str, chart: str, hint: str) -> str:
    """A chart whose marks can be walked with the arrow keys; what is said of a mark stands below."""
    return (
        f'<figure class="explore" aria-label="{escape(name)}">{chart}'
        f'<figcaption><output class="tell" aria-live="polite">{escape(hint)}</output></figcaption></figure>'
    )


def key(kinds: Sequence[str], more: Sequence[tuple[str, str]] = ()) -> str:
    """What shapes and colours mean; `more` are (class, text) of lines and patterns."""
    parts = [
        f'<span><svg class="key {k}" width="14" height="14" viewBox="-1.7 -1.7 3.4 3.4" aria-hidden="true">'
        f'<path d="{SHAPES[k]}"/></svg>{k}</span>'
        for k in kinds
    ]
    parts += [
        f'<span><svg class="key" width="22" height="14" aria-hidden="true">{_swatch(kind)}</svg>{escape(text)}</span>'
        for kind, text in more
    ]
    return f'<p class="legend">{"".join(parts)}</p>'


def _swatch(kind: str) -> str:
    if kind == "wait":
        return '<g class="mark wait"><rect width="22" height="14"/></g>'
    return f'<line class="{kind}" x1="0" x2="22" y1="7" y2="7"/>'


def linear(high: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to `high`: steps of 1, 2 or 5 times a power of ten."""
    if high <= 0:
        return [0.0]
    rough = high / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [n * step for n in range(math.floor(high / step + 1e-9) + 1)]


class Decades:
    """A logarithmic axis over whole decades around some positive values."""

    def __init__(self, values: Sequence[float]) -> None:
        self.low = math.floor(math.log10(min(values)) - 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) + 1e-9), self.low + 1)

    def place(self, value: float) -> float:
        """In percent, from the low end."""
        return 100 * (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[Tick]:
        """Powers of ten; every other one where there are many."""
        every = 1 if self.high - self.low <= 6 else 2
        return [(self.place(10.0**n), _power(n)) for n in range(self.low, self.high + 1) if (n - self.low) % every == 0]


def _power(n: int) -> str:
    if -3 <= n <= 3:
        return f"{10.0**n:g}"
    return "10" + "".join("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".index(c)] for c in str(n))
