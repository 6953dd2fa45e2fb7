"""Reductions over consecutive stretches of a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentError, NotWritten, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.refusal import function

# What PyTorch calls it: scatter_reduce's name, and what a stretch without elements gives.
KINDS = {
    "sum": ("sum", 0.0), "mean": ("sum", 0.0), "prod": ("prod", 1.0), "max": ("amax", -np.inf), "min": ("amin", np.inf),
    "amax": ("amax", -np.inf), "amin": ("amin", np.inf),
}  # fmt: skip


@function
def segment_reduce(
    data: Any, reduce: str, *, lengths: Any = None, indices: Any = None, offsets: Any = None, axis: int = 0,
    unsafe: bool = False, initial: Any = None,
) -> Any:  # fmt: skip
    """sum, mean, prod, max or min over stretches of `axis`: lengths[..., S] of x[..., L, ...] -> y[..., S, ...].

    `offsets` may say in their place where each begins and the last one ends. Each stretch begins with `initial`, if it is
    given; one without elements gives that, or 0, NaN, 1, -inf, inf.
    Raises ArgumentError, ShapeError where the lengths do not add up to the size (unless `unsafe`), NotWritten for integers.
    """
    if reduce not in KINDS:
        raise ArgumentError(f"segment_reduce: reduce must be one of {', '.join(KINDS)}, got {reduce!r}")
    if indices is not None:
        raise ArgumentError("segment_reduce: indices are not supported; say where segments lie by lengths or offsets")
    if lengths is None and offsets is None:
        raise ArgumentError("segment_reduce: give lengths or offsets of the segments")
    if data._data.dtype.kind not in FLOATING:
        raise NotWritten(f"segment_reduce: needs floating numbers, got {show(data)}; convert them with .float()")
    given = lengths if offsets is None else offsets
    if given._data.dtype.kind not in "iu":
        raise NotWritten(f"segment_reduce: lengths and offsets must be integers, got {show(given)}")
    at = normalize_dim(axis, data._data.ndim, "segment_reduce")
    sizes = d.values(given) if offsets is None else np.diff(d.values(given), axis=-1)
    if at != sizes.ndim - 1 or sizes.shape[:-1] != data._data.shape[:at]:
        raise ShapeError(
            f"segment_reduce: {show(given)} must have the dimensions of {show(data)} before axis {axis}, and one more"
        )
    n = data._data.shape[at]
    if sizes.size and sizes.min() < 0:
        raise ArgumentError(f"segment_reduce: a length is negative: {sizes.min()}")
    covered = sizes.sum(-1)
    if (covered != n).any() and not (unsafe and (covered <= n).all()):
        raise ShapeError(f"segment_reduce: the lengths add up to {covered.tolist()}, not to the {n} of {show(data)}")
    return _reduced(data, reduce, sizes, at, initial)


def _reduced(data: Any, reduce: str, sizes: np.ndarray, at: int, initial: Any) -> Any:
    name, nothing = KINDS[reduce]
    count = sizes.shape[-1]
    # One stretch more takes what no length covers.
    left = data._data.shape[at] - sizes.sum(-1, keepdims=True)
    rows = np.concatenate([sizes, left], -1).reshape(-1, count + 1)
    ids = np.stack([np.repeat(np.arange(count + 1), row) for row in rows]) if len(rows) else np.zeros((0, 0), int)
    beyond = (1,) * (data._data.ndim - at - 1)
    where = np.broadcast_to(ids.reshape((*data._data.shape[: at + 1], *beyond)), data._data.shape)
    shape = (*data._data.shape[:at], count + 1, *data._data.shape[at + 1 :])
    start = d.constant(np.full(shape, nothing if initial is None else initial, data._data.dtype))
    index = d.constant(np.ascontiguousarray(where, np.int64))
    y = start.scatter_reduce(at, index, data, name).narrow(at, 0, count)
    if reduce == "mean":
        n = d.constant(sizes.reshape((*sizes.shape, *beyond)).astype(data._data.dtype))
        y = ew.where(n > 0, y / n, np.nan if initial is None else initial)
    return d.owned(y)
