"""Numbers at equal distances, rounded where PyTorch rounds them, so that `linspace` has its bits.

The first half is counted from the start, the second from the end, with a step that was rounded to the dtype. A product
and its sum are rounded once (a fused multiply-add), but by dtypes of two bytes, which round after each operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.dtypes import is_narrow


def evenly(start: Any, end: Any, steps: int, dtype: np.dtype[Any]) -> np.ndarray:
    """`steps` numbers of this dtype from start to end, both included; of integers, what is behind the point is dropped."""
    if steps < 2:
        return np.full(steps, start).astype(dtype)
    up = np.arange(steps)
    if is_narrow(dtype):
        return _rounded_each(start, end, up, dtype)
    real = np.dtype(np.float64) if dtype.kind in "iu" else dtype
    a, b = (np.asarray(v).astype(dtype).astype(real) for v in (start, end))
    step = (b - a) / real.type(steps - 1)
    wide: Any = np.float64 if real == np.float32 else np.longdouble  # in which a product of two is exact, or nearly so
    low = wide(a) + wide(step) * up
    high = wide(b) - wide(step) * up[::-1]
    line: np.ndarray = np.where(up < steps // 2, low, high).astype(real).astype(dtype)
    return line


def _rounded_each(start: Any, end: Any, up: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    def at(value: Any) -> np.ndarray:
        return np.asarray(value, np.float32).astype(dtype).astype(np.float32)

    a, b, count = at(start), at(end), len(up)
    step = at(at(b - a) / at(count - 1))
    low, high = a + at(step * at(up)), b - at(step * at(up[::-1]))
    line: np.ndarray = np.where(up < count // 2, low, high).astype(dtype)
    return line
