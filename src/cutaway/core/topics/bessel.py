"""Bessel functions, Airy's function and erfcx: NumPy computes in float64.

Integrals of periodic or quickly decaying functions are sums over evenly spaced points, to the last digits (the trapezoidal
rule; Trefethen & Weideman 2014). Sources of the integrals and series: Abramowitz & Stegun, chapters 7, 9 and 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.topics.gamma import _applied, _erfc

EULER = 0.57721566490153286061
NEAR, FAR = 2.0, 25.0  # up to where power series are good, from where asymptotic ones are
NODES = 200
_theta = (np.arange(NODES) + 0.5) * (math.pi / NODES)


def _series(x: np.ndarray, order: int, sign: int) -> np.ndarray:
    """(x / 2)^order sum (sign x^2 / 4)^k / (k! (k + order)!): J (-1) or I (1)."""
    z = sign * x * x / 4
    term = np.ones_like(x) / math.factorial(order)
    total = term.copy()
    for k in range(1, 200):
        term = term * z / (k * (k + order))
        total = total + term
        if (np.abs(term) <= 1e-17 * np.abs(total)).all():
            break
    return np.asarray(total * (x / 2) ** order)


def _hankel(x: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """P and Q of the asymptotic form sqrt(2 / (pi x)) (P cos c - Q sin c), c = x - (order / 2 + 1 / 4) pi (9.2.5)."""
    p, q, term = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(20):
        p, q = (p + term * (-1) ** (k // 2), q) if k % 2 == 0 else (p, q + term * (-1) ** (k // 2))
        term = term * (4 * order**2 - (2 * k + 1) ** 2) / ((k + 1) * 8 * x)
    return p, q


def _jy(x: np.ndarray, order: int, second: bool, middle: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """J or Y of x >= 0: `middle` up to FAR, then the asymptotic series."""
    far = np.maximum(x, FAR)
    p, q = _hankel(far, order)
    c = far - (order / 2 + 0.25) * math.pi
    tail = np.sqrt(2 / (math.pi * far))
    tail *= p * np.sin(c) + q * np.cos(c) if second else p * np.cos(c) - q * np.sin(c)
    return np.where(x > FAR, tail, middle(np.minimum(x, FAR)))


def _j(order: int) -> Callable[[np.ndarray], np.ndarray]:
    def middle(x: np.ndarray) -> np.ndarray:
        angle = order * _theta - x[..., None] * np.sin(_theta)
        return np.where(x < NEAR, _series(np.minimum(x, NEAR), order, -1), np.cos(angle).mean(-1))

    def of(x: np.ndarray) -> np.ndarray:
        y = np.where(np.isinf(x), np.nan, _jy(np.abs(x), order, False, middle))
        return np.where(x < 0, (-1) ** order * y, y)

    return of


_j0, _j1 = _j(0), _j(1)
_ks = np.arange(1, 40)
# sums over J_2k and J_2k-1 - J_2k+1 as sums over the angles (9.1.21): what multiplies cos and sin of x sin(angle)
_even = (np.cos(2 * _ks * _theta[:, None]) * ((-1.0) ** _ks / _ks)).sum(1)
_odd = ((np.sin((2 * _ks - 1) * _theta[:, None]) - np.sin((2 * _ks + 1) * _theta[:, None])) * ((-1.0) ** _ks / _ks)).sum(1)


def _y0(x: np.ndarray) -> np.ndarray:
    def middle(x: np.ndarray) -> np.ndarray:
        sums = (np.cos(x[..., None] * np.sin(_theta)) * _even).mean(-1)
        return np.asarray(2 / math.pi * ((np.log(x / 2) + EULER) * _j0(x) - 2 * sums))

    return _of_positive(x, lambda v: _jy(v, 0, True, middle))


def _y1(x: np.ndarray) -> np.ndarray:
    def middle(x: np.ndarray) -> np.ndarray:
        sums = (np.sin(x[..., None] * np.sin(_theta)) * _odd).mean(-1)
        return np.asarray(2 / math.pi * (sums - _j0(x) / x + (np.log(x / 2) + EULER) * _j1(x)))

    return _of_positive(x, lambda v: _jy(v, 1, True, middle))


def _of_positive(x: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """NaN below 0, -inf at 0."""
    y = of(np.where(x > 0, x, 1.0))
    return np.asarray(np.where(x == 0, -np.inf, np.where((x > 0) & np.isfinite(x), y, np.nan)))


def _i_scaled(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """exp(-|x|) I(x): the power series, whose terms are positive, up to 30; then 9.7.1."""

    def of(x: np.ndarray) -> np.ndarray:
        a = np.abs(x)
        low, high = np.minimum(a, 30.0), np.maximum(a, 30.0)
        total, term = np.zeros_like(a), np.ones_like(a)
        for k in range(30):
            total = total + term
            term = term * -(4 * order**2 - (2 * k + 1) ** 2) / ((k + 1) * 8 * high)
        y = np.where(a > 30, total / np.sqrt(2 * math.pi * high), _series(low, order, 1) * np.exp(-low))
        return np.asarray(y * np.sign(x) if order else y)

    return of


_i0e, _i1e = _i_scaled(0), _i_scaled(1)


def _k_scaled(z: Any, order: float) -> Any:
    """exp(z) K(z), |z| from 2: the integral of exp(-u^2) cosh(order t) / sqrt(2 z + u^2), u^2 = z (cosh t - 1)."""
    total: Any = 0
    for u in np.arange(-6.25, 6.3, 0.125):
        part = np.exp(-u * u) / np.sqrt(2 * z + u * u)
        total = total + part * np.cosh(order * np.arccosh(1 + u * u / z))
    return total * 0.125


def _k(order: int, scaled: bool) -> Callable[[np.ndarray], np.ndarray]:
    """K of x > 0; below 2 the integral of exp(-x cosh t) cosh(order t) (9.6.24); infinite at 0, NaN below."""

    def of(x: np.ndarray) -> np.ndarray:
        near, far = np.clip(x, 1e-300, NEAR), np.maximum(x, NEAR)
        # beyond the first point where x cosh t > 750 nothing is left
        top = np.arccosh(1 + 750 / near) / 400
        total = np.zeros_like(near)
        for k in range(401):
            t = k * top
            part = np.exp(-near * (np.cosh(t) - 1)) * np.cosh(order * t)
            total = total + (0.5 * part if k == 0 else part)
        low = total * top * (1.0 if scaled else np.exp(-near))
        high = _k_scaled(far, order) * (1.0 if scaled else np.exp(-far))
        y = np.where(x > NEAR, np.where(np.isinf(x), 0.0, high), low)
        return np.where(x == 0, np.inf, np.where(x > 0, y, np.nan))

    return of


def _airy(x: np.ndarray) -> np.ndarray:
    """Ai: its power series (10.4.3) around 0, else K of order 1/3, of a complex number on the negative side (10.4.14)."""
    low, z = np.clip(x, -4, 2.2), x.clip(-4, 2.2) ** 3
    f = f_term = np.ones_like(low)
    g = g_term = low.copy()
    for k in range(1, 40):
        f_term = f_term * z / ((3 * k - 1) * (3 * k))
        g_term = g_term * z / ((3 * k) * (3 * k + 1))
        f, g = f + f_term, g + g_term
    near = f / (3 ** (2 / 3) * math.gamma(2 / 3)) - g / (3 ** (1 / 3) * math.gamma(1 / 3))
    a = np.maximum(np.abs(x), 2.0)
    root, zeta = np.sqrt(a / 3) / math.pi, 2 / 3 * a**1.5
    right = root * _k_scaled(np.maximum(zeta, 2.0), 1 / 3) * np.exp(-zeta)
    turn = np.exp(0.5j * math.pi)
    left = root * _k_scaled(np.maximum(zeta, 4.0) * turn, 1 / 3) * np.exp(-1j * zeta)
    y = np.where(x > 2.2, right, np.where(x < -4, 2 * (np.exp(0.5j * math.pi) * left).real, near))
    return np.where(np.isinf(x), np.nan, y)


def _erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x^2) erfc(x); from 20 on by the asymptotic series (7.1.23)."""
    far = np.maximum(x, 20.0)
    total, term = np.zeros_like(far), np.ones_like(far)
    for k in range(12):
        total = total + term
        term = term * -(2 * k + 1) / (2 * far * far)
    near = np.minimum(x, 20.0)
    return np.asarray(np.where(x > 20, total / (far * math.sqrt(math.pi)), np.exp(near * near) * _erfc(near)))


