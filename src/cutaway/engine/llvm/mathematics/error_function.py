"""erf: x (2 / sqrt(pi) + x**2 q(x**2)) below 1; beyond 1 - exp(h(|x|) - x**2), where exp(h(a)) = exp(a**2) erfc(a)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from cutaway.engine.llvm.mathematics.exponential import exp
from cutaway.engine.llvm.mathematics.fit import TWO_BY_ROOT_PI, economised, error_term, rounded
from cutaway.engine.llvm.mathematics.real import Real, where

MIDDLE, END = 1.0, {False: 4.0, True: 6.0}  # from END on the result is 1 in float32, float64


def erf(x: Real) -> Real:
    """The error function."""
    a, z = x.abs(), x * x
    high, low = rounded(TWO_BY_ROOT_PI, x.double)
    q = z.polynomial(economised(error_term, 0.0, 1.0, 12 if x.double else 5))
    near = x.mad(high, x * z.mad(q, low))
    end = END[x.double]
    c = a.at_most(end)
    h = ((c - (end + MIDDLE) / 2) * (2 / (end - MIDDLE))).polynomial(_log_erfcx(end, 22 if x.double else 7))
    far = 1.0 - exp(h - c * c)
    return where(a < MIDDLE, near, far).signed(x)


@lru_cache
def _log_erfcx(end: float, degree: int) -> tuple[float, ...]:
    """h(a) for MIDDLE <= a <= end as a polynomial in u, which runs from -1 to 1; errors weigh as erfc(a)."""
    u = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    a = (end + MIDDLE) / 2 + (end - MIDDLE) / 2 * u
    tail = np.zeros_like(a)
    for k in range(400, 0, -1):  # Laplace's continued fraction (Abramowitz & Stegun 7.1.14)
        tail = (k / 2) / (a + tail)
    h = -np.log(math.sqrt(math.pi) * (a + tail))
    weight = np.maximum([math.erfc(v) for v in a], 1e-4)
    fit = np.polynomial.chebyshev.chebfit(u, h, degree, rcond=1e-18, w=weight)
    return tuple(float(c) for c in np.polynomial.chebyshev.cheb2poly(fit))
