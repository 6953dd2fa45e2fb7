"""The categorical distribution whose draws are one-hot vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import eye
from cutaway.core.tensor import Tensor
from cutaway.distributions.categorical import Categorical, OfClasses
from cutaway.distributions.constraints import one_hot, real_vector, simplex
from cutaway.functional import one_hot as encode


class OneHotCategorical(OfClasses):
    """`OneHotCategorical(probs)` or `OneHotCategorical(logits=...)`, [.., K]; a draw is a vector of K numbers.

    Raises what Categorical raises.
    """

    arg_constraints = {"probs": simplex, "logits": real_vector}
    support = one_hot  # type: ignore[assignment]
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    @property
    def mean(self) -> Tensor:
        """p."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The likeliest class."""
        return encode(self.probs.argmax(-1), self.event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """One-hot vectors, [sample_shape, batch_shape, K]."""
        with no_grad():
            return encode(self._categorical.sample(sample_shape), self.event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the class whose place holds the 1."""
        return self._categorical.log_prob(self._checked(value).max(-1)[1])

    def entropy(self) -> Tensor:
        """That of the classes."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The K vectors, along the first dimension."""
        n = self.event_shape[0]
        values = eye(n, dtype=self.probs.dtype).reshape(n, *[1] * len(self.batch_shape), n)
        return values.expand(n, *self.batch_shape, n) if expand else values  # type: ignore[no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> OneHotCategorical:
        """The same distributions in a larger batch."""
        inner = self._categorical.expand(batch_shape)
        name = "probs" if inner.__dict__.get("probs") is inner._given else "logits"
        return type(self)(**{name: inner._given}, validate_args=False)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same, whose draws pass gradients on to the probabilities as if they were these (Bengio et al. 2013)."""

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw + p - p, where the first p has a history."""
        p = self.probs
        return self.sample(sample_shape) + (p - p.detach())
