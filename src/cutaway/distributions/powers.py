"""Distributions of powers: Weibull's, Kumaraswamy's, and that of one divided by a gamma number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.creation import ones_like, zeros_like
from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.distributions.distribution import POSITIVE, PROBABILITY, both
from cutaway.distributions.exponential import Exponential
from cutaway.distributions.gamma import Gamma
from cutaway.distributions.pointwise import AffineTransform, PowerTransform
from cutaway.distributions.transformed import EULER, TransformedDistribution
from cutaway.distributions.uniform import Uniform


class Weibull(TransformedDistribution):
    """P(X > x) = exp(-(x / scale)^c), c = concentration.  Raises ArgumentError unless both are above 0."""

    arg_constraints = {"scale": POSITIVE, "concentration": POSITIVE}
    support = POSITIVE  # type: ignore[assignment]

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = both("Weibull", scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        steps = [PowerTransform(self.concentration_reciprocal), AffineTransform(0, self.scale)]
        super().__init__(Exponential(ones_like(self.scale), validate_args), steps, validate_args)

    @property
    def mean(self) -> Tensor:
        """scale Gamma(1 + 1 / c)."""
        return self.scale * (1 + self.concentration_reciprocal).lgamma().exp()

    @property
    def mode(self) -> Tensor:
        """scale (1 - 1 / c)^(1 / c)."""
        return self.scale * ((self.concentration - 1) / self.concentration) ** self.concentration.reciprocal()

    @property
    def variance(self) -> Tensor:
        """scale^2 (Gamma(1 + 2 / c) - Gamma(1 + 1 / c)^2)."""
        r = self.concentration_reciprocal
        return self.scale.pow(2) * ((1 + 2 * r).lgamma().exp() - (2 * (1 + r).lgamma()).exp())

    def entropy(self) -> Tensor:
        """0.5772 (1 - 1 / c) + log(scale / c) + 1."""
        r = self.concentration_reciprocal
        return EULER * (1 - r) + (self.scale * r).log() + 1

    def expand(self, batch_shape: Sequence[int]) -> Weibull:
        """The same distributions in a larger batch."""
        s = tuple(batch_shape)
        return Weibull(self.scale.expand(s), self.concentration.expand(s), validate_args=False)


class Kumaraswamy(TransformedDistribution):
    """P(X <= x) = 1 - (1 - x^a)^b from 0 to 1, a = concentration1, b = concentration0: much as a beta distribution.

    Raises ArgumentError unless both are above 0.
    """

    arg_constraints = {"concentration1": POSITIVE, "concentration0": POSITIVE}
    support = PROBABILITY  # type: ignore[assignment]
    has_rsample = True  # type: ignore[assignment]

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = both("Kumaraswamy", concentration1, concentration0)
        base = Uniform(zeros_like(self.concentration0), ones_like(self.concentration0), validate_args)
        steps = [
            PowerTransform(self.concentration0.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        super().__init__(base, steps, validate_args)

    def _moment(self, n: int) -> Tensor:
        """b B(1 + n / a, b)."""
        a, b = 1 + n / self.concentration1, self.concentration0
        return b * (a.lgamma() + b.lgamma() - (a + b).lgamma()).exp()

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1 / a, b)."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """((a - 1) / (a b - 1))^(1 / a) in PyTorch's form; NaN where a or b is below 1."""
        a, b = self.concentration1, self.concentration0
        log = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        return where((b < 1) | (a < 1), math.nan, log).exp()

    @property
    def variance(self) -> Tensor:
        """The second moment minus the square of the first."""
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        """1 - 1 / b + (1 - 1 / a) (digamma(b + 1) + 0.5772) - log(a b)."""
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + EULER
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()

    def expand(self, batch_shape: Sequence[int]) -> Kumaraswamy:
        """The same distributions in a larger batch."""
        s = tuple(batch_shape)
        return Kumaraswamy(self.concentration1.expand(s), self.concentration0.expand(s), validate_args=False)


class InverseGamma(TransformedDistribution):
    """1 / x of a gamma number x.  Raises ArgumentError unless concentration and rate are above 0."""

    arg_constraints = {"concentration": POSITIVE, "rate": POSITIVE}
    support = POSITIVE  # type: ignore[assignment]
    has_rsample = True  # type: ignore[assignment]
    base_dist: Gamma

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args)

    @property
    def concentration(self) -> Tensor:
        """c, of the gamma number."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The rate of the gamma number, the scale of this."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        """rate / (c - 1); infinite for c <= 1."""
        return where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        """rate / (c + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        """rate^2 / ((c - 1)^2 (c - 2)); infinite for c <= 2."""
        c = self.concentration
        return where(c > 2, self.rate.square() / ((c - 1).square() * (c - 2)), math.inf)

    def entropy(self) -> Tensor:
        """c + log rate + log Gamma(c) - (1 + c) digamma(c)."""
        c = self.concentration
        return c + self.rate.log() + c.lgamma() - (1 + c) * c.digamma()

    def expand(self, batch_shape: Sequence[int]) -> InverseGamma:
        """The same distributions in a larger batch."""
        s = tuple(batch_shape)
        return InverseGamma(self.concentration.expand(s), self.rate.expand(s), validate_args=False)
