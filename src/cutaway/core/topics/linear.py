"""Linear algebra: NumPy's LAPACK computes, and each gradient is a formula in Tensor operations.

Sources: M. Giles, Collected matrix derivative results for forward and reverse mode AD (2008);
for QR, Walter & Lehmann (2010).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, DTypeError, LinAlgError, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.ops.complex import part, whole
from cutaway.core.refusal import function
from cutaway.core.returned import TYPES
from cutaway.core.topics.products import matrix_product


def matrices(name: str, x: Any, square: bool = True) -> Any:
    """x[..., M, N].  Raises ShapeError unless it is matrices (square ones), DTypeError for float16, bfloat16, integers."""
    d.need_tensor(name, x)
    if x._data.ndim < 2 or (square and x._data.shape[-1] != x._data.shape[-2]):
        raise ShapeError(f"{name}: needs {'square ' if square else ''}matrices, got {show(x)}")
    if x._data.dtype.char not in "fdFD":
        raise DTypeError(f"{name}: needs float32, float64 or complex numbers, got {show(x)}; convert with .float()")
    return x


def _lapack(name: str, fn: Any, *xs: Any) -> Any:
    """What a function of numpy.linalg gives, as tensors.  Raises LinAlgError where it finds no solution."""
    try:
        found = fn(*map(d.values, xs))
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name} of {show(*xs)}: {error}; the matrix may be singular or not positive definite") from None
    dtype = xs[0]._data.dtype
    if isinstance(found, tuple):
        return tuple(d.constant(np.array(f, _dtype_of(f, dtype), order="C")) for f in found)
    return d.constant(np.array(found, _dtype_of(found, dtype), order="C"))


def _dtype_of(found: Any, dtype: np.dtype) -> np.dtype:
    """`dtype`; of real results, such as singular values, that of its parts, of complex ones the complex one."""
    complex_ = np.iscomplexobj(found)
    if complex_ == (dtype.kind == "c"):
        return dtype
    return whole(dtype) if complex_ else part(dtype)


def adjoint(x: Any) -> Any:
    """Matrices, rows for columns; complex ones conjugated: what formulas write as X'."""
    return x.mH


