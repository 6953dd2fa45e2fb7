"""Von Mises's distribution of angles, the normal distribution of a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.creation import rand
from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.distributions.distribution import POSITIVE, REAL, Distribution, both

# The polynomials of Abramowitz & Stegun 9.8.1 - 9.8.4 for I0 and I1: of (x / 3.75)^2 below 3.75, of 3.75 / x above.
SMALL = (
    (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813),
    (0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411),
)
LARGE = (
    (0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633, 0.00392377),
    (0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967, -0.02895312, 0.01787654, -0.00420059),
)


def _log_bessel(x: Tensor, order: int) -> Tensor:
    """log I0 or log I1 of positive numbers, to seven digits as PyTorch's."""
    y = (x / 3.75) * (x / 3.75)
    small = _polynomial(y, SMALL[order])
    if order:
        small = x.abs() * small
    large = x - 0.5 * x.log() + _polynomial(3.75 / x, LARGE[order]).log()
    return where(x < 3.75, small.log(), large)


def _polynomial(y: Tensor, coefficients: Sequence[float]) -> Tensor:
    """By Horner's rule, the constant first."""
    total: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = c + y * total
    return total  # type: ignore[no-any-return]


class VonMises(Distribution):
    """Density exp(c cos(x - loc)) / (2 pi I0(c)) of angles x from -pi to pi, c = concentration.

    Raises ArgumentError unless concentration > 0.
    """

    arg_constraints = {"loc": REAL, "concentration": POSITIVE}
    support = REAL  # type: ignore[assignment]

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = both("VonMises", loc, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """c cos(x - loc) - log(2 pi I0(c))."""
        x, c = self._checked(value), self.concentration
        return c * (x - self.loc).cos() - math.log(2 * math.pi) - _log_bessel(c, 0)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """By rejection from a wrapped Cauchy distribution (Best & Fisher 1979), in float64 as PyTorch."""
        shape = self._extended(sample_shape)
        with no_grad():
            loc, c = self.loc.detach().double(), self.concentration.detach().double()
            tau = 1 + (1 + 4 * c**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * c)
            r = where(c < 1e-5, 1 / c + c, (1 + rho**2) / (2 * rho))
            x, done = loc.new_zeros(shape), (loc.new_zeros(shape) != 0)
            while not bool(done.all()):
                u, v, w = rand((3, *shape), dtype=loc.dtype).unbind()
                z = (math.pi * u).cos()
                f = (1 + r * z) / (r + z)
                t = c * (r - f)
                accept = ((t * (2 - t) - v) > 0) | ((t / v).log() + 1 - t >= 0)
                x = where(accept, (w - 0.5).sign() * f.acos(), x)
                done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """loc, the direction."""
        return self.loc

    mode = mean

    @cached_property
    def variance(self) -> Tensor:  # type: ignore[override]
        """That of a circle: 1 - I1(c) / I0(c)."""
        return 1 - (_log_bessel(self.concentration, 1) - _log_bessel(self.concentration, 0)).exp()

    def expand(self, batch_shape: Sequence[int]) -> VonMises:
        """The same distributions in a larger batch."""
        s = tuple(batch_shape)
        return VonMises(self.loc.expand(s), self.concentration.expand(s), validate_args=False)
