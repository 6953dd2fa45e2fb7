"""Formulas over IR values: a float, a machine word, a mask, each with Python's operators, scalar or vector alike.

`x.mad(a, b)` is x * a + b by `llvm.fmuladd`: one instruction where the machine has FMA, a product and a sum where it has
none (there `llvm.fma` would call a slow function). So no formula may rest on a product being rounded or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.llvm.emit import F32, F64, I32, I64, Function, constant, element, like, mangle


class Format(NamedTuple):
    """An IEEE 754 binary format: bits of the fraction, bias of the exponent, the integer of the same size."""

    fraction: int
    bias: int
    word: ir.IntType
    numpy: type

    @property
    def shifter(self) -> float:
        """1.5 * 2**fraction: added to a small number it leaves the nearest integer in the low bits."""
        return 1.5 * 2.0**self.fraction

    @property
    def smallest(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    def bits(self, number: float) -> int:
        """The pattern of a positive number, as an integer."""
        return int(self.numpy(number).view(f"i{self.word.width // 8}"))


SINGLE, DOUBLE = Format(23, 127, I32, np.float32), Format(52, 1023, I64, np.float64)


@lru_cache(4096)
def literal(t: ir.Type, number: float) -> ir.Constant:
    """A constant in every lane; the same object each time (texts of vectors are long)."""
    return constant(t, number)


class Word:
    """An integer, or a mask (one bit a lane)."""

    __slots__ = ("f", "value")

    def __init__(self, f: Function, value: Any) -> None:
        self.f, self.value = f, value

    def _make(self, how: str, x: Word | int) -> Word:
        other = x.value if isinstance(x, Word) else constant(self.value.type, x)
        return Word(self.f, getattr(self.f.b, how)(self.value, other))

    def __add__(self, x: Word | int) -> Word:
        return self._make("add", x)

    def __sub__(self, x: Word | int) -> Word:
        return self._make("sub", x)

    def __and__(self, x: Word | int) -> Word:
        return self._make("and_", x)

    def __or__(self, x: Word | int) -> Word:
        return self._make("or_", x)

    def __xor__(self, x: Word | int) -> Word:
        return self._make("xor", x)

    def __lshift__(self, x: int) -> Word:
        return self._make("shl", x)

    def __rshift__(self, x: int) -> Word:
        """A logical shift: zeros come in (an arithmetic one of 64 bits is slow before AVX-512)."""
        return self._make("lshr", x)

    def __invert__(self) -> Word:
        return Word(self.f, self.f.b.not_(self.value))

    def nonzero(self) -> Word:
        """A mask of the lanes that are not zero."""
        return Word(self.f, self.f.b.icmp_unsigned("!=", self.value, constant(self.value.type, 0)))

    def resized(self, word: ir.IntType) -> Word:
        """Its low bits, in a narrower integer."""
        t = like(self.value.type, word)
        return self if t == self.value.type else Word(self.f, self.f.b.trunc(self.value, t))

    def real(self) -> Real:
        """The float of this bit pattern."""
        width = element(self.value.type).width
        return Real(self.f, self.f.b.bitcast(self.value, like(self.value.type, F32 if width == 32 else F64)))


class Real:
    """A float32 or float64, or a vector of them."""

    __slots__ = ("f", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, f: Function, value: Any) -> None:
        self.f, self.value = f, value

    # --- its format -----------------------------------------------------------------------------------------------

    @property
    def double(self) -> bool:
        """True for float64."""
        return isinstance(element(self.value.type), ir.DoubleType)

    @property
    def format(self) -> Format:
        """SINGLE or DOUBLE."""
        return DOUBLE if self.double else SINGLE

    def to(self, scalar: ir.Type) -> Real:
        """Widened or rounded to another format."""
        t = like(self.value.type, scalar)
        if t == self.value.type:
            return self
        b = self.f.b
        wider = mangle(scalar) > mangle(element(self.value.type))  # f16 < f32 < f64
        return Real(self.f, b.fpext(self.value, t) if wider else b.fptrunc(self.value, t))

    # --- arithmetic -----------------------------------------------------------------------------------------------

    def lift(self, x: Real | float) -> Real:
        """A Python number as a constant of this format, rounded to it."""
        return x if isinstance(x, Real) else Real(self.f, literal(self.value.type, float(x)))

    def __add__(self, x: Real | float) -> Real:
        return Real(self.f, self.f.b.fadd(self.value, self.lift(x).value))

    def __sub__(self, x: Real | float) -> Real:
        return Real(self.f, self.f.b.fsub(self.value, self.lift(x).value))

    def __rsub__(self, x: float) -> Real:
        return self.lift(x) - self

    def __mul__(self, x: Real | float) -> Real:
        return Real(self.f, self.f.b.fmul(self.value, self.lift(x).value))

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, x: Real | float) -> Real:
        return Real(self.f, self.f.b.fdiv(self.value, self.lift(x).value))

    def __rtruediv__(self, x: float) -> Real:
        return self.lift(x) / self

    def __neg__(self) -> Real:
        return Real(self.f, self.f.b.fneg(self.value))

    def mad(self, a: Real | float, b: Real | float) -> Real:
        """self * a + b."""
        t, f = self.value.type, self.f
        return Real(
            f, f.intrinsic(f"fmuladd.{mangle(t)}", t, [t] * 3, self.value, self.lift(a).value, self.lift(b).value)
        )

    def polynomial(self, coefficients: Sequence[float]) -> Real:
        """c[0] + c[1] x + ... by Horner's rule."""
        y = self.lift(coefficients[-1])
        for c in coefficients[-2::-1]:
            y = y.mad(self, c)
        return y

    def abs(self) -> Real:
        """|x|."""
        return Real(self.f, self.f.unary("fabs", self.value))

    def sqrt(self) -> Real:
        """The square root; NaN of a negative number."""
        return Real(self.f, self.f.unary("sqrt", self.value))

    def signed(self, x: Real) -> Real:
        """|self| with the sign of x."""
        return Real(self.f, self.f.binary("copysign", self.value, x.value))

    def at_most(self, bound: float) -> Real:
        """The smaller one; NaN stays NaN (`minps` in this order)."""
        top = self.lift(bound)
        return where(top < self, top, self)

    def at_least(self, bound: float) -> Real:
        """The larger one; NaN stays NaN."""
        low = self.lift(bound)
        return where(low > self, low, self)

    # --- bits -----------------------------------------------------------------------------------------------------

    def bits(self) -> Word:
        """Its bit pattern."""
        return Word(self.f, self.f.b.bitcast(self.value, like(self.value.type, self.format.word)))

    def high(self) -> Real:
        """Its leading half (26 of float64's 53 bits): products of two such are exact (Dekker 1971)."""
        return (self.bits() & ~((1 << 27) - 1)).real()

    # --- masks ----------------------------------------------------------------------------------------------------

    def compare(self, how: str, x: Real | float) -> Word:
        """An ordered comparison: false if either is NaN."""
        return Word(self.f, self.f.b.fcmp_ordered(how, self.value, self.lift(x).value))

    def __lt__(self, x: Real | float) -> Word:
        return self.compare("<", x)

    def __gt__(self, x: Real | float) -> Word:
        return self.compare(">", x)

    def __ge__(self, x: Real | float) -> Word:
        return self.compare(">=", x)

    def __eq__(self, x: Real | float) -> Word:  # type: ignore[override]
        return self.compare("==", x)

    def unordered(self, x: Real) -> Word:
        """True if either is NaN."""
        return Word(self.f, self.f.b.fcmp_unordered("uno", self.value, x.value))


def where(mask: Word, a: Real | float, b: Real | float, like: Real | None = None) -> Real:
    """A select, lane by lane; `like` gives the format if neither is a Real."""
    model = next(x for x in (a, b, like) if isinstance(x, Real))
    return Real(mask.f, mask.f.b.select(mask.value, model.lift(a).value, model.lift(b).value))
