"""log, log1p.

x = 2**e m with m in [sqrt(1/2), sqrt(2)) and f = m - 1. Then log m = f - (f**2 / 2 - y), whose leading terms are exact, with
y = s (f**2 / 2 + R(s**2)) where s = f / (2 + f) in float64 (log m = 2 atanh(s): fdlibm; Muller, section 4.4), and
y = f**3 Q(f) in float32, where four more terms cost less than a division.
"""

from __future__ import annotations

import math

from cutaway.engine.llvm.mathematics.fit import LN2, atanh_term, economised, logarithm_term, parts
from cutaway.engine.llvm.mathematics.real import Real, Word, where

F_MAX = math.sqrt(2) - 1
Z_MAX = F_MAX**4  # of s**2


def log(x: Real) -> Real:
    """The natural logarithm: -inf at 0, NaN below."""
    e, m = exponent_and_mantissa(x)
    return _ends(x, _sum(m - 1.0, e, None), x)


def log1p(x: Real) -> Real:
    """log(1 + x), to full precision near zero: what 1 + x lost in rounding is put back as c / (1 + x)."""
    u = 1.0 + x
    e, m = exponent_and_mantissa(u)
    c = where(x > 1.0, 1.0 - (u - x), x - (u - 1.0)) / u
    near = e == 0.0
    y = _sum(where(near, x, m - 1.0), e, where(near, 0.0, c))
    return _ends(u, y, x).signed(x)


def _ends(u: Real, y: Real, x: Real) -> Real:
    """-inf for u = 0, NaN for u < 0; x itself, if that is inf or NaN."""
    y = where(u < math.inf, y, x)
    y = where(u < 0.0, math.nan, y)
    return where(u == 0.0, -math.inf, y)


def _sum(f: Real, e: Real, c: Real | None) -> Real:
    """e ln 2 + log(1 + f) + c, small terms first."""
    first, second = parts(LN2, 32 if f.double else 12)
    square = f * f
    half = square * 0.5
    low = e * second
    if c is not None:
        low = low + c
    if f.double:
        s = f / (f + 2.0)
        z = s * s
        y = s.mad(half + z * z.polynomial(economised(atanh_term, 0.0, Z_MAX, 7)), low)
    else:
        y = (square * f).mad(f.polynomial(economised(logarithm_term, math.sqrt(0.5) - 1, F_MAX, 8)), low)
    return e.mad(first, f - (half - y))


def exponent_and_mantissa(x: Real, subnormal: bool = True) -> tuple[Real, Real]:
    """e and m with x = 2**e m and m in [sqrt(1/2), sqrt(2)), for 0 < x < inf (`subnormal`: even below the normal)."""
    form = x.format
    bias: Real | float = float(form.bias)
    if subnormal:
        up = form.fraction + 1
        tiny = x < form.smallest
        x, bias = where(tiny, x * 2.0**up, x), where(tiny, float(form.bias + up), bias, x)
    root = form.bits(form.numpy(math.sqrt(0.5)))
    moved = x.bits() + (form.bits(1.0) - root)
    m = ((moved & ((1 << form.fraction) - 1)) + root).real()
    return small_integer(moved >> form.fraction, x) - bias, m


def small_integer(n: Word, like: Real) -> Real:
    """A small integer as a float of the format of `like`, by its place in the bits of a larger one."""
    form = like.format
    return (n + form.bits(form.shifter)).real() - form.shifter
