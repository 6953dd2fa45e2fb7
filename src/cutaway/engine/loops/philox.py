"""Philox4x32-10 inside a kernel: element i is word i % 4 of block offset + i // 4, as in `cutaway.core.philox`."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
import numpy as np

from cutaway.core.philox import KEY_STEP, MULTIPLY, ROUNDS
from cutaway.engine.llvm.emit import F32, F64, I32, I64, Function, Int, constant
from cutaway.engine.scalar import Scalar


def _word(f: Function, state: tuple[Any, Any], position: Int, plane: int) -> Any:
    """The random word of element `position`, an i32."""
    b = f.b
    seed, offset = state
    i = f.int(position)
    block = b.add(offset, b.lshr(i, constant(I64, 2)))

    def low(v: Any) -> Any:
        return b.trunc(v, I32)

    def high(v: Any) -> Any:
        return b.trunc(b.lshr(v, constant(I64, 32)), I32)

    x: list[Any] = [low(block), high(block), constant(I32, plane), constant(I32, 0)]
    k0, k1 = low(seed), high(seed)
    m1, m0 = (ir.Constant(I64, int(m)) for m in MULTIPLY[:, 0])
    for _ in range(ROUNDS):
        p0, p1 = b.mul(m0, b.zext(x[0], I64)), b.mul(m1, b.zext(x[2], I64))
        x = [b.xor(b.xor(high(p1), x[1]), k0), low(p1), b.xor(b.xor(high(p0), x[3]), k1), low(p0)]
        k0, k1 = b.add(k0, ir.Constant(I32, KEY_STEP[0])), b.add(k1, ir.Constant(I32, KEY_STEP[1]))
    lane = b.and_(b.trunc(i, I32), constant(I32, 3))
    out = x[0]
    for n in (1, 2, 3):
        out = b.select(b.icmp_unsigned("==", lane, constant(I32, n)), x[n], out)
    return out


def uniform_at(f: Function, state: tuple[Any, Any], position: Int, dtype: np.dtype) -> Scalar:
    """The uniform number in [0, 1) of element `position`, bit for bit that of `philox_uniform`."""
    b = f.b
    word = _word(f, state, position, 0)
    if dtype == np.float64:
        below = b.lshr(_word(f, state, position, 1), constant(I32, 11))
        u = b.fadd(
            b.fmul(b.uitofp(word, F64), constant(F64, 2.0**-32)), b.fmul(b.uitofp(below, F64), constant(F64, 2.0**-53))
        )
        return Scalar(f, u, dtype)
    bits = 24 if dtype == np.float32 else 11 if dtype == np.float16 else 8
    u = b.uitofp(b.lshr(word, constant(I32, 32 - bits)), F32)
    return Scalar(f, b.fmul(u, constant(F32, 2.0**-bits)), dtype)
