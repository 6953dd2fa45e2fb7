"""Factors of matrices beyond Cholesky's and QR: triangular systems, LU, and the exponential of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.aval import broadcast_shapes, show
from cutaway.core.errors import ShapeError
from cutaway.core.refusal import function
from cutaway.core.returned import TYPES
from cutaway.core.topics.linear import adjoint, inv, matrices, solve


@function
def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """X with A X = B (X A = B with left=False), where only the named triangle of A[..., N, N] is read.

    `unitriangular`: the diagonal counts as ones.  Raises ShapeError where the sizes disagree.
    """
    matrices("solve_triangular", A)
    if d.need_tensor("solve_triangular", B)._data.ndim < 2:
        raise ShapeError(f"solve_triangular: B must be matrices, got {show(B)}; write B.unsqueeze(-1) for one vector")
    triangle = d.triu(A, int(unitriangular)) if upper else d.tril(A, -int(unitriangular))
    if unitriangular:
        triangle = triangle + d.constant(np.eye(A._data.shape[-1], dtype=A._data.dtype))
    batch = broadcast_shapes(A._data.shape[:-2], B._data.shape[:-2], op="solve_triangular")
    return solve(triangle, B.expand((*batch, *B._data.shape[-2:])), left=left)  # matrices, where solve might see vectors


@function
def cholesky_solve(input: Any, L: Any, upper: bool = False) -> Any:
    """X with A X = B for A = L L' (U' U with `upper`).  input is B[..., N, K], L[..., N, N] -> [..., N, K]."""
    matrices("cholesky_solve", L)
    low = adjoint(L) if upper else L
    return solve_triangular(adjoint(low), solve_triangular(low, input, upper=False), upper=True)


@function
def cholesky_inverse(input: Any, upper: bool = False) -> Any:
    """The inverse of A = L L' (U' U with `upper`) from its factor [..., N, N]."""
    back = inv(d.triu(matrices("cholesky_inverse", input)) if upper else d.tril(matrices("cholesky_inverse", input)))
    return back @ adjoint(back) if upper else adjoint(back) @ back


class _LU(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        batch, (m, n) = a._data.shape[:-2], a._data.shape[-2:]
        parts = [_eliminated(x) for x in d.values(a).reshape(int(np.prod(batch)), m, n)]
        shapes = (m, m), (m, min(m, n)), (min(m, n), n)
        stacked = zip(*parts, strict=True) if parts else [np.zeros((0, *shape), a._data.dtype) for shape in shapes]
        p, low, up = (
            d.constant(np.asarray(x).reshape(*batch, *shape)) for x, shape in zip(stacked, shapes, strict=True)
        )
        ctx.mark_non_differentiable(p)
        ctx.save_for_backward(p, low, up)
        return p, low, up

    @staticmethod
    def backward(ctx: Any, _: Any, gl: Any, gu: Any) -> Any:
        """P L'^-1 (strict lower triangle of L' gL + upper triangle of gU U') U'^-1."""
        p, low, up = ctx.saved_tensors
        if up._data.shape[-1] != low._data.shape[-2]:
            raise ShapeError(f"lu: the gradient is defined here for square matrices, got factors {show(low, up)}")
        inside = d.tril(adjoint(low) @ gl, -1) + d.triu(gu @ adjoint(up))
        return p @ solve(adjoint(low), inside) @ adjoint(inv(up))


def _eliminated(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, L and U of one matrix: Gauss's elimination, the largest of each column as pivot."""
    m, n = a.shape
    up, order = a.copy(), np.arange(m)
    for k in range(min(m, n)):
        pivot = k + int((np.abs(up[k:, k].real) + np.abs(up[k:, k].imag)).argmax())  # as LAPACK measures complex numbers
        if pivot != k:
            up[[k, pivot]], order[[k, pivot]] = up[[pivot, k]], order[[pivot, k]]
        if up[k, k] != 0:
            up[k + 1 :, k] /= up[k, k]
            up[k + 1 :, k + 1 :] -= np.outer(up[k + 1 :, k], up[k, k + 1 :])
    rank = min(m, n)
    low = np.tril(up[:, :rank], -1) + np.eye(m, rank, dtype=a.dtype)
    return np.eye(m, dtype=a.dtype)[:, order], low, np.triu(up[:rank])


@function
def lu(A: Any, *, pivot: bool = True) -> Any:
    """A[..., M, N] = P L U: a permutation, a lower triangle with ones on its diagonal, an upper triangle.

    Raises ShapeError for what are no matrices and for pivot=False, which PyTorch has on CUDA only.
    """
    if not pivot:
        raise ShapeError("lu: pivot=False is not here (nor in PyTorch on a CPU); leave it out")
    return TYPES["linalg_lu"](*_LU.apply(matrices("lu", A, square=False)))


@function
def matrix_exp(A: Any) -> Any:
    """exp of square matrices, the sum of A^k / k!: scaled to a norm below 1/2, 18 terms, squared as often as halved."""
    matrices("matrix_exp", A)
    size = float(np.abs(d.values(A)).sum(-1).max(initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(size))) + 1) if size > 0 else 0
    x = A / 2.0**halvings
    one = d.constant(np.eye(A._data.shape[-1], dtype=A._data.dtype)).expand(A._data.shape)
    y = one
    for k in range(18, 0, -1):
        y = one + x @ y / k
    for _ in range(halvings):
        y = y @ y
    return y
