"""The scalar vocabulary `m` over IR values: the compiler's reading of an elementwise op's forward.

`op.scalar(VOCABULARY, *scalars, **attrs)` runs the same lambda that NumPy reads in eager mode, and leaves
instructions behind.
"""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
import numpy as np

from cutaway.core.dtypes import FLOATING, is_narrow, promote_np
from cutaway.engine.llvm import mathematics
from cutaway.engine.llvm.emit import F16, F32, I1, I16, I32, Function, constant, is_float, like, memory_type

BOOL, SINGLE = np.dtype(bool), np.dtype(np.float32)


def register_type(dtype: np.dtype) -> ir.Type:
    """The IR type of a value in a register: as in memory, but a bool is one bit, and float16 and bfloat16 are float32."""
    return I1 if dtype == BOOL else F32 if is_narrow(dtype) else memory_type(dtype)


def number(dtype: np.dtype, x: Any) -> Any:
    """`x` as a number that the dtype holds, for a constant in a register."""
    return np.asarray(x).astype(dtype).item() if is_narrow(dtype) else x


def from_memory(f: Function, raw: Any, dtype: np.dtype) -> Scalar:
    """What was loaded, as a value in a register."""
    b = f.b
    if dtype == BOOL:
        raw = b.icmp_unsigned("!=", raw, constant(raw.type, 0))
    elif dtype == np.float16:
        raw = b.fpext(raw, like(raw.type, F32))
    elif is_narrow(dtype):
        word = like(raw.type, I32)
        raw = b.bitcast(b.shl(b.zext(raw, word), constant(word, 16)), like(raw.type, F32))
    return Scalar(f, raw, dtype)


def to_memory(x: Scalar) -> Any:
    """What is stored: a value that its dtype holds exactly loses nothing here."""
    b, v = x.f.b, x.value
    if x.dtype == BOOL:
        return b.zext(v, like(v.type, memory_type(BOOL)))
    if x.dtype == np.float16:
        return b.fptrunc(v, like(v.type, F16))
    if is_narrow(x.dtype):
        word = like(v.type, I32)
        return b.trunc(b.lshr(b.bitcast(v, word), constant(word, 16)), like(v.type, I16))
    return v


def _rounded(f: Function, v: Any, dtype: np.dtype) -> Any:
    """A float32 as the nearest number of a narrow dtype, ties to even; still float32."""
    b = f.b
    if dtype == np.float16:
        return b.fpext(b.fptrunc(v, like(v.type, F16)), v.type)
    word = like(v.type, I32)
    bits = b.bitcast(v, word)
    odd = b.and_(b.lshr(bits, constant(word, 16)), constant(word, 1))
    near = b.and_(b.add(b.add(bits, constant(word, 0x7FFF)), odd), constant(word, -0x10000))
    quiet = b.or_(b.and_(bits, constant(word, -0x10000)), constant(word, 0x400000))  # a NaN stays one
    return b.bitcast(b.select(b.fcmp_unordered("uno", v, v), quiet, near), v.type)


