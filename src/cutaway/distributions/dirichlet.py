"""The Dirichlet distribution of vectors that sum to 1, and the beta distribution, its case of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import is_grad_enabled
from cutaway.core.derived import stack, where
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.distributions.constraints import independent, positive, simplex
from cutaway.distributions.distribution import POSITIVE, PROBABILITY, both
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.distributions.gamma import standard_gamma, x_log_y
from cutaway.distributions.geometric import SMALLEST
from cutaway.functional import one_hot

EVERY_POSITIVE = independent(positive, 1)


class Dirichlet(ExponentialFamily):
    """Density proportional to the product of x_i^(c_i - 1).  concentration[.., K].

    Raises ArgumentError unless all c_i are above 0, or for a scalar.
    """

    arg_constraints = {"concentration": EVERY_POSITIVE}
    support = simplex  # type: ignore[assignment]

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ArgumentError("Dirichlet: concentration must have at least one dimension, that of the vectors")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Tensor:
        """c_i / sum c."""
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        """(c_i - 1) / sum (c - 1), with negative terms as 0; the likeliest corner where all c_i are below 1."""
        above = (self.concentration - 1).clamp(min=0.0)
        inside = above / above.sum(-1, keepdim=True)
        corner = (self.concentration < 1).all(-1, keepdim=True)
        return where(corner, one_hot(inside.argmax(-1), self.event_shape[0]).to(inside.dtype), inside)

    @property
    def variance(self) -> Tensor:
        """c_i (sum c - c_i) / ((sum c)^2 (sum c + 1))."""
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Gamma numbers divided by their sum; gradients are implicit (core/topics/implicit.py)."""
        g = standard_gamma(self.concentration.detach().double().expand(self._extended(sample_shape)))
        x = (g / g.sum(-1, keepdim=True)).to(self.concentration.dtype)
        x = x.clamp(min=SMALLEST[x.dtype.name], max=1.0)
        if not (self.concentration.requires_grad and is_grad_enabled()):
            return x
        from cutaway.core.topics.implicit import DirichletDraw

        return DirichletDraw.apply(self.concentration.expand(x.shape), x._data)  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        """sum (c_i - 1) log x_i + log Gamma(sum c) - sum log Gamma(c_i)."""
        x, c = self._checked(value), self.concentration
        return x_log_y(c - 1.0, x).sum(-1) + c.sum(-1).lgamma() - c.lgamma().sum(-1)

    def entropy(self) -> Tensor:
        """sum log Gamma(c_i) - log Gamma(s) - (K - s) digamma(s) - sum (c_i - 1) digamma(c_i), s = sum c."""
        c = self.concentration
        total = c.sum(-1)
        edge = (c.shape[-1] - total) * total.digamma()
        return c.lgamma().sum(-1) - total.lgamma() - edge - ((c - 1.0) * c.digamma()).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        return natural[0].lgamma().sum(-1) - natural[0].sum(-1).lgamma()

    def expand(self, batch_shape: Sequence[int]) -> Dirichlet:
        """The same distributions in a larger batch."""
        return Dirichlet(self.concentration.expand((*batch_shape, *self.event_shape)), validate_args=False)


class Beta(ExponentialFamily):
    """Density proportional to x^(a - 1) (1 - x)^(b - 1), a = concentration1, b = concentration0.

    Raises ArgumentError unless both are above 0.
    """

    arg_constraints = {"concentration1": POSITIVE, "concentration0": POSITIVE}
    support = PROBABILITY  # type: ignore[assignment]

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._dirichlet = Dirichlet(stack(both("Beta", concentration1, concentration0), -1), validate_args)
        super().__init__(self._dirichlet.batch_shape, (), validate_args)

    @property
    def concentration1(self) -> Tensor:
        """a."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Tensor:
        """b."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Tensor:
        """a / (a + b)."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        """(a - 1) / (a + b - 2)."""
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        """a b / ((a + b)^2 (a + b + 1))."""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The first of a Dirichlet's pair."""
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """(a - 1) log x + (b - 1) log(1 - x) + log Gamma(a + b) - log Gamma(a) - log Gamma(b)."""
        x = self._checked(value)
        return self._dirichlet.log_prob(stack([x, 1.0 - x], -1))

    def entropy(self) -> Tensor:
        """That of the pair (x, 1 - x)."""
        return self._dirichlet.entropy()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration1, self.concentration0

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        x, y = natural
        return x.lgamma() + y.lgamma() - (x + y).lgamma()

    def expand(self, batch_shape: Sequence[int]) -> Beta:
        """The same distributions in a larger batch."""
        shape = tuple(batch_shape)
        return Beta(self.concentration1.expand(shape), self.concentration0.expand(shape), validate_args=False)
