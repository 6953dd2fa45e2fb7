"""Sums and the like over segments of given lengths, and numbers as a quantised network would see them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.refusal import function

EMPTY = {"sum": 0.0, "mean": float("nan"), "max": -float("inf"), "min": float("inf"), "prod": 1.0}
NAMES = {"sum": "sum", "mean": "sum", "max": "amax", "min": "amin", "prod": "prod"}


@function
def segment_reduce(
    data: Any,
    reduce: str,
    *,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Any:
    """Consecutive parts of `data` along `axis` reduced each to one: data[B.., N, R..], lengths[B.., S] -> [B.., S, R..].

    reduce   sum, mean, max (amax), min (amin) or prod;  offsets[B.., S + 1]: where parts begin and the last ends, instead
    unsafe   lengths need not add up to N;  initial: what each part begins with (an empty one is NaN, -inf, inf, 0 or 1)

    Raises ArgumentError for another reduction and lengths that do not fit, DTypeError for integers, ShapeError.
    """
    kind = {"amax": "max", "amin": "min"}.get(reduce, reduce)
    d.need_tensor("segment_reduce", data)
    if kind not in EMPTY:
        raise ArgumentError(f"segment_reduce: reduce must be sum, prod, mean, amax or amin, got {reduce!r}")
    if lengths is None and offsets is None:
        raise ArgumentError("segment_reduce: either lengths or offsets must be given")
    if data._data.dtype.kind not in FLOATING:
        raise DTypeError(f"segment_reduce: not implemented for {show(data)}; convert it with .float()")
    given = d.need_tensor("segment_reduce", lengths if lengths is not None else offsets)
    if given._data.dtype.kind != "i":
        raise DTypeError(f"segment_reduce: lengths and offsets must be int32 or int64, got {show(given)}")
    sizes = d.values(given) if lengths is not None else np.diff(d.values(given), axis=-1)
    at = axis + data._data.ndim if axis < 0 else axis
    if at != sizes.ndim - 1 or data._data.shape[:at] != sizes.shape[:-1]:
        raise ShapeError(
            f"segment_reduce: {show(data)} along axis {axis} and {show(given)} must have the dimensions before the last one "
            "of the lengths in common"
        )
    n, parts = data._data.shape[at], sizes.shape[-1]
    if (sizes < 0).any():
        raise ArgumentError("segment_reduce: lengths contains negative value")
    totals = sizes.sum(-1)
    if (totals > n).any() or (lengths is not None and not unsafe and (totals != n).any()):
        raise ArgumentError(f"segment_reduce: lengths must add up to {n}, the size along axis {axis}, got {totals.tolist()}")
    rows = sizes.reshape(-1, parts)
    begin = np.zeros(len(rows), np.int64) if lengths is not None else d.values(offsets).reshape(len(rows), -1)[:, 0]
    source = np.concatenate([b * n + f + np.arange(r.sum()) for b, (f, r) in enumerate(zip(begin, rows, strict=True))])
    target = np.concatenate([b * parts + np.repeat(np.arange(parts), r) for b, r in enumerate(rows)])
    rest = data._data.shape[at + 1 :]
    flat = data.reshape((-1, *rest)).index_select(0, d.constant(source.astype(np.int64)))
    index = d.constant(target.astype(np.int64).reshape((-1,) + (1,) * len(rest))).expand(flat._data.shape)
    first = EMPTY["sum" if kind == "mean" else kind] if initial is None else initial
    begun = d.constant(np.full((rows.size, *rest), first, data._data.dtype))
    y = begun.scatter_reduce(0, index, flat, NAMES[kind], include_self=True)
    if kind == "mean":
        count = rows.reshape((-1,) + (1,) * len(rest))
        empty = d.constant(np.broadcast_to(count == 0, y._data.shape))
        y = ew.where(empty, EMPTY["mean"] if initial is None else initial, y / d.constant(np.maximum(count, 1)).to(y.dtype))
    return y.reshape((*sizes.shape, *rest))


@function
def fake_quantize_per_tensor_affine(input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Any:
    """(clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) scale; gradient 1 where nothing is cut.

    Raises ArgumentError for limits that cross and a zero point outside them, DTypeError for integers.
    """
    d.need_tensor("fake_quantize_per_tensor_affine", input)
    s, z = (float(getattr(v, "item", lambda v=v: v)()) for v in (scale, zero_point))
    return _quantised("fake_quantize_per_tensor_affine", input, np.float32(s), np.int64(z), quant_min, quant_max)


@function
def fake_quantize_per_channel_affine(
    input: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int
) -> Any:
    """The same, with a scale and a zero point for each place along `axis`: scale[C], zero_point[C] int32.

    Raises ShapeError where their sizes do not fit, and what the other one raises.
    """
    name = "fake_quantize_per_channel_affine"
    for t in (input, scale, zero_point):
        d.need_tensor(name, t)
    if zero_point._data.dtype not in (np.int32, np.float32, np.float16):
        raise DTypeError(f"{name}: Zero-point must be Int32, Float or Half, found {zero_point.dtype}; convert with .int()")
    sizes = input._data.shape[axis : axis + 1]
    if scale._data.shape != sizes or zero_point._data.shape != sizes:
        raise ShapeError(
            f"{name}: dimensions of scale and zero-point are not consistent with input tensor: {show(scale, zero_point)} "
            f"along axis {axis} of {show(input)}"
        )
    form = [-1 if k == axis % input._data.ndim else 1 for k in range(input._data.ndim)]
    s, z = d.values(scale).astype(np.float32).reshape(form), d.values(zero_point).astype(np.int64).reshape(form)
    return _quantised(name, input, s, z, quant_min, quant_max)


def _quantised(name: str, x: Any, scale: Any, zero: Any, low: int, high: int) -> Any:
    if low > high:
        raise ArgumentError(f"{name}: quant_min should be less than or equal to quant_max, got {low} and {high}")
    if np.any(zero < low) or np.any(zero > high):
        raise ArgumentError(f"{name}: zero_point must be between quant_min and quant_max, got {zero} in [{low}, {high}]")
    if x._data.dtype.kind not in FLOATING:
        raise DTypeError(f"{name}: not implemented for {show(x)}; convert it with .float()")
    a = d.values(x)
    wide = a.astype(np.float32) if a.dtype.itemsize == 2 else a
    steps = np.where(np.isnan(wide), low - 1 - zero, np.rint(wide * (np.float32(1) / scale))) + zero
    inside = (steps >= low) & (steps <= high)
    y = d.constant(((np.clip(steps, low, high) - zero) * scale).astype(a.dtype))
    return y if x._node is None else y + ew.where(d.constant(inside), x - x.detach(), 0.0)