class Scalar:
    """One value in a register (or a vector of them), with Python's operators. `dtype` decides signs and comparisons."""

    __slots__ = ("dtype", "f", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, f: Function, value: Any, dtype: np.dtype) -> None:
        self.f, self.value, self.dtype = f, value, dtype

    # --- meeting another value ------------------------------------------------------------------------------------

    def lift(self, x: Any) -> Scalar:
        """`x` as a Scalar: a Python number takes this value's dtype (or float64's, if it is a float among integers)."""
        if isinstance(x, Scalar):
            return x
        t = like(self.value.type, register_type(self.dtype))
        return Scalar(self.f, constant(t, number(self.dtype, x)), self.dtype)

    def pair(self, x: Any) -> tuple[Any, Any, np.dtype]:
        """Both values in one dtype."""
        other = self.lift(x)
        if other.dtype == self.dtype:
            return self.value, other.value, self.dtype
        d = promote_np(self.dtype, other.dtype)
        return self.to(d).value, other.to(d).value, d

    def to(self, dtype: np.dtype) -> Scalar:
        """Converted as NumPy's astype converts."""
        if dtype == self.dtype:
            return self
        if is_narrow(self.dtype):
            return Scalar(self.f, self.value, SINGLE).to(dtype)
        if is_narrow(dtype):
            exact = self.dtype == np.float64 and dtype == np.float16  # through float32, others are rounded twice anyway
            wide = self._odd() if exact else self.to(SINGLE).value
            return Scalar(self.f, _rounded(self.f, wide, dtype), dtype)
        b, v, t = self.f.b, self.value, like(self.value.type, register_type(dtype))
        a_float, b_float = is_float(v.type), is_float(t)
        if dtype == BOOL:
            zero = constant(v.type, 0)
            out = b.fcmp_unordered("!=", v, zero) if a_float else b.icmp_signed("!=", v, zero)
        elif a_float and b_float:
            out = b.fpext(v, t) if dtype.itemsize > self.dtype.itemsize else b.fptrunc(v, t)
        elif a_float:
            out = self._whole(64) if dtype.itemsize == 8 else self._whole(32)
            out = b.trunc(out, t) if dtype.itemsize < 4 else out
        elif b_float:
            out = b.uitofp(v, t) if self.dtype.kind in "bu" else b.sitofp(v, t)
        elif dtype.itemsize > self.dtype.itemsize or self.dtype == BOOL:
            out = b.zext(v, t) if self.dtype.kind in "bu" else b.sext(v, t)
        else:
            out = b.trunc(v, t) if dtype.itemsize < self.dtype.itemsize else v
        return Scalar(self.f, out, dtype)

    def _odd(self) -> Any:
        """A float64 as a float32 that rounds to float16 as the float64 would: cut off, with the last bit set if inexact.

        (Boldo & Melquiond 2008, "Emulation of FMA and correctly rounded sums".) The direct conversion is a library call.
        """
        b, v = self.f.b, self.value
        narrow, word = like(v.type, ir.FloatType()), like(v.type, ir.IntType(32))
        near = b.fptrunc(v, narrow)
        back = b.fpext(near, v.type)
        size = [self.f.unary("fabs", x) for x in (v, back)]
        bits = b.bitcast(near, word)
        bits = b.sub(bits, b.zext(b.fcmp_ordered("<", *size), word))
        inexact = b.fcmp_ordered("!=", v, back)
        return b.bitcast(b.or_(bits, b.zext(inexact, word)), narrow)

    def _whole(self, width: int) -> Any:
        """The integer part in `width` bits; the smallest number for what does not fit, and for NaN."""
        b, v = self.f.b, self.value
        t = like(v.type, ir.IntType(width))
        end = 2.0 ** (width - 1)
        low, high = constant(v.type, -end), constant(v.type, end)
        fits = b.and_(b.fcmp_ordered(">=", v, low), b.fcmp_ordered("<", v, high))
        return b.select(fits, b.fptosi(v, t), constant(t, -(2 ** (width - 1))))

    def _arithmetic(self, x: Any, floating: str, integer: str, flip: bool = False) -> Scalar:
        a, c, d = self.pair(x)
        if flip:
            a, c = c, a
        b = self.f.b
        if d == BOOL:
            return Scalar(self.f, {"add": b.or_, "mul": b.and_, "sub": b.xor}[integer](a, c), d)
        return Scalar(self.f, getattr(b, floating if d.kind in FLOATING else integer)(a, c), d)

    def __add__(self, x: Any) -> Scalar:
        return self._arithmetic(x, "fadd", "add")

    def __sub__(self, x: Any) -> Scalar:
        return self._arithmetic(x, "fsub", "sub")

    def __rsub__(self, x: Any) -> Scalar:
        return self._arithmetic(x, "fsub", "sub", True)

    def __mul__(self, x: Any) -> Scalar:
        return self._arithmetic(x, "fmul", "mul")

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, x: Any) -> Scalar:
        return self._arithmetic(x, "fdiv", "sdiv")

    def __rtruediv__(self, x: Any) -> Scalar:
        return self._arithmetic(x, "fdiv", "sdiv", True)

    def __neg__(self) -> Scalar:
        b = self.f.b
        return Scalar(self.f, b.fneg(self.value) if self.dtype.kind in FLOATING else b.neg(self.value), self.dtype)

    def compare(self, how: str, x: Any) -> Scalar:
        """A comparison; with NaN all are false but `!=`."""
        a, c, d = self.pair(x)
        b = self.f.b
        if d.kind in FLOATING:
            out = b.fcmp_unordered(how, a, c) if how == "!=" else b.fcmp_ordered(how, a, c)
        else:
            out = b.icmp_unsigned(how, a, c) if d.kind in "bu" else b.icmp_signed(how, a, c)
        return Scalar(self.f, out, BOOL)

    def __lt__(self, x: Any) -> Scalar:
        return self.compare("<", x)

    def __le__(self, x: Any) -> Scalar:
        return self.compare("<=", x)

    def __gt__(self, x: Any) -> Scalar:
        return self.compare(">", x)

    def __ge__(self, x: Any) -> Scalar:
        return self.compare(">=", x)

    def __eq__(self, x: Any) -> Scalar:  # type: ignore[override]
        return self.compare("==", x)

    def __ne__(self, x: Any) -> Scalar:  # type: ignore[override]
        return self.compare("!=", x)

    def _bits(self, how: str, x: Any) -> Scalar:
        a, c, d = self.pair(x)
        return Scalar(self.f, getattr(self.f.b, how)(a, c), d)

    def __and__(self, x: Any) -> Scalar:
        return self._bits("and_", x)

    def __or__(self, x: Any) -> Scalar:
        return self._bits("or_", x)

    def __xor__(self, x: Any) -> Scalar:
        return self._bits("xor", x)

    def __invert__(self) -> Scalar:
        return Scalar(self.f, self.f.b.not_(self.value), self.dtype)


