"""asin, acos, atan, atan2: a polynomial on a short interval, everything else by an identity (fdlibm, Cephes)."""

from __future__ import annotations

import math

from cutaway.engine.llvm.mathematics.fit import PI, arcsine_term, arctangent_term, economised, rounded
from cutaway.engine.llvm.mathematics.real import Real, Word, where

TAN_PI_8 = math.sqrt(2) - 1


def asin(x: Real) -> Real:
    """From asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)) for a > 1/2; NaN beyond 1."""
    p, far = _half_arcsine(x.abs())
    high, low = rounded(PI / 2, x.double)
    return where(far, high - ((p + p) - low), p).signed(x)


def acos(x: Real) -> Real:
    """pi/2 - asin(x), without its cancellation near 1."""
    p, far = _half_arcsine(x.abs())
    high, low = rounded(PI / 2, x.double)
    middle = high - (p.signed(x) - low)
    right = p + p
    left = 2 * high - (right - 2 * low)
    return where(far, where(x < 0.0, left, right), middle)


def _half_arcsine(a: Real) -> tuple[Real, Word]:
    """asin(a) for 0 <= a <= 1/2; beyond (where the mask is true) asin(sqrt((1 - a) / 2))."""
    far = a > 0.5
    z = where(far, (1.0 - a) * 0.5, a * a)
    s = where(far, z.sqrt(), a)
    q = z.polynomial(economised(arcsine_term, 0.0, 0.25, 12 if a.double else 5))
    return (s * z).mad(q, s), far


def atan(x: Real) -> Real:
    """The angle of slope x."""
    a = x.abs()
    steep, middle = a > 1 / TAN_PI_8, a > TAN_PI_8
    t = where(steep, -1.0, where(middle, a - 1.0, a)) / where(steep, a, where(middle, a + 1.0, 1.0))
    (h2, l2), (h4, l4) = rounded(PI / 2, x.double), rounded(PI / 4, x.double)
    high = where(steep, h2, where(middle, h4, 0.0, x))
    low = where(steep, l2, where(middle, l4, 0.0, x))
    return (high + (_arctangent(t, low))).signed(x)


def atan2(y: Real, x: Real) -> Real:
    """The angle of the point (x, y), in [-pi, pi]; signs of zeros count, as in C99 (annex F)."""
    double = x.double
    ax, ay = x.abs(), y.abs()
    steep = ay > ax
    n, d = where(steep, ax, ay), where(steep, ay, ax)
    large = d > x.format.numpy(2.0) ** (x.format.bias - 1)
    n, d = where(large, n * 0.25, n), where(large, d * 0.25, d)  # n + d must not overflow
    n, d = where(n == math.inf, 1.0, n), where((d == 0.0) | (n == math.inf), 1.0, d)
    middle = n > d * TAN_PI_8
    t = where(middle, n - d, n) / where(middle, n + d, d)
    (h1, l1), (h2, l2), (h4, l4) = (rounded(PI / k, double) for k in (1, 2, 4))
    angle = where(middle, h4, 0.0, x) + _arctangent(t, where(middle, l4, 0.0, x))
    angle = where(steep, h2 - (angle - l2), angle)
    angle = where(x.lift(1.0).signed(x) < 0.0, h1 - (angle - l1), angle)
    return where(x.unordered(y), x + y, angle.signed(y))


def _arctangent(t: Real, low: Real) -> Real:
    """atan(t) + low for |t| <= tan(pi/8)."""
    z = t * t
    q = z.polynomial(economised(arctangent_term, 0.0, TAN_PI_8**2, 11 if t.double else 4))
    return t + (t * z).mad(q, low)
