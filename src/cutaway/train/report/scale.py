"""Axes: from numbers to positions. A scale is a map to [0, 1] with ticks that a reader likes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """`place(value) -> 0..1` along an axis; `ticks` are (value, label)."""

    place: Callable[[float], float]
    ticks: list[tuple[float, str]]


def linear(low: float, high: float, count: int = 5) -> Scale:
    """Equal steps; ticks at 1, 2 or 5 times a power of ten."""
    high = high if high > low else low + 1.0
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return Scale(lambda v: (v - low) / (high - low), [(t, short(t)) for t in ticks])


def log(low: float, high: float) -> Scale:
    """Equal ratios; the ends are widened to the next 1, 2 or 5."""
    steps = [m * 10.0**k for k in range(-9, 10) for m in (1, 2, 5)]
    low = max((s for s in steps if s <= low * 1.0001), default=steps[0])
    high = min((s for s in steps if s >= high * 0.9999 and s > low), default=steps[-1])
    ticks = [s for s in steps if low <= s <= high]
    if len(ticks) > 8:
        ticks = [s for s in ticks if f"{s:e}"[0] == "1"]
    span = math.log(high / low)
    return Scale(lambda v: math.log(min(max(v, low), high) / low) / span, [(t, short(t)) for t in ticks])


def accuracy(values: list[float], finest: float) -> Scale:
    """Accuracy on a logarithmic axis of errors: each step upwards divides the errors.

    `finest` is the smallest error to show (half an example of the evaluated set): 100 % is drawn there.
    """
    errors = [max(1.0 - v, finest) for v in values]
    steps = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4, 2e-4, 1e-4, 5e-5]
    worst = min((s for s in steps if s >= max(errors)), default=1.0)
    flawless = min(errors) <= finest < worst
    best = finest if flawless else max((s for s in steps if s <= min(errors) and s < worst), default=steps[-1])
    ticks = [s for s in steps if (1.5 * best if flawless else best) <= s <= worst]
    for digits in ("15", "1"):
        if len(ticks) > 7:
            ticks = [s for s in ticks if f"{s:e}"[0] in digits]
    span = math.log(worst / best)
    labels = [(1.0 - t, f"{100 * (1.0 - t):.4g} %") for t in ticks]
    return Scale(
        lambda v: math.log(worst / min(max(1.0 - v, best), worst)) / span,
        [*labels, (1.0, "100 %")] if flawless else labels,
    )


def short(value: float) -> str:
    """A number as an axis shows it: 20000 as 20k, 0.05 as 0.05."""
    if value == 0:
        return "0"
    if abs(value) >= 1e4:
        return f"{value / 1000:.4g}k"
    return f"{value:.4g}" if abs(value) >= 1e-4 else f"{value:.0e}".replace("e-0", "e-")


def smooth(values: np.ndarray, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Means over equal stretches of `values[n]`: at most `points` of (middle index, mean), for a line that reads."""
    edges = np.unique(np.linspace(0, len(values), min(points, len(values)) + 1).astype(int))
    totals = np.add.reduceat(values.astype(np.float64), edges[:-1]) / np.diff(edges)
    return (edges[:-1] + edges[1:] + 1) / 2, totals
