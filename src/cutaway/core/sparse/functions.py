"""The functions of `cutaway.sparse`, and their older names in `cutaway` itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim
from cutaway.core.errors import ArgumentTypeError, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.layouts import layout as Layout
from cutaway.core.package import package
from cutaway.core.refusal import guarded
from cutaway.core.sparse.base import Sparse
from cutaway.core.sparse.coo import SparseTensor
from cutaway.core.sparse.entries import constant, picked, summed
from cutaway.core.sparse.making import other_layout
from cutaway.core.sparse.places import INT64, Places
from cutaway.core.sparse.product import sddmm
from cutaway.core.tensor import Tensor


def _sparse(name: str, x: Any) -> Any:
    """x in the layout sparse_coo.  Raises ShapeError for a dense one."""
    if not isinstance(x, Sparse):
        kind = f"one of {x.layout}" if isinstance(x, Tensor) else type(x).__name__
        raise ShapeError(f"{name}: needs a sparse tensor, got {kind}; call .to_sparse() on it")
    return x.to_sparse_coo()


@guarded
def mm(mat1: Any, mat2: Any, reduce: str | None = None) -> Any:
    """mat1[N, K] mat2[K, M], at least one of them sparse: dense, but sparse where both are.

    reduce: "sum", which is the product.  The gradient towards a sparse matrix is at its entries' places.
    """
    if reduce not in (None, "sum"):
        raise ArgumentTypeError(f"mm: reduce={reduce!r} is not written; use scatter_reduce on the edges' messages")
    y = mat1.mm(mat2) if isinstance(mat1, Tensor) else None
    if y is None:
        raise ArgumentTypeError(f"mm: needs Tensors, got {type(mat1).__name__}")
    return y if isinstance(y, Sparse) else tell(y, "SparseAddmm", (), {})


def addmm(mat: Tensor, mat1: Any, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta mat + alpha (mat1 mat2), where mat1 is sparse."""
    return tell(mat.addmm(_sparse("addmm", mat1), mat2, beta=beta, alpha=alpha), "SparseAddmm", (), {})


def sampled_addmm(input: Any, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta input + alpha (mat1 mat2) at the places of `input`, a compressed matrix: all other products are left out.

    Raises ShapeError for another layout.
    """
    if isinstance(input, SparseTensor) or not isinstance(input, Sparse):
        input.crow_indices()  # says which layout is needed
    y = sddmm(mat1, mat2.t(), pattern=input._places.pattern)
    return tell(input._like(d.added(input._what, y, beta, alpha)), "SparseSampledAddmm", (), {})


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """The sum over everything, or over dimensions: sparse as long as a sparse dimension is left."""
    if isinstance(input, Sparse) and not isinstance(input, SparseTensor):
        input.coalesce()  # says which layout is needed
    return tell(_sparse("sum", input).sum(dim, dtype=dtype), "SparseSum", (), {})


def softmax(input: Any, dim: int, *, dtype: Any = None) -> SparseTensor:
    """The softmax along `dim` of the entries that there are: elements without one count as minus infinity."""
    return tell(_softmax(_sparse("softmax", input), dim, dtype, False), "SparseSoftmax", (), {})


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> SparseTensor:
    """The logarithm of `softmax`."""
    return tell(_softmax(_sparse("log_softmax", input), dim, dtype, True), "SparseLogSoftmax", (), {})


@guarded
def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Layout | None = None) -> Any:
    """A matrix whose diagonals are the rows of `diagonals`, element j of each in column j.  offsets int [diagonals]

    Raises ShapeError where a diagonal has no offset, or lies outside the matrix.
    """
    rows, columns = (int(n) for n in shape)
    values = diagonals if diagonals.ndim == 2 else diagonals.unsqueeze(0)
    lies = np.atleast_1d(offsets._data).astype(INT64)
    if values.ndim != 2 or lies.shape != (values.shape[0],) or len(np.unique(lies)) != len(lies):
        raise ShapeError(f"spdiags: {values.shape[0]} diagonals need as many different offsets, got {lies.tolist()}")
    j = np.arange(values.shape[1])
    at = np.stack([(j - lies[:, None]).reshape(-1), np.broadcast_to(j, (len(lies), len(j))).reshape(-1)])
    inside = np.flatnonzero((at[0] >= 0) & (at[0] < rows) & (at[1] < columns))
    kept = picked(values.reshape(-1), inside)
    made = SparseTensor._make(Places(at[:, inside].astype(INT64), (rows, columns), False), kept)
    return made if layout is None else other_layout("spdiags", made, layout)


def _softmax(x: Any, dim: int, dtype: Any, log: bool) -> SparseTensor:
    """The softmax along `dim` of the entries alone: elements without one count as minus infinity."""
    each: SparseTensor = x._summed()
    at, s = normalize_dim(dim, len(x._size), "softmax"), x.sparse_dim()
    v = each._what if dtype is None else each._what.to(dtype)
    if at >= s:
        return each._like(v.log_softmax(at - s + 1) if log else v.softmax(at - s + 1))
    others = tuple(k for k in range(s) if k != at)
    which = each._places.only(others).gathered[1] if others else np.zeros(each._places.count, INT64)
    count = int(which.max(initial=-1)) + 1
    z = v - constant(_largest(v._data, which, count)[which])
    e = z.exp()
    total = summed(e, which, count)
    return each._like(z - picked(total.log(), which) if log else e / picked(total, which))


def _largest(v: np.ndarray, which: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort(which, kind="stable")
    return np.maximum.reduceat(v[order], np.searchsorted(which[order], np.arange(count))) if count else v[:0]


# --- older names ------------------------------------------------------------------------------------------------------


@guarded
def spmm(input: Any, mat2: Any) -> Any:
    """mm of a sparse matrix."""
    return input.mm(mat2)


dsmm = spmm


@guarded
def smm(input: Any, mat: Tensor) -> SparseTensor:
    """mm of a sparse and a dense matrix, its result sparse."""
    return _sparse("smm", input).smm(mat)  # type: ignore[no-any-return]


@guarded
def hspmm(mat1: Any, mat2: Tensor) -> SparseTensor:
    """mm of a sparse and a dense matrix: the rows that have entries, each as one entry."""
    rows = _sparse("hspmm", mat1)
    found = np.unique(rows._places.at[0])
    y = rows.mm(mat2)
    return SparseTensor._make(Places(found[None], (y.shape[0],), False), picked(y, found))


@guarded
def sspaddmm(input: Any, mat1: Any, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> SparseTensor:
    """beta input + alpha (mat1 mat2), sparse: the entries of both."""
    made: SparseTensor = _sparse("sspaddmm", input).sspaddmm(_sparse("sspaddmm", mat1), mat2, beta=beta, alpha=alpha)
    return made


# --- PyTorch's old type names -----------------------------------------------------------------------------------------


class SparseType(type):
    """The type of a name such as `sparse.FloatTensor`: its instances are the sparse tensors of its dtype."""

    dtype: Any

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, SparseTensor) and x.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> SparseTensor:
        """Of indices, values and a size, or without entries of these sizes."""
        from cutaway.core.sparse.making import sparse_coo_tensor

        if args and isinstance(args[0], Tensor):
            if len(args) < 2 or not isinstance(args[1], Tensor):
                raise ArgumentTypeError(f"{package()}.sparse.{cls.__name__}: needs indices and values")
            return sparse_coo_tensor(*args, device=device)
        size = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
        return sparse_coo_tensor(size=tuple(size), dtype=cls.dtype, device=device)
