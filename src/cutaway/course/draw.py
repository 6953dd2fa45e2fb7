"""The answer drawn against the target, before it is judged: in the terminal, and as HTML for a notebook.

| show     | what it is                                            | for                                      |
|----------|-------------------------------------------------------|------------------------------------------|
| `cells`  | arrays as coloured cells with numbers                 | answers that are arrays (the default)    |
| `table`  | a row for each of the first inputs                    | answers that are numbers, or a few       |
| `curve`  | the answer over a line of places, `example`'s array   | functions of one number                  |
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from cutaway.course.exercise import DRAWS, Exercise
from cutaway.course.figures import Curve, cells, lines, side_by_side
from cutaway.course.judge import Outcome, alike, finite, known, plain, run, truth
from cutaway.course.words import number, short
from cutaway.train.report.page import signed_colours

ROWS = 6  # of a table
CELL, BROAD = 8, 56  # characters of a cell, and of what fits in a line beside its name
WIDE, TALL = 48, 12  # characters of a curve in the terminal
YOURS, TARGET = "yours", "target"


class Pair(NamedTuple):
    """One input, what came of it, and what should."""

    inputs: tuple[Any, ...]
    got: Outcome
    want: Any


class Drawing(NamedTuple):
    """The same in the terminal and as HTML."""

    terminal: RenderableType
    html: str


def draw(e: Exercise, answer: Callable[..., Any] | None) -> Drawing:
    """The target, and beside it what `answer` gives, if there is one."""
    pairs = _pairs(e, answer)
    show = e.show or ("cells" if all(_arrays(p.want) for p in pairs) else "table")
    return {"cells": _cells, "table": _table, "curve": _curve}[show](e, pairs)


def _pairs(e: Exercise, answer: Callable[..., Any] | None) -> list[Pair]:
    chosen = [e.example] if e.example is not None else list(e.inputs())
    if e.example is None and e.draw is not None and e.show != "table":
        cases = known(e)[0][len(e.cases) :]
        three = cases[2 * DRAWS : 3 * DRAWS]  # of size 3; of these one whose target tells something
        told = lambda x: len({v for a in _parts(truth(e, x)) for v in a.ravel().tolist()})
        chosen = [max(three, key=told)]
    nothing = Outcome(None, None, ())
    return [Pair(x, nothing if answer is None else run(e, answer, x), truth(e, x)) for x in chosen[:ROWS]]


def _arrays(x: Any) -> bool:
    """Whether there is an array in a value that is an array, or a tuple."""
    x = plain(x)
    if isinstance(x, tuple):
        return any(map(_arrays, x))
    return isinstance(x, np.ndarray) and x.ndim > 0 and x.dtype.kind in "biuf"


# --- cells ------------------------------------------------------------------------------------------------------------


def _parts(x: Any) -> list[np.ndarray]:
    """The arrays in a value, through tuples."""
    x = plain(x)
    if isinstance(x, tuple):
        return [a for part in x for a in _parts(part)]
    try:
        return [np.asarray(x, float)]
    except (TypeError, ValueError):
        return []


def _cells(e: Exercise, pairs: list[Pair]) -> Drawing:
    rows: list[RenderableType] = []
    html, alone = [], []
    for p in pairs:
        want, got = _parts(p.want), _parts(p.got.value) if p.got.value is not None else []
        for i, w in enumerate(want):
            g = got[i] if i < len(got) else None
            name = (e.parts[i] if i < len(e.parts) else f"result {i + 1}") if len(want) > 1 else ""
            beside = Table.grid(padding=(0, 3))
            if g is None:
                beside.add_row(name, TARGET)
                beside.add_row("", _grid(w, w))
            elif 2 * CELL * (w.shape[-1] if w.ndim else 1) < BROAD:
                beside.add_row(name, YOURS, TARGET)
                beside.add_row("", _grid(g, w), _grid(w, w))
            else:
                beside.add_row(name, YOURS, _grid(g, w))
                beside.add_row("", TARGET, _grid(w, w))
            rows.append(beside)
            target = f"{name}, {TARGET}" if name else TARGET
            if g is not None:
                mine = f"{name}, {YOURS}" if name else YOURS
                html.append(side_by_side([(mine, cells(g, like=w)), (target, cells(w))]))
            else:
                alone.append((target, cells(w)))
    return Drawing(Group(*rows), "".join(html) + (side_by_side(alone) if alone else ""))


def _grid(a: np.ndarray, like: np.ndarray) -> RenderableType:
    """An array in coloured cells; a number that is not the target's is underlined."""
    flat = a.reshape(1, -1) if a.ndim < 2 else a.reshape(-1, a.shape[-1])
    other = like.reshape(flat.shape) if like.shape == a.shape else None
    if flat.shape[0] > 12 or flat.shape[1] > 10:
        return Text(f"array {list(a.shape)}")
    colours = signed_colours(np.nan_to_num(flat), _largest(like))
    lines_ = []
    for i, row in enumerate(flat):
        line = Text()
        for j, v in enumerate(row):
            r, g, b = (int(c) for c in colours[i, j])
            off = other is not None and not alike(v, other[i, j], 1e-6)
            style = Style(color="black", bgcolor=f"rgb({r},{g},{b})", underline=off, bold=off)
            line.append(f"{number(v):>{CELL - 1}} ", style)
        lines_.append(line)
    return Group(*lines_)


