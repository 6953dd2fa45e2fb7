"""Places: functions that read and write at positions given by tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import broadcast_shapes, normalize_dim, show
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.ops import index as index_ops

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


class Places:
    """Gathering and scattering beyond gather, scatter and brackets."""

    def select_scatter(self: Any, src: Any, dim: int, index: int) -> Any:
        """A copy with `src` as its part `index` along `dim`."""
        return _written("select_scatter", self, src, lambda y: y.select(dim, index))

    def slice_scatter(
        self: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
    ) -> Any:
        """A copy with `src` as its part start:end:step along `dim`."""
        at = normalize_dim(dim, self._data.ndim, "slice_scatter")
        return _written("slice_scatter", self, src, lambda y: y[(slice(None),) * at + (slice(start, end, step),)])

    def diagonal_scatter(self: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
        """A copy with `src` as its diagonal."""
        return _written("diagonal_scatter", self, src, lambda y: y.diagonal(offset, dim1, dim2))

    def put(self: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
        """A copy with `source`'s elements at positions of the flattened tensor, or added there."""
        if d.need_tensor("put", index)._data.dtype != np.int64:
            raise DTypeError(f"put: the index must be int64, got {show(index)}; convert it with .long()")
        if self._data.dtype != d.need_tensor("put", source)._data.dtype:
            raise DTypeError(f"put: source must have the tensor's dtype, got {show(self, source)}")
        if index._data.size != source._data.size:
            raise IndexOutOfRange(f"put: index and source must have as many elements, got {show(index, source)}")
        flat = self.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
        return flat.reshape(self._data.shape)

    def take(self: Any, index: Any) -> Any:
        """Elements at positions of the flattened tensor, in the shape of `index`."""
        if index._data.dtype != np.int64:
            raise DTypeError(f"take: the index must be int64, got {show(index)}; convert it with .long()")
        return self.reshape(-1)[index]

    def take_along_dim(self: Any, indices: Any, dim: int | None = None) -> Any:
        """gather, with shapes that broadcast beside `dim`; without one, of the flattened tensor."""
        if dim is None:
            return self.reshape(-1).gather(0, indices.reshape(-1))
        at = normalize_dim(dim, self._data.ndim, "take_along_dim")
        if indices._data.ndim != self._data.ndim:
            raise ShapeError(f"take_along_dim: {show(self)} and indices {show(indices)} must have equally many dimensions")
        beside = [tuple(1 if k == at else n for k, n in enumerate(x._data.shape)) for x in (self, indices)]
        wide = broadcast_shapes(*beside, op="take_along_dim")
        sizes = [tuple(x._data.shape[at] if k == at else n for k, n in enumerate(wide)) for x in (self, indices)]
        return self.expand(sizes[0]).gather(at, indices.expand(sizes[1]))

    def index_fill(self: Any, dim: int, index: Any, value: Any) -> Any:
        """A copy with the slices at `index` along `dim` filled with `value`."""
        if hasattr(value, "_data") and value._data.ndim:
            raise ShapeError(f"index_fill: the value must be a number or a 0-d tensor, got {show(value)}")
        moved, at = _front("index_fill", self, dim, index)
        v = value.to(self.dtype) if hasattr(value, "_data") else d.new(self, value, None, None, False)
        return d.owned(index_ops.index_put(moved, v, index, dims=(0,), accumulate=False).movedim(0, at))

    def index_copy(self: Any, dim: int, index: Any, source: Any) -> Any:
        """A copy with the slices of `source` at `index` along `dim`."""
        moved, at = _front("index_copy", self, dim, index)
        moved = index_ops.index_put(moved, source.movedim(at, 0), index, dims=(0,), accumulate=False)
        return d.owned(moved.movedim(0, at))

    def index_put(self: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """A copy with x[indices] = values, or += with `accumulate`.  Raises DTypeError unless both have one dtype."""
        d.alike("index_put", self, d.need_tensor("index_put", values))
        if not accumulate:
            y = ew.copy(self)
            y[tuple(indices)] = values
            return y
        dims = tuple(range(len(indices)))
        wide = [i for i in indices if i._data.dtype.kind != "b"]
        if len(wide) < len(indices):
            raise DTypeError("index_put: with accumulate=True the indices must be integers; use mask.nonzero(as_tuple=True)")
        return index_ops.index_put(self, values, *wide, dims=dims, accumulate=True)

    def masked_scatter(self: Any, mask: Any, source: Any) -> Any:
        """A copy whose elements under the mask are, in order, the first elements of `source`."""
        d.masked("masked_scatter", mask)
        d.alike("masked_scatter", self, source)
        shape = broadcast_shapes(self._data.shape, mask._data.shape, op="masked_scatter")
        wide = mask.expand(shape)
        count = int(wide.sum())
        if source._data.size < count:
            raise ShapeError(f"masked_scatter: the mask asks for {count} elements, the source has {source._data.size}")
        where = d.nonzero(wide.reshape(-1))[:, 0]
        flat = self.expand(shape).reshape(-1)
        return index_ops.index_put(flat, source.reshape(-1)[:count], where, dims=(0,), accumulate=False).reshape(shape)

    def scatter_reduce(self: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
        """A copy of x where x[index[i, j], j] (for dim 0) joins all src[i, j] that name it: sum, prod, mean, amax or amin.

        Without `include_self` what stood there does not take part. The gradient of amax and amin is shared by those that
        are extreme, that of prod is the product of the others.
        """
        if reduce not in REDUCTIONS:
            raise ArgumentError(f"scatter_reduce: reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")
        at = normalize_dim(dim, self._data.ndim, "scatter_reduce")
        d.alike("scatter_reduce", self, src)
        part = src[tuple(slice(0, n) for n in index._data.shape)]
        one = d.constant(np.ones(index._data.shape, self._data.dtype))
        none = d.constant(np.zeros(self._data.shape, self._data.dtype))
        count = none.scatter_add(at, index, one)
        stands = (count == 0) if not include_self else d.constant(np.ones(self._data.shape, bool))
        if reduce in ("sum", "mean"):
            total = ew.where(stands, self, 0).scatter_add(at, index, part)
            n = count + (1 if include_self else 0)
            if reduce == "sum":
                return total
            n = n.clamp(min=1)
            return total / n if self._data.dtype.kind in FLOATING else total // n
        if reduce == "prod":
            return _product(ew.where(stands, self, 1), at, index, part)
        return _extreme(self, at, index, part, stands, np.maximum if reduce == "amax" else np.minimum)

    def index_reduce(self: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
        """As scatter_reduce, whole slices: slice k of `source` along `dim` joins that at index[k]."""
        if reduce not in REDUCTIONS[1:]:
            raise ArgumentError(f"index_reduce: reduce must be one of {', '.join(REDUCTIONS[1:])}, got {reduce!r}")
        _, at = _front("index_reduce", self, dim, index)
        if index._data.shape != source._data.shape[at : at + 1]:
            raise IndexOutOfRange(f"index_reduce: {show(index)} names no slices of source {show(source)} along dim {dim}")
        shape = [-1 if k == at else 1 for k in range(self._data.ndim)]
        wide = index.reshape(shape).expand(source._data.shape)
        return self.scatter_reduce(at, wide, source, reduce, include_self=include_self)

    def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
        """The main diagonal set to a number; `wrap`: in a tall matrix, on and on below."""
        if self._data.ndim < 2:
            raise ShapeError(f"fill_diagonal_: needs at least 2 dimensions, got {show(self)}")
        n = min(self._data.shape)
        place = [np.arange(n)] * self._data.ndim
        if wrap and self._data.ndim == 2 and self._data.shape[0] > self._data.shape[1]:
            flat = np.arange(0, self._data.size, self._data.shape[1] + 1)
            place = [*np.unravel_index(flat, self._data.shape)]
        self[tuple(d.constant(np.asarray(p)) for p in place)] = fill_value
        return self


def _front(name: str, x: Any, dim: int, index: Any) -> tuple[Any, int]:
    """x with `dim` in front.  Raises IndexOutOfRange for an index that is no vector of places along it."""
    at = normalize_dim(dim, x._data.ndim, name)
    n = x._data.shape[at] if x._data.ndim else 1
    if index._data.dtype.kind not in "iu" or index._data.ndim > 1:
        raise IndexOutOfRange(f"{name}: the index must be a vector of integers, got {show(index)}")
    if type(index._data) is np.ndarray and index._data.size and (index._data.max() >= n or index._data.min() < -n):
        raise IndexOutOfRange(f"{name}: an index is out of range for dim {dim} of size {n} in {show(x)}")
    return x.movedim(at, 0), at


def _at(a: np.ndarray, at: int, index: Any, part: np.ndarray, fn: Any) -> np.ndarray:
    y = a.copy()
    fn.at(y, index_ops.mesh(d.values(index), at), part)
    return y


def _product(x: Any, at: int, index: Any, part: Any) -> Any:
    """The value by NumPy; the gradient towards a factor is the product of the others."""
    f, g = d.values(x), d.values(part)
    y = d.constant(_at(f, at, index, g, np.multiply))
    if not (x.requires_grad or part.requires_grad):
        return y
    rest = _at(np.where(f == 0, 1, f), at, index, np.where(g == 0, 1, g).astype(g.dtype), np.multiply)  # without zeros
    zeros = _at((f == 0).astype(np.int64), at, index, (g == 0).astype(np.int64), np.add)

    def others(factor: np.ndarray, rest: Any, zeros: Any) -> Any:
        alone = zeros == (factor == 0)  # no other factor is 0
        return d.constant((np.where(alone, rest, 0) / np.where(factor == 0, 1, factor)).astype(factor.dtype))

    k = d.values(index)
    towards = others(g, np.take_along_axis(rest, k, at), np.take_along_axis(zeros, k, at))
    return (y + (x - x.detach()) * others(f, rest, zeros)).scatter_add(at, index, (part - part.detach()) * towards)


def _extreme(x: Any, at: int, index: Any, part: Any, stands: Any, fn: Any) -> Any:
    """Extremes by NumPy, and gradients shared by those that are extreme."""
    limit = -np.inf if fn is np.maximum else np.inf
    if x._data.dtype.kind in "iu":
        info = np.iinfo(x._data.dtype)
        limit = info.min if fn is np.maximum else info.max
    y = d.constant(_at(np.where(d.values(stands), d.values(x), limit).astype(x._data.dtype), at, index, d.values(part), fn))
    if not (x.requires_grad or part.requires_grad):
        return y
    mine = (x == y) & stands
    theirs = part == y.gather(at, index)
    n = mine.to(x.dtype).scatter_add(at, index, theirs.to(x.dtype))
    return ew.where(mine, x, 0).scatter_add(at, index, ew.where(theirs, part, 0)) / n  # x * 0 would be NaN for infinite x


def _written(name: str, x: Any, src: Any, part: Any) -> Any:
    y = x.clone()
    place = part(y)
    if place._data.shape != d.need_tensor(name, src)._data.shape:
        raise ShapeError(f"{name}: src must have the shape of the part, {list(place._data.shape)}, got {show(src)}")
    place.copy_(src)
    return y
