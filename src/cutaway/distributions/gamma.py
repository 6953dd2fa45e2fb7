"""The gamma distribution: a sum of exponential waiting times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core import random
from cutaway.core.autograd import is_grad_enabled
from cutaway.core.derived import where
from cutaway.core.errors import TraceError
from cutaway.core.functions import from_numpy
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import nonnegative
from cutaway.distributions.distribution import POSITIVE, both
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.functional._check import known


class Gamma(ExponentialFamily):
    """Density rate^c x^(c - 1) exp(-rate x) / Gamma(c), c = concentration.  Numbers or Tensors that broadcast.

    Raises ArgumentError unless both are above 0.
    """

    arg_constraints = {"concentration": POSITIVE, "rate": POSITIVE}
    support = nonnegative  # type: ignore[assignment]

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = both("Gamma", concentration, rate)
        super().__init__(self.concentration.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """c / rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(c - 1) / rate, at least 0."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """c / rate^2."""
        return self.concentration / self.rate.pow(2)

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws whose gradients are implicit (core/topics/implicit.py)."""
        shape = self._extended(sample_shape)
        return gamma_draw(self.concentration.expand(shape)) / self.rate.expand(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """c log rate + (c - 1) log x - rate x - log Gamma(c)."""
        x, c = self._checked(value), self.concentration
        return x_log_y(c, self.rate) + x_log_y(c - 1, x) - self.rate * x - c.lgamma()

    def entropy(self) -> Tensor:
        """c - log rate + log Gamma(c) + (1 - c) digamma(c)."""
        c = self.concentration
        return c - self.rate.log() + c.lgamma() + (1.0 - c) * c.digamma()

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        x, y = natural
        return (x + 1).lgamma() + (x + 1) * (-y.reciprocal()).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The regularised incomplete gamma function P(c, rate x)."""
        return self.concentration.igamma(self.rate * self._checked(value))  # type: ignore[no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> Gamma:
        """The same distributions in a larger batch."""
        shape = tuple(batch_shape)
        return Gamma(self.concentration.expand(shape), self.rate.expand(shape), validate_args=False)


def standard_gamma(concentration: Tensor) -> Tensor:
    """Gamma numbers of rate 1, PyTorch's of the same seed.  Raises TraceError while a program is traced."""
    shapes = known(concentration)
    if shapes is None:
        raise TraceError("Gamma.sample: numbers are drawn one by one; draw them outside the compiled function")
    return from_numpy(random.standard_gamma(shapes))  # type: ignore[no-any-return]


def gamma_draw(concentration: Tensor) -> Tensor:
    """`standard_gamma`, with the gradient towards the concentration."""
    drawn = standard_gamma(concentration.detach())
    if not (concentration.requires_grad and is_grad_enabled()):
        return drawn
    from cutaway.core.topics.implicit import GammaDraw

    return GammaDraw.apply(concentration, drawn._data)  # type: ignore[no-any-return]


def x_log_y(x: Tensor, y: Tensor) -> Tensor:
    """x log y, and 0 where x is 0."""
    zero = x == 0
    return where(zero, 0.0, x * where(zero, 1.0, y).log())
