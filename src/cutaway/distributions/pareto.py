"""Pareto's distribution, of what is left above a bound, and the generalized one of peaks over a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import rand
from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import Constraint, dependent_property, greater_than_eq, interval
from cutaway.distributions.distribution import POSITIVE, REAL, Distribution, both, parameter
from cutaway.distributions.exponential import Exponential
from cutaway.distributions.pointwise import AffineTransform, ExpTransform
from cutaway.distributions.transformed import TransformedDistribution


class Pareto(TransformedDistribution):
    """Density alpha scale^alpha / x^(alpha + 1) for x >= scale.  Raises ArgumentError unless both are above 0."""

    arg_constraints = {"alpha": POSITIVE, "scale": POSITIVE}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = both("Pareto", scale, alpha)
        steps = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(Exponential(self.alpha, validate_args), steps, validate_args)

    @property
    def mean(self) -> Tensor:
        """alpha scale / (alpha - 1); infinite for alpha <= 1."""
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale^2 alpha / ((alpha - 1)^2 (alpha - 2)); infinite for alpha <= 2."""
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    @dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Constraint:
        """scale or more."""
        return greater_than_eq(self.scale)

    def entropy(self) -> Tensor:
        """log(scale / alpha) + 1 + 1 / alpha."""
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())

    def expand(self, batch_shape: Sequence[int]) -> Pareto:
        """The same distributions in a larger batch."""
        return Pareto(self.scale.expand(tuple(batch_shape)), self.alpha.expand(tuple(batch_shape)), validate_args=False)


class GeneralizedPareto(Distribution):
    """P(X > x) = (1 + c z)^(-1 / c), z = (x - loc) / scale, c = concentration; exp(-z) where c is 0.

    Raises ArgumentError unless scale > 0.
    """

    arg_constraints = {"loc": REAL, "scale": POSITIVE, "concentration": REAL}
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        given = [parameter(p, "GeneralizedPareto") for p in (loc, scale, concentration)]
        shape = broadcast_shapes(*(tuple(p.shape) for p in given), op="GeneralizedPareto")
        self.loc, self.scale, self.concentration = (p.expand(shape) for p in given)
        super().__init__(shape, (), validate_args)

    @dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Constraint:
        """From loc; up to loc - scale / c where c < 0."""
        c = self.concentration
        return interval(self.loc, where(c < 0, self.loc - self.scale / c, math.inf))

    def _split(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration with 1 there."""
        zero = self.concentration.detach().abs() <= 1e-8
        return zero, where(zero, 1.0, self.concentration)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The quantile of a uniform number."""
        return self.icdf(rand(self._extended(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """-log scale - (1 + 1 / c) log(1 + c z)."""
        zero, c = self._split()
        z = (self._checked(value) - self.loc) / self.scale
        power = 1 / c + z.detach() * 0 + 1
        return -self.scale.log() - where(zero, z, where(power == 0, power, power * (c * z).log1p()))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log P(X > x)."""
        zero, c = self._split()
        z = (self._checked(value) - self.loc) / self.scale
        return where(zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log P(X <= x)."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= x)."""
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale ((1 - p)^-c - 1) / c."""
        zero, c = self._split()
        left = (-value).log1p()
        return where(zero, self.loc - self.scale * left, self.loc + self.scale / c * (-c * left).expm1())

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - c); NaN for c >= 1."""
        c = self.concentration
        return where(c < 1, self.loc + self.scale / (1 - where(c < 1, c, 0.5)), math.nan)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale^2 / ((1 - c)^2 (1 - 2 c)); NaN for c >= 1/2."""
        fine = self.concentration < 0.5
        c = where(fine, self.concentration, 0.25)
        return where(fine, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def entropy(self) -> Tensor:
        """log scale + c + 1."""
        return self.scale.log() + self.concentration + 1

    def expand(self, batch_shape: Sequence[int]) -> GeneralizedPareto:
        """The same distributions in a larger batch."""
        s = tuple(batch_shape)
        return GeneralizedPareto(self.loc.expand(s), self.scale.expand(s), self.concentration.expand(s), False)
