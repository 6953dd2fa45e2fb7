"""The geometric distribution: how many failures come before the first success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import empty, zeros_like
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import log_odds
from cutaway.distributions.constraints import nonnegative_integer
from cutaway.distributions.distribution import PROBABILITY, REAL, Distribution, computed_once, either, parameter
from cutaway.functional import binary_cross_entropy_with_logits

SMALLEST = {"float16": 2.0**-14, "float32": 2.0**-126, "float64": 2.0**-1022}  # above 0, without loss of digits


class Geometric(Distribution):
    """Probability (1 - p)^k p of k = 0, 1, 2, ...  `Geometric(probs)` or `Geometric(logits=...)`.

    Raises ArgumentError unless exactly one is given, and unless 0 < p <= 1.
    """

    arg_constraints = {"probs": PROBABILITY, "logits": REAL}
    support = nonnegative_integer  # type: ignore[assignment]

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        either("Geometric", probs, logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        self._given = self.__dict__[name] = parameter(given, "Geometric")
        super().__init__(self._given.shape, (), validate_args)
        if self._validate_args and probs is not None and STAGE.get() is None and not bool((self.probs > 0).all()):
            raise ArgumentError("Geometric: probs must be above 0; with 0 the first success never comes")

    @computed_once
    def probs(self) -> Tensor:
        """The probability of success."""
        return self.logits.sigmoid()

    @computed_once
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return log_odds(self.probs)

    @property
    def mean(self) -> Tensor:
        """1 / p - 1."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        """0."""
        return zeros_like(self.probs)  # type: ignore[no-any-return]

    @property
    def variance(self) -> Tensor:
        """(1 / p - 1) / p."""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Whole numbers, in the dtype of the parameter."""
        shape = self._extended(sample_shape)
        with no_grad():
            u: Tensor = empty(shape, dtype=self.probs.dtype).uniform_().clamp(min=SMALLEST[self.probs.dtype.name])
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """k log(1 - p) + log p."""
        x = self._checked(value)
        p = self.probs + x * 0
        p = where((p == 1) & (x == 0), p * 0, p)
        return x * (-p).log1p() + (self.probs + x * 0).log()

    def entropy(self) -> Tensor:
        """(-p log p - (1 - p) log(1 - p)) / p."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs

    def expand(self, batch_shape: Sequence[int]) -> Geometric:
        """The same distributions in a larger batch."""
        name = "probs" if self.__dict__.get("probs") is self._given else "logits"
        return Geometric(**{name: self._given.expand(tuple(batch_shape))}, validate_args=False)
