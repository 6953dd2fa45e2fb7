"""How far to go along a direction: a search for a step that satisfies the strong Wolfe conditions.

Nocedal & Wright 2006, algorithms 3.5 (bracket) and 3.6 (zoom). Trial steps minimise the cubic through two points and
their slopes (equation 3.59), as M. Schmidt's minFunc (2005) does, whose safeguards PyTorch adopted: in the bracket a
trial grows the step by 1 % to 10 times; in the zoom it keeps a tenth of the interval away from an end that was
not left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

DECREASE = 1e-4  # c1: f must fall by this part of what the slope promises
FLATTEN = 0.9  # c2: the slope must shrink to this part
NARROWEST = 1e-9  # an interval in which no parameter moves by more is not divided further


class Point(NamedTuple):
    """A step t along the direction: the loss f there, its gradient g, and the slope g . d."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def strong_wolfe(
    try_step: Callable[[float], Point], start: Point, t: float, reach: float, limit: int = 25
) -> tuple[Point, int]:
    """The Point to go to, and how often the loss was computed: at most once more than `limit`.

    `start` is the Point at t = 0, `t` the first trial, `reach` the largest component of the direction.
    """
    ends, found, used = _bracket(try_step, start, t, limit)
    if found:
        return ends[0], used
    return _zoom(try_step, start, ends, used, reach, limit)


def _bracket(try_step: Callable[[float], Point], start: Point, t: float, limit: int) -> tuple[list[Point], bool, int]:
    """Go farther and farther until the conditions hold, or an interval surely holds a step for which they do."""
    last, now = start, try_step(t)
    for used in range(1, limit + 1):
        if _too_high(now, start) or (used > 2 and now.f >= last.f):
            return [last, now], False, used
        if abs(now.slope) <= -FLATTEN * start.slope:
            return [now], True, used
        if now.slope >= 0:
            return [last, now], False, used
        t = _cubic_minimum(last, now, now.t + 0.01 * (now.t - last.t), now.t * 10)
        last, now = now, try_step(t)
    return [start, now], False, limit + 1


def _zoom(
    try_step: Callable[[float], Point], start: Point, ends: list[Point], used: int, reach: float, limit: int
) -> tuple[Point, int]:
    """Divide the interval until the conditions hold; its lower end is the best Point so far."""
    stuck = False
    while used <= limit and abs(ends[1].t - ends[0].t) * reach >= NARROWEST:
        i = _lower(ends)
        low, high = ends[i], ends[1 - i]
        left, right = min(low.t, high.t), max(low.t, high.t)
        t, margin = _cubic_minimum(low, high, left, right), 0.1 * (right - left)
        close = min(right - t, t - left) < margin
        if close and (stuck or not left < t < right):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            close = False
        stuck = close
        now = try_step(t)
        used += 1
        if _too_high(now, start) or now.f >= low.f:
            ends[1 - i] = now
        elif abs(now.slope) <= -FLATTEN * start.slope:
            return now, used
        else:
            if now.slope * (high.t - low.t) >= 0:
                ends[1 - i] = low
            ends[i] = now
    return ends[_lower(ends)], used


def _lower(ends: list[Point]) -> int:
    return 0 if ends[0].f <= ends[1].f else 1


def _too_high(now: Point, start: Point) -> bool:
    return now.f > start.f + DECREASE * now.t * start.slope


def _cubic_minimum(a: Point, b: Point, lowest: float, highest: float) -> float:
    """Where the cubic through two points and their slopes is smallest, held within bounds; their middle if nowhere."""
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (lowest + highest) / 2
    if a.t > b.t:
        a, b = b, a
    d2 = math.sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, lowest), highest)
