"""Transforms of vectors and matrices: onto the simplex, onto Cholesky factors, onto positive definite matrices."""

from __future__ import annotations

import math
from typing import Any

from cutaway.core.creation import eye
from cutaway.core.errors import ArgumentError
from cutaway.core.functions import arange
from cutaway.core.limits import finfo
from cutaway.core.tensor import Size, Tensor
from cutaway.core.topics.functions import tril_indices
from cutaway.distributions import constraints
from cutaway.distributions.pointwise import inside
from cutaway.distributions.transform import Transform
from cutaway.functional import pad, softplus


class _Alike(Transform):
    """One without parameters; two of a kind are equal."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self))

    __hash__ = None  # type: ignore[assignment]

    def _needs(self, shape: Any, dims: int) -> None:
        if len(shape) < dims:
            raise ArgumentError(f"{type(self).__name__}: needs {dims} dimensions or more, got {list(shape)}")


class SoftmaxTransform(_Alike):
    """y = exp(x) / sum exp(x), of vectors; the inverse is log y."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        p = (x - x.max(-1, True)[0]).exp()
        return p / p.sum(-1, True)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        """The same.  Raises ArgumentError for a scalar."""
        self._needs(shape, 1)
        return shape

    inverse_shape = forward_shape


class StickBreakingTransform(_Alike):
    """Vectors of K numbers to K + 1 that sum to 1: each takes a share of what is left, sigmoid(x_i - log(K - i))."""

    domain, codomain = constraints.real_vector, constraints.simplex
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        share = inside((x - _rest(x, x.shape[-1]).log()).sigmoid())
        left = (1 - share).cumprod(-1)
        return pad(share, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        taken = y[..., :-1]
        left = (1 - taken.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return taken.log() - left.log() + _rest(y, taken.shape[-1]).log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """sum -x_i + log sigmoid(x_i) + log y_i, of the shifted x."""
        x = x - _rest(x, x.shape[-1]).log()
        return (-x - softplus(-x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        """One more in the last dimension."""
        self._needs(shape, 1)
        return Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Any) -> Any:
        """One less in the last dimension."""
        self._needs(shape, 1)
        return Size((*shape[:-1], shape[-1] - 1))


def _rest(like: Tensor, n: int) -> Tensor:
    """n, n - 1, ..., 1."""
    return arange(n, 0, -1, dtype=like.dtype)  # type: ignore[no-any-return]


class CorrCholeskyTransform(Transform):
    """Vectors of D (D - 1) / 2 numbers to Cholesky factors of D x D correlations.

    Row i is tanh of its numbers, each times the length that is left. log_abs_det_jacobian: of what is below the diagonal.
    """

    domain, codomain = constraints.real_vector, constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        eps = finfo(x.dtype).eps
        r = below(x.tanh().clamp(-1 + eps, 1 - eps))
        left = (1 - r.square()).sqrt().cumprod(-1)
        r = r + eye(r.shape[-1], dtype=r.dtype)
        return r * pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        left = pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        t = flat_below(y) / flat_below(left).sqrt()
        return (t.log1p() - (-t).log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the lengths that were left, and of tanh."""
        left = flat_below(1 - (y * y).cumsum(-1), -2)
        return 0.5 * left.log().sum(-1) - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        """[.., N] to [.., D, D].  Raises ArgumentError unless N = D (D - 1) / 2."""
        n = shape[-1] if len(shape) else 0
        d = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if not len(shape) or d * (d - 1) // 2 != n:
            raise ArgumentError(f"CorrCholeskyTransform: the last dimension must be D (D - 1) / 2, got {list(shape)}")
        return Size((*shape[:-1], d, d))

    def inverse_shape(self, shape: Any) -> Any:
        """[.., D, D] to [.., N].  Raises ArgumentError unless square."""
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ArgumentError(f"CorrCholeskyTransform: needs square matrices, got {list(shape)}")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


def below(x: Tensor) -> Tensor:
    """The numbers x[.., D (D - 1) / 2] below the diagonal of zeros [.., D, D], row by row."""
    n = x.shape[-1]
    d = round((0.25 + 2 * n) ** 0.5 + 0.5)
    if d * (d - 1) // 2 != n:
        raise ArgumentError(f"the last dimension must be D (D - 1) / 2 for some D, got {n}")
    i, j = tril_indices(d, d, -1)
    y = x.new_zeros((*x.shape[:-1], d * d))
    at = (i * d + j).expand(x.shape)
    return y.scatter(-1, at, x).reshape((*x.shape[:-1], d, d))


def flat_below(y: Tensor, diagonal: int = -1) -> Tensor:
    """The numbers on and below that diagonal, row by row."""
    i, j = tril_indices(y.shape[-2], y.shape[-1], diagonal)
    return y[..., i, j]


class LowerCholeskyTransform(_Alike):
    """Square matrices to lower triangles with a positive diagonal, by exp of it; what is above is not read."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(0, -2, -1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(0, -2, -1).log().diag_embed()


class PositiveDefiniteTransform(_Alike):
    """Square matrices to positive definite ones: L L' of LowerCholeskyTransform."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        low = LowerCholeskyTransform()(x)
        return low @ low.transpose(-1, -2)

    def _inverse(self, y: Tensor) -> Tensor:
        from cutaway.core.topics.linear import cholesky

        return LowerCholeskyTransform().inv(cholesky(y))
