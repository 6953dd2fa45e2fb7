"""Charts as inline SVG. Colours and text sizes come from the page's style sheet, so one drawing serves both themes."""

from dataclasses import dataclass
from html import escape

import numpy as np

from cutaway.train.report.scale import Scale, linear, short

WIDTH, HEIGHT = 440, 288
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 16, 48


@dataclass(frozen=True)
class Line:
    """One curve: `kind` names its style in the page's CSS (train, test, batch)."""

    kind: str
    name: str
    x: list[float]
    y: list[float]
    dots: bool = True


def line_chart(title: str, lines: list[Line], x: Scale, y: Scale, x_name: str, y_name: str) -> str:
    """Curves over common axes; each dot carries its numbers as a tooltip."""

    def spot(a: float, b: float) -> tuple[float, float]:
        return LEFT + x.place(a) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y.place(b) * (HEIGHT - TOP - BOTTOM)

    parts = [_axes(x, y, x_name, y_name)]
    for line in lines:
        points = [spot(a, b) for a, b in zip(line.x, line.y, strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline class="line {line.kind}" points="{path}"/>')
        if line.dots:
            parts += [
                f'<circle class="dot {line.kind}" cx="{a:.1f}" cy="{b:.1f}" r="3.4">'
                f"<title>{escape(line.name)}: {v:.4g} at {short(u)} {escape(x_name)}</title></circle>"
                for (a, b), u, v in zip(points, line.x, line.y, strict=True)
            ]
    return _svg(title, "".join(parts))


def histogram(title: str, edges: np.ndarray, before: np.ndarray, after: np.ndarray, x_name: str) -> str:
    """Shares of values a bin, `before[B]` as an outline and `after[B]` filled, over `edges[B + 1]`.

    A spike of the outline (small initial weights make one) is cut off at the frame's top with its share in
    writing, so that it does not flatten the rest.
    """
    highest = float(before.max(initial=0))
    top = float(max(min(highest, 3 * after.max(initial=0)), after.max(initial=0))) or highest or 1.0
    x, y = linear(float(edges[0]), float(edges[-1]), 5), linear(0.0, 100 * top, 4)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    floor = HEIGHT - BOTTOM
    place = [LEFT + x.place(float(e)) * wide for e in edges]
    bars = "".join(
        f'<rect class="bar" x="{a:.1f}" y="{floor - s / top * tall:.1f}" '
        f'width="{max(b - a - 0.6, 0.4):.1f}" height="{s / top * tall:.1f}"/>'
        for a, b, s in zip(place[:-1], place[1:], after, strict=True)
        if s > 0
    )
    corners = [(place[0], float(floor))]
    for a, b, s in zip(place[:-1], place[1:], np.minimum(before, top), strict=True):
        corners += [(a, floor - s / top * tall), (b, floor - s / top * tall)]
    corners.append((place[-1], float(floor)))
    outline = f'<polyline class="ghost" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}"/>'
    if highest > top:
        cut = np.flatnonzero(before > top)
        left = cut[-1] + 1 > len(before) / 2  # the text stands on the side with more room
        at, side = (place[cut[0]] - 6, "end") if left else (place[cut[-1] + 1] + 6, "start")
        text = f"up to {100 * highest:.0f} %"
        outline += f'<text class="tick" x="{at:.1f}" y="{TOP + 10}" text-anchor="{side}">{text}</text>'
    return _svg(title, _axes(x, y, x_name, "share of values (%)") + bars + outline)


def confusion(title: str, table: np.ndarray, names: list[str]) -> str:
    """`table[C, C]` of counts: rows are the truth, columns the guess; ink is the share of the row that went wrong."""
    count = len(names)
    long = max(len(n) for n in names) > 3
    left, top, cell = (100 if long else 44), (100 if long else 46), 38
    size_x, size_y = left + count * cell + 4, top + count * cell + 4
    wrong = table * (1 - np.eye(count))
    worst = float(wrong.max()) or 1.0
    parts = []
    for i in range(count):
        for j in range(count):
            n = int(table[i, j])
            # The square root keeps a cell of one mistake visible beside one of twenty.
            ink = 0.12 + 0.88 * (n / worst) ** 0.5 if i != j and n else 0.0
            kind = "right" if i == j else "wrong" if n else "empty"
            at = f'x="{left + j * cell + 1}" y="{top + i * cell + 1}" width="{cell - 2}" height="{cell - 2}"'
            tip = f"{n} x {escape(names[i])} taken for {escape(names[j])}"
            shade = f' style="fill-opacity:{ink:.2f}"' if ink else ""
            parts.append(f'<rect class="cell {kind}" rx="4" {at}{shade}><title>{tip}</title></rect>')
            if n:
                tone = " strong" if ink > 0.6 else ""
                middle = f'x="{left + (j + 0.5) * cell:.0f}" y="{top + (i + 0.5) * cell + 4.5:.0f}"'
                parts.append(f'<text class="count {kind}{tone}" {middle} text-anchor="middle">{n}</text>')
        y = top + (i + 0.5) * cell + 4.5
        parts.append(f'<text class="tick" x="{left - 8}" y="{y:.0f}" text-anchor="end">{escape(names[i])}</text>')
        x = left + (i + 0.5) * cell
        turn = f' transform="rotate(-55 {x:.0f} {top - 8})" text-anchor="start"' if long else ' text-anchor="middle"'
        parts.append(f'<text class="tick" x="{x:.0f}" y="{top - 8}"{turn}>{escape(names[i])}</text>')
    middle_x, middle_y = left + count * cell / 2, top + count * cell / 2
    parts.append(f'<text class="name" x="{middle_x:.0f}" y="14" text-anchor="middle">guess</text>')
    turn = f'transform="rotate(-90 12 {middle_y:.0f})"'
    parts.append(f'<text class="name" x="12" y="{middle_y:.0f}" text-anchor="middle" {turn}>truth</text>')
    return _svg(title, "".join(parts), size_x, size_y)


def legend(entries: list[tuple[str, str]]) -> str:
    """(kind, text) pairs: a swatch in the style of each curve, then its name."""
    return (
        '<p class="legend">'
        + "".join(f'<span><i class="key {kind}"></i>{escape(text)}</span>' for kind, text in entries)
        + "</p>"
    )


def _axes(x: Scale, y: Scale, x_name: str, y_name: str) -> str:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, label in y.ticks:
        at = floor - y.place(value) * (floor - TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    for value, label in x.ticks:
        at = LEFT + x.place(value) * (right - LEFT)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{floor}" y2="{floor + 4}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{floor + 18}" text-anchor="middle">{label}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    middle = (TOP + floor) / 2
    parts.append(
        f'<text class="name" x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>'
        f'<text class="name y" x="13" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 13 {middle:.0f})">{escape(y_name)}</text>'
    )
    return "".join(parts)


def _svg(title: str, body: str, width: int = WIDTH, height: int = HEIGHT) -> str:
    # Without xmlns: inline SVG in HTML needs none, and the page then holds no address at all.
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{body}</svg>'
