"""Invertible functions of a draw, element by element, and by how much they stretch: log |dy/dx|."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway.core.creation import full_like
from cutaway.core.errors import NotWritten
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import EPSILON
from cutaway.functional import softplus

SMALLEST = {"float16": 2.0**-14, "float32": 2.0**-126, "float64": 2.0**-1022}


class Transform:
    """y = transform(x), x = transform.inv(y).  A subclass defines _call, _inverse and log_abs_det_jacobian(x, y).

    cache_size=1 remembers the last x and y, so that the inverse of what was just computed is exact.
    """

    sign = 1  # whether y rises with x
    bijective = True

    def __init__(self, cache_size: int = 0) -> None:
        self._cache_size = cache_size
        self._last: tuple[Any, Any] = (None, None)

    def __call__(self, x: Tensor) -> Tensor:
        """y."""
        if self._cache_size and self._last[0] is x:
            return self._last[1]  # type: ignore[no-any-return]
        y = self._call(x)
        if self._cache_size:
            self._last = x, y
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and self._last[1] is y:
            return self._last[0]  # type: ignore[no-any-return]
        x = self._inverse(y)
        if self._cache_size:
            self._last = x, y
        return x

    @property
    def inv(self) -> Transform:
        """The inverse."""
        return _Inverse(self)

    def _call(self, x: Tensor) -> Tensor:
        raise NotWritten(f"{type(self).__name__} has no _call")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotWritten(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |dy/dx| of each element."""
        raise NotWritten(f"{type(self).__name__} has no log_abs_det_jacobian")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self._of, self.sign, self.bijective = transform, transform.sign, transform.bijective

    @property
    def inv(self) -> Transform:
        """What it is the inverse of."""
        return self._of

    def __call__(self, x: Tensor) -> Tensor:
        return self._of._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._of(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The negative of that of the transform."""
        return -self._of.log_abs_det_jacobian(y, x)

    def __repr__(self) -> str:
        return f"_InverseTransform({self._of!r})"


class ComposeTransform(Transform):
    """One after the other."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = list(parts)
        self.bijective = all(part.bijective for part in self.parts)
        self.sign = math.prod(part.sign for part in self.parts)

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum over the parts."""
        total = x * 0
        for part in self.parts:
            y = part(x)
            total = total + part.log_abs_det_jacobian(x, y)
            x = y
        return total


class ExpTransform(Transform):
    """y = exp(x)."""

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """x."""
        return x


class AffineTransform(Transform):
    """y = loc + scale x.  loc, scale: numbers or Tensors."""

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim

    @property
    def sign(self) -> Any:  # type: ignore[override]
        """The sign of scale."""
        return self.scale.sign() if isinstance(self.scale, Tensor) else (self.scale > 0) - (self.scale < 0)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x  # type: ignore[no-any-return]

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |scale|."""
        if isinstance(self.scale, Tensor):
            each = self.scale.abs().log().expand(x.shape)
        else:
            each = full_like(x.detach(), math.log(abs(self.scale)))
        return each.sum(tuple(range(-self.event_dim, 0))) if self.event_dim else each


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x)), kept a rounding away from 0 and 1."""

    def _call(self, x: Tensor) -> Tensor:
        return x.sigmoid().clamp(SMALLEST[x.dtype.name], 1.0 - EPSILON[x.dtype.name])

    def _inverse(self, y: Tensor) -> Tensor:
        y = y.clamp(SMALLEST[y.dtype.name], 1.0 - EPSILON[y.dtype.name])
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log y (1 - y)."""
        return -softplus(-x) - softplus(x)


class TanhTransform(Transform):
    """y = tanh(x), as the actions of soft actor-critic.  Use cache_size=1: near 1 and -1 the inverse loses digits."""

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return 0.5 * (y.log1p() - (-y).log1p())

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log (1 - tanh^2 x), in a form without loss of digits."""
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))
