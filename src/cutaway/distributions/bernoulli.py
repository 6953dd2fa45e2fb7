"""The Bernoulli distribution: 1 with probability p, else 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import tensor
from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.distributions.distribution import (
    BOOLEAN,
    PROBABILITY,
    REAL,
    computed_once,
    either,
    parameter,
)
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.functional import binary_cross_entropy_with_logits


class Bernoulli(ExponentialFamily):
    """`Bernoulli(probs)` or `Bernoulli(logits=...)`, log(p / (1 - p)).

    Raises ArgumentError unless exactly one is given, or for a probability outside [0, 1].
    """

    arg_constraints = {"probs": PROBABILITY, "logits": REAL}
    support = BOOLEAN  # type: ignore[assignment]
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        either("Bernoulli", probs, logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        self._given = self.__dict__[name] = parameter(given, "Bernoulli")
        super().__init__(self._given.shape, (), validate_args)

    @computed_once
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self.logits.sigmoid()

    @computed_once
    def logits(self) -> Tensor:
        """log(p / (1 - p)), with p kept a rounding away from 0 and 1."""
        return log_odds(self.probs)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._given.shape

    @property
    def mean(self) -> Tensor:
        """p."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The likelier of 0 and 1; NaN where they are equally likely."""
        return where(
            self.probs == 0.5, tensor(math.nan, dtype=self.probs.dtype), (self.probs > 0.5).to(self.probs.dtype)
        )

    @property
    def variance(self) -> Tensor:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Zeros and ones, in the dtype of the parameter."""
        shape = self._extended(sample_shape)
        with no_grad():
            return self.probs.expand(shape).bernoulli()

    def log_prob(self, value: Tensor) -> Tensor:
        """log p at 1, log(1 - p) at 0."""
        x = self._checked(value).to(self._given.dtype)
        shape = (x + self.logits.detach()).shape
        return -binary_cross_entropy_with_logits(self.logits.expand(shape), x.expand(shape), reduction="none")

    def entropy(self) -> Tensor:
        """-p log p - (1 - p) log(1 - p)."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1, along the first dimension."""
        values = tensor([0.0, 1.0], dtype=self._given.dtype).reshape(2, *[1] * len(self.batch_shape))
        return values.expand(2, *self.batch_shape) if expand else values

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.probs.logit(),)

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        return natural[0].exp().log1p()

    def expand(self, batch_shape: Sequence[int]) -> Bernoulli:
        """The same distributions in a larger batch."""
        name = "probs" if self.__dict__.get("probs") is self._given else "logits"
        return Bernoulli(**{name: self._given.expand(tuple(batch_shape))}, validate_args=False)


def log_odds(p: Tensor) -> Tensor:
    """log(p / (1 - p)), finite for p = 0 and p = 1."""
    tiny = EPSILON[p.dtype.name]
    q = p.clamp(tiny, 1 - tiny)
    return q.log() - (-q).log1p()


EPSILON = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
