"""A mixture: a component is drawn, then a value of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.constraints import MixtureSameFamilyConstraint, dependent_property
from cutaway.distributions.distribution import Distribution


class MixtureSameFamily(Distribution):
    """`mixture_distribution`, a Categorical of batch shape [..] over K, chooses among the last batch dimension [.., K] of
    `component_distribution`.

    Raises ArgumentError for what are no such distributions, ShapeError where shapes disagree.
    """

    def __init__(
        self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ArgumentError("MixtureSameFamily: mixture_distribution must be a Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ArgumentError("MixtureSameFamily: component_distribution must be a Distribution")
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        chosen, made = tuple(mixture_distribution.batch_shape), tuple(component_distribution.batch_shape)
        if not made or any(a != b and a != 1 and b != 1 for a, b in zip(chosen, made[:-1], strict=False)):
            raise ShapeError(f"MixtureSameFamily: weights of batch {list(chosen)} for components of batch {list(made)}")
        k = mixture_distribution.logits.shape[-1]
        if k != made[-1]:
            raise ShapeError(f"MixtureSameFamily: {k} weights for {made[-1]} components")
        self._dim = -1 - len(component_distribution.event_shape)
        super().__init__(made[:-1], component_distribution.event_shape, validate_args)

    @dependent_property
    def support(self) -> Any:
        """That of the components."""
        return MixtureSameFamilyConstraint(self.component_distribution.support)

    def _weights(self) -> Tensor:
        """The probabilities [.., K, 1 ...], to go with values of the components."""
        p = self.mixture_distribution.probs
        return p.reshape((*p.shape, *[1] * len(self.event_shape)))

    @property
    def mean(self) -> Tensor:
        """sum p_k mean_k."""
        return (self._weights() * self.component_distribution.mean).sum(self._dim)

    @property
    def variance(self) -> Tensor:
        """The mean variance, and the variance of the means."""
        p, means = self._weights(), self.component_distribution.mean
        within = (p * self.component_distribution.variance).sum(self._dim)
        return within + (p * (means - self.mean.unsqueeze(self._dim)).pow(2.0)).sum(self._dim)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Of each component a draw, and the chosen one of them."""
        with no_grad():
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            at = chosen.reshape((*chosen.shape, *[1] * (1 + len(self.event_shape))))
            dim = len(tuple(sample_shape)) + len(self.batch_shape)
            at = at.expand((*drawn.shape[:dim], 1, *self.event_shape))
            return drawn.gather(dim, at).squeeze(dim)

    def log_prob(self, value: Tensor) -> Tensor:
        """log sum exp(log p_k + log density_k)."""
        x = self._padded(value)
        logs = self.component_distribution.log_prob(x)
        return (logs + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def cdf(self, value: Tensor) -> Tensor:
        """sum p_k F_k."""
        return (self.component_distribution.cdf(self._padded(value)) * self.mixture_distribution.probs).sum(-1)

    def expand(self, batch_shape: Sequence[int]) -> MixtureSameFamily:
        """The same distributions in a larger batch."""
        shape = tuple(batch_shape)
        k = self.component_distribution.batch_shape[-1]
        return MixtureSameFamily(
            self.mixture_distribution.expand(shape), self.component_distribution.expand((*shape, k)), validate_args=False
        )  # type: ignore[arg-type]

    def _padded(self, value: Tensor) -> Tensor:
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(f"MixtureSameFamily: a value must be a Tensor, got {type(value).__name__}")
        return value.unsqueeze(self._dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
