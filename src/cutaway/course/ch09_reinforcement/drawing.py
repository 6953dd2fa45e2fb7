"""Pictures of the chapter's worlds, in the colours of its other figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.course.ch09_reinforcement.worlds import ARROWS, MAP, Grid
from cutaway.course.figures import Figure
from cutaway.train.report.page import signed_colours

SIDE = 62  # of a place


def field(world: Grid, values: Any, q: Any = None, at: int = -1) -> Figure:
    """The map: each place with its value and, from q[S, A], an arrow for the best action; `at` gets a frame."""
    high, wide = world.shape
    colours = signed_colours(np.asarray(values, float).reshape(high, wide), 1.4)
    parts = []
    for s in range(high * wide):
        y, x = divmod(s, wide)
        letter = MAP[y][x]
        fill = "var(--soft)" if letter == "#" else "rgb({},{},{})".format(*colours[y, x])
        parts.append(_square(x, y, 1, f"fill:{fill}"))
        if s == at:
            parts.append(_square(x, y, 3, "fill:none;stroke:#1c1b19;stroke-width:2.5"))
        if letter == "#":
            continue
        middle = x * SIDE + SIDE / 2
        told = {"G": "+1", "P": "−1"}.get(letter, f"{float(np.asarray(values)[s]):.2f}")
        big = letter in "GP"
        parts.append(_text(middle, y * SIDE + (38 if big else 52), 20 if big else 12, told))
        if q is not None and not big and np.ptp(np.asarray(q)[s]) > 0:
            arrow = ARROWS[int(np.argmax(np.asarray(q)[s]))]
            parts.append(_text(middle, y * SIDE + 32, 24, arrow))
        if letter == "S":
            parts.append(_text(x * SIDE + 22, y * SIDE + 16, 11, "start"))
    size = f'viewBox="0 0 {wide * SIDE} {high * SIDE}" style="max-width:{wide * SIDE}px"'
    return Figure(f'<svg {size} role="img" aria-label="grid">{"".join(parts)}</svg>')


def _square(x: int, y: int, inside: int, style: str) -> str:
    size = SIDE - 2 * inside
    at = f'x="{x * SIDE + inside}" y="{y * SIDE + inside}" width="{size}" height="{size}"'
    return f'<rect {at} rx="4" style="{style}"/>'


def _text(x: float, y: float, size: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" style="fill:#1c1b19;font-size:{size}px">{text}</text>'


def cart(state: Any, action: int | None = None) -> Figure:
    """A cart and its pole, in its rail of 4.8 m; the arrow is the push that comes next."""
    x, _, angle, _ = (float(v) for v in state)
    wide, high, floor = 460, 190, 150
    middle = wide / 2 + x * wide / 5.2
    top = middle + 110 * np.sin(angle), floor - 24 - 110 * np.cos(angle)
    posts = (wide / 2 - 2.4 * wide / 5.2, wide / 2 + 2.4 * wide / 5.2)
    ends = "".join(f'<line class="axis" x1="{at}" x2="{at}" y1="{floor - 8}" y2="{floor + 8}"/>' for at in posts)
    push = ""
    if action is not None:
        way = 1 if action == 1 else -1
        tip = middle + way * 74
        push = (f'<line class="line b" x1="{middle + way * 32}" x2="{tip}" y1="{floor - 12}" y2="{floor - 12}"/>'
                f'<path d="M{tip} {floor - 18}l{way * 10} 6l{-way * 10} 6z" style="fill:var(--b)"/>')  # fmt: skip
    return Figure(
        f'<svg viewBox="0 0 {wide} {high}" style="max-width:{wide}px" role="img" aria-label="cart and pole">'
        f'<line class="axis" x1="10" x2="{wide - 10}" y1="{floor}" y2="{floor}"/>{ends}{push}'
        f'<rect class="bar" x="{middle - 30:.1f}" y="{floor - 24}" width="60" height="24" rx="4"/>'
        f'<line x1="{middle:.1f}" y1="{floor - 24}" x2="{top[0]:.1f}" y2="{top[1]:.1f}" '
        'style="stroke:var(--c);stroke-width:7;stroke-linecap:round"/>'
        f'<text class="tick" x="12" y="{floor + 24}">place {x:+.2f} m, pole {np.degrees(angle):+.1f}°</text></svg>'
    )
