"""Distributions folded at 0: the absolute value of a normal and of a Cauchy number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import nonnegative
from cutaway.distributions.distribution import POSITIVE, parameter
from cutaway.distributions.normal import Normal
from cutaway.distributions.pointwise import AbsTransform
from cutaway.distributions.tails import Cauchy
from cutaway.distributions.transformed import TransformedDistribution


class _Half(TransformedDistribution):
    """|x| of an x that is as likely as -x."""

    arg_constraints = {"scale": POSITIVE}
    support = nonnegative  # type: ignore[assignment]
    has_rsample = True  # type: ignore[assignment]
    of: Any

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        s = parameter(scale, type(self).__name__)
        super().__init__(self.of(s.detach() * 0, s, validate_args=False), AbsTransform(), validate_args)

    @property
    def scale(self) -> Tensor:
        """That of x."""
        return self.base_dist.scale  # type: ignore[attr-defined, no-any-return]

    @property
    def mode(self) -> Tensor:
        """0."""
        return self.scale.detach() * 0

    def log_prob(self, value: Tensor) -> Tensor:
        """That of x, and log 2; -inf below 0."""
        x = self._checked(value)
        return where(x >= 0, self.base_dist.log_prob(x) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """2 F(x) - 1."""
        return 2 * self.base_dist.cdf(self._checked(value)) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """Of (p + 1) / 2."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """Less by log 2."""
        return self.base_dist.entropy() - math.log(2)

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distributions in a larger batch."""
        return type(self)(self.scale.expand(tuple(batch_shape)), validate_args=False)


class HalfNormal(_Half):
    """|x| of a normal x of mean 0.  Raises ArgumentError unless scale > 0."""

    of = Normal

    @property
    def mean(self) -> Tensor:
        """scale sqrt(2 / pi)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        """scale^2 (1 - 2 / pi)."""
        return self.scale.pow(2) * (1 - 2 / math.pi)


class HalfCauchy(_Half):
    """|x| of a Cauchy number x around 0.  Raises ArgumentError unless scale > 0."""

    of = Cauchy

    @property
    def mean(self) -> Tensor:
        """Infinite."""
        return self.scale.detach() * 0 + math.inf

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return self.base_dist.variance
