"""The categorical distribution: class i of K with probability p_i."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.aval import broadcast_shapes, numel
from cutaway.core.creation import arange, full
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import dependent_property, integer_interval, real_vector, simplex
from cutaway.distributions.densities import chosen, class_entropy, class_log_prob, class_logits, normalized
from cutaway.distributions.distribution import Check, Distribution, computed_once, either


class Categorical(Distribution):
    """`Categorical(probs)`, probs[.., K] of any positive sum, or `Categorical(logits=...)`, logits[.., K] up to a constant.

    A draw is the number of a class, int64.
    Raises ArgumentError unless exactly one is given, for a scalar, and for negative or non-finite weights.
    """

    arg_constraints = {"probs": simplex, "logits": real_vector}
    has_enumerate_support = True
    _asked = False  # for a log_prob

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        either("Categorical", probs, logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        if not isinstance(given, Tensor):
            raise ArgumentTypeError(
                f"Categorical: {name} must be a Tensor, got {type(given).__name__}; wrap it with cutaway.tensor(...)"
            )
        if not given.ndim:
            raise ArgumentError(f"Categorical: {name} must have at least one dimension, the classes")
        if name == "probs":
            self.__dict__["probs"] = normalized(given)
        else:
            self.__dict__["logits"] = given - given.logsumexp(-1, keepdim=True)
        self._given = self.__dict__[name]
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], (), validate_args)

    @dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Check:
        """The numbers of the classes."""
        return integer_interval(0, self._num_events - 1)

    @computed_once
    def probs(self) -> Tensor:
        """The classes' probabilities [.., K]."""
        return self.logits.softmax(-1)

    @computed_once
    def logits(self) -> Tensor:
        """The logarithms of the probabilities [.., K], finite for a probability of 0."""
        return class_logits(self.probs)

    @property
    def param_shape(self) -> Any:
        """[.., K]."""
        return self._given.shape

    @property
    def mean(self) -> Tensor:
        """NaN: classes have no order."""
        return full(self.batch_shape, math.nan, dtype=self._given.dtype)  # type: ignore[no-any-return]

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The likeliest class."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Numbers of classes, int64[sample_shape, batch_shape]."""
        shape = self._extended(sample_shape)
        with no_grad():
            p = self.probs.detach()
            rows = p if p.ndim == 2 else p.reshape(-1, self._num_events)
            drawn = rows.multinomial(numel(tuple(sample_shape)), True)
            return (drawn.t() if drawn.shape[1] != 1 else drawn).reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the class `value`."""
        x = self._checked(value).long()
        shape = broadcast_shapes(tuple(x.shape), tuple(self.batch_shape), op="log_prob")
        # A native program does not look whether x is a class.
        at_once = self._validate_args and "logits" not in self.__dict__
        self._asked = True
        rows = self.probs if at_once else self.logits
        if rows.shape[:-1] != shape:
            rows = rows.expand(*shape, self._num_events)
        return (class_log_prob if at_once else chosen)(rows, x if x.shape == shape else x.expand(shape))

    def entropy(self) -> Tensor:
        """-sum p log p; a class of probability 0 adds nothing."""
        return class_entropy(self.probs, self.logits)

    def __repr__(self) -> str:
        """With the logits, too, once a log_prob was asked for: PyTorch's has computed them then."""
        if self._asked:
            _ = self.logits
        return super().__repr__()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 .. K - 1, along the first dimension."""
        values = arange(self._num_events).reshape(-1, *[1] * len(self.batch_shape))
        return values.expand(self._num_events, *self.batch_shape) if expand else values  # type: ignore[no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> Categorical:
        """The same distributions in a larger batch."""
        name = "probs" if self.__dict__.get("probs") is self._given else "logits"
        return Categorical(**{name: self._given.expand(*batch_shape, self._num_events)}, validate_args=False)


class OfClasses(Distribution):
    """A distribution over vectors [K] that a Categorical's classes make."""

    _categorical: Categorical

    @property
    def probs(self) -> Tensor:
        """The classes' probabilities [.., K]."""
        return self._categorical.probs  # type: ignore[no-any-return]

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits  # type: ignore[no-any-return]

    @property
    def param_shape(self) -> Any:
        """[.., K]."""
        return self._categorical.param_shape