class _Inverse(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return _lapack("inv", np.linalg.inv, a)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """-Y' G Y'."""
        y = adjoint(_Inverse.apply(ctx.saved_tensors[0]))
        return -(y @ g @ y)


@function
def inv(A: Any) -> Any:
    """The inverse of square matrices.  Raises ArgumentError for a singular one."""
    return _Inverse.apply(matrices("inv", A))


class _Solve(Function):
    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        ctx.save_for_backward(a, b)
        return _lapack("solve", np.linalg.solve, a, b)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """gB = A'^-1 G, gA = -gB X'."""
        a, b = ctx.saved_tensors
        gb = _Solve.apply(adjoint(a), g)
        return -(gb @ adjoint(_Solve.apply(a, b))), gb


@function
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X with A X = B, for a vector or the columns of B; X A = B with left=False."""
    matrices("solve", A)
    d.alike("solve", A, d.need_tensor("solve", B))
    if not left:
        return d.owned(adjoint(solve(adjoint(A), adjoint(B))))
    vector = B._data.ndim == 1 or (B._data.ndim == A._data.ndim - 1 and B._data.shape == A._data.shape[:-1])
    b = B.unsqueeze(-1) if vector else B
    if b._data.shape[-2] != A._data.shape[-1]:
        raise ShapeError(f"solve: {show(A, B)} have {A._data.shape[-1]} unknowns and {b._data.shape[-2]} equations")
    shape = np.broadcast_shapes(A._data.shape[:-2], b._data.shape[:-2])
    x = _Solve.apply(A.expand(*shape, *A._data.shape[-2:]), b.expand(*shape, *b._data.shape[-2:]))
    return x.squeeze(-1) if vector else x


class _SlogDet(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        sign, logarithm = _lapack("slogdet", lambda m: tuple(np.linalg.slogdet(m)), a)
        if not a.is_complex():
            ctx.mark_non_differentiable(sign)
        return sign, logarithm

    @staticmethod
    def backward(ctx: Any, gs: Any, g: Any) -> Any:
        """(G + i Im(Gs s')) A'^-1: the direction s of a complex determinant turns."""
        (a,) = ctx.saved_tensors
        if a.is_complex():
            g = g + (gs * _SlogDet.apply(a)[0].conj()).imag * 1j
        return g[..., None, None] * adjoint(_Inverse.apply(a))


@function
def slogdet(A: Any) -> Any:
    """(sign, log |det|) of square matrices, without overflow."""
    return TYPES["linalg_slogdet"](*_SlogDet.apply(matrices("slogdet", A)))


class _Det(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return _lapack("det", np.linalg.det, a)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """G det(A)' A'^-1."""
        (a,) = ctx.saved_tensors
        return (g * _Det.apply(a).conj())[..., None, None] * adjoint(_Inverse.apply(a))


@function
def det(A: Any) -> Any:
    """Determinants of square matrices. The gradient needs them to be invertible."""
    return _Det.apply(matrices("det", A))


@function
def logdet(A: Any) -> Any:
    """Logarithms of determinants; NaN where these are negative."""
    sign, logarithm = slogdet(A)
    if A.is_complex():
        return sign.log() + logarithm
    return d.where(sign > 0, logarithm, d.where(sign == 0, -math.inf, math.nan))


class _Cholesky(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return _lapack("cholesky", np.linalg.cholesky, a)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """L'^-1 P L^-1, where P is half of the lower triangle of L' G and its reflection."""
        low = _Cholesky.apply(ctx.saved_tensors[0])
        p = d.tril(adjoint(low) @ g)
        back = _Inverse.apply(low)
        return adjoint(back) @ ((p + adjoint(d.tril(p, -1))) * 0.5) @ back


@function
def cholesky(A: Any, *, upper: bool = False) -> Any:
    """L, lower triangular with A = L L'; with `upper` its transpose.  Raises ArgumentError unless A is positive definite."""
    y = _Cholesky.apply(matrices("cholesky", A))
    return adjoint(y) if upper else y


class _QR(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return _lapack("qr", lambda m: tuple(np.linalg.qr(m)), a)

    @staticmethod
    def backward(ctx: Any, gq: Any, gr: Any) -> Any:
        """(gQ + Q copyltu(R gR' - gQ' Q)) R'^-1, for matrices that are not wider than tall."""
        (a,) = ctx.saved_tensors
        if a._data.shape[-2] < a._data.shape[-1]:
            raise ShapeError(f"qr: the gradient of a wide matrix is not defined here, got {show(a)}")
        q, r = _QR.apply(a)
        m = r @ adjoint(gr) - adjoint(gq) @ q
        m = d.tril(m, -1) + adjoint(d.tril(m, -1)) + _diagonal(m.diagonal(0, -2, -1).real)
        return (gq + q @ m) @ adjoint(_Inverse.apply(r))


@function
def qr(A: Any, mode: str = "reduced") -> Any:
    """A = Q R with orthonormal columns in Q and R upper triangular.

    mode  "reduced", "complete" (a square Q) or "r" (an empty Q); the last two are without gradient
    """
    matrices("qr", A, square=False)
    if mode == "r":
        nothing = d.constant(np.zeros(0, A._data.dtype))
        return TYPES["linalg_qr"](nothing, _lapack("qr", lambda m: np.linalg.qr(m, "r"), A))
    if mode == "complete":
        return TYPES["linalg_qr"](*_lapack("qr", lambda m: tuple(np.linalg.qr(m, "complete")), A))
    if mode != "reduced":
        raise ArgumentError(f"qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    return TYPES["linalg_qr"](*_QR.apply(A))


def _apart(values: Any) -> Any:
    """1 / (b_j - b_i), 0 on the diagonal."""
    e = values.unsqueeze(-2) - values.unsqueeze(-1)
    return d.where(e == 0, 0.0, 1 / d.where(e == 0, 1.0, e))


def _diagonal(x: Any) -> Any:
    return x.diag_embed()


class _Eigh(Function):
    @staticmethod
    def forward(ctx: Any, a: Any, triangle: Any) -> Any:
        ctx.save_for_backward(a)
        ctx.triangle = triangle
        return _lapack("eigh", lambda m: tuple(np.linalg.eigh(m, UPLO=triangle)), a)

    @staticmethod
    def backward(ctx: Any, gl: Any, gv: Any) -> Any:
        """V (diag(gL) + V' gV / E) V', E_ij = l_j - l_i."""
        values, v = _Eigh.apply(ctx.saved_tensors[0], ctx.triangle)
        y = v @ (_diagonal(gl) + (adjoint(v) @ gv) * _apart(values)) @ adjoint(v)
        return (y + adjoint(y)) * 0.5, None


@function
def eigh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues in ascending order and eigenvectors (columns) of symmetric matrices, of which one triangle is read."""
    return TYPES["linalg_eigh"](*_Eigh.apply(matrices("eigh", A), UPLO))


@function
def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of symmetric matrices, in ascending order."""
    return eigh(A, UPLO).eigenvalues


class _Eig(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        values, vectors = _lapack("eig", lambda m: tuple(np.linalg.eig(m.astype(whole(m.dtype)))), a)
        ctx.save_for_backward(a, values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, gl: Any, gv: Any) -> Any:
        """V'^-1 (diag(gL) + (V' gV - V'V diag(Re V' gV)) / E') V', E_ij = l_j - l_i: V's columns keep their length."""
        _, values, v = ctx.saved_tensors
        back = adjoint(v)
        turned = back @ gv
        turned = turned - (back @ v) * turned.diagonal(0, -2, -1).real.unsqueeze(-2)
        return solve(back, (_diagonal(gl) + turned * _apart(values).conj()) @ back)


@function
def eig(A: Any) -> Any:
    """Eigenvalues and eigenvectors (columns of length 1) of square matrices, always complex."""
    return TYPES["linalg_eig"](*_Eig.apply(matrices("eig", A)))


@function
def eigvals(A: Any) -> Any:
    """Eigenvalues of square matrices, always complex."""
    return _Eig.apply(matrices("eigvals", A))[0]


class _SVD(Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return _lapack("svd", lambda m: tuple(np.linalg.svd(m, full_matrices=False)), a)

    @staticmethod
    def backward(ctx: Any, gu: Any, gs: Any, gvh: Any) -> Any:
        """Giles's formula, with what of gU and gV lies beside the singular vectors."""
        u, s, vh = _SVD.apply(ctx.saved_tensors[0])
        e, v, gv = _apart(s * s), adjoint(vh), adjoint(gvh)
        row, column = s.unsqueeze(-2), s.unsqueeze(-1)
        pu, pv = adjoint(u) @ gu, adjoint(v) @ gv
        y = u @ ((pu - adjoint(pu)) * e * row + column * ((pv - adjoint(pv)) * e) + _diagonal(gs)) @ vh
        if u.is_complex():  # U and V may turn together
            y = y + u @ _diagonal(pu.diagonal(0, -2, -1).imag / s * 1j) @ vh
        y = y + ((gu - u @ pu) / row) @ vh
        return y + (u / row) @ adjoint(gv - v @ pv)


@function
def svd(A: Any, full_matrices: bool = True) -> Any:
    """A = U diag(S) Vh, S descending. With full_matrices, U and V are square and have no gradient."""
    matrices("svd", A, square=False)
    if full_matrices and A._data.shape[-1] != A._data.shape[-2]:
        return TYPES["linalg_svd"](*_lapack("svd", lambda m: tuple(np.linalg.svd(m)), A))
    return TYPES["linalg_svd"](*_SVD.apply(A))


@function
def svdvals(A: Any) -> Any:
    """Singular values, descending."""
    return _SVD.apply(matrices("svdvals", A, square=False))[1]


def _least(A: Any, largest: Any, atol: Any, rtol: Any) -> Any:
    """Up to where singular values count as 0: atol, or rtol times the largest; which is PyTorch's if neither is given."""
    if rtol is None:
        given = atol is not None and float(d.amax(atol) if hasattr(atol, "_data") else atol) > 0
        rtol = 0.0 if given else max(A._data.shape[-2:]) * float(np.finfo(A._data.dtype).eps)
    relative = d.unsqueeze(rtol, -1) * largest if hasattr(rtol, "_data") else rtol * largest
    if atol is None:
        return relative
    return ew.maximum(relative, d.unsqueeze(atol, -1) if hasattr(atol, "_data") else relative * 0 + atol)


@function
def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Any:
    """Moore and Penrose's inverse; singular values up to atol, or rtol times the largest, count as 0.

    rcond  the old name of rtol
    """
    u, s, vh = _SVD.apply(matrices("pinv", A, square=False))
    keep = s.detach() > _least(A, s.detach().amax(-1, keepdim=True), atol, rcond if rtol is None else rtol)
    back = d.where(keep, 1 / d.where(keep, s, 1.0), 0.0)
    return adjoint(vh) @ (back.unsqueeze(-1) * adjoint(u))


@function
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """How many singular values exceed atol, and rtol times the largest.

    tol  the old name of atol: with it, rtol is 0
    """
    s = svdvals(A.detach())
    if tol is not None:
        atol, rtol = tol, 0.0 if rtol is None else rtol
    return (s > _least(A, s.amax(-1, keepdim=True), atol, rtol)).sum(-1)


DRIVERS = ("gelsy", "gels", "gelsd", "gelss")  # LAPACK's ways; they differ in what they tell besides


@function
def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """X that makes |A X - B| least, and as PyTorch's `driver` has them residuals, rank and singular values.

    residuals        of each column, unless the driver is "gelsy" (the default), of A with more rows than columns and
                     full rank; else empty
    rank             empty for "gels"          singular_values  of "gelsd" and "gelss", else empty
    """
    d.alike("lstsq", matrices("lstsq", A, square=False), B)
    driver = DRIVERS[0] if driver is None else driver
    if driver not in DRIVERS:
        raise ArgumentError(f"lstsq: driver must be one of {', '.join(map(repr, DRIVERS))}, got {driver!r}")
    x = pinv(A, rtol=rcond) @ B
    m, n = A._data.shape[-2:]
    nothing, rank = d.constant(np.zeros(0, A._data.dtype)), matrix_rank(A, rtol=rcond)
    told = driver != "gelsy" and m > n and bool((rank._data == n).all())
    return TYPES["linalg_lstsq"](
        x, (A @ x - B).abs().square().sum(-2) if told else nothing,
        d.constant(np.zeros(0, np.int64)) if driver == "gels" else rank,
        svdvals(A) if driver in ("gelsd", "gelss") else nothing,
    )  # fmt: skip


@function
def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The norm (sum |x|^ord)^(1/ord) over `dim`, or of all."""
    return d.norm(x, ord, dim, keepdim, dtype)


@function
def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A norm of matrices: "fro", "nuc", 1 or -1 (columns), inf or -inf (rows), 2 or -2 (singular values)."""
    x = A if dtype is None else A.to(dtype)
    if x._data.ndim < 2:
        raise ShapeError(f"matrix_norm: needs matrices, got {show(x)}")
    if ord == "fro":
        return d.norm(x, 2, dim, keepdim)
    moved = x.movedim(tuple(dim), (-2, -1))
    if ord in (1, -1, math.inf, -math.inf):
        sums = moved.abs().sum(-2 if abs(ord) == 1 else -1)
        y = sums.amax(-1) if ord > 0 else sums.amin(-1)
    elif ord in ("nuc", 2, -2):
        s = svdvals(moved)
        y = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord > 0 else s.amin(-1)
    else:
        raise ArgumentError(f"matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    if not keepdim:
        return y
    places = sorted(k % x._data.ndim for k in dim)
    for k in places:
        y = y.unsqueeze(k)
    return y


@function
def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """vector_norm, or matrix_norm where `ord` is given for two dims; without `ord`, the 2-norm of all."""
    if isinstance(dim, int):
        dim = (dim,)
    two = (dim is not None and len(dim) == 2) or (dim is None and A._data.ndim == 2)
    if ord is None:
        return d.norm(A, 2, dim, keepdim, dtype)
    if isinstance(ord, str) or two:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


@function
def cond(A: Any, p: Any = None) -> Any:
    """How much a system is conditioned: the norm of A times that of its inverse (p None or 2: of singular values)."""
    if p in (None, 2):
        s = svdvals(A)
        return s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


@function
def multi_dot(tensors: Any) -> Any:
    """The product of matrices, of which the first and the last may be vectors."""
    parts = d.need_tensors("multi_dot", tensors)
    if len(parts) < 2:
        raise ArgumentError("multi_dot: needs at least two tensors")
    return matrix_product(parts)


@function
def matrix_power(A: Any, n: int) -> Any:
    """Square matrices times themselves, n times; a negative n takes the inverse."""
    return inv(A).matrix_power(-n) if n < 0 else A.matrix_power(n)


@function
def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The vector product along `dim`, which has size 3."""
    return input.cross(other, dim)


@function
def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Diagonals of matrices (a view)."""
    return A.diagonal(offset, dim1, dim2)


@function
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Inner products along `dim`."""
    d.inexact("vecdot", x)
    return (x.conj() * y).sum(dim)
