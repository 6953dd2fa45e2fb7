"""Functions that are no methods: of several tensors, of sizes, of dtypes."""

from __future__ import annotations

from itertools import combinations as _choose
from itertools import combinations_with_replacement as _choose_again
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core import dtypes
from cutaway.core.aval import broadcast_shapes as _broadcast
from cutaway.core.aval import normalize_dim, show
from cutaway.core.creation import tensor
from cutaway.core.dtypes import as_dtype, check_device, result_np
from cutaway.core.errors import ArgumentTypeError, DTypeError, ShapeError
from cutaway.core.promote import standing
from cutaway.core.refusal import function
from cutaway.core.tensor import Size, Tensor
from cutaway.core.topics import order, products, special, statistics

searchsorted, bucketize, isin = function(order.searchsorted), function(order.bucketize), function(order.isin)
tensordot, cdist = function(products.tensordot), function(products.cdist)
chain_matmul = function(products.chain_matmul)
std_mean, var_mean = function(statistics.std_mean), function(statistics.var_mean)
xlogy = function(special.xlogy)


# --- several tensors --------------------------------------------------------------------------------------------------


@function
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Tensors stretched to their common shape, as views."""
    parts = d.need_tensors("broadcast_tensors", [*(tensors[0] if isinstance(tensors[0], (list, tuple)) else tensors)])
    shape = _broadcast(*(p._data.shape for p in parts), op="broadcast_tensors")
    return tuple(d.expand(p, shape) for p in parts)


@function
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to."""
    return Size(_broadcast(*(d.sizes_of("broadcast_shapes", (s,)) for s in shapes), op="broadcast_shapes"))


def _at_least(n: int) -> Any:
    def make(*tensors: Any) -> Any:
        parts = tensors[0] if len(tensors) == 1 else tensors
        if isinstance(parts, (list, tuple)):
            return tuple(_raised(d.need_tensor(make.__name__, p), n) for p in parts)
        return _raised(d.need_tensor(make.__name__, parts), n)

    make.__name__ = make.__qualname__ = f"atleast_{n}d"
    make.__doc__ = f"Tensors of fewer than {n} dimensions with new ones of size 1; several give a tuple."
    return function(make)


def _raised(x: Tensor, n: int) -> Tensor:
    """NumPy's rule: a vector is a row, and a matrix a picture of depth 1."""
    if x._data.ndim >= n:
        return x
    if x._data.ndim == 0:
        return x.reshape((1,) * n)
    return x.unsqueeze(0) if n == 2 else x.reshape(1, -1, 1) if x._data.ndim == 1 else x.unsqueeze(-1)


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3))


@function
def dstack(tensors: Any) -> Tensor:
    """Behind one another: along dim 2."""
    return d.cat([_raised(p, 3) for p in d.need_tensors("dstack", tensors)], 2)


@function
def column_stack(tensors: Any) -> Tensor:
    """Side by side, vectors as columns."""
    parts = [p.reshape(-1, 1) if p._data.ndim < 2 else p for p in d.need_tensors("column_stack", tensors)]
    return d.cat(parts, 1)


@function
def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of a larger one, zero elsewhere; vectors are rows."""
    parts = [_raised(d.need_tensor("block_diag", p), 2) for p in tensors]
    if any(p._data.ndim > 2 for p in parts):
        raise ShapeError(f"block_diag: needs at most 2 dimensions, got {show(*parts)}")
    width = sum(p._data.shape[1] for p in parts)
    rows, at = [], 0
    for p in parts:
        n, m = p._data.shape
        zeros = [d.constant(np.zeros((n, k), p._data.dtype)) for k in (at, width - at - m)]
        rows.append(d.cat([zeros[0], p, zeros[1]], 1))
        at += m
    return d.cat(rows, 0)


@function
def cartesian_prod(*tensors: Any) -> Tensor:
    """All choices of one element from each vector: [product of lengths, number of vectors]."""
    if len(tensors) == 1:
        return d.need_tensor("cartesian_prod", tensors[0])
    return d.stack([g.reshape(-1) for g in d.meshgrid(*tensors, indexing="ij")], 1)


@function
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, in order: [number, r]."""
    if input._data.ndim != 1:
        raise ShapeError(f"combinations: needs a vector, got {show(input)}")
    rows = [*(_choose_again if with_replacement else _choose)(range(input._data.size), r)]
    picked: Tensor = input[d.constant(np.array(rows, np.int64).reshape(-1, r))]
    return picked


