"""exp, expm1 and what is made of them: tanh, sigmoid, sinh, cosh.

x = n ln 2 + r with |r| <= ln 2 / 2 (Cody & Waite 1980), e**r = 1 + r + r**2 q(r), and 2**n goes into the exponent's bits
in two halves, so that results overflow to infinity and underflow gradually by themselves.
"""

from __future__ import annotations

from cutaway.engine.llvm.mathematics.fit import LN2, economised, exponential_term, parts, tanh_term
from cutaway.engine.llvm.mathematics.real import Format, Real, Word, where


def exp(x: Real) -> Real:
    """e**x."""
    return _exp(x, 0)


def _exp(x: Real, power: int) -> Real:
    """e**x * 2**power."""
    r, n = reduced(x, *((-746.0, 711.0) if x.double else (-104.0, 90.0)))
    return scaled(1.0 + tail(r), n + power if power else n)


def reduced(x: Real, low: float, high: float) -> tuple[Real, Word]:
    """r and n + 2 * bias, of x kept within bounds beyond which the result does not change; NaN stays in r."""
    r, n, word = _nearest(x, low, high)
    return n.mad(-_parts(x)[1], r), word


def _nearest(x: Real, low: float, high: float) -> tuple[Real, Real, Word]:
    """x - n times the first part of ln 2 (exactly), n, and n + 2 * bias."""
    form = x.format
    x = x.at_most(high).at_least(low)
    shifted = x.mad(1 / float(LN2), form.shifter)
    n = shifted - form.shifter
    return n.mad(-_parts(x)[0], x), n, shifted.bits() + (2 * form.bias - form.bits(form.shifter))


def _parts(x: Real) -> tuple[float, ...]:
    return parts(LN2, 32 if x.double else 12)  # n has at most 11 and 8 bits


def tail(r: Real, low: Real | None = None) -> Real:
    """e**(r + low) - 1 for |r| <= ln 2 / 2 and tiny `low`."""
    q = r.polynomial(economised(exponential_term, -0.347, 0.347, 10 if r.double else 4))
    z = r * r
    return z.mad(q, r) if low is None else r + z.mad(q, low)


def scaled(y: Real, n: Word) -> Real:
    """y * 2**(n - 2 * bias), rounded once."""
    half = n >> 1
    return y * power_of_two(half, y.format) * power_of_two(n - half, y.format)


def power_of_two(biased: Word, form: Format) -> Real:
    """2**(biased - bias): the word as an exponent."""
    return (biased << form.fraction).real()


def expm1(x: Real) -> Real:
    """e**x - 1, to full precision near zero."""
    y, n = _expm1(x)
    return (y * power_of_two(n, x.format)).signed(x)


def _expm1(x: Real) -> tuple[Real, Word]:
    """e**x - 1 as y * 2**(n - bias): 2**h (p + 1 - 2**-n) with p = e**r - 1, whose halves do not overflow early."""
    form = x.format
    first, turns, n = _nearest(x, *((-50.0, 711.0) if x.double else (-25.0, 90.0)))
    second = turns * _parts(x)[1]
    r = first - second
    low = (first - r) - second  # what r lost in rounding
    half = n >> 1
    rest = n - half
    inverse = power_of_two((rest ^ -1) + (2 * form.bias + 1), form)
    scale = power_of_two(half, form)
    return tail(r, low).mad(scale, scale - inverse), rest


def sinh(x: Real) -> Real:
    """(t + t / (t + 1)) / 2 with t = e**|x| - 1 (as in fdlibm), from t / 2, which overflows only when the result does."""
    y, n = _expm1(x.abs())
    half = y * power_of_two(n - 1, x.format)
    t = half.at_most(2.0**60)  # no quotient of infinities
    return (t / (t + 0.5)).mad(0.5, half).signed(x)


def cosh(x: Real) -> Real:
    """h + 1 / (4 h) with h = e**|x| / 2."""
    h = _exp(x.abs(), -1)
    return h + 0.25 / h


def sigmoid(x: Real) -> Real:
    """1 / (1 + e**-x): from e = e**-|x|, which cannot overflow and keeps its precision on the negative side."""
    e = exp(-x.abs())
    return where(x < 0, e, 1) / (1.0 + e)


def tanh(x: Real) -> Real:
    """1 - 2 / (e**2|x| + 1); below 0.625, where that cancels, x + x**3 q(x**2)."""
    form, a, z = x.format, x.abs(), x * x
    q = z.polynomial(economised(tanh_term, 0.0, 0.391, 12 if x.double else 4))
    near = (x * z).mad(q, x)
    r, n = reduced(a + a, -1.0, 44.0 if x.double else 20.0)  # where the result is 1
    e = (1.0 + tail(r)) * power_of_two(n - form.bias, form)
    far = 1.0 - 2.0 / (e + 1.0)
    return where(a < 0.625, near, far).signed(x)
