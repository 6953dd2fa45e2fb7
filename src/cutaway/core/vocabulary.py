"""The scalar vocabulary `m`: the few functions that an elementwise forward may use, as NumPy speaks them.

`atan2 = binary("atan2", lambda m, a, b: m.atan2(a, b), ...)` is written once; `NUMPY` reads it over arrays, the
compiler reads it over vector registers, and the tests read it over plain Python numbers.
The operators + - * / and comparisons belong to the vocabulary too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from cutaway.core.bits import choose
from cutaway.core.dtypes import FLOATING


@lru_cache(1)
def _erfc_fit() -> np.ndarray:
    """Chebyshev coefficients of erfc(z) exp(z^2) in u = (z - 3) / (z + 3), z >= 0: a smooth function of u."""
    import math

    def scaled(u: float) -> float:
        z = 3.0 * (1.0 + u) / (1.0 - u) if u < 1.0 else math.inf
        if z > 25.0:  # where erfc underflows: the asymptotic series
            return (1 - 0.5 / z**2 + 0.75 / z**4 - 1.875 / z**6) / (z * math.sqrt(math.pi)) if z < math.inf else 0.0
        return math.erfc(z) * math.exp(z * z)

    n = 48
    nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    values = np.array([scaled(float(u)) for u in nodes])
    k = np.arange(n)[:, None]
    fit: np.ndarray = 2.0 / n * (np.cos(k * np.pi * (np.arange(n) + 0.5) / n) @ values)
    fit[0] *= 0.5
    return fit


# erf(x) / x as a ratio of polynomials in x^2, |x| <= 4, where erf is 1 in float32: found by least squares with Lawson's
# weights; its relative error is below 3e-9.
_ABOVE = (1.12837916997, 0.192878892771, 0.0557495454174, 0.00422649276529, 0.000411277238194, 6.79133108075e-06)
_BELOW = (
    1.0, 0.504267901958, 0.117495400328, 0.0162951439223, 0.00142120674945, 7.25636593358e-05, 2.6048381501e-07,
)  # fmt: skip
_BLOCK = 4096  # elements, so that what lies between stays in the cache


def erf(a: np.ndarray) -> np.ndarray:
    """The error function: to a unit in the last place, or to a few of float64."""
    a = np.asarray(a)
    if a.dtype.kind in FLOATING and a.dtype.itemsize <= 4:
        y = np.empty_like(a)  # in the order of memory of `a`
        order = sorted(range(a.ndim), key=lambda d: -y.strides[d])
        flat, x = y.transpose(order).reshape(-1), a.transpose(order).reshape(-1)
        for i in range(0, len(flat), _BLOCK):
            flat[i : i + _BLOCK] = _single_erf(x[i : i + _BLOCK])
        return y
    return _double_erf(a.astype(np.float64, copy=False)).astype(a.dtype, copy=False)


def _single_erf(a: np.ndarray) -> np.ndarray:
    """erf to float32's last place, as float64."""
    x = a.astype(np.float64)
    np.clip(x, -4.0, 4.0, out=x)
    s = x * x
    above, below = s * _ABOVE[-1], s * _BELOW[-1]
    for p in _ABOVE[-2:0:-1]:
        above += p
        above *= s
    for q in _BELOW[-2:0:-1]:
        below += q
        below *= s
    above += _ABOVE[0]
    below += _BELOW[0]
    x *= above
    x /= below
    return x


def _double_erf(x: np.ndarray) -> np.ndarray:
    z = np.abs(x)
    u = np.where(np.isinf(z), 1.0, (z - 3.0) / (z + 3.0))
    # Clenshaw's recurrence.
    b1 = b2 = np.zeros_like(u)
    fit = _erfc_fit()
    for c in fit[:0:-1]:
        b1, b2 = 2.0 * u * b1 - b2 + c, b1
    far = 1.0 - (u * b1 - b2 + fit[0]) * np.exp(-z * z)
    # Near zero the difference from 1 would lose digits: the Maclaurin series instead.
    s, term = z.copy(), z
    for n in range(1, 24):
        term = term * (-z * z) / n
        s = s + term / (2 * n + 1)
    near = s * (2.0 / np.sqrt(np.pi))
    y: np.ndarray = np.copysign(np.where(z < 1.0, near, far), x)
    return y


