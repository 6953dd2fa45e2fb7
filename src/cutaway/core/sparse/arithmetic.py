"""Sums and products of sparse tensors, with each other and with dense ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import broadcast_shapes, normalize_dims, show
from cutaway.core.dtypes import FROM_NUMPY, int64, result_np
from cutaway.core.errors import ArgumentTypeError, NotForSparse, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.op import castable
from cutaway.core.ops.index import index, index_put
from cutaway.core.refusal import guard_methods
from cutaway.core.sparse.base import Sparse
from cutaway.core.sparse.entries import constant, picked, summed
from cutaway.core.sparse.places import Places, expanded
from cutaway.core.sparse.product import product
from cutaway.core.tensor import Tensor


class Arithmetic:
    """Arithmetic of a SparseTensor."""

    # --- sums ---------------------------------------------------------------------------------------------------------

    def sum(self: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None) -> Any:
        """The sum over dimensions, or over everything; sparse as long as a sparse dimension is left."""
        dim, s = axis if dim is None else dim, self.sparse_dim()
        dims = normalize_dims(None if isinstance(dim, (tuple, list)) and not dim else dim, len(self._size), "sum")
        inner = tuple(k - s + 1 for k in dims if k >= s)
        left = tuple(k for k in range(s) if k not in dims)
        if not left:
            y = self._what.sum((0, *inner), dtype=dtype)
            return y.reshape([1 if k in dims else n for k, n in enumerate(self._size)]) if keepdim else y
        values = self._what.sum(inner, keepdim=keepdim) if inner else self._what
        if dtype is not None or values._data.dtype.kind in "biu":
            values = values.to(int64 if dtype is None else dtype)
        places, which = self._places.only(left).gathered
        y = self._make(places, summed(values, which, places.count))
        for k in dims if keepdim else ():
            y = y.unsqueeze(k) if k < s else y
        return tell(y, "Sum:1", (), {})

    # --- arithmetic ---------------------------------------------------------------------------------------------------

    def add(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        """self + alpha other, both sparse."""
        if not _is_coo(other):
            raise NotForSparse("add(sparse, dense)")
        if other._size != self._size or other.sparse_dim() != self.sparse_dim():
            raise ShapeError(f"add: {self._says()} and {other._says()} differ; sparse tensors do not broadcast")
        more = other._what if alpha == 1 else other._what * alpha
        a, b = self._places, other._places
        if a is b or (a.count == b.count and np.array_equal(a.at, b.at)):
            return self._like(self._what + more)
        values = d.cat([self._what, more])
        both = Places(np.concatenate([a.at, b.at], 1), a.size, False)
        if not (a.in_order and b.in_order):
            return self._make(both, values)
        places, which = both.gathered
        places.coalesced = a.coalesced and b.coalesced
        return tell(self._make(places, summed(values, which, places.count)), "Add", (), {})

    def sub(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        """self - alpha other, both sparse."""
        if not _is_coo(other):
            raise NotForSparse("sub(sparse, dense)")
        return tell(self.add(other, alpha=-alpha), "Sub", (), {})

    subtract = sub

    def mul(self: Any, other: Any) -> Any:
        """The product with a number, or element by element with a tensor that is stretched to this shape.  Sparse."""
        if not isinstance(other, Tensor):
            return self._like(self._what * other)
        if _is_coo(other):
            return tell(self._overlap(other), "Mul", (), {})
        if isinstance(other, Sparse):
            return self.mul(other.to_sparse_coo())
        if not other.ndim:
            return self._like(self._what * other)
        if broadcast_shapes(self._size, tuple(other.shape), op="mul") != self._size:
            raise ShapeError(f"mul: {self._says()} does not stretch; the dense factor {show(other)} must fit it")
        size = (1,) * (len(self._size) - other.ndim) + tuple(other.shape)
        at = [constant(along * (n != 1)) for along, n in zip(self._places.at, size)]  # what is stretched is not laid out
        return self._like(self._what * index(other.reshape(size), *at, dims=tuple(range(len(at)))))

    multiply = mul

    def _overlap(self: Any, other: Any) -> Any:
        """The product, which has entries where both have."""
        if other._size != self._size or other.sparse_dim() != self.sparse_dim():
            raise ShapeError(f"mul: {self._says()} and {other._says()} differ; sparse tensors do not broadcast")
        a, b = self._summed(), other._summed()
        if a._places is b._places:
            return a._like(a._what * b._what)
        _, i, j = np.intersect1d(a._places.flat, b._places.flat, assume_unique=True, return_indices=True)
        places = Places(a._places.at[:, i], a._places.size, self._places.coalesced and other._places.coalesced)
        return self._make(places, picked(a._what, i) * picked(b._what, j))

    def div(self: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
        """The quotient by a number.  Raises ShapeError for a tensor of more dimensions."""
        if isinstance(other, Tensor) and other.ndim:
            raise ShapeError(f"div: a sparse tensor is divided by a number or 0-d tensor, got one of {list(other.shape)}")
        if rounding_mode is not None:
            return self._map(lambda v: v.div(other, rounding_mode=rounding_mode))
        return self._like(self._what / other)

    divide = true_divide = div

    def floor_divide(self: Any, other: Any) -> Any:
        """The quotient by a number, rounded down."""
        return self.div(other, rounding_mode="floor")

    def add_(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        """`add`, in place."""
        return self._written("add_", self.add(other, alpha=alpha))

    def sub_(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        """`sub`, in place."""
        return self._written("sub_", self.sub(other, alpha=alpha))

    def mul_(self: Any, other: Any) -> Any:
        """`mul`, in place."""
        return self._written("mul_", self.mul(other))

    def div_(self: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
        """`div`, in place."""
        return self._written("div_", self.div(other, rounding_mode=rounding_mode))

    def __add__(self: Any, other: Any) -> Any:
        return self.add(other)

    def __radd__(self: Any, other: Any) -> Any:
        return dense_add(other, self)

    def __sub__(self: Any, other: Any) -> Any:
        return self.sub(other)

    def __rsub__(self: Any, other: Any) -> Any:
        return dense_add(other, self, alpha=-1)

    def __mul__(self: Any, other: Any) -> Any:
        return self.mul(other)

    def __rmul__(self: Any, other: Any) -> Any:
        return self.mul(other)

    def __truediv__(self: Any, other: Any) -> Any:
        return self.div(other)

    def __rtruediv__(self: Any, other: Any) -> Any:
        return dense_div(other, self)

    def __floordiv__(self: Any, other: Any) -> Any:
        return self.floor_divide(other)

    def __iadd__(self: Any, other: Any) -> Any:
        return self.add_(other)

    def __isub__(self: Any, other: Any) -> Any:
        return self.sub_(other)

    def __imul__(self: Any, other: Any) -> Any:
        return self.mul_(other)

    def __itruediv__(self: Any, other: Any) -> Any:
        return self.div_(other)

    # --- products -----------------------------------------------------------------------------------------------------

    def _matrix(self: Any, name: str, dims: int = 2) -> Any:
        if len(self._size) != dims or self.dense_dim():
            what = "a matrix" if dims == 2 else "a batch of matrices"
            raise ShapeError(f"{name}: needs {what} of sparse dimensions, got {self._says()}")
        return self

    @castable
    def mm(self: Any, mat2: Any) -> Any:
        """self[N, K] times mat2[K, M]: dense for a dense matrix, sparse for a sparse one."""
        self._matrix("mm")
        if isinstance(mat2, Sparse):
            return tell(_both_sparse(self, mat2.to_sparse_coo()._matrix("mm")), "SparseSparseMatmul", (), {})
        if not isinstance(mat2, Tensor):
            raise ArgumentTypeError(f"mm: needs Tensors, got {type(mat2).__name__}")
        return tell(product(self._what, self._places.pattern, mat2), "Mm", (), {})

    def mv(self: Any, vec: Tensor) -> Tensor:
        """self[N, K] times vec[K]."""
        if vec.ndim != 1 or self._matrix("mv")._size[1] != len(vec):
            raise ShapeError(f"mv: {self._says()} and {show(vec)} do not fit")
        y: Tensor = product(self._what, self._places.pattern, vec.unsqueeze(-1)).squeeze(-1)
        return tell(y, "Mv", (), {})

    @castable
    def bmm(self: Any, mat2: Tensor) -> Tensor:
        """self[B, N, K] times a dense mat2[B, K, M]."""
        b, n, k = self._matrix("bmm", 3)._size
        if mat2.ndim != 3 or tuple(mat2.shape[:2]) != (b, k):
            raise ShapeError(f"bmm: {self._says()} and {show(mat2)} do not fit")
        y: Tensor = product(self._what, self._places.pattern, mat2.reshape(b * k, mat2.shape[2]))
        return tell(y.reshape(b, n, mat2.shape[2]), "Bmm", (), {})

    @castable
    def matmul(self: Any, other: Any) -> Any:
        """mm, mv or bmm, as the dimensions say."""
        if not isinstance(other, Tensor):
            raise ArgumentTypeError(f"matmul: needs Tensors, got {type(other).__name__}; use * for numbers")
        if self.ndim == 3 and other.ndim == 3:
            return self.bmm(other)
        return self.mv(other) if other.ndim == 1 else self.mm(other)

    def smm(self: Any, mat: Tensor) -> Any:
        """mm with a dense matrix, its result sparse: the rows in which there are entries, whole."""
        return whole_rows(self._matrix("smm"), self.mm(mat))

    def sspaddmm(self: Any, mat1: Any, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
        """beta self + alpha (mat1 mat2), sparse: the entries of both."""
        more = mat1.smm(mat2)
        return self._make(
            Places(np.concatenate([self._places.at, more._places.at], 1), self._places.size, False),
            d.cat([self._what * beta, more._what * alpha]),
        )

    def linear(self: Any, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """self weight^T + bias: nn.functional.linear of sparse rows."""
        y: Tensor = self.mm(weight.t())
        return y if bias is None else y + bias

    def __matmul__(self: Any, other: Any) -> Any:
        return self.matmul(other)

    def __rmatmul__(self: Any, other: Any) -> Any:
        return dense_matmul(other, self)


def whole_rows(s: Any, y: Tensor) -> Any:
    """The rows of a dense y[N, M] in which `s` has entries, as entries, one an element."""
    rows, m = np.unique(s._places.at[0]), y.shape[1]
    at = np.stack([np.repeat(rows, m), np.tile(np.arange(m), len(rows))])
    return s._make(Places(at, tuple(y.shape), False), picked(y, rows).reshape(-1))


def _both_sparse(a: Any, b: Any) -> Any:
    """a[N, K] b[K, M]: each entry (i, k) of a meets all entries (k, j) of b."""
    if a._size[1] != b._size[0]:
        raise ShapeError(f"mm: {a._says()} and {b._says()} do not fit: {a._size[1]} columns and {b._size[0]} rows")
    theirs = b._places.pattern
    starts, counts = theirs.starts[:-1], np.diff(theirs.starts)
    k = a._places.at[1]
    left, right = expanded(starts[k], counts[k])
    right = right if theirs.order is None else theirs.order[right]
    at = np.stack([a._places.at[0][left], b._places.at[1][right]])
    places, which = Places(at, (a._size[0], b._size[1]), False).gathered
    values = picked(a._what, left) * picked(b._what, right)
    return a._make(places, summed(values, which, places.count))


# --- a dense tensor on the left ---------------------------------------------------------------------------------------


def dense_add(a: Any, b: Any, *, alpha: Any = 1) -> Tensor:
    """a + alpha b, dense."""
    if not isinstance(a, Tensor) or isinstance(a, Sparse):
        raise NotForSparse("add(number, sparse)")
    if tuple(a.shape) != b._size:
        raise ShapeError(f"add: {show(a)} and {b._says()} differ; a sparse tensor does not broadcast")
    dtype = FROM_NUMPY[result_np([(a._data.dtype, 2 if a.ndim else 1), (b._what._data.dtype, 2)])]
    values = (b._what if alpha == 1 else b._what * alpha).to(dtype)
    n = b.sparse_dim()
    at = map(constant, b._places.at)
    y: Tensor = index_put(a.to(dtype), values, *at, dims=tuple(range(n)), accumulate=True) if n else a + values.sum(0)
    return tell(y, "Add", (), {})


def dense_div(a: Any, b: Any) -> Tensor:
    """Raises ShapeError: what has no entry would be divided by 0."""
    if not isinstance(a, Tensor):
        raise NotForSparse("division by a sparse tensor")
    raise ShapeError("div: a sparse tensor divides nothing: its elements without an entry are 0; call .to_dense()")


def dense_matmul(a: Any, b: Any) -> Any:
    """a[..., K] times a sparse b[K, M]: (b^T a^T)^T."""
    if not isinstance(a, Tensor):
        raise ArgumentTypeError(f"matmul: needs Tensors, got {type(a).__name__}; use * for numbers")
    b = b.to_sparse_coo()
    if a.ndim == 1:
        return b.t().mv(a)
    if a.ndim != 2 or b._matrix("matmul")._size[0] != a.shape[1]:
        raise ShapeError(f"matmul: {show(a)} and {b._says()} do not fit")
    return tell(product(b._what, b._places.pattern.turned, a.t()).t(), "Mm", (), {})


def _is_coo(x: Any) -> bool:
    return isinstance(x, Arithmetic)


guard_methods(Arithmetic, "add sub mul div mm mv bmm".split())
