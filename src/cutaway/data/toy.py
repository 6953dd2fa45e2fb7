"""Small data sets made on the spot: points in the plane that a net can be watched on, and a curve to fit.

Each returns (x, y) with x[n, 2] float32 and y[n] int64, class by class; a DataLoader shuffles.  `noise` is the
standard deviation of what is added to each coordinate (or angle, or target).  The random numbers come from `seed`,
or `generator`, or else the default generator: the same seed gives the same points.  All raise ArgumentError for
n < 1, noise < 0, or seed and generator together.
"""

from __future__ import annotations

import math

import numpy as np

from cutaway.core import random
from cutaway.core.errors import ArgumentError
from cutaway.core.random import Generator
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor

Points = tuple[Tensor, Tensor]


@guarded
def spiral(
    n: int = 300, classes: int = 3, *, noise: float = 0.2, seed: int | None = None, generator: Generator | None = None
) -> Points:
    """Arms that wind around each other, radius 0 to 1; `noise` in radians.

    Saitoh, "Deep Learning from Scratch 2", chapter 1; CS231n, "Putting it together: minimal neural network case study".
    """
    g = _source("spiral", n, noise, seed, generator, classes)
    y = _labels(n, classes)
    r = np.concatenate([np.linspace(0, 1, k) for k in np.bincount(y, minlength=classes)])
    angle = 4 * (y + r) + noise * random.normal((n,), generator=g)
    return _points(np.stack([r * np.sin(angle), r * np.cos(angle)], 1), y)


@guarded
def moons(n: int = 200, *, noise: float = 0.1, seed: int | None = None, generator: Generator | None = None) -> Points:
    """Two half circles of radius 1, each with its end inside the other."""
    g = _source("moons", n, noise, seed, generator)
    y = _labels(n, 2)
    angle = np.concatenate([np.linspace(0, math.pi, k) for k in np.bincount(y, minlength=2)])
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    return _points(np.where(y[:, None], lower, upper) + noise * random.normal((n, 2), generator=g), y)


@guarded
def circles(
    n: int = 200,
    *,
    ratio: float = 0.5,
    noise: float = 0.05,
    seed: int | None = None,
    generator: Generator | None = None,
) -> Points:
    """A circle of radius 1 (class 0) around one of radius `ratio` (class 1)."""
    g = _source("circles", n, noise, seed, generator)
    y = _labels(n, 2)
    angle = np.concatenate([np.linspace(0, 2 * math.pi, k, endpoint=False) for k in np.bincount(y, minlength=2)])
    radius = np.where(y, ratio, 1.0)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return _points(ring + noise * random.normal((n, 2), generator=g), y)


@guarded
def xor(n: int = 200, *, noise: float = 0.15, seed: int | None = None, generator: Generator | None = None) -> Points:
    """Points around (0, 0), (0, 1), (1, 0), (1, 1) in turn, labelled 0, 1, 1, 0; `xor(4, noise=0)` is the truth table.

    No straight line divides them: Minsky & Papert 1969; Saitoh, "Deep Learning from Scratch", section 2.4.
    """
    g = _source("xor", n, noise, seed, generator)
    corner = np.arange(n) % 4
    bits = np.stack([corner // 2, corner % 2], 1)
    return _points(bits + noise * random.normal((n, 2), generator=g), bits[:, 0] ^ bits[:, 1])


@guarded
def gauss(
    n: int = 300, classes: int = 3, *, noise: float = 0.3, seed: int | None = None, generator: Generator | None = None
) -> Points:
    """Round clouds of standard deviation `noise`, their centres evenly on the unit circle."""
    g = _source("gauss", n, noise, seed, generator, classes)
    y = _labels(n, classes)
    angle = 2 * math.pi * y / classes
    return _points(np.stack([np.cos(angle), np.sin(angle)], 1) + noise * random.normal((n, 2), generator=g), y)


@guarded
def regression(
    n: int = 100, *, noise: float = 0.1, seed: int | None = None, generator: Generator | None = None
) -> Points:
    """A sine to fit: x[n, 1] uniform in 0 to 1, y[n, 1] = sin(2 pi x) + noise, both float32.

    y has a column, as the output of a net has: losses compare like with like.  Bishop 2006, "Pattern Recognition
    and Machine Learning", section 1.1.
    """
    g = _source("regression", n, noise, seed, generator)
    x = random.uniform((n, 1), generator=g)
    y = np.sin(2 * math.pi * x) + noise * random.normal((n, 1), generator=g)
    return Tensor._wrap(x.astype(np.float32)), Tensor._wrap(y.astype(np.float32))


TOYS = {f.__name__: f for f in (spiral, moons, circles, xor, gauss, regression)}
"""The sets above by name."""


def _source(
    name: str, n: int, noise: float, seed: int | None, generator: Generator | None, classes: int = 1
) -> Generator | None:
    if n < 1 or classes < 1:
        raise ArgumentError(f"{name}: needs at least one point and one class, got n={n}, classes={classes}")
    if not noise >= 0:
        raise ArgumentError(f"{name}: noise is a standard deviation, 0 or more, got {noise}")
    if seed is not None and generator is not None:
        raise ArgumentError(f"{name}: seed and generator contradict each other; give one of them")
    return generator if seed is None else Generator().manual_seed(seed)


def _labels(n: int, classes: int) -> np.ndarray:
    """0, 0, ..., 1, 1, ...: int64[n], as even as can be, the first classes having one more."""
    return np.repeat(np.arange(classes), [len(range(c, n, classes)) for c in range(classes)])


def _points(x: np.ndarray, y: np.ndarray) -> Points:
    return Tensor._wrap(np.ascontiguousarray(x, np.float32)), Tensor._wrap(np.ascontiguousarray(y, np.int64))