def _largest(a: np.ndarray) -> float:
    known = np.abs(a[np.isfinite(a)])
    return 1.6 * float(known.max()) if known.size else 1.0


# --- tables -----------------------------------------------------------------------------------------------------------


def _table(e: Exercise, pairs: list[Pair]) -> Drawing:
    table = Table(box=None, padding=(0, 2))
    blank = all(p.got.value is None and p.got.error is None for p in pairs)
    head = [_names(e), TARGET] if blank else [_names(e), YOURS, TARGET]
    for name in head:
        table.add_column(name)
    rows = []
    for p in pairs:
        got = _said(p.got)
        right = p.got.error is None and alike(p.got.value, p.want, e.rtol)
        inputs = ", ".join(map(short, p.inputs)) or "–"
        middle = [] if blank else [Text(got, "green" if right else "red")]
        table.add_row(inputs, *middle, short(p.want))
        rows.append((inputs, got, short(p.want), "right" if right else "wrong"))
    body = "".join(
        f"<tr><td>{escape(i)}</td>{'' if blank else f'<td class={k!r}>{escape(g)}</td>'}<td>{escape(w)}</td></tr>"
        for i, g, w, k in rows
    )
    names = "".join(f"<th>{h}</th>" for h in head)
    return Drawing(table, f'<table class="answers"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>')


def _names(e: Exercise) -> str:
    """The names of the inputs, as the spec or the oracle has them."""
    truth = e.spec if e.spec is not None and not isinstance(e.spec, type) else e.oracle
    code = getattr(truth, "__code__", None)
    count = len(next(e.inputs()))
    return ", ".join(code.co_varnames[:count]) if code is not None and code.co_argcount == count > 0 else "input"


def _said(o: Outcome) -> str:
    return type(o.error).__name__ if o.error is not None else "" if o.value is None else short(o.value)


# --- curves -----------------------------------------------------------------------------------------------------------


def _curve(e: Exercise, pairs: list[Pair]) -> Drawing:
    p = pairs[0]
    x = np.asarray(next(a for a in p.inputs if np.ndim(a) == 1), float)
    want = np.asarray(plain(p.want), float)
    got = np.asarray(plain(p.got.value), float) if p.got.value is not None and _curved(p.got.value, x) else None
    curves = [Curve(x, want, TARGET, "soft")] + ([Curve(x, got, YOURS, "a")] if got is not None else [])
    html = lines(e.title, curves, "x", "y", height=220)
    return Drawing(_plot(x, want, got), html)


def _curved(value: Any, x: np.ndarray) -> bool:
    try:
        a = np.asarray(plain(value), float)
    except (TypeError, ValueError):
        return False
    return a.shape == x.shape and finite(a)


def _plot(x: np.ndarray, want: np.ndarray, got: np.ndarray | None) -> RenderableType:
    """Two curves of characters: the target as dots, yours as crosses, both as a ring."""
    both = want if got is None else np.concatenate([want, got])
    low, high = float(both.min()), float(both.max())
    marks: dict[tuple[int, int], str] = {}
    for y, mark in ((want, "·"), (got, "x")):
        for a, b in zip(x, y) if y is not None else ():
            at = _place(b, high, low, TALL), _place(a, float(x.min()), float(x.max()), WIDE)
            marks[at] = mark if at not in marks or marks[at] == mark else "o"
    text = Text()
    for i in range(TALL):
        edge = number(high) if i == 0 else number(low) if i == TALL - 1 else ""
        text.append(f"{edge:>8} ", "dim")
        for j in range(WIDE):
            mark = marks.get((i, j), " ")
            text.append(mark, {"x": "red", "o": "green", "·": "cyan"}.get(mark, ""))
        text.append("\n")
    text.append(f"{'':8} {number(x.min())}{'':{WIDE - 10}}{number(x.max()):>5}\n", "dim")
    text.append("· target", "cyan")
    if got is not None:
        text.append("   x yours", "red").append("   o both", "green")
    return text


def _place(v: float, low: float, high: float, count: int) -> int:
    return round((v - low) / ((high - low) or 1.0) * (count - 1))


def ansi(drawing: RenderableType, width: int, colour: bool) -> str:
    """The drawing as text for a terminal."""
    console = Console(
        width=width, highlight=False, force_terminal=colour, force_jupyter=False,
        color_system="truecolor" if colour else None,
    )  # fmt: skip
    with console.capture() as held:
        console.print(drawing)
    return held.get().rstrip("\n")
