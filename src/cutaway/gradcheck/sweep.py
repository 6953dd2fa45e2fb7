"""Why a derivative disagrees: look at it through steps h from 0.1 down to 1e-12.

A central difference errs by O(h²) for the step and O(ε/h) for rounding (book, section 4.3.1). Between the two lies a
plateau, where the value does not depend on h; what the plateau looks like tells the causes apart.

| verdict      | what the sweep shows                                                                                |
|--------------|-----------------------------------------------------------------------------------------------------|
| `bug`        | a plateau, and backward gives another value                                                         |
| `kink`       | slopes from the right and from the left settle at different values, or grow without limit (a jump)  |
| `precision`  | backward's value lies on a plateau but not at this eps; or there is no plateau, only rounding       |
| `randomness` | the function does not repeat itself, so nothing can be compared                                     |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

STEPS = tuple(10.0 ** (-k / 2) for k in range(2, 25))  # half decades
PLATEAU = 4  # so many neighbouring steps must agree: one and a half decades
HIDDEN_EPS = 1.2e-7  # float32's: a function may compute in it where the graph does not show it

Value = Callable[[float], tuple[float, float]]  # step h -> (f(x + h), the step that rounding left of h)


class Row(NamedTuple):
    """One step of a sweep: differences of f (not yet divided) and the slopes they give."""

    h: float  # to the right, as rounding left it
    back: float  # to the left
    rise: float  # f(x + h) - f(x)
    fall: float  # f(x) - f(x - back)
    central: float
    right: float
    left: float
    rounding: float  # the error that one rounding of f makes in `central`


class Verdict(NamedTuple):
    """The cause, a sentence of evidence, and the value that the numerical derivative settles at (None: it does not)."""

    name: str
    why: str
    limit: float | None


class Plateau(NamedTuple):
    """Rows first..last, and the value where neighbours agree best."""

    first: int
    last: int
    value: float


def sweep(value: Value, eps: float, *, steps: Sequence[float] = STEPS) -> list[Row]:
    """A row for each step that rounding does not swallow, largest first; `eps` is the epsilon of f's dtype."""
    here, _ = value(0.0)
    rows: list[Row] = []
    with np.errstate(all="ignore"):
        for h in steps:
            (right, up), (left, down) = value(h), value(-h)
            if up > 0 > down and not (rows and up == rows[-1].h):
                rise, fall = right - here, here - left
                rounding = eps * max(abs(here), abs(right), abs(left)) / up
                rows.append(Row(up, -down, rise, fall, (right - left) / (up - down), rise / up, fall / -down, rounding))
    return rows


def judge(
    rows: list[Row],
    got: float,
    tolerance: Callable[[float], float],
    *,
    here: float,
    eps: float,
    step: float,
    neighbour: Callable[[float, float], tuple[float, float]],
) -> Verdict:
    """The verdict on one element.

    got         what backward gives                    tolerance   how much a value may differ
    here, eps   f(x) and the epsilon of its dtype      step        the step of the check that failed
    neighbour   (shift, h) -> (numerical, analytical) derivative at x + shift
    """
    if not np.isfinite(here):
        return Verdict("bug", f"the function itself gives {here:g} at this point", None)
    noise = max(abs(here), 1e-30) * max(eps, HIDDEN_EPS)
    edge = _edge(rows) or _jump(rows, noise)
    if edge:
        return Verdict("kink", edge, None)
    rows = _without_silence(rows, here)
    gap = _gap(_pieces(rows, "rise", "h"), _pieces(rows, "fall", "back"), tolerance)
    smooth = [p for p in _plateaus([r.central for r in rows], tolerance) if gap is None or p.first > gap[0]]
    if gap is not None and not smooth:
        return _at_kink(gap, got, tolerance)
    right_ones = [p for p in smooth if abs(p.value - got) <= tolerance(p.value)]
    if right_ones:
        return _right_after_all(rows, right_ones[-1], gap is not None, step)
    if smooth:
        return _bug_or_hidden_kink(rows, smooth[-1], got, tolerance, neighbour)
    return _no_plateau(rows)


# --- what to look for -------------------------------------------------------------------------------------------------


def _plateaus(values: list[float], tolerance: Callable[[float], float]) -> list[Plateau]:
    """The runs of neighbouring steps, at least PLATEAU long, over which the value keeps still."""
    found, first = [], 0
    for k in range(1, len(values) + 1):
        still = k < len(values) and abs(values[k] - values[k - 1]) <= tolerance(values[k])  # False for nan
        if not still:
            if k - first >= PLATEAU:
                best = min(range(first + 1, k), key=lambda j: abs(values[j] - values[j - 1]))
                found.append(Plateau(first, k - 1, values[best]))
            first = k
    return found


def _edge(rows: list[Row]) -> str:
    """f is not defined on one side of x, however near."""
    near = rows[-PLATEAU:]
    for side, other, which in (("rise", "fall", "x + h"), ("fall", "rise", "x - h")):
        defined = [np.isfinite(getattr(r, other)) for r in near]
        if near and all(defined) and not any(np.isfinite(getattr(r, side)) for r in near):
            return f"x lies on the edge of the function's domain: f({which}) is not finite, however small h"
    return ""