def _spherical_j0(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, 1.0, np.where(np.isinf(x), 0.0, np.sin(x) / np.where(x == 0, 1.0, x)))


# Without a gradient, as in PyTorch.
PLAIN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "airy_ai": _airy,
    "bessel_j0": _j0,
    "bessel_j1": _j1,
    "bessel_y0": _y0,
    "bessel_y1": _y1,
    "modified_bessel_i0": lambda x: _i0e(x) * np.exp(np.abs(x)),
    "modified_bessel_i1": lambda x: _i1e(x) * np.exp(np.abs(x)),
    "modified_bessel_k0": _k(0, False),
    "modified_bessel_k1": _k(1, False),
    "scaled_modified_bessel_k0": _k(0, True),
    "scaled_modified_bessel_k1": _k(1, True),
    "spherical_bessel_j0": _spherical_j0,
}


def plain(name: str, x: Any) -> Any:
    """A function of PLAIN."""
    return _applied(PLAIN[name], x)


class I0(Function):
    """The modified Bessel function of order 0."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(lambda a: _i0e(a) * np.exp(np.abs(a)), x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """I1."""
        return g * I1.apply(ctx.saved_tensors[0])


class I1(Function):
    """Of order 1."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(lambda a: _i1e(a) * np.exp(np.abs(a)), x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """I0 - I1 / x, 1/2 at 0."""
        (x,) = ctx.saved_tensors
        away = d.where(x == 0, 1.0, x)
        return g * d.where(x == 0, 0.5, I0.apply(away) - I1.apply(away) / away)


class I0e(Function):
    """exp(-|x|) I0(x)."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(lambda a: np.where(np.isinf(a), 0.0, _i0e(a)), x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """I1e - sign I0e."""
        (x,) = ctx.saved_tensors
        return g * (I1e.apply(x) - x.sign() * I0e.apply(x))


class I1e(Function):
    """exp(-|x|) I1(x)."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(lambda a: np.where(np.isinf(a), 0.0 * np.sign(a), _i1e(a)), x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """I0e - I1e (sign + 1 / x), 1/2 at 0."""
        (x,) = ctx.saved_tensors
        away = d.where(x == 0, 1.0, x)
        return g * d.where(x == 0, 0.5, I0e.apply(away) - I1e.apply(away) * (away.sign() + 1 / away))


class Erfcx(Function):
    """exp(x^2) erfc(x)."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The value."""
        ctx.save_for_backward(x)
        return _applied(_erfcx, x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """2 x erfcx(x) - 2 / sqrt(pi)."""
        (x,) = ctx.saved_tensors
        return g * (2 * x * Erfcx.apply(x) - 2 / math.sqrt(math.pi))
