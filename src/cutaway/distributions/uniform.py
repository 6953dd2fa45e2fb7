"""The uniform distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.creation import rand
from cutaway.core.errors import ArgumentError
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import dependent_property, interval
from cutaway.distributions.distribution import REAL, Check, Distribution, both


class Uniform(Distribution):
    """Density 1 / (high - low) from low to below high.  low, high: numbers or Tensors that broadcast.

    Raises ArgumentError unless low < high.
    """

    arg_constraints = {"low": REAL, "high": REAL}
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = both("Uniform", low, high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate_args and STAGE.get() is None and not bool((self.low < self.high).all()):
            raise ArgumentError("Uniform: low must be below high everywhere")

    @dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Check:
        """From low to high."""
        return interval(self.low.detach(), self.high.detach())

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """NaN: no value is likelier than another."""
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        """(high - low)^2 / 12."""
        return (self.high - self.low).pow(2) / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """low + (high - low) u, where u is uniform from 0 to 1."""
        return self.low + rand(self._extended(sample_shape), dtype=self.low.dtype) * (self.high - self.low)  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(high - low) inside, -inf outside."""
        x = self._checked(value)
        inside = (self.low <= x).to(self.low.dtype) * (self.high > x).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """(x - low) / (high - low), from 0 to 1."""
        return ((self._checked(value) - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Tensor) -> Tensor:
        """low + (high - low) p."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """log(high - low)."""
        return (self.high - self.low).log()

    def expand(self, batch_shape: Sequence[int]) -> Uniform:
        """The same distributions in a larger batch."""
        return Uniform(self.low.expand(tuple(batch_shape)), self.high.expand(tuple(batch_shape)), validate_args=False)
