"""Transcendental functions as IR, for scalars and vectors of float32 and float64."""

from __future__ import annotations

from typing import Any

from cutaway.engine.llvm.emit import Function, constant


def _libm(name: str) -> Any:
    def call(f: Function, x: Any) -> Any:
        return f.unary(name, x)

    return call


exp, log, sqrt, sin, cos = (_libm(n) for n in ("exp", "log", "sqrt", "sin", "cos"))


def tanh(f: Function, x: Any) -> Any:
    """(1 - e) / (1 + e) with e = exp(-2 |x|)."""
    b = f.b
    e = exp(f, b.fmul(f.unary("fabs", x), constant(x.type, -2.0)))
    y = b.fdiv(b.fsub(constant(x.type, 1), e), b.fadd(constant(x.type, 1), e))
    return f.binary("copysign", y, x)


def pow(f: Function, x: Any, y: Any) -> Any:
    """x ** y."""
    return f.binary("pow", x, y)
