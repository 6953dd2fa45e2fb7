"""The values of entries, rearranged: chosen, added up."""

from __future__ import annotations

import numpy as np

from cutaway.core.ops.index import index, index_put, zeros
from cutaway.core.sparse.places import INT64
from cutaway.core.tensor import Tensor


def constant(a: np.ndarray) -> Tensor:
    """A Tensor of indices."""
    return Tensor._wrap(a)


def picked(values: Tensor, which: np.ndarray) -> Tensor:
    """values[which], along the first dimension."""
    return index(values, constant(which), dims=(0,))


def summed(values: Tensor, which: np.ndarray, count: int) -> Tensor:
    """The sums of those values that have the same number `which`, for the numbers below `count`."""
    if count == len(which):  # each once: another order
        back = np.empty(count, INT64)
        back[which] = np.arange(count)
        return values if (which[1:] > which[:-1]).all() else picked(values, back)
    start = zeros((count, *values._data.shape[1:]), values._data.dtype)
    return index_put(start, values, constant(which), dims=(0,), accumulate=True)
