"""Distributions of counts: Poisson, binomial, negative binomial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core import random
from cutaway.core.aval import broadcast_shapes
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError, TraceError
from cutaway.core.functions import arange, from_numpy
from cutaway.core.random import Generator
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import log_odds
from cutaway.distributions.constraints import (
    Constraint,
    dependent_property,
    half_open_interval,
    integer_interval,
    nonnegative,
    nonnegative_integer,
)
from cutaway.distributions.distribution import PROBABILITY, REAL, Distribution, computed_once, either, parameter
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.distributions.gamma import Gamma, x_log_y
from cutaway.functional import softplus
from cutaway.functional._check import floating, is_tensor, known

BELOW_ONE = half_open_interval(0, 1)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers of the rates input[...] >= 0, in their dtype, without history.  Raises ArgumentError, TraceError."""
    is_tensor("poisson", input=input)
    rates = known(input.detach())
    if rates is None:
        raise TraceError("poisson: numbers are drawn one by one; draw them outside the compiled function")
    if not ((rates >= 0) & (rates < np.inf)).all():
        raise ArgumentError("poisson: a rate must be 0 or more, and finite")
    return from_numpy(random.poisson(rates, generator))  # type: ignore[no-any-return]


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Successes in count[...] trials of probability prob[...], broadcast, without history.

    Raises DTypeError for integer counts, ShapeError, TraceError.
    """
    is_tensor("binomial", count=count, prob=prob)
    floating("binomial", count)
    broadcast_shapes(tuple(count.shape), tuple(prob.shape), op="binomial")
    n, p = known(count.detach()), known(prob.detach())
    if n is None or p is None:
        raise TraceError("binomial: numbers are drawn one by one; draw them outside the compiled function")
    n, p = np.broadcast_arrays(n, p)
    return from_numpy(random.binomial(n, p, generator))  # type: ignore[no-any-return]


class Poisson(ExponentialFamily):
    """Probability rate^k exp(-rate) / k! of k = 0, 1, 2, ...  Raises ArgumentError unless rate >= 0."""

    arg_constraints = {"rate": nonnegative}
    support = nonnegative_integer  # type: ignore[assignment]

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self.rate = parameter(rate, "Poisson")
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """rate."""
        return self.rate

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The rate, rounded down."""
        return self.rate.floor()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Whole numbers, in the dtype of the rate."""
        return poisson(self.rate.expand(self._extended(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """k log rate - rate - log k!."""
        x = self._checked(value)
        return x_log_y(x, self.rate + x * 0) - self.rate - (x + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.rate.log(),)

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        return natural[0].exp()

    def expand(self, batch_shape: Sequence[int]) -> Poisson:
        """The same distributions in a larger batch."""
        return Poisson(self.rate.expand(tuple(batch_shape)), validate_args=False)


class _Trials(Distribution):
    """What both binomials share: total_count, and probs or logits."""

    arg_constraints = {"total_count": nonnegative_integer, "probs": PROBABILITY, "logits": REAL}

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        op = type(self).__name__
        either(op, probs, logits)
        name, given = ("probs", parameter(probs, op)) if probs is not None else ("logits", parameter(logits, op))
        count = total_count if isinstance(total_count, Tensor) else parameter(float(total_count), op)
        shape = broadcast_shapes(tuple(count.shape), tuple(given.shape), op=op)
        self.total_count = count.to(given.dtype).expand(shape)
        self._given = self.__dict__[name] = given.expand(shape)
        super().__init__(shape, (), validate_args)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._given.shape

    @computed_once
    def probs(self) -> Tensor:
        """The probability of success."""
        return self.logits.sigmoid()

    @computed_once
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return log_odds(self.probs)

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distributions in a larger batch."""
        name = "probs" if self.__dict__.get("probs") is self._given else "logits"
        shape = tuple(batch_shape)
        return type(self)(self.total_count.expand(shape), **{name: self._given.expand(shape)}, validate_args=False)


class Binomial(_Trials):
    """The number of successes in total_count trials.  `Binomial(total_count, probs)` or `Binomial(n, logits=...)`.

    Raises ArgumentError unless exactly one is given, for a count that is negative or not whole, and for p outside 0 .. 1.
    """

    has_enumerate_support = True

    @dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Constraint:
        """0 .. total_count."""
        return integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """n p."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """(n + 1) p, rounded down."""
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Whole numbers, in the dtype of the parameter."""
        shape = self._extended(sample_shape)
        return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log n! - log k! - log (n - k)! + k z - n log(1 + e^z), z = logits."""
        x, n, z = self._checked(value), self.total_count, self.logits
        spread = n * (z + z.abs()) / 2 + n * (-z.abs()).exp().log1p() - (n + 1).lgamma()
        return x * z - (x + 1).lgamma() - (n - x + 1).lgamma() - spread

    def entropy(self) -> Tensor:
        """By the sum over all values.  Raises ArgumentError where counts differ."""
        values = self.enumerate_support(False)
        logs = self.log_prob(values)
        return -(logs.exp() * logs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 .. n along the first dimension.  Raises ArgumentError where counts differ."""
        most = int(self.total_count.max())
        if int(self.total_count.min()) != most:
            raise ArgumentError("Binomial.enumerate_support: the counts must be equal")
        values: Tensor = arange(1 + most, dtype=self._given.dtype).reshape(-1, *[1] * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class NegativeBinomial(_Trials):
    """The number of successes before `total_count` failures; total_count need not be whole.

    Raises ArgumentError unless exactly one of probs and logits is given, for a negative count, and unless 0 <= p < 1.
    """

    arg_constraints = {"total_count": nonnegative, "probs": BELOW_ONE, "logits": REAL}
    support = nonnegative_integer  # type: ignore[assignment]

    @property
    def mean(self) -> Tensor:
        """n p / (1 - p)."""
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """(n - 1) p / (1 - p), rounded down, at least 0."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """n p / (1 - p)^2."""
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Poisson numbers of rates that are gamma numbers."""
        rates = Gamma(self.total_count.detach(), (-self.logits.detach()).exp(), validate_args=False).sample(sample_shape)
        return poisson(rates)

    def log_prob(self, value: Tensor) -> Tensor:
        """n log(1 - p) + k log p + log Gamma(n + k) - log k! - log Gamma(n)."""
        x, n, z = self._checked(value), self.total_count, self.logits
        chance = n * -softplus(z) + x * -softplus(-z)
        norm = -(n + x).lgamma() + (x + 1.0).lgamma() + n.lgamma()
        return chance - where(n + x == 0.0, 0.0, norm)
