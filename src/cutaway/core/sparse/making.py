"""How sparse tensors are made: of indices and values, and of dense tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import dtypes
from cutaway.core.aval import show
from cutaway.core.creation import as_tensor
from cutaway.core.dtypes import as_dtype, check_device
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange, NotWritten, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.layouts import layout as Layout
from cutaway.core.layouts import sparse_coo, sparse_csc, sparse_csr, strided
from cutaway.core.ops.index import index
from cutaway.core.package import package
from cutaway.core.refusal import guarded
from cutaway.core.sparse.base import Sparse, alias
from cutaway.core.sparse.coo import SparseTensor, empty
from cutaway.core.sparse.csr import PARTS, CompressedTensor
from cutaway.core.sparse.entries import constant
from cutaway.core.sparse.places import INT64, Places
from cutaway.core.tensor import Tensor


@guarded
def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """Entries values [nnz, ...] at indices int [S, nnz], in any order; those at one place add up.

    size: where it is left out, the smallest that holds the entries.  A gradient towards `values` is theirs.
    `sparse_coo_tensor(size)` has no entries.
    Raises ShapeError where indices, values and size do not fit, IndexOutOfRange for an index outside the size,
    ArgumentError with is_coalesced=True if, checked, they are not.
    """
    op = "sparse_coo_tensor"
    check_device(device)
    if values is None:
        size = size if indices is None else tuple(indices)
        if size is None:
            raise ArgumentTypeError(f"{op}: needs indices and values, or a size")
        like = Tensor._wrap(np.zeros(0, (dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, op)).np))
        return empty(tuple(size), len(size), like).requires_grad_(requires_grad)  # type: ignore[no-any-return]
    at, what = _indices(op, "indices", indices, 2), _values(op, values, dtype)
    if at.shape[1] != what.shape[0]:
        raise ShapeError(f"{op}: {at.shape[1]} columns of indices and {what.shape[0]} values; each entry needs both")
    s, inner = len(at), tuple(what.shape[1:])
    if size is None:
        size = (*[int(n) + 1 for n in (at.max(1) if at.size else np.full(s, -1))], *inner)
    size = tuple(int(n) for n in size)
    if len(size) != s + len(inner) or size[s:] != inner:
        raise ShapeError(
            f"{op}: size {list(size)} has not the {s} dimensions of the indices, followed by the values' {list(inner)}"
        )
    _check_range(op, at, size)
    places = Places(at, size[:s], False)
    if is_coalesced and check_invariants and not places.in_order:
        raise ArgumentError(f"{op}: is_coalesced=True, but the indices are not in order, each once; call .coalesce()")
    places.coalesced = bool(is_coalesced)
    made: SparseTensor = _made(SparseTensor._make(places, what), "SparseCooTensorWithDimsAndTensors", requires_grad)
    return made


def _made(t: Any, words: str, requires_grad: bool) -> Any:
    if t._what._node is not None:
        t._what = alias(t._what)
        return tell(t, words, (), {})
    t._what = t._what.detach()  # a leaf of its own, on the same memory
    return t.requires_grad_() if requires_grad else t


def _indices(op: str, name: str, given: Any, ndim: int) -> np.ndarray:
    found = as_tensor(given)._data
    if found.ndim != ndim or found.dtype.kind not in "iuf":
        raise ShapeError(f"{op}: {name} must be whole numbers of {ndim} dimensions, got {show(as_tensor(given))}")
    return found.astype(INT64) if found.dtype.kind == "f" or ndim == 2 else found


def _values(op: str, given: Any, dtype: Any) -> Tensor:
    what: Tensor = given if isinstance(given, Tensor) else as_tensor(given)
    if not what.ndim:
        raise ShapeError(f"{op}: values must have a dimension for the entries, got a 0-d tensor")
    return what if dtype is None else what.to(dtype)


def _check_range(op: str, at: np.ndarray, size: tuple[int, ...]) -> None:
    for d, (n, along) in enumerate(zip(size, at, strict=False)):
        if along.size and (along.min() < 0 or along.max() >= n):
            bad = along.min() if along.min() < 0 else along.max()
            raise IndexOutOfRange(f"{op}: index {bad} is out of range for dimension {d} of size {n} (valid: 0 to {n - 1})")


def _compressed(by_rows: bool) -> Any:
    starts_name, along_name = PARTS[by_rows]
    op = f"sparse_{'csr' if by_rows else 'csc'}_tensor"

    def make(
        starts: Any,
        along: Any,
        values: Any,
        size: Any = None,
        *,
        dtype: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        check_invariants: bool | None = None,
    ) -> CompressedTensor:
        check_device(device)
        first, at = _indices(op, starts_name, starts, 1), _indices(op, along_name, along, 1)
        what = _values(op, values, dtype)
        if what.ndim != 1 or len(at) != what.shape[0]:
            raise ShapeError(f"{op}: {len(at)} {along_name} and values {list(what.shape)}; each entry needs one of both")
        if not len(first) or first[0] != 0 or first[-1] != len(at) or (np.diff(first) < 0).any():
            raise ShapeError(f"{op}: {starts_name} must rise from 0 to the number of entries, {len(at)}")
        inner = int(at.max()) + 1 if len(at) else 0
        guess = (len(first) - 1, inner) if by_rows else (inner, len(first) - 1)
        size = guess if size is None else tuple(int(n) for n in size)
        if len(size) != 2 or size[0 if by_rows else 1] != len(first) - 1:
            raise ShapeError(f"{op}: size {list(size)} does not fit {len(first)} {starts_name}")
        _check_range(op, at[None], (size[1 if by_rows else 0],))
        return _made(  # type: ignore[no-any-return]
            CompressedTensor._make(first, at, what, size, by_rows), "SparseCompressedTensorWithDims", requires_grad
        )

    make.__name__ = make.__qualname__ = op
    make.__doc__ = f"""A matrix kept {'row' if by_rows else 'column'} by {'row' if by_rows else 'column'}.

    starts     {starts_name}, int [n + 1]: where each one's entries begin
    along      {along_name}, int [nnz];  values [nnz]
    Raises ShapeError where they do not fit each other or the size, IndexOutOfRange for an index outside the size.
    """
    return guarded(make)


sparse_csr_tensor, sparse_csc_tensor = _compressed(True), _compressed(False)


# --- of dense tensors -------------------------------------------------------------------------------------------------


def of_dense(x: Tensor, sparse_dim: int | None = None) -> SparseTensor:
    """The elements of x that are not 0; with sparse_dim, the slices along the first so many dimensions."""
    s = x.ndim if sparse_dim is None else sparse_dim
    if not isinstance(s, int) or not (0 if not x.ndim else 1) <= s <= x.ndim:
        raise ArgumentError(f"to_sparse: sparse_dim must lie in 1 to {x.ndim}, got {sparse_dim!r}")
    a = x._data
    there = (a != 0) if s == a.ndim else (a != 0).any(tuple(range(s, a.ndim)))
    at = np.stack(np.nonzero(there)).astype(INT64) if s else np.zeros((0, int(bool(there))), INT64)
    values = index(x, *map(constant, at), dims=tuple(range(s))) if s else x.reshape(1)[: at.shape[1]]
    return tell(SparseTensor._make(Places(at, tuple(a.shape[:s]), True), values), "ToSparse:1", (), {})


def other_layout(name: str, x: Any, wanted: Any) -> Any:
    """x in this layout.  Raises NotWritten for one that is not here."""
    if not isinstance(wanted, Layout):
        raise ArgumentTypeError(f"{name}: layout must be one such as {package()}.sparse_coo, got {wanted!r}")
    sparse = x if isinstance(x, Sparse) else None if wanted is strided else of_dense(x)
    if wanted is strided:
        return x if sparse is None else sparse.to_dense()
    if wanted is sparse_coo:
        return sparse.to_sparse_coo()  # type: ignore[union-attr]
    if wanted is sparse_csr:
        return sparse.to_sparse_csr()  # type: ignore[union-attr]
    if wanted is sparse_csc:
        return sparse.to_sparse_csr().to_sparse_csc()  # type: ignore[union-attr]
    raise NotWritten(f"{name}: the layout {wanted} is not written; sparse_coo, sparse_csr and sparse_csc are")


def masked(x: Tensor, mask: Any) -> SparseTensor:
    """The elements of a dense x at the places of `mask`."""
    if not isinstance(mask, Sparse):
        raise NotWritten(f"sparse_mask: the mask must be sparse, got {type(mask).__name__}; call .to_sparse() on it")
    mask = mask.to_sparse_coo()
    if mask.shape != x.shape:
        raise ShapeError(f"sparse_mask: a tensor of {list(x.shape)} and a mask of {list(mask.shape)} differ")
    s = mask.sparse_dim()
    values = index(x, *map(constant, mask._places.at), dims=tuple(range(s))) if s else x.reshape(1)[: mask._nnz()]
    return tell(SparseTensor._make(mask._places, values), "SparseMask", (), {})
