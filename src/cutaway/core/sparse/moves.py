"""Other places for the same entries: transposed, chosen, with a dimension more or less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim
from cutaway.core.errors import ArgumentTypeError, IndexOutOfRange, NotForSparse, ShapeError
from cutaway.core.refusal import guard_methods
from cutaway.core.sparse.base import alias
from cutaway.core.sparse.entries import picked
from cutaway.core.sparse.places import INT64, Places, expanded
from cutaway.core.tensor import Tensor


class Moves:
    """Movements of a SparseTensor."""

    def t(self: Any) -> Any:
        """A matrix transposed.  Raises ShapeError for more than two dimensions, or dense ones."""
        if self.dense_dim() or len(self._size) > 2:
            raise ShapeError(f"t: needs at most 2 sparse dimensions and no dense ones, got {self._says()}")
        return self.permute(*range(len(self._size))[::-1])

    @property
    def T(self: Any) -> Any:
        """Transposed."""
        return self.permute(*range(len(self._size))[::-1])

    @property
    def mT(self: Any) -> Any:
        """The last two dimensions swapped."""
        return self.transpose(-2, -1)

    def transpose(self: Any, dim0: int, dim1: int) -> Any:
        """Two dimensions swapped, both sparse or both dense."""
        a, b = (normalize_dim(k, len(self._size), "transpose") for k in (dim0, dim1))
        order = list(range(len(self._size)))
        order[a], order[b] = order[b], order[a]
        return self.permute(*order)

    swapaxes = swapdims = transpose

    def permute(self: Any, *dims: Any) -> Any:
        """The dimensions in another order, the sparse ones among themselves."""
        order = [normalize_dim(k, len(self._size), "permute") for k in d.sizes_of("permute", dims)]
        s = self.sparse_dim()
        if sorted(order) != list(range(len(self._size))):
            raise ShapeError(f"permute: {order} does not name each of {len(self._size)} dimensions once")
        if sorted(order[:s]) != list(range(s)):
            raise ShapeError(f"permute: sparse and dense dimensions cannot change places, got {order} for {self._says()}")
        if order == list(range(len(self._size))):
            return self
        values = alias(self._what)
        if order[s:] != list(range(s, len(self._size))):
            values = values.permute(0, *[k - s + 1 for k in order[s:]])
        places = self._places.only(tuple(order[:s]))
        _share_pattern(self._places, places, order)
        return self._make(places, values)

    def unsqueeze(self: Any, dim: int) -> Any:
        """A new dimension of size 1."""
        at, s = normalize_dim(dim, len(self._size) + 1, "unsqueeze"), self.sparse_dim()
        if at > s:
            return self._like(self._what.unsqueeze(at - s + 1))
        size = (*self._places.size[:at], 1, *self._places.size[at:])
        places = Places(np.insert(self._places.at, at, 0, 0), size, False)
        return self._make(places, alias(self._what))

    def index_select(self: Any, dim: int, index: Tensor) -> Any:
        """The slices at these places of `dim`, in their order.  Raises IndexOutOfRange."""
        at, s = normalize_dim(dim, len(self._size), "index_select"), self.sparse_dim()
        if at >= s:
            return self._like(self._what.index_select(at - s + 1, index))
        wanted = np.asarray(index._data, INT64).reshape(-1)
        n = self._size[at]
        if wanted.size and (wanted.min() < 0 or wanted.max() >= n):
            raise IndexOutOfRange(f"index_select: indices must lie in 0 to {n - 1}, got {wanted.min()} to {wanted.max()}")
        along = self._places.at[at]
        order = np.argsort(along, kind="stable")
        ends = np.cumsum(np.bincount(along, minlength=n))
        counts = np.diff(ends, prepend=0)[wanted]
        run, entry = expanded((ends - np.bincount(along, minlength=n))[wanted], counts)
        which = order[entry]
        found = self._places.at[:, which]
        found[at] = run
        size = (*self._places.size[:at], len(wanted), *self._places.size[at + 1 :])
        places = Places(found, size, False)
        places.coalesced = places.in_order
        return self._make(places, picked(self._what, which))

    def select(self: Any, dim: int, index: int) -> Any:
        """The slice at one place of `dim`; dense where no sparse dimension is left."""
        at, s = normalize_dim(dim, len(self._size), "select"), self.sparse_dim()
        if at >= s:
            return self._like(self._what.select(at - s + 1, index))
        n = self._size[at]
        if not -n <= index < n:
            raise IndexOutOfRange(f"select: index {index} is out of range for dimension {at} of size {n}")
        which = np.flatnonzero(self._places.at[at] == index % n)
        values = picked(self._what, which)
        if s == 1:
            return values.sum(0)
        rest = self._places.only(tuple(k for k in range(s) if k != at))
        return self._make(Places(rest.at[:, which], rest.size, False), values)

    def __getitem__(self: Any, key: Any) -> Any:
        """`s[i]`, `s[i, j]`, `s[:, j]`, `s[None]`: ints, whole dimensions and new ones."""
        keys = key if isinstance(key, tuple) else (key,)
        y, at = self, 0
        for k in keys:
            if k is None:
                y, at = y.unsqueeze(at), at + 1
            elif isinstance(k, slice) and k == slice(None):
                at += 1
            elif isinstance(k, (int, np.integer)) and not isinstance(k, bool):
                if at >= y.ndim:
                    raise IndexOutOfRange(f"index: too many indices for {self._says()}")
                y = y.select(at, int(k))
            else:
                raise NotForSparse("indexing by more than ints, `:` and None")
        return y

    def __setitem__(self: Any, key: Any, value: Any) -> None:
        raise NotForSparse("writing by index")

    def __iter__(self: Any) -> Iterator[Any]:
        if not self._size:
            raise ArgumentTypeError("iter: cannot iterate over a 0-d tensor")
        return iter([self.select(0, i) for i in range(self._size[0])])


def _share_pattern(a: Places, b: Places, order: list[int]) -> None:
    """The transposed of a matrix whose pattern is known has one, too: what was found out is not lost."""
    if order == [1, 0]:
        b.__dict__["pattern"] = a.pattern.turned


guard_methods(Moves, "t transpose permute unsqueeze index_select select".split())
