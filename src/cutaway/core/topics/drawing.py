"""In-place draws beyond uniform, normal and exponential ones: Cauchy, log-normal and geometric numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import random as r
from cutaway.core.errors import ArgumentError, DTypeError


class Drawing:
    """Numbers drawn into a tensor, in float64 and then in its dtype."""

    def cauchy_(self: Any, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Any:
        """Cauchy numbers: median + sigma tan(pi (u - 1/2)).  Raises ArgumentError unless sigma > 0, DTypeError."""
        _floating("cauchy_", self)
        if not sigma > 0:
            raise ArgumentError(f"cauchy_: sigma must be above 0, got {sigma}")
        return _drawn(self, "cauchy_", generator, lambda u: median + sigma * np.tan(math.pi * (u - 0.5)))

    def geometric_(self: Any, p: float, *, generator: Any = None) -> Any:
        """Tries up to the first success: log u / log(1 - p), rounded up.  Raises ArgumentError unless 0 < p < 1."""
        if not 0 < p < 1:
            raise ArgumentError(f"geometric_: p must be above 0 and below 1, got {p}")
        return _drawn(self, "geometric_", generator, lambda u: np.ceil(np.log(u) / math.log1p(-p)))

    def log_normal_(self: Any, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Any:
        """exp of normal numbers.  Raises ArgumentError unless std > 0, DTypeError for integers."""
        _floating("log_normal_", self)
        if not std > 0:
            raise ArgumentError(f"log_normal_: std must be above 0, got {std}")

        def draw(shape: tuple[int, ...], _: Any) -> np.ndarray:
            z = r.normal(shape, mean, std, np.float64, generator, contiguous=False)
            return np.asarray(np.exp(z), self._data.dtype)

        return self._draw("log_normal_", draw)


def _drawn(x: Any, name: str, generator: Any, of: Callable[[np.ndarray], np.ndarray]) -> Any:
    """A function of uniform numbers with 53 random bits."""

    def draw(shape: tuple[int, ...], _: Any) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(of(r.uniform(shape, dtype=np.float64, generator=generator))).astype(x._data.dtype)

    return x._draw(name, draw)


def _floating(name: str, x: Any) -> None:
    if not x.is_floating_point():
        raise DTypeError(f"{name}: needs a floating dtype, got {x.dtype}; convert with .float()")