def _needs_nonzero(name: str, function: Any) -> Any:
    def divide(a: np.ndarray, b: np.ndarray) -> Any:
        if b.dtype.kind in "iu" and not np.all(b):
            raise ZeroDivisionError("an integer is divided by zero")
        return function(a, b)

    divide.__name__ = name
    return divide


def _remainder(a: np.ndarray, b: np.ndarray) -> Any:
    """The remainder, with the sign of b; a zero keeps the sign of a, as in PyTorch, where NumPy gives it that of b."""
    if np.result_type(a, b).kind not in FLOATING:
        return np.remainder(a, b)
    r = np.fmod(a, b)
    return np.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)


def _sign(a: np.ndarray) -> Any:
    """-1, 0 or 1, or a complex number's direction; 0 for a real NaN, as in PyTorch, where NumPy says NaN."""
    if a.dtype.kind in "bc":
        return a.copy() if a.dtype.kind == "b" else np.sign(a)
    return np.subtract(a > 0, a < 0, dtype=a.dtype)


def _whole_already(function: Any) -> Any:
    """A rounding that leaves integers alone; NumPy makes some of them floats."""

    def rounded(a: np.ndarray) -> Any:
        return function(a) if a.dtype.kind in FLOATING else a.copy()

    return rounded


POWERS: dict[float, Callable[[Any], Any]] = {
    3.0: lambda a: a * a * a, 2.0: lambda a: a * a, -1.0: lambda a: 1 / a, -2.0: lambda a: 1 / (a * a),
    -0.5: lambda a: 1 / np.sqrt(a),
}  # fmt: skip


def _power(a: np.ndarray, b: np.ndarray) -> Any:
    """a to the power b. A small exponent is multiplied out as in PyTorch, to the last digit: `power` takes 50 ns each."""
    if b.ndim == 0 and a.dtype.kind == "f" and b.dtype.kind == "f":
        quicker = POWERS.get(b.item())
        if quicker is not None:
            return quicker(a)
    return np.power(a, b)


def _sigmoid(a: np.ndarray) -> Any:
    """1 / (1 + e^-a), by which small values keep their digits: half of 1 + tanh(a / 2) is 0 from a = -17 on in float32."""
    if a.dtype.kind == "c":  # e^-a may overflow, and then its quotient is NaN
        return np.tanh(a * 0.5) * 0.5 + 0.5
    return 1 / (np.exp(-a) + 1)


class NUMPY:
    """The vocabulary over NumPy arrays."""

    exp, expm1, log, log1p, sqrt = np.exp, np.expm1, np.log, np.log1p, np.sqrt
    sin, cos, tan, tanh, sinh, cosh = np.sin, np.cos, np.tan, np.tanh, np.sinh, np.cosh
    asin, acos, atan, atan2 = np.arcsin, np.arccos, np.arctan, np.arctan2
    erf, sigmoid = staticmethod(erf), staticmethod(_sigmoid)
    abs, sign = np.abs, staticmethod(_sign)
    floor, ceil, trunc, round = [staticmethod(_whole_already(f)) for f in (np.floor, np.ceil, np.trunc, np.rint)]
    maximum, minimum, pow = np.maximum, np.minimum, staticmethod(_power)
    where = staticmethod(choose)
    floor_divide = staticmethod(_needs_nonzero("floor_divide", np.floor_divide))
    remainder = staticmethod(_needs_nonzero("remainder", _remainder))
    isnan, isfinite = np.isnan, np.isfinite
    logical_and, logical_or, logical_not = np.logical_and, np.logical_or, np.logical_not
    bitwise_and, bitwise_or, bitwise_xor, bitwise_not = np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert
