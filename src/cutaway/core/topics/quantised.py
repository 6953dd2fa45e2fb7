"""Numbers rounded to those that a few bits can hold, with the gradient of what was not cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentError, DTypeError, NotWritten, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.refusal import function
from cutaway.core.tensor import Tensor


@function
def fake_quantize_per_tensor_affine(input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Any:
    """x as integers from quant_min to quant_max would hold it: (clamp(round(x / scale) + zero_point) - zero_point) scale.

    The gradient passes where nothing was cut off (Jacob et al. 2018, arXiv 1712.05877).
    Raises ArgumentError for bounds that make no sense, NotWritten for integers.
    """
    scale, zero_point = (v.detach() if isinstance(v, Tensor) else v for v in (scale, zero_point))
    _check("fake_quantize_per_tensor_affine", input, zero_point, quant_min, quant_max)
    if not isinstance(scale, Tensor):
        scale = d.constant(np.asarray(scale, np.float32))
    return _rounded(input, scale, zero_point, quant_min, quant_max)


@function
def fake_quantize_per_channel_affine(
    input: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int
) -> Any:
    """The same with a scale and a zero point for each index of `axis`.  Raises ShapeError, DTypeError as well."""
    name = "fake_quantize_per_channel_affine"
    if not 0 <= axis < input._data.ndim:
        raise ArgumentError(f"{name}: axis must be one of 0 .. {input._data.ndim - 1} for {show(input)}, got {axis}")
    at = axis
    if zero_point._data.dtype == np.int64:
        raise DTypeError(f"{name}: zero_point must be int32 or floating, got {show(zero_point)}; convert it with .int()")
    for what in (scale, zero_point):
        if what._data.shape != (input._data.shape[at],):
            raise ShapeError(f"{name}: {show(what)} must hold one number for each index of axis {axis} of {show(input)}")
    _check(name, input, zero_point, quant_min, quant_max)
    shape = [-1 if k == at else 1 for k in range(input._data.ndim)]
    return _rounded(input, scale.detach().reshape(shape), zero_point.detach().reshape(shape), quant_min, quant_max)


def _check(name: str, x: Any, zero_point: Any, low: int, high: int) -> None:
    if x._data.dtype.kind not in FLOATING:
        raise NotWritten(f"{name}: needs floating numbers, got {show(x)}; convert them with .float()")
    if low > high:
        raise ArgumentError(f"{name}: quant_min {low} lies above quant_max {high}")
    middle = d.values(zero_point) if isinstance(zero_point, Tensor) else np.asarray(zero_point)
    if middle.size and (middle.min() < low or middle.max() > high):
        raise ArgumentError(f"{name}: zero_point must lie between quant_min {low} and quant_max {high}, got {zero_point}")


def _rounded(x: Any, scale: Any, zero_point: Any, low: int, high: int) -> Any:
    q = x.detach().float() * (1 / scale)  # PyTorch computes in float32, whatever x is
    whole = not isinstance(zero_point, Tensor) or zero_point._data.dtype.kind in "iu"
    q = q.round() + zero_point if whole else (q + zero_point).round()
    q = ew.where(q == q, q, low - 1.0)  # NaN is cut off below
    y = ((q.clamp(low, high) - zero_point) * scale).to(x.dtype)
    return y + ew.where((q >= low) & (q <= high), x - x.detach(), 0) if x.requires_grad else y
