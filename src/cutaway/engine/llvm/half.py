"""float16 to float32 and back in plain integer arithmetic, under the names that LLVM calls where a processor cannot convert.

Without the F16C instructions LLVM calls `__extendhfsf2` and `__truncsfhf2`, which a compiler's runtime library would hold;
loaded code has none. Rounding is to nearest, ties to even.
"""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir

from cutaway.engine.llvm.emit import F16, F32, I16, I32, Function, constant
from cutaway.engine.llvm.target import Target

REBIAS = (127 - 15) << 23  # what the exponents' offsets differ by, in place


def define_conversions(module: ir.Module, t: Target) -> None:
    """Put both functions into the module, if the target needs them."""
    if t.isa == "sse":
        _extend(Function(module, "__extendhfsf2", [F16], F32))
        _truncate(Function(module, "__truncsfhf2", [F32], F16))


def _word(x: int) -> Any:
    return constant(I32, x)


def _extend(f: Function) -> None:
    b = f.b
    h = b.zext(b.bitcast(f.args[0], I16), I32)
    sign, size = b.shl(b.and_(h, _word(0x8000)), _word(16)), b.and_(h, _word(0x7FFF))
    normal = b.add(b.shl(size, _word(13)), _word(REBIAS))
    special = b.add(normal, _word(REBIAS))  # infinity and NaN
    tiny = b.bitcast(b.fmul(b.uitofp(size, F32), constant(F32, 2.0**-24)), I32)
    bits = b.select(b.icmp_unsigned(">=", size, _word(0x7C00)), special, normal)
    bits = b.select(b.icmp_unsigned("<", size, _word(0x0400)), tiny, bits)
    b.ret(b.bitcast(b.or_(bits, sign), F32))


def _truncate(f: Function) -> None:
    b = f.b
    x = b.bitcast(f.args[0], I32)
    sign, size = b.lshr(b.and_(x, _word(0x80000000)), _word(16)), b.and_(x, _word(0x7FFFFFFF))
    odd = b.and_(b.lshr(size, _word(13)), _word(1))
    normal = b.lshr(b.sub(b.add(b.add(size, _word(0xFFF)), odd), _word(REBIAS)), _word(13))
    # Below the normal numbers: a sum with 1/2 puts the right digits, rounded, at the end of the word.
    half = constant(F32, 0.5)
    tiny = b.sub(b.bitcast(b.fadd(b.bitcast(size, F32), half), I32), _word(0x3F000000))
    nan = b.or_(b.and_(b.lshr(size, _word(13)), _word(0x3FF)), _word(0x7E00))
    bits = b.select(b.icmp_unsigned("<", size, _word(0x38800000)), tiny, normal)
    bits = b.select(b.icmp_unsigned(">=", size, _word(0x477FF000)), _word(0x7C00), bits)
    bits = b.select(b.icmp_unsigned(">", size, _word(0x7F800000)), nan, bits)
    b.ret(b.bitcast(b.trunc(b.or_(bits, sign), I16), F16))
