"""The continuous Bernoulli distribution of numbers from 0 to 1 (Loaiza-Ganem & Cunningham 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import rand
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError
from cutaway.core.limits import finfo
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import log_odds
from cutaway.distributions.distribution import PROBABILITY, REAL, computed_once, either, parameter
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.functional import binary_cross_entropy_with_logits


class ContinuousBernoulli(ExponentialFamily):
    """Density proportional to p^x (1 - p)^(1 - x).  `ContinuousBernoulli(probs)` or `ContinuousBernoulli(logits=...)`.

    Between `lims`, around p = 1/2 where formulas divide 0 by 0, their Taylor series are taken.
    Raises ArgumentError unless exactly one is given, and for probs outside 0 .. 1.
    """

    arg_constraints = {"probs": PROBABILITY, "logits": REAL}
    support = PROBABILITY  # type: ignore[assignment]
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        either("ContinuousBernoulli", probs, logits)
        if probs is not None:
            p = parameter(probs, "ContinuousBernoulli")
            if validate_args and STAGE.get() is None and not bool(PROBABILITY.check(p).all()):
                raise ArgumentError("ContinuousBernoulli: probs must be in 0 .. 1; validate_args=False leaves the check out")
            self._given = self.__dict__["probs"] = _inside(p)
        else:
            self._given = self.__dict__["logits"] = parameter(logits, "ContinuousBernoulli")
        self._lims = lims
        super().__init__(self._given.shape, (), validate_args)

    @computed_once
    def probs(self) -> Tensor:
        """p, a rounding away from 0 and 1."""
        return _inside(self.logits.sigmoid())

    @computed_once
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return log_odds(self.probs)

    @property
    def param_shape(self) -> Any:
        """That of the parameter."""
        return self._given.shape

    def _apart(self) -> tuple[Tensor, Tensor]:
        """Where p is not near 1/2, and p with the lower limit elsewhere."""
        outside = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return outside, where(outside, self.probs, self._lims[0])

    def _log_norm(self) -> Tensor:
        """The logarithm of the norming constant."""
        outside, p = self._apart()
        low = p <= 0.5
        stretch = where(low, (-2.0 * where(low, p, 0.0)).log1p(), (2.0 * where(low, 1.0, p) - 1.0).log())
        x = (self.probs - 0.5).pow(2)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return where(outside, ((-p).log1p() - p.log()).abs().log() - stretch, series)

    @property
    def mean(self) -> Tensor:
        """p / (2 p - 1) + 1 / log((1 - p) / p)."""
        outside, p = self._apart()
        x = self.probs - 0.5
        series = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x
        return where(outside, p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log()), series)

    @property
    def variance(self) -> Tensor:
        """p (p - 1) / (1 - 2 p)^2 + 1 / log((1 - p) / p)^2."""
        outside, p = self._apart()
        x = (self.probs - 0.5).pow(2)
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x
        return where(outside, p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / ((-p).log1p() - p.log()).pow(2), series)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The quantile of a uniform number."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The same, with history."""
        return self.icdf(rand(self._extended(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """x log p + (1 - x) log(1 - p), and the norm."""
        x = self._checked(value)
        z = self.logits + x.detach() * 0
        return self._log_norm() - binary_cross_entropy_with_logits(z, x.expand(z.shape), reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        """(p^x (1 - p)^(1 - x) + p - 1) / (2 p - 1), from 0 to 1."""
        x = self._checked(value)
        outside, p = self._apart()
        inside = where(outside, (p.pow(x) * (1.0 - p).pow(1.0 - x) + p - 1.0) / (2.0 * p - 1.0), x)
        return where(x <= 0.0, 0.0, where(x >= 1.0, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        """log((1 - p + q (2 p - 1)) / (1 - p)) / log(p / (1 - p))."""
        outside, p = self._apart()
        other = (-p).log1p()
        return where(outside, ((-p + value * (2.0 * p - 1.0)).log1p() - other) / (p.log() - other), value)

    def entropy(self) -> Tensor:
        """mean log((1 - p) / p) - log norm - log(1 - p)."""
        zero, one = (-self.probs).log1p(), self.probs.log()
        return self.mean * (zero - one) - self._log_norm() - zero

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural: Tensor) -> Tensor:
        (x,) = natural
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = where(outside, x, self._lims[0] - 0.5)
        series = 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0
        return where(outside, cut.expm1().abs().log() - cut.abs().log(), series)

    def expand(self, batch_shape: Sequence[int]) -> ContinuousBernoulli:
        """The same distributions in a larger batch."""
        name = "probs" if self.__dict__.get("probs") is self._given else "logits"
        given = {name: self._given.expand(tuple(batch_shape))}
        return ContinuousBernoulli(**given, lims=self._lims, validate_args=False)


def _inside(p: Tensor) -> Tensor:
    """A rounding away from 0 and 1."""
    eps = finfo(p.dtype).eps
    return p.clamp(eps, 1 - eps)
