"""erfc, its relatives and the gamma function: NumPy computes, and the gradient is a formula in Tensor operations.

Sources: the recurrence and asymptotic series of digamma and its derivatives, Abramowitz & Stegun 6.4.6 and 6.4.11.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.vocabulary import erf

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B2, B4, ...
_erfc = np.vectorize(math.erfc, otypes=[float])


def _lgamma_of(v: float) -> float:
    if math.isinf(v) or (v <= 0 and v == math.floor(v)):
        return math.inf
    return math.lgamma(v)


_lgamma = np.vectorize(_lgamma_of, otypes=[float])


def _applied(fn: Any, x: Any) -> Any:
    """An array function of float64 on a tensor, in the tensor's dtype."""
    with np.errstate(all="ignore"):
        a = np.asarray(d.values(x), np.float64)
        return d.constant(np.asarray(fn(a) if a.size else a, x._data.dtype))


class Erfc(Function):
    """1 - erf."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(_erfc, x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """-2 / sqrt(pi) exp(-x^2)."""
        (x,) = ctx.saved_tensors
        return g * (x * -x).exp() * (-2 / math.sqrt(math.pi))


def _erfinv(y: np.ndarray) -> np.ndarray:
    """Winitzki's approximation, then Newton's steps (of Halley's kind) to the last digits."""
    a = 0.147
    w = np.log1p(-y * y)
    b = 2 / (math.pi * a) + w / 2
    x = np.copysign(np.sqrt(np.sqrt(b * b - w / a) - b), y)
    for _ in range(3):
        # Far out, erf(x) - y loses digits; there the complements do not.
        miss = np.where(np.abs(y) > 0.5, np.sign(y) * (1 - np.abs(y) - _erfc(np.abs(x))), erf(x) - y)
        step = miss / (2 / math.sqrt(math.pi) * np.exp(-x * x))
        x = x - step / (1 + x * step)
    return np.where(np.abs(y) == 1, np.copysign(np.inf, y), np.where(y == 0, y, x))


class Erfinv(Function):
    """The inverse of erf."""

    @staticmethod
    def forward(ctx: Any, y: Any) -> Any:
        """The value."""
        ctx.save_for_backward(y)
        return _applied(_erfinv, y)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """sqrt(pi) / 2 exp(x^2)."""
        (y,) = ctx.saved_tensors
        x = Erfinv.apply(y)
        return g * (x * x).exp() * (math.sqrt(math.pi) / 2)


def _ndtri(p: np.ndarray) -> np.ndarray:
    """From a rational approximation (Abramowitz & Stegun 26.2.23), Newton's steps on the logarithm of the tail."""
    tail = np.minimum(p, 1 - p)
    t = np.sqrt(-2 * np.log(tail))
    z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    for _ in range(3):
        q = 0.5 * _erfc(z * math.sqrt(0.5))
        z = z + np.log(q / tail) * q * math.sqrt(2 * math.pi) * np.exp(z * z / 2)
    z = np.where(tail == 0, np.inf, np.where(tail == 0.5, 0.0, z))
    return np.where(p < 0.5, -z, z)


class Ndtri(Function):
    """Below which number a standard normal one lies with probability p."""

    @staticmethod
    def forward(ctx: Any, p: Any) -> Any:
        """The value."""
        y = _applied(_ndtri, p)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """sqrt(2 pi) exp(y^2 / 2)."""
        (y,) = ctx.saved_tensors
        return g * (y * y * 0.5).exp() * math.sqrt(2 * math.pi)


class Lgamma(Function):
    """log |Gamma(x)|."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(_lgamma, x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Digamma."""
        (x,) = ctx.saved_tensors
        return g * polygamma(0, x)


def _polygamma(n: int, x: np.ndarray) -> np.ndarray:
    """The n-th derivative of digamma: reflection below 0, recurrence up to x >= 10, then the asymptotic series."""
    low = x < 0
    y = np.where(low, 1 - x, x + 0.0)  # -0.0, whose powers differ in sign, is 0
    sum_, sign = np.zeros_like(y), (-1.0) ** (n + 1)
    for _ in range(400):
        small = y < 10
        if not small.any():
            break
        sum_ = np.where(small, sum_ + sign * math.factorial(n) / y ** (n + 1), sum_)
        y = np.where(small, y + 1, y)
    z = np.log(y) - 0.5 / y if n == 0 else sign * (math.factorial(n - 1) / y**n + math.factorial(n) / (2 * y ** (n + 1)))
    for k, b in enumerate(BERNOULLI, 1):
        if n == 0:
            z = z - b / (2 * k * y ** (2 * k))
        else:
            z = z + sign * b * math.factorial(2 * k + n - 1) / (math.factorial(2 * k) * y ** (2 * k + n))
    z = z + sum_
    if n:
        slope, cot = np.polynomial.Polynomial([0, 1]), np.clip(_cot_pi(x), -1e200, 1e200)
        for _ in range(n):  # d/dx p(cot pi x) = -pi (1 + cot^2) p'(cot pi x)
            slope = slope.deriv() * np.polynomial.Polynomial([-math.pi, 0, -math.pi])
        z = np.where(low, (-1.0) ** n * z - math.pi * slope(cot), z)
    else:
        z = np.where(low, z - math.pi * _cot_pi(x), z)
        z = np.where((x < 0) & (x == np.floor(x)), np.nan, np.where(x == 0, np.copysign(np.inf, -x), z))
    return z


def _cot_pi(x: np.ndarray) -> np.ndarray:
    """cot(pi x), to the last digits near its zeros, too."""
    r = x - np.round(x)
    return np.where(np.abs(r) < 0.25, 1 / np.tan(math.pi * r), np.copysign(np.tan(math.pi * (0.5 - np.abs(r))), r))


class Polygamma(Function):
    """The n-th derivative of digamma."""

    @staticmethod
    def forward(ctx: Any, x: Any, n: int) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        ctx.n = n
        return _applied(lambda a: _polygamma(n, a), x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """The next one."""
        (x,) = ctx.saved_tensors
        return g * polygamma(ctx.n + 1, x), None


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of digamma(x)."""
    return Polygamma.apply(x, n)
