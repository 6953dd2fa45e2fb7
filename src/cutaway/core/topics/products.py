"""Products: of vectors and matrices, beyond matmul and einsum."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.returned import TYPES


class Products:
    """Sums of products with names of their own."""

    def vdot(self: Any, other: Any) -> Any:
        """Inner product of two vectors, of which the first is conjugated."""
        return d.dot(self.conj(), other)

    def inner(self: Any, other: Any) -> Any:
        """Sums of products over both last dimensions; with a 0-d tensor the product."""
        if not self._data.ndim or not other._data.ndim:
            return ew.mul(self, other)
        if self._data.shape[-1] != other._data.shape[-1]:
            raise ShapeError(f"inner: {show(self, other)} have different last dimensions")
        return tensordot(self, other, ([-1], [-1]))

    def ger(self: Any, vec2: Any) -> Any:
        """All products of two vectors."""
        return d.outer(self, vec2)

    def addmv(self: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        """beta self + alpha (mat vec)."""
        return d.added(self, d.mv(mat, vec), beta, alpha)

    def addbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        """beta self + alpha (the sum of the products of two batches)."""
        return d.added(self, d.bmm(batch1, batch2).sum(0), beta, alpha)

    def addr(self: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        """beta self + alpha (vec1 outer vec2)."""
        return d.added(self, d.outer(vec1, vec2), beta, alpha)

    def kron(self: Any, other: Any) -> Any:
        """Kronecker's product: each element of self times the whole of `other`."""
        n = max(self._data.ndim, other._data.ndim)
        a, b = (x.reshape((1,) * (n - x._data.ndim) + x._data.shape) for x in (self, other))
        wide = a.reshape([k for m in a._data.shape for k in (m, 1)]) * b.reshape([k for m in b._data.shape for k in (1, m)])
        return wide.reshape([m * k for m, k in zip(a._data.shape, b._data.shape, strict=True)])

    def cross(self: Any, other: Any, dim: int | None = None) -> Any:
        """The vector product along `dim`, which has size 3 (without one, the first that has)."""
        if dim is None:
            dim = next((k for k, n in enumerate(self._data.shape) if n == 3), 0)
        at = normalize_dim(dim, self._data.ndim, "cross")
        if self._data.shape[at] != 3 or other._data.ndim != self._data.ndim or other._data.shape[at] != 3:
            raise ShapeError(f"cross: {show(self, other)} must both have size 3 along dim {dim}")
        d.alike("cross", self, other)
        return self.roll(-1, at) * other.roll(-2, at) - self.roll(-2, at) * other.roll(-1, at)

    def dist(self: Any, other: Any, p: float = 2) -> Any:
        """The p-norm of self - other."""
        return d.norm(self - other, p)

    def det(self: Any) -> Any:
        """Determinants of square matrices."""
        return _linear().det(self)

    def logdet(self: Any) -> Any:
        """Logarithms of determinants; NaN where these are negative."""
        return _linear().logdet(self)

    def slogdet(self: Any) -> Any:
        """(sign, log |det|) of square matrices."""
        return TYPES["slogdet"](*_linear().slogdet(self))

    def inverse(self: Any) -> Any:
        """The inverse of square matrices."""
        return _linear().inv(self)

    def pinverse(self: Any, rcond: float = 1e-15) -> Any:
        """Moore and Penrose's inverse."""
        return _linear().pinv(self, rtol=rcond)

    def cholesky(self: Any, upper: bool = False) -> Any:
        """L, lower triangular with self = L L'; with `upper` its transpose."""
        return _linear().cholesky(self, upper=upper)

    def cholesky_solve(self: Any, L: Any, upper: bool = False) -> Any:
        """X with L L' X = self, from Cholesky's factor L."""
        return _factors().cholesky_solve(self, L, upper)

    def cholesky_inverse(self: Any, upper: bool = False) -> Any:
        """The inverse of L L', where self is Cholesky's factor L."""
        return _factors().cholesky_inverse(self, upper)

    def matrix_exp(self: Any) -> Any:
        """exp of square matrices; see linalg.matrix_exp."""
        return _factors().matrix_exp(self)

    def qr(self: Any, some: bool = True) -> Any:
        """self = Q R; see linalg.qr."""
        return TYPES["qr"](*_linear().qr(self, "reduced" if some else "complete"))

    def svd(self: Any, some: bool = True, compute_uv: bool = True) -> Any:
        """self = U diag(S) V': the old form, with V and not its transpose; see linalg.svd."""
        u, s, vh = _linear().svd(self, full_matrices=not some)
        return TYPES["svd"](u, s, vh.mH)

    def matrix_power(self: Any, n: int) -> Any:
        """A square matrix (or a batch) times itself, n times; by squaring."""
        if self._data.ndim < 2 or self._data.shape[-1] != self._data.shape[-2]:
            raise ShapeError(f"matrix_power: needs square matrices, got {show(self)}")
        if n < 0:
            raise ArgumentError(f"matrix_power: the power must be 0 or more, got {n}; linalg.matrix_power takes the inverse")
        size = self._data.shape[-1]
        result, square = None, self
        while n:
            if n & 1:
                result = square if result is None else result @ square
            n >>= 1
            square = square @ square if n else square
        if result is None:
            return d.constant(np.eye(size, dtype=self._data.dtype)).expand(self._data.shape).clone()
        return result.clone() if result is self else result


def _linear() -> Any:
    from cutaway.core.topics import linear

    return linear


def _factors() -> Any:
    from cutaway.core.topics import factors

    return factors


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sums of products over dims: the last `dims` of a with the first of b, or the two lists given."""
    if hasattr(dims, "_data"):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a._data.ndim, b._data.ndim):
            raise ArgumentError(f"tensordot: dims = {dims} is more than {show(a, b)} have")
        dims = (range(a._data.ndim - dims, a._data.ndim), range(dims))
    left = [normalize_dim(k, a._data.ndim, "tensordot") for k in dims[0]]
    right = [normalize_dim(k, b._data.ndim, "tensordot") for k in dims[1]]
    if len(left) != len(right) or [a._data.shape[k] for k in left] != [b._data.shape[k] for k in right]:
        raise ShapeError(f"tensordot: {show(a, b)} do not agree along dims {left} and {right}")
    keep = [k for k in range(a._data.ndim) if k not in left]
    rest = [k for k in range(b._data.ndim) if k not in right]
    joined = int(np.prod([a._data.shape[k] for k in left]))
    x = a.permute(*keep, *left) if a._data.ndim else a
    y = b.permute(*right, *rest) if b._data.ndim else b
    shape = [a._data.shape[k] for k in keep] + [b._data.shape[k] for k in rest]
    rows, columns = int(np.prod([a._data.shape[k] for k in keep])), int(np.prod([b._data.shape[k] for k in rest]))
    return (x.reshape(rows, joined) @ y.reshape(joined, columns)).reshape(shape)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """Distances of all rows x1[..., P, M] and x2[..., R, M] by the p-norm: [..., P, R]."""
    if x1._data.ndim < 2 or x2._data.ndim < 2 or x1._data.shape[-1] != x2._data.shape[-1]:
        raise ShapeError(f"cdist: {show(x1, x2)} must have at least 2 dimensions and equally long rows")
    return d.norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def chain_matmul(*matrices: Any) -> Any:
    """The product of several matrices, from left to right."""
    if not matrices:
        raise ArgumentError("chain_matmul: needs at least one matrix")
    return matrix_product(matrices)


def matrix_product(matrices: Any) -> Any:
    """x @ y @ ..."""
    y = matrices[0]
    for x in matrices[1:]:
        y = d.matmul(y, x)
    return y
