"""Slopes and areas of sampled functions; places of a flattened array; small older names."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.creation import arange, tensor
from cutaway.core.dtypes import as_dtype, get_default_dtype
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.refusal import function
from cutaway.core.tensor import Tensor


@function
def range(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False) -> Any:
    """start, start + step, .. up to `end` itself; arange leaves it out. Warns as PyTorch does.  Raises ArgumentError."""
    warnings.warn("range is deprecated: it includes its end; write arange", UserWarning, stacklevel=3)
    low, high = (0, start) if end is None else (start, end)
    if step == 0 or (high - low) * step < 0:
        raise ArgumentError(f"range: {low} .. {high} cannot be walked in steps of {step}")
    kind = as_dtype(dtype, "range") if dtype is not None else get_default_dtype()
    count = int((high - low) / step + 1e-12) + 1
    y = (arange(count).double() * step + low).to(kind)
    return y.requires_grad_() if requires_grad else y


@function
def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """Norms over all dimensions but `dim`; over all with dim=-1."""
    if dim == -1:
        return d.norm(v, pow)
    if v._data.ndim == 1:
        return v.abs()
    return d.norm(v, pow, tuple(k for k in builtins.range(v._data.ndim) if k != dim), True)


@function
def nuclear_norm(input: Any, dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """The sum of the singular values."""
    from cutaway.core.topics.linear import matrix_norm

    return matrix_norm(input, "nuc", dim, keepdim)


@function
def frobenius_norm(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The root of the sum of squares, over `dim` or of all."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return d.norm(input, 2, dims or None, keepdim)


@function
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Any:
    """A vector of the numbers that lie in a buffer, of which it shares the memory.  Raises ArgumentError."""
    kind = as_dtype(dtype, "frombuffer").np
    size = len(memoryview(buffer).cast("B"))
    if not size:
        raise ArgumentError("frombuffer: the buffer is empty")
    if not 0 <= offset < size:
        raise ArgumentError(f"frombuffer: offset {offset} lies outside {size} bytes")
    if count == 0 or count < -1:
        raise ArgumentError(f"frombuffer: count must be above 0, or -1 for all, got {count}")
    if count == -1 and (size - offset) % kind.itemsize:
        raise ArgumentError(f"frombuffer: {size - offset} bytes do not divide into numbers of {kind.itemsize}")
    if count > 0 and offset + count * kind.itemsize > size:
        raise ArgumentError(f"frombuffer: {count} numbers from byte {offset} on need more than {size} bytes")
    a = np.frombuffer(buffer, kind, count, offset)
    y = Tensor._wrap(a if a.flags.writeable else a.copy())
    return y.requires_grad_() if requires_grad else y


@function
def fill(input: Any, value: Any) -> Any:
    """A tensor of the same shape and dtype, full of `value` (a number or a 0-d tensor)."""
    if isinstance(value, Tensor) and value._data.ndim:
        raise ShapeError(f"fill: the value must be a number or a 0-d tensor, got {show(value)}")
    y = value.to(input.dtype) if isinstance(value, Tensor) else tensor(value, dtype=input.dtype)
    return d.where(d.constant(np.ones(input._data.shape, bool)), y, input)


def get_num_interop_threads() -> int:
    """1: operations are not run side by side."""
    return 1


@function
def set_num_interop_threads(num: int) -> None:
    """Accepted: operations are not run side by side.  Raises ArgumentError unless above 0."""
    if num < 1:
        raise ArgumentError(f"set_num_interop_threads: needs a number above 0, got {num}")
