"""Transforms of each element by itself."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import full_like
from cutaway.core.limits import finfo
from cutaway.core.tensor import Size, Tensor
from cutaway.distributions import constraints
from cutaway.distributions.constraints import Constraint
from cutaway.distributions.distribution import Distribution, parameter
from cutaway.distributions.transform import Transform
from cutaway.functional import softplus


class _Rising(Transform):
    """One without parameters, of numbers to numbers; two of a kind are equal."""

    domain: Any = constraints.real
    codomain: Any = constraints.positive
    bijective = True
    sign = +1  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self))

    __hash__ = None  # type: ignore[assignment]


class ExpTransform(_Rising):
    """y = exp(x)."""

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """x."""
        return x


class SigmoidTransform(_Rising):
    """y = 1 / (1 + exp(-x)), kept a rounding away from 0 and 1."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return inside(x.sigmoid())

    def _inverse(self, y: Tensor) -> Tensor:
        y = inside(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log y (1 - y)."""
        return -softplus(-x) - softplus(x)


def inside(p: Tensor) -> Tensor:
    """Probabilities, a rounding away from 0 and 1."""
    kind = finfo(p.dtype)
    return p.clamp(kind.tiny, 1.0 - kind.eps)


class SoftplusTransform(_Rising):
    """y = log(1 + exp(x))."""

    def _call(self, x: Tensor) -> Tensor:
        return softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-(-y).expm1()).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """-log(1 + exp(-x))."""
        return -softplus(-x)


class TanhTransform(_Rising):
    """y = tanh(x), as the actions of soft actor-critic.  Use cache_size=1: near 1 and -1 the inverse loses digits."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return 0.5 * (y.log1p() - (-y).log1p())

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log (1 - tanh^2 x), in a form without loss of digits."""
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|; the inverse is y."""

    domain, codomain = constraints.real, constraints.positive

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbsTransform)

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class PowerTransform(Transform):
    """y = x^exponent of positive numbers.  exponent: a number or a Tensor."""

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = parameter(exponent, "PowerTransform")

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with that cache."""
        return self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size)

    @cached_property
    def sign(self) -> Any:  # type: ignore[override]
        """That of the exponent."""
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |exponent y / x|."""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        """Broadcast with the exponent."""
        return Size(broadcast_shapes(tuple(shape), tuple(self.exponent.shape), op="PowerTransform"))

    inverse_shape = forward_shape


class AffineTransform(Transform):
    """y = loc + scale x.  loc, scale: numbers or Tensors.  The last `event_dim` dimensions are one event."""

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        """As given."""
        return self._event_dim

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Any numbers."""
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    codomain = domain  # type: ignore[assignment]

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with that cache."""
        return self if self._cache_size == cache_size else AffineTransform(self.loc, self.scale, self.event_dim, cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AffineTransform) and _equal(self.loc, other.loc) and _equal(self.scale, other.scale)

    __hash__ = None  # type: ignore[assignment]

    @property
    def sign(self) -> Any:
        """The sign of scale."""
        return self.scale.sign() if isinstance(self.scale, Tensor) else (self.scale > 0) - (self.scale < 0)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x  # type: ignore[no-any-return]

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |scale|."""
        if isinstance(self.scale, Tensor):
            each = self.scale.abs().log()
        else:
            each = full_like(x.detach(), math.log(abs(self.scale)))
        n = self.event_dim
        return (each.sum(tuple(range(-n, 0))) if n else each).expand(x.shape[: x.ndim - n])

    def forward_shape(self, shape: Any) -> Any:
        """Broadcast with loc and scale."""
        given = [tuple(p.shape) for p in (self.loc, self.scale) if isinstance(p, Tensor)]
        return Size(broadcast_shapes(tuple(shape), *given, op="AffineTransform"))

    inverse_shape = forward_shape


def _equal(a: Any, b: Any) -> bool:
    """Numbers or Tensors, everywhere."""
    same = a == b
    return bool(same.all()) if isinstance(same, Tensor) else bool(same)


class CumulativeDistributionTransform(Transform):
    """y = F(x), the probability of a draw of `distribution` up to x."""

    bijective = True
    codomain = constraints.unit_interval
    sign = +1  # type: ignore[assignment]

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """The support."""
        return self.distribution.support

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with that cache."""
        return self if self._cache_size == cache_size else CumulativeDistributionTransform(self.distribution, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the density."""
        return self.distribution.log_prob(x)
