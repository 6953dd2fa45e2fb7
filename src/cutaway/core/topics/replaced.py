"""A copy with a part replaced, and other copies: what a view would write, without writing."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.ops import elementwise as ew


class Replaced:
    """Copies with replaced parts, limited rows, histograms of what lies where."""

    def select_scatter(self: Any, src: Any, dim: int, index: int) -> Any:
        """A copy with `src` at `index` of `dim`."""
        return _with("select_scatter", self, src, lambda x: x.select(dim, index))

    def slice_scatter(self: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
        """A copy with `src` at start:end:step of `dim`."""
        at = normalize_dim(dim, self._data.ndim, "slice_scatter")
        where = (slice(None),) * at + (slice(start, end, step),)
        return _with("slice_scatter", self, src, lambda x: x[where])

    def diagonal_scatter(self: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
        """A copy with `src` on a diagonal."""
        return _with("diagonal_scatter", self, src, lambda x: x.diagonal(offset, dim1, dim2))

    def as_strided_scatter(self: Any, src: Any, size: Any, stride: Any, storage_offset: int = 0) -> Any:
        """A copy with `src` at what as_strided shows."""
        return _with("as_strided_scatter", self, src, lambda x: x.as_strided(size, stride, storage_offset or 0))

    def put(self: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
        """A copy with the elements of `source` at places of the flattened tensor, added with `accumulate`.

        Raises IndexOutOfRange for other places and where index and source differ in elements, DTypeError.
        """
        if index._data.dtype != np.int64:
            raise DTypeError(f"put: the index must be int64, got {show(index)}; convert it with .long()")
        if source._data.dtype != self._data.dtype:
            raise DTypeError(f"put: {show(source)} into {show(self)}: the dtypes must be equal")
        if index._data.size != source._data.size:
            raise IndexOutOfRange(f"put: {index._data.size} places for {source._data.size} elements")
        n, places = self._data.size, d.values(index).reshape(-1)
        if places.size and (places.min() < -n or places.max() >= n):
            raise IndexOutOfRange(f"put: a place is out of range for {n} elements: {places.min()} .. {places.max()}")
        at = d.constant(np.where(places < 0, places + n, places))
        return self.reshape(-1).index_put((at,), source.reshape(-1), accumulate).reshape(self._data.shape)

    def renorm(self: Any, p: float, dim: int, maxnorm: float) -> Any:
        """Slices along `dim` whose p-norm exceeds maxnorm, scaled down to it.  Raises ArgumentError, ShapeError."""
        d.floating("renorm", self)
        if p <= 0:
            raise ArgumentError(f"renorm: p must be above 0, got {p}")
        if maxnorm < 0:
            raise ArgumentError(f"renorm: maxnorm must be 0 or more, got {maxnorm}")
        if self._data.ndim < 2:
            raise ShapeError(f"renorm: needs 2 dimensions or more, got {show(self)}")
        at = normalize_dim(dim, self._data.ndim, "renorm")
        others = tuple(k for k in range(self._data.ndim) if k != at)
        norm = d.norm(self, p, others, True)
        over = norm.detach() > maxnorm
        return self * d.where(over, maxnorm / (norm + 1e-7), 1.0)

    def narrow_copy(self: Any, dim: int, start: int, length: int) -> Any:
        """`narrow`, as a copy."""
        return self.narrow(dim, start, length).clone()

    def unsafe_chunk(self: Any, chunks: int, dim: int = 0) -> Any:
        """`chunk`."""
        return self.chunk(chunks, dim)

    def unsafe_split(self: Any, split_size: Any, dim: int = 0) -> Any:
        """`split`."""
        return self.split(split_size, dim)

    def unsafe_split_with_sizes(self: Any, split_sizes: Any, dim: int = 0) -> Any:
        """`split` into parts of these sizes."""
        return self.split(list(split_sizes), dim)

    def nonzero_static(self: Any, *, size: int, fill_value: int = -1) -> Any:
        """The first `size` rows of nonzero, filled up with rows of `fill_value`."""
        found = d.values(self.nonzero())[:size]
        rest = np.full((builtins.max(size - len(found), 0), found.shape[1]), fill_value, np.int64)
        return d.constant(np.concatenate([found, rest]))

    def to_dense(self: Any, dtype: Any = None, *, masked_grad: Any = None) -> Any:
        """Itself: all tensors are dense."""
        return self if dtype is None else self.to(dtype)

    def histogram(self: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
        """(hist, bin_edges); see core/topics/histograms.py."""
        from cutaway.core.topics.histograms import histogram

        return histogram(self, bins, range=range, weight=weight, density=density)

    def hardshrink(self: Any, lambd: float = 0.5) -> Any:
        """0 between -lambd and lambd, else x."""
        return ew.where((self >= -lambd) & (self <= lambd), self * 0, self)


def _with(name: str, x: Any, src: Any, view: Callable[[Any], Any]) -> Any:
    """A copy of x with `src` at the places that `view` shows."""
    d.need_tensor(name, src)
    places = view(d.constant(np.arange(x._data.size).reshape(x._data.shape)))
    if tuple(places._data.shape) != tuple(src._data.shape):
        raise ShapeError(f"{name}: expected a source of shape {list(places._data.shape)}, got {show(src)}")
    flat = x.reshape(-1).index_put((places.reshape(-1),), src.reshape(-1).to(x.dtype))
    return flat.reshape(x._data.shape)
