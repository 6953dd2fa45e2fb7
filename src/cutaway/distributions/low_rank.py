"""The normal distribution of vectors whose covariance is W W' + D: few factors in common, and noise for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import eye, randn
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.core.topics.factors import solve_triangular
from cutaway.core.topics.linear import cholesky
from cutaway.distributions.constraints import independent, positive, real, real_vector
from cutaway.distributions.distribution import Distribution
from cutaway.distributions.multivariate_normal import log_det


class LowRankMultivariateNormal(Distribution):
    """loc[.., D], cov_factor W[.., D, M], cov_diag[.., D] > 0; work grows with M, not with D.

    Raises ArgumentError for shapes that disagree and unless cov_diag > 0.
    """

    arg_constraints = {
        "loc": real_vector,
        "cov_factor": independent(real, 2),
        "cov_diag": independent(positive, 1),
    }
    support = real_vector  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        op = "LowRankMultivariateNormal"
        if loc.ndim < 1:
            raise ArgumentError(f"{op}: loc must have at least one dimension, that of the vectors")
        n = loc.shape[-1]
        if cov_factor.ndim < 2 or cov_factor.shape[-2] != n:
            raise ArgumentError(f"{op}: cov_factor must be [.., {n}, M] for vectors of {n}, got {list(cov_factor.shape)}")
        if tuple(cov_diag.shape[-1:]) != (n,):
            raise ArgumentError(f"{op}: cov_diag must be [.., {n}] for vectors of {n}, got {list(cov_diag.shape)}")
        try:
            batches = loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1]
            batch = broadcast_shapes(*(tuple(s) for s in batches), op=op)
        except ShapeError as error:
            raise ArgumentError(str(error)) from None
        self.loc, self.cov_diag = loc.expand((*batch, n)), cov_diag.expand((*batch, n))
        self.cov_factor = cov_factor.expand((*batch, n, cov_factor.shape[-1]))
        self._w, self._d = cov_factor, cov_diag
        # I + W' D^-1 W, whose factor stands for the inverse of the covariance (Woodbury's identity)
        inner = (cov_factor.transpose(-1, -2) / cov_diag.unsqueeze(-2)) @ cov_factor
        self._capacitance = cholesky(inner + eye(cov_factor.shape[-1], dtype=loc.dtype))
        super().__init__(batch, (n,), validate_args)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        return (self._w.pow(2).sum(-1) + self._d).expand(self.loc.shape)

    @cached_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance: D^1/2 times that of I + D^-1/2 W W' D^-1/2."""
        root = self._d.sqrt().unsqueeze(-1)
        w = self._w / root
        inner = w @ w.transpose(-1, -2) + eye(self.event_shape[0], dtype=self.loc.dtype)
        return (root * cholesky(inner)).expand((*self.loc.shape, self.loc.shape[-1]))  # type: ignore[no-any-return]

    @cached_property
    def covariance_matrix(self) -> Tensor:
        """W W' + D."""
        return (self._w @ self._w.transpose(-1, -2) + self._d.diag_embed()).expand((*self.loc.shape, self.loc.shape[-1]))

    @cached_property
    def precision_matrix(self) -> Tensor:
        """Its inverse."""
        a = self.whitened()
        each = self._d.reciprocal().diag_embed() - a.transpose(-1, -2) @ a
        return each.expand((*self.loc.shape, self.loc.shape[-1]))

    def whitened(self) -> Tensor:
        """A = C^-1 W' D^-1, C the capacitance's factor: the inverse covariance is D^-1 - A' A."""
        return solve_triangular(self._capacitance, self._w.transpose(-1, -2) / self._d.unsqueeze(-2), upper=False)  # type: ignore[no-any-return]

    def log_det(self) -> Tensor:
        """The logarithm of the covariance's determinant."""
        return 2 * log_det(self._capacitance) + self._d.log().sum(-1)

    def distance(self, x: Tensor) -> Tensor:
        """x' covariance^-1 x of vectors x[.., D] around 0."""
        return (x.pow(2) / self._d).sum(-1) - (self.whitened() @ x.unsqueeze(-1)).squeeze(-1).pow(2).sum(-1)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + W e + D^1/2 f, where e and f are standard normal."""
        shape = self._extended(sample_shape)
        e = randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype)
        f = randn(shape, dtype=self.loc.dtype)
        return self.loc + (self._w @ e.unsqueeze(-1)).squeeze(-1) + self._d.sqrt() * f  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """-(D log(2 pi) + log det + distance from loc) / 2."""
        d = self._checked(value) - self.loc
        return -0.5 * (self.event_shape[0] * math.log(2 * math.pi) + self.log_det() + self.distance(d))

    def entropy(self) -> Tensor:
        """(D (1 + log(2 pi)) + log det) / 2."""
        each = 0.5 * (self.event_shape[0] * (1.0 + math.log(2 * math.pi)) + self.log_det())
        return each.expand(self.batch_shape)

    def expand(self, batch_shape: Sequence[int]) -> LowRankMultivariateNormal:
        """The same distributions in a larger batch."""
        shape = (*batch_shape, *self.event_shape)
        w = self.cov_factor.expand((*shape, self.cov_factor.shape[-1]))
        return LowRankMultivariateNormal(self.loc.expand(shape), w, self.cov_diag.expand(shape), validate_args=False)
