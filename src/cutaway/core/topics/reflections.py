"""Orthogonal factors as products of reflections: geqrf, householder_product (orgqr), ormqr; LU with pivots."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.errors import LinAlgError, ShapeError
from cutaway.core.refusal import function
from cutaway.core.returned import TYPES
from cutaway.core.topics.factors import lu
from cutaway.core.topics.linear import adjoint as transposed
from cutaway.core.topics.linear import matrices, solve


@function
def geqrf(input: Any) -> Any:
    """(a, tau): R above the diagonal of a[..., M, N], the vectors of the reflections below it; without gradient."""
    matrices("geqrf", input, square=False)
    a = d.values(input)
    h, tau = np.linalg.qr(a, mode="raw") if a.ndim == 2 else _batched(a)
    return TYPES["geqrf"](d.constant(np.ascontiguousarray(np.swapaxes(h, -1, -2))), d.constant(tau))


def _batched(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """raw, a matrix at a time."""
    m, n = a.shape[-2:]
    found = [np.linalg.qr(x, mode="raw") for x in a.reshape(-1, m, n)]
    h = np.stack([x for x, _ in found]) if found else np.zeros((0, n, m), a.dtype)
    tau = np.stack([t for _, t in found]) if found else np.zeros((0, min(m, n)), a.dtype)
    return h.reshape(*a.shape[:-2], n, m), tau.reshape(*a.shape[:-2], min(m, n))


@function
def householder_product(input: Any, tau: Any) -> Any:
    """The first N columns of H_1 H_2 ... H_K, H_i = 1 - tau_i v_i v_i', v_i below the diagonal of column i.

    input[..., M, N], M >= N, tau[..., K], K <= N.  Raises ShapeError for other sizes.
    """
    matrices("householder_product", input, square=False)
    m, n = input._data.shape[-2:]
    k = d.need_tensor("householder_product", tau)._data.shape[-1]
    if m < n or k > n or tuple(tau._data.shape[:-1]) != tuple(input._data.shape[:-2]):
        raise ShapeError(f"householder_product: needs [.., M, N], M >= N, and tau [.., K], K <= N, got {show(input, tau)}")
    q = d.constant(np.eye(m, n, dtype=input._data.dtype)).expand((*input._data.shape[:-2], m, n))
    return _reflected(input, tau, q, range(k - 1, -1, -1))


orgqr = householder_product


def _reflected(a: Any, tau: Any, x: Any, order: Any) -> Any:
    """H_i x for each i in turn."""
    low = d.tril(a, -1)
    for i in order:
        v = low[..., i].unsqueeze(-1)
        v = v + d.constant(np.eye(a._data.shape[-2], dtype=a._data.dtype)[:, i : i + 1])
        x = x - tau[..., i, None, None] * (v @ (transposed(v) @ x))
    return x


@function
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Q other (other Q with left=False), Q' with `transpose`; Q[M, M] of reflections input[..., M, K], tau[..., K]."""
    matrices("ormqr", input, square=False)
    k = tau._data.shape[-1]
    order = range(k) if transpose == left else range(k - 1, -1, -1)
    if left:
        return _reflected(input, tau, other, order)
    return transposed(_reflected(input, tau, transposed(other), order))


@function
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """(X, info): info is above 0 for a singular matrix, whose X is then of no use."""
    safe, infos = _regular("solve_ex", A, check_errors)
    return TYPES["linalg_solve_ex"](solve(safe, B, left=left), d.constant(infos))


def _regular(op: str, a: Any, check: bool) -> tuple[Any, np.ndarray]:
    """The matrices, with ones in the place of those that cannot be inverted, and where the first zero pivot lay."""
    matrices(op, a)
    n, batch = a._data.shape[-1], a._data.shape[:-2]
    up = d.values(lu(a.detach())[2])
    zero = np.diagonal(up, axis1=-2, axis2=-1) == 0
    infos = np.where(zero.any(-1), (zero * 1 == 1).argmax(-1) + 1 if n else 0, 0).astype(np.int32).reshape(batch)
    if check and infos.any():
        raise LinAlgError(f"{op}: the matrix is singular: pivot {int(infos.max())} is zero")
    if not infos.any():
        return a, infos
    return d.where(d.constant(infos == 0)[..., None, None], a, d.constant(np.eye(n, dtype=a._data.dtype))), infos


@function
def matmul(input: Any, other: Any) -> Any:
    """The matrix product."""
    return input @ other
