"""Coefficients, computed when they are first needed: economised power series, and constants in several parts.

A power series is evaluated at Chebyshev's nodes and interpolated there, which is within a small factor of the best
polynomial of that degree (Lanczos 1938; Muller, "Elementary Functions", 3rd ed., sections 3.2 to 3.4). All in rational
numbers, rounded once at the end: interpolation in float64 would cost float64 results two or three last places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np

PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")
LN2 = Fraction("0.69314718055994530941723212145817656807550013436025525412068000949339362196969471560586")
TWO_BY_ROOT_PI = Fraction("1.12837916709551257389615890312154517168810125865799771368817144")
GRID, FINE = 1 << 16, 1 << 120  # nodes are rounded to the first, values to the second


@lru_cache
def economised(term: Callable[[int], Fraction], low: float, high: float, degree: int) -> tuple[float, ...]:
    """A polynomial of `degree` close to sum over k of term(k) x**k for low <= x <= high; constant term first."""
    middle, half = (low + high) / 2, (high - low) / 2
    angles = [math.pi * (k + 0.5) / (degree + 1) for k in range(degree + 1)]
    nodes = [Fraction(round((middle + half * math.cos(a)) * GRID), GRID) for a in angles]
    reach = max(abs(low), abs(high))
    terms = 1
    while abs(term(terms)) * Fraction(reach) ** terms > Fraction(1, 10**22):
        terms += 1
    series = [term(k) for k in range(terms)]
    return interpolated(nodes, [_value(series, x) for x in nodes])


def _value(series: list[Fraction], x: Fraction) -> Fraction:
    y = 0
    for c in reversed(series):
        y = round(y * x + c * FINE)
    return Fraction(y, FINE)


def interpolated(nodes: list[Fraction], values: list[Fraction]) -> tuple[float, ...]:
    """The coefficients of the polynomial through the given points: Newton's divided differences, multiplied out."""
    n, d = len(nodes), list(values)
    for level in range(1, n):
        for i in range(n - 1, level - 1, -1):
            d[i] = (d[i] - d[i - 1]) / (nodes[i] - nodes[i - level])
    out = [Fraction(0)] * n
    for i in range(n - 1, -1, -1):  # out = out * (x - node) + d
        out = [d[i] - nodes[i] * out[0], *(out[k] - nodes[i] * out[k + 1] for k in range(n - 1))]
    return tuple(float(c) for c in out)


def parts(number: Fraction, *bits: int) -> tuple[float, ...]:
    """A constant as a sum: parts of so many bits (rounded towards zero), then the rest as a float64.

    Cody & Waite 1980: n times a part of few bits is exact, so x - n * C loses nothing when it cancels.
    """
    out = []
    for width in bits:
        unit = Fraction(2) ** (math.floor(math.log2(abs(number))) + 1 - width)
        out.append(float(math.trunc(number / unit) * unit))
        number -= Fraction(out[-1])
    return (*out, float(number))


def rounded(number: Fraction, double: bool) -> tuple[float, float]:
    """A constant as its nearest float32 or float64 and the rest."""
    near = float(number) if double else float(np.float32(float(number)))
    return near, float(number - Fraction(near))


def exponential_term(k: int) -> Fraction:
    """(e**r - 1 - r) / r**2."""
    return Fraction(1, math.factorial(k + 2))


def atanh_term(k: int) -> Fraction:
    """(2 atanh(s) / s - 2) / z in z = s**2."""
    return Fraction(2, 2 * k + 3)


def logarithm_term(k: int) -> Fraction:
    """(log(1 + f) - f + f**2 / 2) / f**3."""
    return Fraction((-1) ** k, k + 3)


def sine_term(k: int) -> Fraction:
    """(sin(r) / r - 1) / z in z = r**2."""
    return Fraction((-1) ** (k + 1), math.factorial(2 * k + 3))


def cosine_term(k: int) -> Fraction:
    """(cos(r) - 1 + z / 2) / z**2 in z = r**2."""
    return Fraction((-1) ** k, math.factorial(2 * k + 4))


def arcsine_term(k: int) -> Fraction:
    """(asin(s) / s - 1) / z in z = s**2."""
    return Fraction(math.comb(2 * k + 2, k + 1), 4 ** (k + 1) * (2 * k + 3))


def arctangent_term(k: int) -> Fraction:
    """(atan(t) / t - 1) / z in z = t**2."""
    return Fraction((-1) ** (k + 1), 2 * k + 3)


def error_term(k: int) -> Fraction:
    """(erf(x) / x - 2 / sqrt(pi)) / z in z = x**2."""
    return TWO_BY_ROOT_PI * (-1) ** (k + 1) / (math.factorial(k + 1) * (2 * k + 3))


@lru_cache
def _tanh_coefficient(k: int) -> Fraction:
    """Of x**(2 k + 1), from tanh' = 1 - tanh**2."""
    if k == 0:
        return Fraction(1)
    return -sum((_tanh_coefficient(i) * _tanh_coefficient(k - 1 - i) for i in range(k)), Fraction(0)) / (2 * k + 1)


def tanh_term(k: int) -> Fraction:
    """(tanh(x) / x - 1) / z in z = x**2."""
    return _tanh_coefficient(k + 1)
