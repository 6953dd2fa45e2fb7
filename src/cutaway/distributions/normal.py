"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import normal, randn
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor
from cutaway.distributions.densities import normal_log_prob
from cutaway.distributions.distribution import POSITIVE, REAL, parameter
from cutaway.distributions.exponential_family import ExponentialFamily


class Normal(ExponentialFamily):
    """Density exp(-(x - loc)^2 / (2 scale^2)) / (scale sqrt(2 pi)).  loc, scale: numbers or Tensors that broadcast.

    Raises ArgumentError unless scale > 0.
    """

    arg_constraints = {"loc": REAL, "scale": POSITIVE}
    support = REAL  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        a, b = parameter(loc, "Normal"), parameter(scale, "Normal")
        shape = broadcast_shapes(tuple(a.shape), tuple(b.shape), op="Normal")
        self.loc, self.scale = a.expand(shape), b.expand(shape)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    mode = mean

    @property
    def stddev(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale^2."""
        return self.scale.pow(2)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws without history."""
        shape = self._extended(sample_shape)
        with no_grad():
            if STAGE.get() is not None:
                return self.rsample(sample_shape)
            return normal(self.loc.expand(shape), self.scale.expand(shape))  # type: ignore[no-any-return]

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale e, where e is standard normal."""
        return self.loc + randn(self._extended(sample_shape), dtype=self.loc.dtype) * self.scale  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """-(x - loc)^2 / (2 scale^2) - log scale - log sqrt(2 pi)."""
        return normal_log_prob(self._checked(value), self.loc, self.scale)

    def entropy(self) -> Tensor:
        """1/2 + log(2 pi) / 2 + log scale."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        """(1 + erf((x - loc) / (scale sqrt 2))) / 2."""
        return 0.5 * (1 + ((self._checked(value) - self.loc) * self.scale.reciprocal() / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale sqrt(2) erfinv(2 p - 1)."""
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.loc / self.scale.pow(2), -0.5 * self.scale.pow(2).reciprocal()

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        x, y = natural
        return -0.25 * x.pow(2) / y + 0.5 * (-math.pi / y).log()

    def expand(self, batch_shape: Sequence[int]) -> Normal:
        """The same distributions in a larger batch."""
        return Normal(self.loc.expand(tuple(batch_shape)), self.scale.expand(tuple(batch_shape)), validate_args=False)
