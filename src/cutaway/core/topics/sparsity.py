"""Sparsity: a dense tensor as a sparse one, and what only sparse tensors have (core/sparse)."""

from __future__ import annotations

from typing import Any

from cutaway.core.errors import NotWritten, ShapeError
from cutaway.core.package import package


def _needs(name: str, layout: str) -> ShapeError:
    fix = ".to_sparse()" if layout == "sparse_coo" else f".to_{layout}()"
    return ShapeError(f"{name}: needs a tensor of {package()}.{layout}, got one of {package()}.strided; call {fix} first")


class Sparsity:
    """From dense tensors to sparse ones; the refusals of what dense ones lack."""

    def to_sparse(
        self: Any, sparse_dim: int | None = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None
    ) -> Any:
        """The elements that are not 0, with their indices; with sparse_dim, slices along the first so many dimensions.

        layout: sparse_coo (the default), sparse_csr or sparse_csc.  Raises NotWritten for another.
        """
        from cutaway.core.sparse.making import of_dense, other_layout

        return of_dense(self, sparse_dim) if layout is None else other_layout("to_sparse", self, layout)

    def to_sparse_coo(self: Any) -> Any:
        """The elements that are not 0, with their indices."""
        return self.to_sparse()

    def to_sparse_csr(self: Any, dense_dim: int | None = None) -> Any:
        """A matrix, row by row: the elements that are not 0."""
        return self.to_sparse().to_sparse_csr()

    def to_sparse_csc(self: Any, dense_dim: int | None = None) -> Any:
        """A matrix, column by column: the elements that are not 0."""
        return self.to_sparse().to_sparse_csr().to_sparse_csc()

    def sparse_mask(self: Any, mask: Any) -> Any:
        """The elements at the places of `mask`, a sparse tensor of the same shape, as a sparse tensor."""
        from cutaway.core.sparse.making import masked

        return masked(self, mask)

    def sparse_dim(self: Any) -> int:
        """0: a dense tensor has no indices."""
        return 0

    def dense_dim(self: Any) -> int:
        """The number of dimensions."""
        return int(self.ndim)

    def smm(self: Any, mat: Any) -> Any:
        """Raises ShapeError: the matrix on the left must be sparse."""
        raise _needs("smm", "sparse_coo")

    def sspaddmm(self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        """Raises ShapeError: the first matrix must be sparse."""
        raise _needs("sspaddmm", "sparse_coo")

    def coalesce(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no entries to gather."""
        raise _needs("coalesce", "sparse_coo")

    def is_coalesced(self: Any) -> bool:
        """Raises ShapeError: a dense tensor has no entries to gather."""
        raise _needs("is_coalesced", "sparse_coo")

    def indices(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no indices."""
        raise _needs("indices", "sparse_coo")

    def values(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no values apart from itself."""
        raise _needs("values", "sparse_coo")

    def crow_indices(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no indices."""
        raise _needs("crow_indices", "sparse_csr")

    def col_indices(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no indices."""
        raise _needs("col_indices", "sparse_csr")

    def ccol_indices(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no indices."""
        raise _needs("ccol_indices", "sparse_csc")

    def row_indices(self: Any) -> Any:
        """Raises ShapeError: a dense tensor has no indices."""
        raise _needs("row_indices", "sparse_csc")

    def sparse_resize_(self: Any, size: Any, sparse_dim: int, dense_dim: int) -> Any:
        """Raises NotWritten: a dense tensor has no entries; resize_ is for dense ones."""
        raise NotWritten("sparse_resize_: the tensor is dense; call .to_sparse() first, or resize_")

    def sparse_resize_and_clear_(self: Any, size: Any, sparse_dim: int, dense_dim: int) -> Any:
        """Raises NotWritten: a dense tensor has no entries; resize_ is for dense ones."""
        raise NotWritten("sparse_resize_and_clear_: the tensor is dense; call .to_sparse() first, or resize_")

    def _nnz(self: Any) -> int:
        raise NotWritten("_nnz: a dense tensor has no entries to count; call .to_sparse() first")

    def _indices(self: Any) -> Any:
        raise NotWritten("_indices: a dense tensor has no indices; call .to_sparse() first")

    def _values(self: Any) -> Any:
        raise NotWritten("_values: a dense tensor has no values apart from itself; call .to_sparse() first")
