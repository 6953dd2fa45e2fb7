"""The multinomial distribution: how often each class was drawn in a number of draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import ones_like, tensor
from cutaway.core.derived import where
from cutaway.core.errors import NotWritten
from cutaway.core.tensor import Tensor
from cutaway.distributions.categorical import Categorical, OfClasses
from cutaway.distributions.constraints import Constraint, dependent_property, multinomial, real_vector, simplex
from cutaway.distributions.counts import Binomial


class Multinomial(OfClasses):
    """Counts [.., K] of total_count draws.  `Multinomial(n, probs)` or `Multinomial(n, logits=...)`, [.., K].

    Raises what Categorical raises, and NotWritten for a total_count that is no int.
    """

    arg_constraints = {"probs": simplex, "logits": real_vector}

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotWritten(f"Multinomial: total_count must be one int for all, got {type(total_count).__name__}")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    @dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Constraint:
        """Counts of at most total_count in all."""
        return multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        """n p."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of the classes, counted."""
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
            counts = drawn.new_zeros(self._extended(sample_shape)).scatter_add(-1, drawn, ones_like(drawn))
            return counts.to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log n! - sum log k! + sum k log p."""
        x = self._checked(value)
        z = self.logits + x.detach() * 0
        z = where((x == 0) & (z == -float("inf")), 0.0, z)
        return (x.sum(-1) + 1).lgamma() - (x + 1).lgamma().sum(-1) + (z * x).sum(-1)

    def entropy(self) -> Tensor:
        """n times that of a class, minus log n!, and what the binomial counts of the classes add."""
        n = tensor(self.total_count)
        counts = Binomial(self.total_count, self.probs, validate_args=False)
        values = counts.enumerate_support(expand=False)[1:]
        spread = (counts.log_prob(values).exp() * (values + 1).lgamma()).sum((0, -1))
        return n * self._categorical.entropy() - (n + 1).lgamma() + spread  # type: ignore[no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> Multinomial:
        """The same distributions in a larger batch."""
        inner = self._categorical.expand(batch_shape)
        name = "probs" if inner.__dict__.get("probs") is inner._given else "logits"
        return Multinomial(self.total_count, **{name: inner._given}, validate_args=False)