def _function(name: str) -> Any:
    """A function of mathematics.py, applied to a Scalar."""

    def apply(a: Scalar, *more: Any) -> Scalar:
        values = [a.value, *(a.lift(x).to(a.dtype).value for x in more)]
        return Scalar(a.f, getattr(mathematics, name)(a.f, *values), a.dtype)

    apply.__name__ = name
    return staticmethod(apply)


def _rounding(name: str) -> Any:
    def apply(a: Scalar) -> Scalar:
        return a if a.dtype.kind not in FLOATING else Scalar(a.f, a.f.unary(name, a.value), a.dtype)

    return staticmethod(apply)


class VOCABULARY:
    """As `cutaway.core.vocabulary.NUMPY`, over IR."""

    exp, expm1, log, log1p, sqrt = (_function(n) for n in ("exp", "expm1", "log", "log1p", "sqrt"))
    sin, cos, tan, tanh, sinh, cosh = (_function(n) for n in ("sin", "cos", "tan", "tanh", "sinh", "cosh"))
    asin, acos, atan, atan2, erf = (_function(n) for n in ("asin", "acos", "atan", "atan2", "erf"))
    sigmoid = _function("sigmoid")
    floor, ceil, trunc, round = (_rounding(n) for n in ("floor", "ceil", "trunc", "rint"))

    @staticmethod
    def abs(a: Scalar) -> Scalar:
        """|a|."""
        if a.dtype.kind in FLOATING:
            return Scalar(a.f, a.f.unary("fabs", a.value), a.dtype)
        return a if a.dtype.kind in "bu" else VOCABULARY.where(a < 0, -a, a)

    @staticmethod
    def sign(a: Scalar) -> Scalar:
        """-1, 0 or 1; 0 for NaN."""
        return VOCABULARY.where(a > 0, a.lift(1), VOCABULARY.where(a < 0, a.lift(-1), a.lift(0)))

    @staticmethod
    def maximum(a: Scalar, b: Any) -> Scalar:
        """The larger one; NaN if either is."""
        return VOCABULARY._extreme(a, b, ">")

    @staticmethod
    def minimum(a: Scalar, b: Any) -> Scalar:
        """The smaller one; NaN if either is."""
        return VOCABULARY._extreme(a, b, "<")

    @staticmethod
    def _extreme(a: Scalar, b: Any, how: str) -> Scalar:
        b = a.lift(b)
        best = a.compare(how, b)
        if a.dtype.kind in FLOATING:
            best = best | (a != a)
        return VOCABULARY.where(best, a, b)

    @staticmethod
    def where(condition: Scalar, a: Any, b: Any) -> Scalar:
        """A select."""
        if not isinstance(a, Scalar):
            a = b.lift(a)
        x, y, d = a.pair(b)
        return Scalar(a.f, a.f.b.select(condition.to(BOOL).value, x, y), d)

    @staticmethod
    def pow(a: Scalar, b: Any) -> Scalar:
        """a to the power b."""
        x, y, d = a.pair(b)
        if d.kind not in FLOATING:
            return Scalar(a.f, mathematics.integer_pow(a.f, x, y, d.kind == "i"), d)
        return Scalar(a.f, mathematics.pow(a.f, x, y), d)

    @staticmethod
    def floor_divide(a: Scalar, b: Any) -> Scalar:
        """The quotient, rounded down (NumPy's rules for infinities)."""
        b = a.lift(b)
        if a.dtype.kind in FLOATING:
            x, y, d = a.pair(b)
            rest = Scalar(a.f, a.f.b.frem(x, y), d)
            q = (a - rest) / b
            q = VOCABULARY.where((rest != 0) & ((rest < 0) ^ (b < 0)), q - 1.0, q)  # no rest + b: b may be infinite
            near = VOCABULARY.floor(q)
            near = VOCABULARY.where(q - near > 0.5, near + 1.0, near)
            return VOCABULARY.where(b == 0, a / b, VOCABULARY.where(q == 0, a * 0.0 / b, near))
        x, y, d = a.pair(b)
        build = a.f.b
        safe = VOCABULARY._divisor(Scalar(a.f, y, d))
        if d.kind == "u":
            return VOCABULARY.where(Scalar(a.f, y, d) == 0, 0, Scalar(a.f, build.udiv(x, safe.value), d))
        q = Scalar(a.f, build.sdiv(x, safe.value), d)
        r = Scalar(a.f, build.srem(x, safe.value), d)
        wrong = (r != 0) & ((r < 0) ^ (safe < 0))
        floored = VOCABULARY.where(wrong, q - 1, q)
        given = Scalar(a.f, y, d)
        return VOCABULARY.where(given == 0, 0, VOCABULARY.where(given == -1, -Scalar(a.f, x, d), floored))

    @staticmethod
    def _divisor(b: Scalar) -> Scalar:
        """`b`, or 1 where a processor would trap: by 0, and by -1 for the smallest number."""
        trap = b == 0
        if b.dtype.kind == "i":
            trap = trap | (b == -1)
        return VOCABULARY.where(trap, b.lift(1), b)

    @staticmethod
    def remainder(a: Scalar, b: Any) -> Scalar:
        """The remainder, with the sign of b."""
        b = a.lift(b)
        x, y, d = a.pair(b)
        build = a.f.b
        if d.kind in FLOATING:
            r = Scalar(a.f, build.frem(x, y), d)
        else:
            safe = VOCABULARY._divisor(Scalar(a.f, y, d)).value
            if d.kind == "u":
                return Scalar(a.f, build.urem(x, safe), d)
            r = Scalar(a.f, build.srem(x, safe), d)
        return VOCABULARY.where((r != 0) & ((r < 0) ^ (Scalar(a.f, y, d) < 0)), r + b, r)

    @staticmethod
    def isnan(a: Scalar) -> Scalar:
        """True for NaN."""
        return a != a if a.dtype.kind in FLOATING else a != a.lift(0) * 0 + a

    @staticmethod
    def isfinite(a: Scalar) -> Scalar:
        """True for neither infinities nor NaN."""
        if a.dtype.kind not in FLOATING:
            return a == a
        return VOCABULARY.abs(a) < float("inf")

    @staticmethod
    def logical_and(a: Scalar, b: Any) -> Scalar:
        """Both are not zero."""
        return a.to(BOOL) & a.lift(b).to(BOOL)

    @staticmethod
    def logical_or(a: Scalar, b: Any) -> Scalar:
        """Either is not zero."""
        return a.to(BOOL) | a.lift(b).to(BOOL)

    @staticmethod
    def logical_not(a: Scalar) -> Scalar:
        """Zero."""
        return ~a.to(BOOL)

    bitwise_and = staticmethod(lambda a, b: a & b)
    bitwise_or = staticmethod(lambda a, b: a | b)
    bitwise_xor = staticmethod(lambda a, b: a ^ b)
    bitwise_not = staticmethod(lambda a: ~a)


__all__ = ["VOCABULARY", "Scalar", "from_memory", "number", "register_type", "to_memory"]