def _jump(rows: list[Row], noise: float) -> str:
    """f(x ± h) - f(x) keeps its size as h shrinks."""
    for side in ("rise", "fall"):
        near = [getattr(r, side) for r in rows[-PLATEAU:]]
        if len(near) == PLATEAU and abs(near[-1]) > 100 * noise and np.ptp(near) <= 0.01 * abs(near[-1]):
            return f"the function jumps by {near[-1]:.4g} at this point, so the numerical estimate grows like 1/h"
    return ""


def _without_silence(rows: list[Row], here: float) -> list[Row]:
    """Drop the steps too small to change f at all, if the last change was small beside f: then it was rounding.

    A step function is silent, too, but its last change is a whole step: there the zeros are the derivative.
    """
    changes = [max(abs(r.rise), abs(r.fall)) for r in rows]
    heard = [k for k, change in enumerate(changes) if change]
    if heard and changes[heard[-1]] <= 1e-3 * max(abs(here), *changes):
        return rows[: heard[-1] + 1]
    return rows


def _pieces(rows: list[Row], difference: str, step: str) -> list[float]:
    """The slope of f between each step and the next smaller one: of its straight pieces, if it is made of such."""
    f = [getattr(r, difference) for r in rows] + [0.0]
    h = [getattr(r, step) for r in rows] + [0.0]
    return [(f[k] - f[k + 1]) / (h[k] - h[k + 1]) if h[k] > h[k + 1] else np.nan for k in range(len(rows))]


def _gap(
    right: list[float], left: list[float], tolerance: Callable[[float], float]
) -> tuple[int, float, float] | None:
    """(last row, slope from the right, slope from the left) where both keep still and stay apart; else None.

    In a smooth function their distance h·f'' shrinks tenfold a decade.
    """
    for p in reversed(_plateaus(right, tolerance)):
        for q in reversed(_plateaus(left, tolerance)):
            first, last = max(p.first, q.first), min(p.last, q.last)
            if last - first + 1 < PLATEAU:
                continue
            apart = [right[k] - left[k] for k in range(first, last + 1)]
            if min(map(abs, apart)) > 2 * tolerance(p.value) and abs(apart[-1]) > 0.5 * abs(apart[0]):
                return last, p.value, q.value
    return None


# --- verdicts ---------------------------------------------------------------------------------------------------------


def _at_kink(gap: tuple[int, float, float], got: float, tolerance: Callable[[float], float]) -> Verdict:
    _, right, left = gap
    slopes = f"the slope is {_g(right)} from the right and {_g(left)} from the left"
    slack = max(tolerance(right), tolerance(left))
    if min(right, left) - slack <= got <= max(right, left) + slack:
        return Verdict("kink", f"{slopes}, so any value between them can be called the gradient", None)
    if np.isfinite(got):
        return Verdict("bug", f"the function has a kink here, but {_g(got)} is not even between: {slopes}", None)
    return Verdict("kink", f"{slopes}, and backward gives {_g(got)}", None)


def _right_after_all(rows: list[Row], p: Plateau, kink: bool, step: float) -> Verdict:
    largest, smallest = rows[p.first].h, rows[p.last].h
    where = f"steps from {largest:.0e} to {smallest:.0e} all give {_g(p.value)}, as backward does"
    if kink:
        why = f"but a kink lies within {largest * 10:.0e} of this point, and eps reaches over it"
        return Verdict("kink", f"{where}, {why}", p.value)
    cause = "it is too large for how the function bends" if largest < step else "there rounding exceeds the tolerance"
    why = f"{where}, but not eps={step:.0e}: {cause}; pass eps={np.sqrt(largest * smallest):.0e}"
    return Verdict("precision", why, p.value)


def _bug_or_hidden_kink(
    rows: list[Row],
    p: Plateau,
    got: float,
    tolerance: Callable[[float], float],
    neighbour: Callable[[float, float], tuple[float, float]],
) -> Verdict:
    settles = f"the numerical gradient settles at {_g(p.value)} as h shrinks, and backward gives {_g(got)}"
    if np.isfinite(got):
        # relu(x) - relu(-x) is smooth, but its parts have kinks at 0: backward is wrong there and right beside it.
        shift = rows[p.first].h ** 0.75 * rows[p.last].h ** 0.25
        beside = [neighbour(sign * shift, shift / 3) for sign in (1.0, -1.0)]
        if all(abs(numerical - analytical) <= 2 * tolerance(numerical) for numerical, analytical in beside):
            why = f"{settles}, but {shift:.0e} to either side both agree: a part of the function has a kink here"
            return Verdict("kink", why, p.value)
    return Verdict("bug", settles, p.value)


def _no_plateau(rows: list[Row]) -> Verdict:
    clear = [r for r in rows if max(abs(r.right), abs(r.left)) > 10 * r.rounding]
    slopes = [max(abs(r.right), abs(r.left)) for r in clear]
    if len(clear) > 2 * PLATEAU and clear[-1].h <= 1e-6 and all(b > a for a, b in pairwise(slopes)):
        return Verdict("kink", "the slope grows without limit as h shrinks: the function is vertical here", None)
    why = "the numerical gradient settles at no step: rounding, which grows like 1/h, hides it"
    return Verdict("precision", why, None)


def _g(x: float) -> str:
    return f"{x:.6g}"
