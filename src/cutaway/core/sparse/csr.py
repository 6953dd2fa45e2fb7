"""CompressedTensor: a matrix kept row by row (PyTorch's layout sparse_csr), or column by column (sparse_csc)."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, NotForSparse, ShapeError
from cutaway.core.layouts import layout, sparse_csc, sparse_csr
from cutaway.core.package import package
from cutaway.core.sparse.arithmetic import dense_add, dense_matmul
from cutaway.core.sparse.base import Sparse, alias, shown
from cutaway.core.sparse.coo import SparseTensor
from cutaway.core.sparse.entries import constant
from cutaway.core.sparse.places import INT64, Places
from cutaway.core.tensor import Tensor

PARTS = {True: ("crow_indices", "col_indices"), False: ("ccol_indices", "row_indices")}


class CompressedTensor(Sparse):
    """A matrix whose entries lie row by row: row i has the entries from crow_indices[i] to crow_indices[i + 1].

    In sparse_csc they lie column by column. Products and sums are those of the same entries in the layout sparse_coo.
    """

    _starts: np.ndarray
    _along: np.ndarray
    _by_rows: bool
    _known_places: Places | None = None

    @classmethod
    def _make(
        cls, starts: np.ndarray, along: np.ndarray, values: Tensor, size: Any, by_rows: bool = True
    ) -> CompressedTensor:
        t: CompressedTensor = cls.__new__(cls)
        t._starts, t._along, t._what, t._size, t._by_rows = starts, along, values, tuple(size), by_rows
        return t

    def _like(self, values: Tensor) -> CompressedTensor:
        made = CompressedTensor._make(self._starts, self._along, values, self._size, self._by_rows)
        made._known_places = self._known_places
        return made

    def _parts(self) -> list[tuple[str, Tensor]]:
        starts, along = PARTS[self._by_rows]
        return [(starts, constant(self._starts)), (along, constant(self._along)), ("values", self._what.detach())]

    def _at_places(self, x: Any) -> Tensor:
        return x.sparse_mask(self.to_sparse_coo())._what  # type: ignore[no-any-return]

    @property
    def _places(self) -> Places:
        if self._known_places is None:
            outer = np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts))
            at = np.stack([outer, self._along] if self._by_rows else [self._along, outer]).astype(INT64)
            found = Places(at, self._size, False)
            found.coalesced = found.in_order
            self._known_places = found
        return self._known_places

    @property
    def layout(self) -> layout:
        """`sparse_csr`, or `sparse_csc`."""
        return sparse_csr if self._by_rows else sparse_csc

    @property
    def is_sparse_csr(self) -> bool:
        """True in the layout sparse_csr."""
        return self._by_rows

    # --- its parts ----------------------------------------------------------------------------------------------------

    def _nnz(self) -> int:
        """Number of entries that are kept."""
        return len(self._along)

    def _part(self, name: str) -> Tensor:
        for known, part in self._parts():
            if known == name:
                return part
        raise ShapeError(f"{name}: needs another layout than {package()}.{self.layout._name}")

    def crow_indices(self) -> Tensor:
        """Where each row's entries begin.  int [N + 1]"""
        return self._part("crow_indices")

    def col_indices(self) -> Tensor:
        """The column of each entry.  int [nnz]"""
        return self._part("col_indices")

    def ccol_indices(self) -> Tensor:
        """Where each column's entries begin.  int [M + 1]"""
        return self._part("ccol_indices")

    def row_indices(self) -> Tensor:
        """The row of each entry.  int [nnz]"""
        return self._part("row_indices")

    def values(self) -> Tensor:
        """The values of the entries.  [nnz]"""
        return shown(self._what)

    # --- other layouts ------------------------------------------------------------------------------------------------

    def to_sparse_coo(self) -> SparseTensor:
        """The same entries, each with both indices."""
        return SparseTensor._make(self._places, alias(self._what))

    def to_sparse(self, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: Any = None) -> Any:
        """In the layout sparse_coo, or another."""
        from cutaway.core.sparse.making import other_layout

        return self.to_sparse_coo() if layout is None else other_layout("to_sparse", self, layout)

    def to_sparse_csr(self, dense_dim: int | None = None) -> CompressedTensor:
        """In the layout sparse_csr; itself if it is."""
        return self if self._by_rows else self.to_sparse_coo().to_sparse_csr()

    def to_sparse_csc(self, dense_dim: int | None = None) -> CompressedTensor:
        """In the layout sparse_csc; itself if it is."""
        return self if not self._by_rows else self.t().to_sparse_csr().t()

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
        """All elements, with zeros where there is no entry."""
        return self.to_sparse_coo().to_dense(dtype)

    def __reduce_ex__(self, protocol: Any) -> Any:
        parts = (self._starts, self._along, self._what._settle()._data, self._size, self._by_rows, self.requires_grad)
        return _rebuild, parts

    # --- other places -------------------------------------------------------------------------------------------------

    def t(self) -> CompressedTensor:
        """Transposed: rows become columns, so that the layout is the other one."""
        return CompressedTensor._make(self._starts, self._along, alias(self._what), self._size[::-1], not self._by_rows)

    def transpose(self, dim0: int, dim1: int) -> CompressedTensor:
        """Both dimensions swapped."""
        return self if (dim0 - dim1) % 2 == 0 else self.t()

    @property
    def T(self) -> CompressedTensor:
        """Transposed."""
        return self.t()

    mT = T

    def select(self, dim: int, index: int) -> Any:
        """A row or a column, in the layout sparse_coo."""
        return _known_order(self.to_sparse_coo().select(dim, index))

    def __getitem__(self, key: Any) -> Any:
        """As in the layout sparse_coo."""
        return _known_order(self.to_sparse_coo()[key])

    # --- sums, arithmetic ---------------------------------------------------------------------------------------------

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None) -> Any:
        """The sum over everything, or with keepdim over a dimension.  Raises ArgumentError without."""
        dim = axis if dim is None else dim
        if dim is not None and not keepdim:
            raise ArgumentError("sum: along a dimension of a compressed tensor only with keepdim=True; or .to_sparse_coo()")
        return self._back(self.to_sparse_coo().sum(dim, keepdim, dtype=dtype))

    def _back(self, y: Any) -> Any:
        """In this layout, if it is sparse."""
        if y._strided:
            return y
        return y.to_sparse_csr() if self._by_rows else y.t().to_sparse_csr().t()

    def add(self, other: Any, *, alpha: Any = 1) -> Any:
        """self + alpha other, both sparse."""
        if not isinstance(other, Sparse):
            raise NotForSparse("add(sparse, dense)")
        if isinstance(other, CompressedTensor) and self._same_places(other):
            return self._like(self._what + (other._what if alpha == 1 else other._what * alpha))
        return self._back(self.to_sparse_coo().add(other.to_sparse_coo(), alpha=alpha))

    def sub(self, other: Any, *, alpha: Any = 1) -> Any:
        """self - alpha other, both sparse."""
        return self.add(other, alpha=-alpha)

    def _same_places(self, other: CompressedTensor) -> bool:
        if self._by_rows is not other._by_rows or self._size != other._size:
            return False
        return np.array_equal(self._starts, other._starts) and np.array_equal(self._along, other._along)

    def mul(self, other: Any) -> Any:
        """The product with a number, or element by element."""
        if not isinstance(other, Tensor) or not other.ndim:
            return self._like(self._what * other)
        return self._back(self.to_sparse_coo().mul(other.to_sparse_coo() if isinstance(other, Sparse) else other))

    multiply = mul

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Any:
        """The quotient by a number."""
        return self._back(self.to_sparse_coo().div(other, rounding_mode=rounding_mode))

    def __truediv__(self, other: Any) -> Any:
        return self.div(other)

    def __add__(self, other: Any) -> Any:
        return self.add(other)

    def __radd__(self, other: Any) -> Any:
        return dense_add(other, self.to_sparse_coo())

    def __sub__(self, other: Any) -> Any:
        return self.sub(other)

    def __rsub__(self, other: Any) -> Any:
        return dense_add(other, self.to_sparse_coo(), alpha=-1)

    def __mul__(self, other: Any) -> Any:
        return self.mul(other)

    def __rmul__(self, other: Any) -> Any:
        return self.mul(other)

    # --- products -----------------------------------------------------------------------------------------------------

    def mm(self, mat2: Any) -> Any:
        """self[N, K] times mat2[K, M]: dense for a dense matrix, compressed for a sparse one."""
        return self._back(self.to_sparse_coo().mm(mat2))

    def mv(self, vec: Tensor) -> Tensor:
        """self[N, K] times vec[K]."""
        return self.to_sparse_coo().mv(vec)

    def matmul(self, other: Any) -> Any:
        """mm or mv, as the dimensions say."""
        return self._back(self.to_sparse_coo().matmul(other))

    def linear(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """self weight^T + bias: nn.functional.linear of sparse rows."""
        return self.to_sparse_coo().linear(weight, bias)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def __rmatmul__(self, other: Any) -> Any:
        return dense_matmul(other, self)


def _known_order(y: Any) -> Any:
    if not y._strided:
        y._coalesced_(y._places.in_order)
    return y


def _rebuild(
    starts: np.ndarray, along: np.ndarray, values: np.ndarray, size: Any, by_rows: bool, requires_grad: bool
) -> CompressedTensor:
    t = CompressedTensor._make(starts, along, Tensor._wrap(values), size, by_rows)
    return t.requires_grad_() if requires_grad else t
