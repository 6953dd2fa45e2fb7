"""Aval: what is known of a value before it is computed. Shape, dtype, and the rules of broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.errors import ArgumentTypeError, IndexOutOfRange, ShapeError

Shape = tuple[int, ...]


class Aval(NamedTuple):
    """An abstract value: `shape` and NumPy `dtype`."""

    shape: Shape
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return numel(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


def numel(shape: Sequence[int]) -> int:
    """Number of elements of a shape; 1 for the shape of a scalar."""
    n = 1
    for s in shape:
        n *= s
    return n


def row_major(shape: Sequence[int]) -> Shape:
    """Elements between neighbours along each dimension, the last one running fastest."""
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def show(*avals: Any) -> str:
    """Shapes and dtypes for an error text: `float32[3, 4] and float32[5]`."""
    return " and ".join(
        str(Aval(tuple(a.shape), getattr(a.dtype, "np", a.dtype))) if hasattr(a, "shape") else repr(a) for a in avals
    )


def broadcast_shapes(*shapes: Shape, op: str = "broadcast") -> Shape:
    """The shape that all shapes stretch to.  Raises ShapeError naming the axis that disagrees."""
    ndim = max(map(len, shapes), default=0)
    out = [1] * ndim
    for shape in shapes:
        for axis in range(1, len(shape) + 1):
            n, m = shape[-axis], out[-axis]
            if n != m:
                if m == 1:
                    out[-axis] = n
                elif n != 1:
                    listed = " and ".join(str(list(s)) for s in shapes)
                    raise ShapeError(
                        f"{op}: shapes {listed} do not broadcast: axis -{axis} has sizes {m} and {n}. "
                        "Sizes must be equal or 1, counted from the right; "
                        "add an axis with unsqueeze, or check for a transpose"
                    )
    return tuple(out)


def normalize_dim(dim: int, ndim: int, op: str) -> int:
    """`dim` counted from the front.  Raises IndexOutOfRange naming the valid range, ArgumentTypeError for no int."""
    span = max(ndim, 1)
    try:
        dim = index(dim)
    except TypeError:
        raise ArgumentTypeError(f"{op}: dim must be an int from {-span} to {span - 1}, got {dim!r}") from None
    if not -span <= dim < span:
        raise IndexOutOfRange(
            f"{op}: dim {dim} is out of range for a tensor of {ndim} dimensions (valid: {-span} to {span - 1})"
        )
    return dim % span


def normalize_dims(dim: int | Sequence[int] | None, ndim: int, op: str) -> tuple[int, ...]:
    """Several dims, sorted; None stands for all.  Raises IndexOutOfRange, or ShapeError for a repeated dim."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    out = tuple(sorted(normalize_dim(d, ndim, op) for d in dims))
    if len(set(out)) != len(out):
        raise ShapeError(f"{op}: dim {list(dims)} names the same dimension twice")
    return out if ndim else ()
