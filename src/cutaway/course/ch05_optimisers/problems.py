"""Six problems on which six optimisers race, all learning rates at once; each is there because another rule wins on it.

A rule is `f(p, g, *memory, lr, t) -> (p, *memory)`. Parameters are p[rates, walks, N]: every learning rate of RATES walks
from the same starts, with the same noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
RATES = np.array([digit * 10.0**power for power in range(-4, 2) for digit in (1, 2, 5)])


class Problem(NamedTuple):
    """Somewhere to walk: `start` p[walks, N], height(p, t) -> [...] and slope(p, t, random) -> the gradient of it."""

    name: str
    about: str
    start: Array
    steps: int
    height: Callable[[Array, int], Array]
    slope: Callable[[Array, int, np.random.Generator], Array]
    mean: bool = False  # what counts is the mean height along the way, not that of the end


class Race(NamedTuple):
    """What came of it: score[rates] (lower is better), path[steps + 1, rates, walks, N]."""

    score: Array
    path: Array

    @property
    def best(self) -> int:
        """Which learning rate got lowest."""
        return int(self.score.argmin())


def race(f: Callable[..., Any], memory: int, problem: Problem, rates: Array = RATES) -> Race:
    """Let a rule walk with every learning rate."""
    random = np.random.default_rng(0)
    lr = rates[:, None, None]
    p = np.repeat(problem.start[None], len(rates), 0)
    kept = [np.zeros_like(p)] * memory
    path, heights = [p], []
    with np.errstate(all="ignore"):
        for t in range(1, problem.steps + 1):
            p, *kept = _step(f, p, problem.slope(p, t, random), kept, lr, t)
            path.append(p)
            heights.append(problem.height(p, t).mean(-1))
        score = np.mean(heights, 0) if problem.mean else heights[-1]
    return Race(np.where(np.isfinite(score), score, np.inf), np.array(path))


def _step(f: Callable[..., Any], p: Array, g: Array, kept: list[Array], lr: Array, t: int) -> Any:
    """One step of all rates at once; rate by rate if the rule is a loop over what it takes for a vector."""
    try:
        return f(p, g, *kept, lr, t)
    except ValueError:
        each = [f(p[i], g[i], *(k[i] for k in kept), float(lr[i, 0, 0]), t) for i in range(len(p))]
        return tuple(map(np.stack, zip(*each)))


# --- valleys ----------------------------------------------------------------------------------------------------------

FAR = np.array([[-7.0, 2.0]])


def bowl(name: str, about: str, curvatures: Any, steps: int, turn: float = 0.0) -> Problem:
    """½ pᵀ H p with the given curvatures along axes that are turned by an angle (degrees)."""
    a = np.deg2rad(turn)
    q = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    h = q @ np.diag(curvatures) @ q.T
    return Problem(name, about, FAR, steps, lambda p, t: 0.5 * ((p @ h) * p).sum(-1), lambda p, t, random: p @ h)


BOOK = bowl("the book's valley", "x²/20 + y², from (-7, 2)", [0.1, 2.0], 30)

ROUND = bowl("round bowl", "curvatures 0.9 and 1.1; 10 steps", [0.9, 1.1], 10)
VALLEY = bowl("slanting valley", "100 times steeper across than along, at 45° to the axes; 60 steps", [2.0, 0.02], 60, 45)
GORGE = bowl("long gorge", "1000 times steeper across than along, at 45° to the axes; 200 steps", [2.0, 0.002], 200, 45)


# --- noise ------------------------------------------------------------------------------------------------------------


def rare() -> Problem:
    """Twenty elements, of which the k-th has a gradient in a share k^-1.5 of the steps only."""
    seen = 1 / np.arange(1, 21) ** 1.5
    target = 3 * np.cos(np.arange(20) * 2.0)

    def slope(p: Array, t: int, random: np.random.Generator) -> Array:
        return (random.random(p.shape[1:]) < seen) * (p - target + random.normal(size=p.shape[1:]))

    return Problem(
        "rare elements", "20 elements, the first seen at every step, the last at one of 90; noise; 300 steps",
        np.zeros((20, 20)), 300, lambda p, t: (seen * (p - target) ** 2).sum(-1) / 2, slope,
    )  # fmt: skip


def moving() -> Problem:
    """A valley whose lowest place jumps every 40 steps, and whose steepness becomes a tenth and comes back."""
    places = np.array([[-3.0, 1.0], [3.0, -1.0], [1.0, 2.0], [-2.0, -2.0]])
    curvature = np.array([0.1, 2.0])

    def away(p: Array, t: int) -> Array:
        return p - places[t // 40 % 4]

    return Problem(
        "changing land", "the lowest place jumps every 40 steps, every second time the land is flatter; mean height",
        FAR, 160, lambda p, t: (0.5 * curvature * away(p, t) ** 2).sum(-1),
        lambda p, t, random: (1.0, 0.1)[t // 40 % 2] * curvature * away(p, t), mean=True,
    )  # fmt: skip


# --- a network --------------------------------------------------------------------------------------------------------


def network(walks: int = 3, hidden: int = 10, steps: int = 400) -> Problem:
    """One input, ten tanh, one output: fit a wave at 32 places.  p holds w[H], b[H], u[H], c."""
    x = np.linspace(-1, 1, 32)[:, None]
    y = np.sin(6 * x[:, 0])

    def forward(p: Array) -> tuple[Array, Array, Array]:
        w, b, u, c = (p[..., i * hidden : (i + 1) * hidden] for i in range(4))
        h = np.tanh(x * w[..., None, :] + b[..., None, :])
        return h, u, (h * u[..., None, :]).sum(-1) + c - y

    def slope(p: Array, t: int, random: np.random.Generator) -> Array:
        h, u, error = forward(p)
        error = error[..., None] / len(x)
        inner = error * u[..., None, :] * (1 - h * h)
        return np.concatenate([(inner * x).sum(-2), inner.sum(-2), (error * h).sum(-2), error.sum(-2)], -1)

    random = np.random.default_rng(1)
    normal = random.normal(size=(walks, 2, hidden))
    start = np.concatenate([normal[:, 0], np.zeros((walks, hidden)), normal[:, 1] / hidden**0.5, np.zeros((walks, 1))], 1)
    return Problem(
        "small network", f"10 tanh learn a wave from 32 points, {walks} initial values; {steps} steps",
        start, steps, lambda p, t: (forward(p)[2] ** 2).mean(-1) / 2, slope,
    )  # fmt: skip


PROBLEMS = (ROUND, GORGE, VALLEY, rare(), moving(), network())
