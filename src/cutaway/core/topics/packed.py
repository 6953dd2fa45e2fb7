"""Linear algebra that reports instead of raising, factors as LAPACK packs them, and systems whose unknowns are tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import no_grad
from cutaway.core.aval import show
from cutaway.core.errors import LinAlgError, ShapeError
from cutaway.core.refusal import function
from cutaway.core.returned import TYPES
from cutaway.core.topics.factors import lu, solve_triangular
from cutaway.core.topics.linear import adjoint as turned
from cutaway.core.topics.linear import cholesky, inv, matrices, solve


@function
def lu_factor(A: Any, *, pivot: bool = True) -> Any:
    """(LU, pivots): L below the diagonal of U[..., M, N], and for each row the one, from 1, that it was exchanged with."""
    p, low, up = lu(A, pivot=pivot)
    m, n = A._data.shape[-2:]
    rows = [_exchanges(q.argmax(0), min(m, n)) for q in d.values(p).reshape(-1, m, m)]
    pivots = d.constant(np.array(rows, np.int32).reshape(*A._data.shape[:-2], min(m, n)))
    below = d.tril(low, -1)
    if m > n:
        up = d.cat([up, _zeros(up, m - n, n)], -2)
    if n > m:
        below = d.cat([below, _zeros(low, m, n - m)], -1)
    return TYPES["linalg_lu_factor"](up + below, pivots)


@function
def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """(LU, pivots, info): lu_factor, and in info the first place, from 1, where the diagonal of U is 0; 0 if nowhere.

    Raises LinAlgError for such a matrix with `check_errors`.
    """
    packed, pivots = lu_factor(A, pivot=pivot)
    zero = np.diagonal(d.values(packed), axis1=-2, axis2=-1) == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1, 0).astype(np.int32)
    if check_errors and info.any():
        raise LinAlgError(f"lu_factor_ex of {show(A)}: the diagonal of U is 0 at {info.max()}; the matrix is singular")
    return TYPES["linalg_lu_factor_ex"](packed, pivots, d.constant(np.asarray(info)))


def _zeros(like: Any, m: int, n: int) -> Any:
    return d.constant(np.zeros((*like._data.shape[:-2], m, n), like._data.dtype))


def _exchanges(order: np.ndarray, count: int) -> list[int]:
    """The exchanges of rows that bring 0, 1, 2 ... into this order."""
    now, out = [*range(len(order))], []
    for k in range(count):
        at = now.index(int(order[k]))
        now[k], now[at] = now[at], now[k]
        out.append(at + 1)
    return out


@function
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """(P, L, U) of what lu_factor gives."""
    matrices("lu_unpack", LU_data, square=False)
    m, n = LU_data._data.shape[-2:]
    eye = np.eye(m, dtype=LU_data._data.dtype)
    rank = min(m, n)
    nothing = d.constant(np.zeros(0, LU_data._data.dtype))
    low = d.tril(LU_data, -1)[..., :rank] + d.constant(eye[:, :rank]) if unpack_data else nothing
    up = d.triu(LU_data)[..., :rank, :] if unpack_data else nothing
    orders = [_order(row, m) for row in d.values(LU_pivots).reshape(-1, LU_pivots._data.shape[-1])]
    p = d.constant(np.stack([eye[:, o] for o in orders]).reshape(*LU_pivots._data.shape[:-1], m, m))
    return TYPES["lu_unpack"](p if unpack_pivots else nothing, low, up)


def _order(pivots: np.ndarray, m: int) -> list[int]:
    order = [*range(m)]
    for k, at in enumerate(pivots):
        order[k], order[at - 1] = order[at - 1], order[k]
    return order


@function
def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """X with A X = B (X A = B with left=False; A' for A with `adjoint`), from lu_factor's LU and pivots of A."""
    matrices("lu_solve", LU)
    if d.need_tensor("lu_solve", B)._data.ndim < 2:
        raise ShapeError(f"lu_solve: B must be matrices, got {show(B)}; write B.unsqueeze(-1) for one vector")
    if not left:
        return turned(lu_solve(LU, pivots, turned(B), adjoint=not adjoint))
    p, low, up = lu_unpack(LU, pivots)
    if adjoint:
        y = solve_triangular(turned(up), B, upper=False)
        return p @ solve_triangular(turned(low), y, upper=True, unitriangular=True)
    return solve_triangular(up, solve_triangular(low, turned(p) @ B, upper=False, unitriangular=True), upper=True)


@function
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(L, info): of what is not positive definite, info is the order of the first leading minor that is not, else 0.

    There L is NaN.  Raises LinAlgError for it with `check_errors`.
    """
    matrices("cholesky_ex", A)
    n = A._data.shape[-1]
    info = np.array([_failing(a) for a in d.values(A).reshape(-1, n, n)], np.int32).reshape(A._data.shape[:-2])
    if check_errors and info.any():
        raise LinAlgError(f"cholesky_ex of {show(A)}: not positive definite, by the leading minor of order {info.max()}")
    bad = d.constant(np.asarray(info != 0)[..., None, None])
    safe = d.where(bad, d.constant(np.eye(n, dtype=A._data.dtype)), A) if info.any() else A
    low = cholesky(safe, upper=upper)
    return TYPES["linalg_cholesky_ex"](low.masked_fill(bad, float("nan")) if info.any() else low, d.constant(info))


def _failing(a: np.ndarray) -> int:
    """The order of the first leading minor of `a` that is not positive; 0 if all are."""
    low = np.zeros_like(a)
    for k in range(len(a)):
        rest = (a[k, k] - low[k, :k] @ low[k, :k].conj()).real
        if not rest > 0:
            return k + 1
        low[k, k] = np.sqrt(rest)
        low[k + 1 :, k] = (a[k + 1 :, k] - low[k + 1 :, :k] @ low[k, :k].conj()) / low[k, k]
    return 0


@function
def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """(inverse, info): of singular matrices, info is the place of the first zero among the pivots, from 1, else 0.

    There the inverse is Inf.  Raises LinAlgError for it with `check_errors`.
    """
    matrices("inv_ex", A)
    n = A._data.shape[-1]
    with no_grad():
        pivots = d.values(lu(A)[2]).diagonal(0, -2, -1).reshape(-1, n) == 0
    info = np.where(pivots.any(-1), pivots.argmax(-1) + 1, 0).astype(np.int32).reshape(A._data.shape[:-2])
    if check_errors and info.any():
        raise LinAlgError(f"inv_ex of {show(A)}: singular, by pivot {info.max()}")
    if not info.any():
        return TYPES["linalg_inv_ex"](inv(A), d.constant(info))
    bad = d.constant(np.asarray(info != 0)[..., None, None])
    found = inv(d.where(bad, d.constant(np.eye(n, dtype=A._data.dtype)), A)).masked_fill(bad, float("inf"))
    return TYPES["linalg_inv_ex"](found, d.constant(info))


@function
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """X with tensordot(A, X, X.ndim) = B: A's first dimensions are B's, its last (or `dims`, moved there) are X's."""
    if dims is not None:
        A = d.movedim(A, tuple(dims), tuple(range(A._data.ndim - len(dims), A._data.ndim)))
    shape = A._data.shape[B._data.ndim :]
    if int(np.prod(shape)) != B._data.size:
        raise ShapeError(f"tensorsolve: {show(A, B)} have {int(np.prod(shape))} unknowns and {B._data.size} equations")
    return solve(A.reshape(B._data.size, -1), B.reshape(-1)).reshape(shape)


@function
def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse of a tensor whose first `ind` dimensions are the equations, the others the unknowns."""
    if ind <= 0:
        raise ShapeError(f"tensorinv: ind must be positive, got {ind}")
    rows, columns = A._data.shape[:ind], A._data.shape[ind:]
    if int(np.prod(rows)) != int(np.prod(columns)):
        raise ShapeError(f"tensorinv: {show(A)} with ind={ind} has not as many unknowns as equations")
    return inv(A.reshape(int(np.prod(rows)), -1)).reshape((*columns, *rows))


@function
def vander(x: Any, *, N: int | None = None) -> Any:
    """Powers 0 to N - 1 of x[..., K] (N = K by default): [..., K, N]."""
    count = x._data.shape[-1] if N is None else N
    if count < 2 or not x._data.ndim:
        raise ShapeError(f"vander: needs numbers in a dimension and at least two powers, got N={N} and {show(x)}")
    ones = d.constant(np.ones((*x._data.shape, 1), x._data.dtype))
    return d.cat([ones, d.cumprod(x.unsqueeze(-1).expand((*x._data.shape, count - 1)), -1)], -1)
