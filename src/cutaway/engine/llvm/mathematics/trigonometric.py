"""sin, cos, tan.

x = n pi/2 + r with |r| <= pi/4, then polynomials in r**2 (Cody & Waite 1980). float32 is reduced in float64: pi/2 in two
parts is good to the last place for |x| < 1e8. float64 takes three parts, good for |x| < 1e6. Beyond, an error of about
|x| 2**-52 (float32: 2**-49) radians grows in; the result stays within [-1, 1], and is NaN for an infinity.
"""

from __future__ import annotations

from cutaway.engine.llvm.emit import F32, F64
from cutaway.engine.llvm.mathematics.fit import PI, cosine_term, economised, parts, sine_term
from cutaway.engine.llvm.mathematics.real import DOUBLE, Real, Word, where

Z_MAX = 0.617  # (pi / 4)**2


def sin(x: Real) -> Real:
    """The sine of x radians."""
    r, n = _reduced(x)
    y = where((n & 1).nonzero(), _cosine(r), _sine(r))
    return where(x == 0.0, x, _negated_by(y, n))


def cos(x: Real) -> Real:
    """The cosine of x radians: sin(x + pi/2)."""
    r, n = _reduced(x)
    n = n + 1
    return _negated_by(where((n & 1).nonzero(), _cosine(r), _sine(r)), n)


def tan(x: Real) -> Real:
    """sin / cos, turned over in every other quadrant."""
    r, n = _reduced(x)
    s, c, odd = _sine(r), _cosine(r), (n & 1).nonzero()
    return where(x == 0.0, x, where(odd, -c, s) / where(odd, s, c))


def _reduced(x: Real) -> tuple[Real, Word]:
    """r and n, of which the low two bits count."""
    wide = x.to(F64)
    shifted = wide.mad(float(2 / PI), DOUBLE.shifter)
    n = shifted - DOUBLE.shifter
    r = wide
    for part in parts(PI / 2, 33, 33) if x.double else parts(PI / 2, 26):
        r = n.mad(-part, r)
    r = r.at_most(0.7854).at_least(-0.7854)
    return r.to(F64 if x.double else F32), shifted.bits().resized(x.format.word)


def _sine(r: Real) -> Real:
    z = r * r
    return (r * z).mad(z.polynomial(economised(sine_term, 0.0, Z_MAX, 6 if r.double else 2)), r)


def _cosine(r: Real) -> Real:
    z = r * r
    q = z.polynomial(economised(cosine_term, 0.0, Z_MAX, 5 if r.double else 2))
    return 1.0 - (z * 0.5 - z * z * q)


def _negated_by(y: Real, n: Word) -> Real:
    """-y where n is 2 or 3 modulo 4: the second bit becomes the sign."""
    width = y.format.word.width
    return (y.bits() ^ ((n >> 1) << (width - 1))).real()
