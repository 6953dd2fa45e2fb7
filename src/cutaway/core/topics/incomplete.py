"""The incomplete gamma functions and Hurwitz's zeta function: NumPy computes in float64.

Sources: the series and the continued fraction of Abramowitz & Stegun 6.5.29 and 6.5.31; Euler and Maclaurin's sum (23.2.7).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.autograd import Function
from cutaway.core.errors import DTypeError, NotWritten
from cutaway.core.topics.gamma import BERNOULLI, _lgamma

MOST = 100_000  # terms


def _gamma_parts(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(a, x) and Q(a, x) = 1 - P, each to its own last digits: the smaller one is summed."""
    a, x = np.broadcast_arrays(a, x)
    fine = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    p, q = np.full(a.shape, np.nan), np.full(a.shape, np.nan)
    edge = ((a > 0) & (x == 0)) | (np.isposinf(a) & (x >= 0) & np.isfinite(x))
    p[edge], q[edge] = 0, 1
    full = ((a == 0) & (x > 0)) | ((a > 0) & np.isfinite(a) & np.isposinf(x))
    p[full], q[full] = 1, 0
    below = fine & (x < a + 1)
    above = fine & ~below
    for where, sum_, one, other in ((below, _series, p, q), (above, _fraction, q, p)):
        if where.any():
            b, y = a[where], x[where]
            value = np.exp(b * np.log(y) - y - _lgamma(b)) * sum_(b, y)
            one[where], other[where] = value, 1 - value
    return p, q


def _series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """sum x^k / (a (a + 1) .. (a + k))."""
    term = 1 / a
    total, n = term.copy(), a.copy()
    for _ in range(MOST):
        n = n + 1
        term = term * x / n
        total = total + term
        if (term <= 1e-17 * total).all():
            break
    return total


def _fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """1 / (x + 1 - a - (1 - a) / (x + 3 - a - ...)), from the front (Lentz)."""
    b = x + 1 - a
    c, e = np.full_like(x, 1e300), 1 / b
    total = e.copy()
    for k in range(1, MOST):
        step = -k * (k - a)
        b = b + 2
        e = 1 / _off_zero(step * e + b)
        c = _off_zero(b + step / c)
        total = total * (c * e)
        if (np.abs(c * e - 1) <= 1e-16).all():
            break
    return np.asarray(total)


def _off_zero(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, 1e-300, x)


def _zeta(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """sum (q + k)^-s over k = 0, 1, ...: 12 terms (more below 0), and Euler and Maclaurin's for the rest."""
    s, q = np.broadcast_arrays(s, q)
    total, at = np.zeros(s.shape), q.copy()
    for _ in range(12 + int(np.clip(-np.nanmin(q, initial=0.0, where=np.isfinite(q)), 0, MOST))):
        low = at < 12
        total = np.where(low, total + np.where(low, at, 1.0) ** -s, total)
        at = np.where(low, at + 1, at)
    total = total + at ** (1 - s) / (s - 1) + 0.5 * at**-s
    rising, factorial = s.copy(), 2.0
    for k, b in enumerate(BERNOULLI, 1):
        total = total + b / factorial * rising * at ** (-s - 2 * k + 1)
        rising = rising * (s + 2 * k - 1) * (s + 2 * k)
        factorial *= (2 * k + 1) * (2 * k + 2)
    pole = (q <= 0) & (q == np.floor(q))
    bad = (s < 1) | ((q < 0) & (q != np.floor(q)) & (s != np.floor(s)))
    y = np.where(s == 1, np.inf, np.where(bad, np.nan, np.where(pole, np.inf, total)))
    return np.where((np.isnan(s) & ~pole) | np.isnan(q), np.nan, y)


def _both(a: Any, b: Any, of: Any) -> Any:
    """An array function of two tensors in float64, in their common dtype."""
    kind = (a + b)._data.dtype if a._data.dtype != b._data.dtype else a._data.dtype
    with np.errstate(all="ignore"):
        x, y = np.asarray(d.values(a), np.float64), np.asarray(d.values(b), np.float64)
        return d.constant(np.asarray(of(x, y), kind))


class Igamma(Function):
    """P(a, x), or Q(a, x) with `upper`."""

    @staticmethod
    def forward(ctx: Any, a: Any, x: Any, upper: bool) -> Any:
        """The value."""
        ctx.save_for_backward(a, x)
        ctx.upper = upper
        return _both(a, x, lambda b, y: _gamma_parts(b, y)[upper])

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Towards x: x^(a - 1) exp(-x) / Gamma(a).  Raises NotWritten towards a, as in PyTorch."""
        if ctx.needs_input_grad[0]:
            raise NotWritten(f"gammainc{'c' * ctx.upper}: the gradient towards the first argument is not written; detach it")
        a, x = ctx.saved_tensors
        slope = ((a - 1) * x.log() - x - a.lgamma()).exp()
        return None, (-g * slope if ctx.upper else g * slope).sum_to_size(x.shape), None


class Zeta(Function):
    """Hurwitz's zeta function."""

    @staticmethod
    def forward(ctx: Any, s: Any, q: Any) -> Any:
        """The value."""
        ctx.save_for_backward(s, q)
        return _both(s, q, _zeta)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """Towards q: -s zeta(s + 1, q).  Raises NotWritten towards s, as in PyTorch."""
        if ctx.needs_input_grad[0]:
            raise NotWritten("zeta: the gradient towards the first argument is not written; detach it")
        s, q = ctx.saved_tensors
        return None, (g * -s * Zeta.apply(s + 1, q)).sum_to_size(q.shape)


def igamma(name: str, a: Any, x: Any, upper: bool) -> Any:
    """P or Q of two floating tensors.  Raises DTypeError for others."""
    for given in (a, x):
        d.need_tensor(name, given)
    if a._data.dtype.kind in "iub" and x._data.dtype.kind in "iub":
        raise DTypeError(f"{name}: needs floats, got {a.dtype} and {x.dtype}; convert with .float()")
    return Igamma.apply(a, x, upper)