@function
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of a vector as columns: x^(N-1) ... x, 1, or increasing."""
    if x._data.ndim != 1:
        raise ShapeError(f"vander: needs a vector, got {show(x)}")
    n = x._data.size if N is None else N
    powers = d.constant(np.arange(n) if increasing else np.arange(n)[::-1].copy())
    return d.pow(x.unsqueeze(1), powers)


@function
def trapezoid(y: Any, x: Any = None, *, dx: Any = 1.0, dim: int = -1) -> Any:
    """The integral along `dim` by the trapezoid rule."""
    at = normalize_dim(dim, y._data.ndim, "trapezoid")
    n = y._data.shape[at]
    middle = (y.narrow(at, 1, n - 1) + y.narrow(at, 0, n - 1)) / 2
    return (middle * (dx if x is None else _along(x.diff(), at, y._data.ndim))).sum(at)


trapz = trapezoid


@function
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Any:
    """The integrals along `dim` up to each place but the first, by the trapezoid rule; places x, or `dx` (1) apart."""
    if x is not None and dx is not None:
        raise ArgumentTypeError("cumulative_trapezoid: give x or dx, and not both")
    at = normalize_dim(dim, y._data.ndim, "cumulative_trapezoid")
    n = y._data.shape[at]
    middle = (y.narrow(at, 1, n - 1) + y.narrow(at, 0, n - 1)) / 2
    apart = (1.0 if dx is None else dx) if x is None else _along(x.diff(), at, y._data.ndim)
    return (middle * apart).cumsum(at)


@function
def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """The derivative along each dimension (or those of `dim`), by central differences; one-sided at the ends.

    spacing     the distance of neighbours: a number, one a dimension, or the coordinates of each, a Tensor a dimension
    edge_order  1 or 2, of the differences at the ends
    Raises ShapeError where a dimension has not edge_order + 1 places.
    """
    x = input if input._data.dtype.kind in dtypes.FLOATING else input.to(d.default_float())
    dims = range(x._data.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = [normalize_dim(k, x._data.ndim, "gradient") for k in dims]
    if isinstance(spacing, Tensor) or not isinstance(spacing, (list, tuple)):
        spacing = [spacing] * len(axes)
    if edge_order not in (1, 2) or len(spacing) != len(axes):
        raise ShapeError(f"gradient: edge_order must be 1 or 2 and spacing one a dimension, got {edge_order} and {spacing}")
    return tuple(_slope(x, at, h, edge_order) for at, h in zip(axes, spacing, strict=True))


def _slope(x: Any, at: int, spacing: Any, edge_order: int) -> Any:
    """Along one dimension: inside, the quadratic through three neighbours; at the ends a line, or such a quadratic."""
    n = x._data.shape[at]
    if n < edge_order + 1:
        raise ShapeError(f"gradient: dimension {at} of {show(x)} needs at least {edge_order + 1} places")
    width = spacing if isinstance(spacing, Tensor) else d.constant(np.full(n - 1, float(spacing), x._data.dtype))
    if isinstance(spacing, Tensor):
        width = spacing.to(x.dtype).diff()
    step = _along(width, at, x._data.ndim)
    rise = (x.narrow(at, 1, n - 1) - x.narrow(at, 0, n - 1)) / step
    first, last = rise.narrow(at, 0, 1), rise.narrow(at, n - 2, 1)
    if n == 2:
        return d.cat([first, last], at)
    a, b = step.narrow(at, 0, n - 2), step.narrow(at, 1, n - 2)
    left, right = rise.narrow(at, 0, n - 2), rise.narrow(at, 1, n - 2)
    inside = (b * left + a * right) / (a + b)
    if edge_order == 2:
        bend = (right - left) / (a + b)
        first = first - step.narrow(at, 0, 1) * bend.narrow(at, 0, 1)
        last = last + step.narrow(at, n - 2, 1) * bend.narrow(at, n - 3, 1)
    return d.cat([first, inside, last], at)


@function
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """The coordinates of places in a flattened tensor of this shape: an index a dimension."""
    sizes = [shape] if isinstance(shape, int) else [*shape]
    if indices._data.dtype.kind not in "iu":
        raise DTypeError(f"unravel_index: the indices must be integers, got {show(indices)}")
    found: list[Any] = []
    indices = indices.long()
    for size in reversed(sizes):
        found.insert(0, indices % size)
        indices = indices // size
    return tuple(found)


def _along(v: Any, at: int, ndim: int) -> Any:
    return v if v._data.ndim > 1 else v.reshape([-1 if k == at else 1 for k in range(ndim)])


# --- places of triangles ----------------------------------------------------------------------------------------------


def _indices(name: str, find: Any) -> Any:
    def make(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None) -> Tensor:
        check_device(device)
        kind = np.dtype(np.int64) if dtype is None else as_dtype(dtype, name).np
        return d.constant(np.stack(find(row, offset, col)).astype(kind))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"The positions of a [row, col] matrix that `{name[:4]}` keeps: int64[2, n]."
    return function(make)


tril_indices, triu_indices = _indices("tril_indices", np.tril_indices), _indices("triu_indices", np.triu_indices)


# --- dtypes -----------------------------------------------------------------------------------------------------------


@function
def promote_types(type1: Any, type2: Any) -> dtypes.dtype:
    """The dtype of a result of two tensors of these dtypes."""
    return dtypes.FROM_NUMPY[dtypes.promote_np(as_dtype(type1).np, as_dtype(type2).np)]


@function
def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype of a result of these operands, tensors or numbers."""
    return dtypes.FROM_NUMPY[result_np(standing("result_type", x) for x in (tensor1, tensor2))]


@function
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha input."""
    y: Tensor = other - (input if alpha == 1 else input * alpha)
    return y


@function
def polygamma(n: int, input: Any) -> Tensor:
    """The n-th derivative of digamma."""
    y: Tensor = input.polygamma(n)
    return y


@function
def get_device(input: Any) -> int:
    """-1: the CPU."""
    return int(d.need_tensor("get_device", input).get_device())


@function
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor, of the default dtype unless told otherwise."""
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    y: Tensor = tensor(s, dtype=kind, device=device, requires_grad=requires_grad)
    return y


@function
def can_cast(from_: Any, to: Any) -> bool:
    """True if values of one dtype may be stored in another: never from floats to integers, or from numbers to bools."""
    a, b = as_dtype(from_), as_dtype(to)
    return bool(a.category <= b.category)


def asarray(data: Any, *, dtype: Any = None, device: Any = None, copy: Any = None, requires_grad: bool = False) -> Tensor:
    """Data as a tensor, sharing memory where it can unless `copy`."""
    from cutaway.core.creation import as_tensor

    y: Tensor = tensor(data, dtype=dtype, device=device) if copy else as_tensor(data, dtype, device)
    return y.requires_grad_() if requires_grad else y
