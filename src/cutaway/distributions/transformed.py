"""A draw of one distribution, transformed; the log-normal and the Gumbel distribution are such."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from cutaway.core.autograd import no_grad
from cutaway.core.errors import ArgumentError
from cutaway.core.limits import finfo
from cutaway.core.tensor import Size, Tensor
from cutaway.distributions.constraints import Constraint, dependent_property, independent, positive
from cutaway.distributions.distribution import POSITIVE, REAL, Distribution, both
from cutaway.distributions.independent import Independent, sum_last
from cutaway.distributions.normal import Normal
from cutaway.distributions.transforms import AffineTransform, ComposeTransform, ExpTransform, Transform
from cutaway.distributions.uniform import Uniform

EULER = 0.57721566490153286060  # the mean of the standard Gumbel distribution


class TransformedDistribution(Distribution):
    """y = f(x) with x of `base_distribution`; f is one transform of `transforms`, or several, the first one first.

    log_prob(y) is that of x minus log |dy/dx|, summed over the dimensions of a draw.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list) or not all(isinstance(t, Transform) for t in self.transforms):
            raise ArgumentError("TransformedDistribution: transforms must be a Transform or a list of them")
        whole = ComposeTransform(self.transforms)
        taken, given = whole.domain.event_dim, len(base_distribution.event_shape)
        shape = Size((*base_distribution.batch_shape, *base_distribution.event_shape))
        if len(shape) < taken:
            raise ArgumentError(
                f"TransformedDistribution: the transforms take {taken} dimensions together, the base has {list(shape)}"
            )
        forward = whole.forward_shape(shape)
        needed = whole.inverse_shape(forward)
        if tuple(needed) != tuple(shape):
            base_distribution = base_distribution.expand(needed[: len(needed) - given])
        if taken > given:
            base_distribution = Independent(base_distribution, taken - given)
        self.base_dist = base_distribution
        dims = max(whole.codomain.event_dim, given + whole.codomain.event_dim - taken)
        super().__init__(forward[: len(forward) - dims], forward[len(forward) - dims :], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_dist.has_rsample

    @dependent_property(is_discrete=False)
    def support(self) -> Constraint:
        """What the last transform gives, of all elements of a draw."""
        if not self.transforms:
            return self.base_dist.support
        inside = self.transforms[-1].codomain
        more = len(self.event_shape) - inside.event_dim
        return independent(inside, more) if more > 0 else inside

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
            x = transform.inv(y)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            total = total - sum_last(transform.log_abs_det_jacobian(x, y), dims - transform.domain.event_dim)
            y = x
        return total + sum_last(self.base_dist.log_prob(y), dims - len(self.base_dist.event_shape))  # type: ignore[no-any-return]

    def cdf(self, value: Tensor) -> Tensor:
        """That of x, or of -x where the transforms fall."""
        for transform in reversed(self.transforms):
            value = transform.inv(value)
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
        shape = Size((*batch_shape, *self.event_shape))
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        base = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return TransformedDistribution(base, self.transforms, validate_args=False)


class LogNormal(TransformedDistribution):
    """exp(x) with x of Normal(loc, scale).  Raises ArgumentError unless scale > 0."""

    arg_constraints = {"loc": REAL, "scale": POSITIVE}
    support = positive  # type: ignore[assignment]
    has_rsample = True  # type: ignore[assignment]
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

    arg_constraints = {"loc": REAL, "scale": POSITIVE}
    support = REAL  # type: ignore[assignment]

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = both("Gumbel", loc, scale)
        kind = finfo(self.loc.dtype)
        low, high = self.loc.detach() * 0 + kind.tiny, self.loc.detach() * 0 + (1 - kind.eps)
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
