"""Choices with a gradient: softmax of logits and Gumbel noise (Jang et al. 2017; Maddison et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.functions import full_like, rand
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import EPSILON, Bernoulli
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.constraints import simplex
from cutaway.distributions.distribution import PROBABILITY, Distribution, parameter


class RelaxedOneHotCategorical(Distribution):
    """Vectors x[.., K] that sum to 1, nearer to a corner the lower the temperature.  Arguments as of Categorical."""

    support = simplex  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        self.temperature = parameter(temperature, "RelaxedOneHotCategorical")
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    @property
    def probs(self) -> Tensor:
        """The classes' probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """[.., K]."""
        return self._categorical.param_shape

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """softmax((logits + g) / temperature), g of Gumbel's distribution."""
        u = _inside(rand(self._extended(sample_shape), dtype=self.logits.dtype))
        scores = (self.logits + -((-(u.log())).log())) / self.temperature
        return (scores - scores.logsumexp(-1, keepdim=True)).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density (Maddison et al., equation 10)."""
        x = self._checked(value).log()
        k = self.event_shape[0]
        scale = full_like(self.temperature, float(k)).lgamma() - self.temperature.log() * -(k - 1)
        score = self.logits - x * self.temperature
        return (score - score.logsumexp(-1, keepdim=True)).sum(-1) + scale - x.sum(-1)

    def expand(self, batch_shape: Sequence[int]) -> RelaxedOneHotCategorical:
        """The same distributions in a larger batch."""
        logits = self.logits.expand((*batch_shape, *self.event_shape))
        return RelaxedOneHotCategorical(self.temperature, logits=logits, validate_args=False)


class RelaxedBernoulli(Distribution):
    """Numbers between 0 and 1, nearer to these the lower the temperature.  Arguments as of Bernoulli."""

    support = PROBABILITY  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._bernoulli = Bernoulli(probs, logits, validate_args)
        self.temperature = parameter(temperature, "RelaxedBernoulli")
        super().__init__(self._bernoulli.batch_shape, (), validate_args)

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self._bernoulli.probs

    @property
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return self._bernoulli.logits

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._bernoulli.param_shape

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """sigmoid((log(u / (1 - u)) + logits) / temperature)."""
        shape = self._extended(sample_shape)
        p = _inside(self.probs.expand(shape))
        u = _inside(rand(shape, dtype=self.probs.dtype))
        return ((u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature).sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        x = _inside(self._checked(value))
        z = x.log() - (-x).log1p()
        d = self.logits - z * self.temperature
        density = self.temperature.log() + d - 2 * d.exp().log1p()
        return density - (x.log() + (-x).log1p())

    def expand(self, batch_shape: Sequence[int]) -> RelaxedBernoulli:
        """The same distributions in a larger batch."""
        return RelaxedBernoulli(self.temperature, logits=self.logits.expand(tuple(batch_shape)), validate_args=False)


def _inside(p: Tensor) -> Tensor:
    """p, away from 0 and 1 by a rounding."""
    tiny = EPSILON[p.dtype.name]
    return p.clamp(tiny, 1 - tiny)
