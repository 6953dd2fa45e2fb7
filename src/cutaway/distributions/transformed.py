"""A draw of one distribution, transformed; the log-normal and the Gumbel distribution are such."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import EPSILON
from cutaway.distributions.constraints import positive
from cutaway.distributions.distribution import POSITIVE, REAL, Check, Distribution, both
from cutaway.distributions.independent import sum_last
from cutaway.distributions.normal import Normal
from cutaway.distributions.transforms import SMALLEST, AffineTransform, ExpTransform, Transform
from cutaway.distributions.uniform import Uniform

EULER = 0.57721566490153286060  # the mean of the standard Gumbel distribution


class TransformedDistribution(Distribution):
    """y = f(x) with x of `base_distribution`; f is one transform of `transforms`, or several, the first one first.

    log_prob(y) is that of x minus log |dy/dx|, summed over the dimensions of a draw.
    """

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.base_dist = base_distribution
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        super().__init__(base_distribution.batch_shape, base_distribution.event_shape, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Check:
        """Any number: the transforms do not say what they give."""
        return Check("a number", lambda x: x == x)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Transformed draws of the base."""
        with no_grad():
            x = self.base_dist.sample(sample_shape)
            for transform in self.transforms:
                x = transform(x)
            return x

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The same, with history."""
        x = self.base_dist.rsample(sample_shape)
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        """That of x minus log |dy/dx|."""
        y, dims = self._checked(value), len(self.event_shape)
        total: Any = 0.0
        for transform in reversed(self.transforms):
            x = transform._inv_call(y)
            total = total - sum_last(transform.log_abs_det_jacobian(x, y), dims)
            y = x
        return total + self.base_dist.log_prob(y)  # type: ignore[no-any-return]

    def cdf(self, value: Tensor) -> Tensor:
        """That of x, or of -x where the transforms fall."""
        for transform in reversed(self.transforms):
            value = transform._inv_call(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The transformed number of the base."""
        x = self.base_dist.icdf(self._turned(value))
        for transform in self.transforms:
            x = transform(x)
        return x

    def _turned(self, p: Tensor) -> Tensor:
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return sign * (p - 0.5) + 0.5  # type: ignore[no-any-return]

    def expand(self, batch_shape: Sequence[int]) -> TransformedDistribution:
        """The same distributions in a larger batch."""
        return TransformedDistribution(self.base_dist.expand(batch_shape), self.transforms, validate_args=False)


class LogNormal(TransformedDistribution):
    """exp(x) with x of Normal(loc, scale).  Raises ArgumentError unless scale > 0."""

    constraints = {"loc": REAL, "scale": POSITIVE}
    support = positive  # type: ignore[assignment]
    base_dist: Normal

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """exp(loc + scale^2 / 2)."""
        return (self.loc + self.scale.pow(2) / 2).exp()

    @property
    def mode(self) -> Tensor:
        """exp(loc - scale^2)."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """(exp(scale^2) - 1) exp(2 loc + scale^2)."""
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        """That of the logarithm plus loc."""
        return self.base_dist.entropy() + self.loc

    def expand(self, batch_shape: Sequence[int]) -> LogNormal:
        """The same distributions in a larger batch."""
        return LogNormal(self.loc.expand(tuple(batch_shape)), self.scale.expand(tuple(batch_shape)), False)


class Gumbel(TransformedDistribution):
    """loc - scale log(-log u), u uniform: the largest of many.  Raises ArgumentError unless scale > 0."""

    constraints = {"loc": REAL, "scale": POSITIVE}
    support = REAL  # type: ignore[assignment]

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = both("Gumbel", loc, scale)
        kind = self.loc.dtype.name
        low, high = self.loc.detach() * 0 + SMALLEST[kind], self.loc.detach() * 0 + (1 - EPSILON[kind])
        log = ExpTransform().inv
        steps = [log, AffineTransform(0, -1), log, AffineTransform(self.loc, -self.scale)]
        super().__init__(Uniform(low, high, validate_args=False), steps, validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """y - exp(y) - log scale, y = (loc - x) / scale."""
        y = (self.loc - self._checked(value)) / self.scale
        return (y - y.exp()) - self.scale.log()

    @property
    def mean(self) -> Tensor:
        """loc + 0.5772 scale."""
        return self.loc + self.scale * EULER

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """pi scale / sqrt(6)."""
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        """(pi scale)^2 / 6."""
        return self.stddev.pow(2)

    def entropy(self) -> Tensor:
        """log scale + 1.5772."""
        return self.scale.log() + (1 + EULER)

    def expand(self, batch_shape: Sequence[int]) -> Gumbel:
        """The same distributions in a larger batch."""
        return Gumbel(self.loc.expand(tuple(batch_shape)), self.scale.expand(tuple(batch_shape)), validate_args=False)
