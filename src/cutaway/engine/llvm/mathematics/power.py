"""x ** y as 2 ** (y log2 |x|), with the special cases of IEEE 754-2019 (9.2.1, pow); integers by squaring.

The product may reach 1,074, so log2 needs ten bits more than the result. float32 computes it in float64; float64 as a sum
of two float64 whose leading halves multiply exactly (Dekker 1971; the form of fdlibm's e_pow.c).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.llvm.emit import F32, F64, Function, constant
from cutaway.engine.llvm.mathematics.exponential import power_of_two, scaled, tail
from cutaway.engine.llvm.mathematics.fit import LN2, economised, parts
from cutaway.engine.llvm.mathematics.logarithm import Z_MAX, exponent_and_mantissa
from cutaway.engine.llvm.mathematics.real import DOUBLE, Real, Word, where


def pow(x: Real, y: Real) -> Real:
    """x ** y; a constant y of few multiplications (or a square root) makes just those."""
    known = _known(y.value)
    if known in SHORT:
        return SHORT[known](x)
    a = x.abs()
    p = _double(a, y) if x.double else _single(a, y)
    p = where((a == 0.0) | (a == math.inf), where(y > 0.0, a, where(a == 0.0, math.inf, 0.0, a)), p)
    whole, odd = _whole_and_odd(y)
    p = where(odd, p.signed(x), p)
    p = where((x < 0.0) & ~whole & (a < math.inf), math.nan, p)
    p = where(x.unordered(y), x + y, p)
    return where((y == 0.0) | (x == 1.0), 1.0, p)


def _root(x: Real) -> Real:
    """The square root with pow's special values: x ** 0.5 is +0 for -0 and inf for -inf."""
    return where(x == -math.inf, math.inf, (x + 0.0).sqrt())


SHORT: dict[float | None, Callable[[Real], Real]] = {
    -1.0: lambda x: 1.0 / x,
    -0.5: lambda x: 1.0 / _root(x),
    0.0: lambda x: x.lift(1.0),
    0.5: _root,
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    4.0: lambda x: (x * x) * (x * x),
}


def _whole_and_odd(y: Real) -> tuple[Word, Word]:
    """Masks: y is an integer (infinities are), y is an odd one."""
    a, unit = y.abs(), 2.0**y.format.fraction
    large = a >= unit
    w = where(large, a, a + unit)  # its last bit is worth 1
    whole = large | (w - unit == a)
    return whole, whole & (w.bits() & 1).nonzero() & (a < 2 * unit)


def _single(a: Real, y: Real) -> Real:
    """a ** y for float32's 0 < a < inf, in float64 to 2**-28."""
    largest = float(np.finfo(np.float32).max)
    y = y.at_most(largest).at_least(-largest).to(F64)  # 1 ** inf has no product of 0 and inf
    e, m = exponent_and_mantissa(a.to(F64), subnormal=False)
    s = (m - 1.0) / (m + 1.0)
    log2 = s.mad((s * s).polynomial(economised(_log2_term, 0.0, Z_MAX, 4)), e)
    z = (y * log2).at_most(200.0).at_least(-200.0)
    shifted = z + DOUBLE.shifter
    q = (z - (shifted - DOUBLE.shifter)).polynomial(economised(_power_of_two_term, -0.5, 0.5, 6))
    return (q * power_of_two(shifted.bits() + (DOUBLE.bias - DOUBLE.bits(DOUBLE.shifter)), DOUBLE)).to(F32)


def _double(a: Real, y: Real) -> Real:
    """a ** y for 0 < a < inf."""
    log_high, log_low = _log2(a)
    y = y.at_most(2.0**70).at_least(-(2.0**70))  # no result is finite beyond, unless a is 1
    y_high = y.high()
    high = y_high * log_high  # exact
    low = (y - y_high).mad(log_high, y * log_low)
    shifted = (high + low).at_most(1100.0).at_least(-1100.0) + DOUBLE.shifter
    rest = ((high - (shifted - DOUBLE.shifter)) + low).at_most(1.0).at_least(-1.0)
    return scaled(1.0 + tail(rest * float(LN2)), shifted.bits() + (2 * DOUBLE.bias - DOUBLE.bits(DOUBLE.shifter)))


def _log2(a: Real) -> tuple[Real, Real]:
    """log2(a) as a sum; the first number has 26 bits.

    With s = (m - 1) / (m + 1):  ln m = 2/3 s (3 + s**2 + 3/5 s**4 + 3/7 s**6 + ...).
    """
    e, m = exponent_and_mantissa(a)
    f, d = m - 1.0, m + 1.0
    inverse = 1.0 / d
    s = f * inverse
    s_high, d_high = s.high(), d.high()
    s_low = ((f - s_high * d_high) - s_high * (m - (d_high - 1.0))) * inverse
    z, z_high = s * s, s_high * s_high
    r = z * z * z.polynomial(economised(_sum_term, 0.0, Z_MAX, 7)) + s_low * (s_high + s)
    t_high = (3.0 + z_high + r).high()
    t_low = r - ((t_high - 3.0) - z_high)
    u, v = s_high * t_high, s_low.mad(t_high, t_low * s)
    p_high = (u + v).high()
    p_low = v - (p_high - u)
    c_high, c_low = parts(Fraction(2, 3) / LN2, 26)
    w = c_high * p_high  # exact
    w_low = p_high.mad(c_low, p_low * (c_high + c_low))
    high = ((w + w_low) + e).high()
    return high, w_low - ((high - e) - w)


def _sum_term(k: int) -> Fraction:
    return Fraction(3, 2 * k + 5)


def _log2_term(k: int) -> Fraction:
    return 2 / LN2 / (2 * k + 1)


def _power_of_two_term(k: int) -> Fraction:
    return LN2**k / math.factorial(k)


def integer_pow(f: Function, x: ir.Value, y: ir.Value, signed: bool = True) -> ir.Value:
    """x ** y of integers, modulo 2**bits, by repeated squaring; a negative y gives 0 unless x is 1 or -1, as in PyTorch."""
    b, t = f.b, x.type
    width = (t.element if isinstance(t, ir.VectorType) else t).width
    one, zero = constant(t, 1), constant(t, 0)
    known = _known(y)
    if known is not None and known >= 0:
        return _chain(b, x, known) if known else one
    product, square = one, x
    for bit in range(width - 1 if signed else width):
        square = b.mul(square, square) if bit else x
        chosen = b.icmp_unsigned("!=", b.and_(y, constant(t, 1 << bit)), zero)
        product = b.mul(product, b.select(chosen, square, one))
    if not signed:
        return product
    unit = b.or_(b.icmp_unsigned("==", x, one), b.icmp_unsigned("==", x, constant(t, -1)))
    inverse = b.select(unit, b.select(b.icmp_unsigned("!=", b.and_(y, one), zero), x, one), zero)
    return b.select(b.icmp_signed("<", y, zero), inverse, product)


def _known(y: ir.Value) -> Any:
    """The exponent, if it is a constant (the same in every lane)."""
    if not isinstance(y, ir.Constant):
        return None
    lanes = {lane.constant for lane in y.constant} if isinstance(y.type, ir.VectorType) else {y.constant}
    return lanes.pop() if len(lanes) == 1 else None


def _chain(b: ir.IRBuilder, x: ir.Value, n: int) -> ir.Value:
    """x ** n for n >= 1: square, and multiply by x where n has a bit."""
    y = x
    for bit in bin(n)[3:]:
        y = b.mul(y, y)
        if bit == "1":
            y = b.mul(y, x)
    return y
