"""Factors of low rank by random projections (Halko, Martinsson & Tropp 2009, algorithms 4.4 and 5.1)."""

from __future__ import annotations

from typing import Any

from cutaway.core.aval import show
from cutaway.core.creation import randn
from cutaway.core.errors import ArgumentError, DTypeError
from cutaway.core.refusal import function
from cutaway.core.topics.linear import adjoint as transposed
from cutaway.core.topics.linear import qr, svd


@function
def svd_lowrank(A: Any, q: int = 6, niter: int = 2, M: Any = None) -> Any:
    """(U[.., M, q], S[.., q], V[.., N, q]) with A about U diag(S) V', A - M if M is given; niter rounds sharpen it."""
    a = A if M is None else A - M.expand(A.shape)
    tall = a if A.shape[-2] >= A.shape[-1] else transposed(a)
    basis = qr(tall @ randn((tall.shape[-1], q), dtype=A.dtype))[0]
    for _ in range(niter):
        basis = qr(transposed(tall) @ basis)[0]
        basis = qr(tall @ basis)[0]
    u, s, vh = svd(transposed(basis) @ tall, full_matrices=False)
    left, right = basis @ u, transposed(vh)
    return (left, s, right) if tall is a else (right, s, left)


@function
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """(U, S, V) of A[.., M, N] less its mean row: V's columns are the q principal directions.

    Raises ArgumentError unless 0 <= q <= min(M, N) and niter >= 0, DTypeError unless floating.
    """
    m, n = A.shape[-2:]
    if not A.is_floating_point():
        raise DTypeError(f"pca_lowrank: needs floats, got {show(A)}; convert with .float()")
    k = min(6, m, n) if q is None else q
    if not 0 <= k <= min(m, n):
        raise ArgumentError(f"pca_lowrank: q must be from 0 to {min(m, n)} for {show(A)}, got {q}")
    if niter < 0:
        raise ArgumentError(f"pca_lowrank: niter must be 0 or more, got {niter}")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, k, niter)
