"""The normal distribution of vectors, with correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import eye, randn
from cutaway.core.derived import stack
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import lower_cholesky, positive_definite, real_vector
from cutaway.distributions.distribution import Distribution


class MultivariateNormal(Distribution):
    """loc[.., D] and one of covariance_matrix, precision_matrix, scale_tril (its lower Cholesky factor), [.., D, D].

    Meant for small D: factors and triangular systems are worked through column by column.
    Raises ArgumentError unless exactly one is given and is positive definite, ShapeError for other shapes.
    """

    arg_constraints = {
        "loc": real_vector,
        "covariance_matrix": positive_definite,
        "precision_matrix": positive_definite,
        "scale_tril": lower_cholesky,
    }
    support = real_vector  # type: ignore[assignment]
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        op = "MultivariateNormal"
        if not loc.ndim:
            raise ArgumentError(f"{op}: loc must have at least one dimension, that of the vectors")
        given = {
            name: m
            for name, m in (
                ("covariance_matrix", covariance_matrix),
                ("precision_matrix", precision_matrix),
                ("scale_tril", scale_tril),
            )
            if m is not None
        }
        if len(given) != 1:
            raise ArgumentError(f"{op}: give exactly one of covariance_matrix, precision_matrix and scale_tril")
        ((name, matrix),) = given.items()
        n = loc.shape[-1]
        if matrix.ndim < 2 or tuple(matrix.shape[-2:]) != (n, n):
            kind = ArgumentError if matrix.ndim < 2 else ShapeError
            raise kind(f"{op}: {name} must be [.., {n}, {n}] for vectors of {n}, got {list(matrix.shape)}")
        batch = broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]), op=op)
        self._name = name
        self.__dict__[name] = matrix.expand((*batch, n, n))
        self.loc = loc.expand((*batch, n))
        super().__init__(batch, (n,), validate_args)
        if name == "scale_tril":
            self._factor = matrix
        elif name == "covariance_matrix":
            self._factor = cholesky(matrix)
        else:
            self._factor = _inverse_factor(matrix)

    @cached_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        return self._factor.expand((*self.batch_shape, *self.event_shape, *self.event_shape))

    @cached_property
    def covariance_matrix(self) -> Tensor:
        """L L^T."""
        return (self._factor @ self._factor.transpose(-1, -2)).expand(self.scale_tril.shape)

    @cached_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        inverse = solve_lower(self._factor, eye(self.event_shape[0], dtype=self.loc.dtype))
        return (inverse.transpose(-1, -2) @ inverse).expand(self.scale_tril.shape)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        return self._factor.pow(2).sum(-1).expand((*self.batch_shape, *self.event_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + L e, where e is standard normal."""
        noise = randn(self._extended(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._factor @ noise.unsqueeze(-1)).squeeze(-1)  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """-(D log(2 pi) + |L^-1 (x - loc)|^2) / 2 - log det L."""
        d = self._checked(value) - self.loc
        z = solve_lower(self._factor, d.unsqueeze(-1)).squeeze(-1)
        n = self.event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + z.pow(2).sum(-1)) - log_det(self._factor)

    def entropy(self) -> Tensor:
        """D (1 + log(2 pi)) / 2 + log det L."""
        each = log_det(self._factor) + 0.5 * self.event_shape[0] * (1.0 + math.log(2 * math.pi))
        return each.expand(self.batch_shape) if self.batch_shape else each

    def expand(self, batch_shape: Sequence[int]) -> MultivariateNormal:
        """The same distributions in a larger batch."""
        shape = (*batch_shape, *self.event_shape)
        matrix = {self._name: getattr(self, self._name).expand((*shape, *self.event_shape))}
        return MultivariateNormal(self.loc.expand(shape), **matrix, validate_args=False)


def log_det(factor: Tensor) -> Tensor:
    """The logarithm of a triangle's determinant."""
    return factor.diagonal(0, -2, -1).log().sum(-1)


def cholesky(a: Tensor) -> Tensor:
    """L, lower, with L L^T = a[.., D, D]; NaN where there is none."""
    n = a.shape[-1]
    columns: list[Tensor] = []
    below = eye(n, dtype=a.dtype).cumsum(0)  # [i, j]: 1 where i >= j
    for j in range(n):
        v = a[..., j]
        for c in columns:
            v = v - c * c[..., j : j + 1]
        columns.append(v / v[..., j : j + 1].sqrt() * below[:, j])
    return stack(columns, -1)


def solve_lower(factor: Tensor, b: Tensor) -> Tensor:
    """X with L X = b.  L[.., D, D] lower, b[.., D, K]."""
    rows: list[Tensor] = []
    for i in range(factor.shape[-1]):
        v = b[..., i, :]
        for k, x in enumerate(rows):
            v = v - factor[..., i, k : k + 1] * x
        rows.append(v / factor[..., i, i : i + 1])
    return stack(rows, -2)


def _inverse_factor(precision: Tensor) -> Tensor:
    """The Cholesky factor of the inverse: that of the matrix read backwards, inverted."""
    backwards = cholesky(precision.flip((-2, -1)))
    return solve_lower(backwards.flip((-2, -1)).transpose(-2, -1), eye(precision.shape[-1], dtype=precision.dtype))
