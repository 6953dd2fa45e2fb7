"""SparseTensor: the entries of a tensor, each with its indices (PyTorch's layout sparse_coo)."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.dtypes import FROM_NUMPY
from cutaway.core.errors import ArgumentTypeError, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.layouts import layout, sparse_coo
from cutaway.core.ops.index import index_put, zeros
from cutaway.core.refusal import guard_methods
from cutaway.core.sparse.arithmetic import Arithmetic
from cutaway.core.sparse.base import Sparse, alias, shown
from cutaway.core.sparse.entries import constant, picked, summed
from cutaway.core.sparse.moves import Moves
from cutaway.core.sparse.places import INT64, Places
from cutaway.core.tensor import Tensor


class SparseTensor(Moves, Arithmetic, Sparse):
    """A tensor that keeps its entries: indices int64 [S, nnz] and values [nnz, ...].

    S dimensions are sparse; an entry's value may have dimensions of its own. Entries at the same place add up, until
    `coalesce()` makes one of them. The gradient towards the values is that of dense tensors, at the entries' places.
    """

    _places: Places

    @classmethod
    def _make(cls, places: Places, values: Tensor, size: Any = None) -> SparseTensor:
        t: SparseTensor = cls.__new__(cls)
        t._places, t._what = places, values
        t._size = (*places.size, *values._data.shape[1:]) if size is None else tuple(size)
        return t

    def _like(self, values: Tensor) -> SparseTensor:
        return SparseTensor._make(self._places, values)

    def _parts(self) -> list[tuple[str, Tensor]]:
        return [("indices", constant(self._places.at)), ("values", self._what.detach())]

    def _gradient(self, g: Tensor) -> SparseTensor:
        if self._places.in_order:
            return SparseTensor._make(self._places, g)
        places, which = self._places.gathered
        first = np.empty(places.count, INT64)
        first[which[::-1]] = np.arange(len(which))[::-1]  # the gradient is the same for all entries of a place
        return SparseTensor._make(Places(places.at, places.size, False), picked(g, first))

    def _at_places(self, x: Any) -> Tensor:
        return x.sparse_mask(self)._what  # type: ignore[no-any-return]

    @property
    def layout(self) -> layout:
        """`sparse_coo`."""
        return sparse_coo

    @property
    def is_sparse(self) -> bool:
        """True."""
        return True

    # --- its parts ----------------------------------------------------------------------------------------------------

    def _nnz(self) -> int:
        """Number of entries that are kept."""
        return self._places.count

    def _indices(self) -> Tensor:
        """The indices as they are.  int64 [S, nnz]"""
        return constant(self._places.at)

    def indices(self) -> Tensor:
        """The indices, in order.  int64 [S, nnz]  Raises ShapeError before `coalesce()`."""
        self._need_coalesced("indices")
        return constant(self._places.at)

    def values(self) -> Tensor:
        """The values, in the order of the indices.  [nnz, ...]  Raises ShapeError before `coalesce()`."""
        self._need_coalesced("values")
        return shown(self._what)

    def _need_coalesced(self, name: str) -> None:
        if not self._places.coalesced:
            raise ShapeError(
                f"{name}: the tensor is not coalesced, so a place may have several entries; call .coalesce() first, "
                f"or ask for _{name}() as they are"
            )

    def is_coalesced(self) -> bool:
        """True if the entries are known to be in order, and each place to have one."""
        return self._places.coalesced

    def coalesce(self) -> SparseTensor:
        """The same tensor with its entries in order, and those at one place added up; itself if it is so already."""
        if self._places.coalesced:
            return self
        return tell(self._in_order(), "Coalesce", (), {})

    def _in_order(self) -> SparseTensor:
        places = self._places
        if places.in_order:
            return SparseTensor._make(Places(places.at, places.size, True), alias(self._what))
        gathered, which = places.gathered
        return SparseTensor._make(gathered, summed(self._what, which, gathered.count))

    def _summed(self) -> SparseTensor:
        return self if self._places.coalesced else self._in_order()

    def _coalesced_(self, coalesced: bool) -> SparseTensor:
        """Say that it is coalesced, or is not."""
        self._places = Places(self._places.at, self._places.size, coalesced)
        return self

    # --- other layouts ------------------------------------------------------------------------------------------------

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
        """All elements, with zeros where there is no entry."""
        values = self._what if dtype is None else self._what.to(dtype)
        n = len(self._places.size)
        if not n:
            return values.sum(0)
        y = zeros(self._size, values._data.dtype)
        at = map(constant, self._places.at)
        y = index_put(y, values, *at, dims=tuple(range(n)), accumulate=not self._places.coalesced)
        return tell(y, "ToDense", (), {})

    def to_sparse(self, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: Any = None) -> Any:
        """Itself, or in the layout sparse_csr.  Raises ShapeError for another number of sparse dimensions."""
        from cutaway.core.sparse.making import other_layout

        if sparse_dim is not None and sparse_dim != self.sparse_dim():
            raise ShapeError(
                f"to_sparse: the tensor has {self.sparse_dim()} sparse dimensions, {sparse_dim} are asked for; "
                "go by .to_dense()"
            )
        return self if layout is None else other_layout("to_sparse", self, layout)

    def to_sparse_coo(self) -> SparseTensor:
        """Itself."""
        return self

    def to_sparse_csr(self, dense_dim: int | None = None) -> Any:
        """In the layout sparse_csr.  Raises ShapeError unless it is a matrix."""
        from cutaway.core.sparse.csr import CompressedTensor

        if len(self._size) != 2 or self.dense_dim():
            raise ShapeError(f"to_sparse_csr: needs a sparse matrix, got {self._says()}")
        each = self._summed()
        pattern = each._places.pattern
        return CompressedTensor._make(pattern.starts, each._places.at[1], alias(each._what), self._size)

    def _says(self) -> str:
        return f"{self.dtype.name}{list(self._size)} with {self.sparse_dim()} sparse dimensions"

    def sparse_mask(self, mask: Any) -> SparseTensor:
        """The elements at the places of `mask`, a sparse tensor of the same shape; 0 where there is no entry here."""
        if not isinstance(mask, SparseTensor):
            raise ArgumentTypeError(f"sparse_mask: the mask must be a sparse tensor, got {type(mask).__name__}")
        if mask._size != self._size or mask.sparse_dim() != self.sparse_dim():
            raise ShapeError(f"sparse_mask: {self._says()} and the mask, {mask._says()}, differ")
        if mask._places is self._places:
            return mask._like(alias(self._what))
        each = self._summed()
        known, wanted = each._places.flat, mask._places.flat
        where = np.searchsorted(known, wanted)
        there = (where < len(known)) & (known[np.minimum(where, len(known) - 1)] == wanted if len(known) else False)
        found = np.flatnonzero(there)
        start = zeros((len(wanted), *each._what._data.shape[1:]), each._what._data.dtype)
        values = index_put(
            start, picked(each._what, where[found]), constant(found), dims=(0,), accumulate=False
        )
        return tell(SparseTensor._make(mask._places, values), "SparseMask", (), {})

    def copy_(self, src: Any, non_blocking: bool = False) -> SparseTensor:
        """Become a copy of `src`, a sparse tensor of the same shape."""
        if not isinstance(src, SparseTensor) or src._size != self._size:
            raise ShapeError(f"copy_: needs a sparse tensor of {list(self._size)}, got {_described(src)}")
        if self._what._node is None and src._what._node is None:
            return self._take(SparseTensor._make(src._places, src._what.to(self.dtype, copy=True)))  # type: ignore[no-any-return]
        return self._written("copy_", SparseTensor._make(src._places, src._what.to(self.dtype, copy=True)))  # type: ignore[no-any-return]

    def zero_(self) -> SparseTensor:
        """No entries."""
        return self._written("zero_", empty(self._size, self.sparse_dim(), self._what))  # type: ignore[no-any-return]

    def sparse_resize_(self, size: Any, sparse_dim: int, dense_dim: int) -> SparseTensor:
        """Another size, not smaller, for the same entries."""
        if sparse_dim != self.sparse_dim() or dense_dim != self.dense_dim():
            raise ShapeError(f"sparse_resize_: {self._says()} keeps its sparse and dense dimensions")
        if any(n < m for n, m in zip(size, self._size, strict=True)) or tuple(size[sparse_dim:]) != self._size[sparse_dim:]:
            raise ShapeError(f"sparse_resize_: {list(self._size)} cannot become {list(size)} with its entries")
        self._places = Places(self._places.at, tuple(size[:sparse_dim]), self._places.coalesced)
        self._size = tuple(size)
        return self

    def sparse_resize_and_clear_(self, size: Any, sparse_dim: int, dense_dim: int) -> SparseTensor:
        """Another size, without entries."""
        if len(size) != sparse_dim + dense_dim:
            raise ShapeError(f"sparse_resize_and_clear_: {list(size)} has not {sparse_dim} + {dense_dim} dimensions")
        return self._take(empty(tuple(size), sparse_dim, self._what))  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        places, values = self._places, self._what._settle()._data
        return _rebuild, (places.at, values, self._size, places.coalesced, self.requires_grad)


def _described(x: Any) -> str:
    return f"{x.layout} {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__


def empty(size: tuple[int, ...], sparse_dim: int, like: Tensor) -> SparseTensor:
    """A sparse tensor without entries, of the dtype of `like`."""
    values = Tensor._wrap(np.zeros((0, *size[sparse_dim:]), like._data.dtype))
    return SparseTensor._make(Places(np.zeros((sparse_dim, 0), INT64), size[:sparse_dim], True), values)


def _rebuild(at: np.ndarray, values: np.ndarray, size: Any, coalesced: bool, requires_grad: bool) -> SparseTensor:
    FROM_NUMPY[values.dtype]
    places = Places(at, tuple(size[: at.shape[0]]), coalesced)
    t = SparseTensor._make(places, Tensor._wrap(values), size)
    return t.requires_grad_() if requires_grad else t


guard_methods(SparseTensor, ["to_dense"])
