"""Transcendental functions as straight-line IR: no branch, no table, no call, so that loops over them become vectors.

Each is `name(f, x)` for a scalar or a vector of float32 or float64 (float16 is widened to float32 and rounded back), with
NumPy's special values. Errors in units of the last place are in the tests; denormal results are kept unless the thread
flushes them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import llvmlite.ir as ir

from cutaway.engine.llvm.emit import F32, Function, element
from cutaway.engine.llvm.mathematics import error_function, exponential, inverse, logarithm, power, trigonometric
from cutaway.engine.llvm.mathematics.power import integer_pow
from cutaway.engine.llvm.mathematics.real import Real


def _emitter(formula: Callable[..., Real]) -> Callable[..., Any]:
    """A formula over Real as a function of IR values."""

    @wraps(formula)
    def emit(f: Function, *values: Any) -> Any:
        half = element(values[0].type)
        reals = [Real(f, v) for v in values]
        if isinstance(half, ir.HalfType):
            return formula(*[x.to(F32) for x in reals]).to(half).value
        return formula(*reals).value

    return emit


exp, expm1 = _emitter(exponential.exp), _emitter(exponential.expm1)
sinh, cosh, tanh = (_emitter(g) for g in (exponential.sinh, exponential.cosh, exponential.tanh))
sigmoid = _emitter(exponential.sigmoid)
log, log1p = _emitter(logarithm.log), _emitter(logarithm.log1p)
sqrt = _emitter(Real.sqrt)
sin, cos, tan = (_emitter(g) for g in (trigonometric.sin, trigonometric.cos, trigonometric.tan))
asin, acos, atan, atan2 = (_emitter(g) for g in (inverse.asin, inverse.acos, inverse.atan, inverse.atan2))
erf = _emitter(error_function.erf)
pow = _emitter(power.pow)

__all__ = [
    "acos", "asin", "atan", "atan2", "cos", "cosh", "erf", "exp", "expm1", "integer_pow", "log", "log1p", "pow", "sigmoid",
    "sin", "sinh", "sqrt", "tan", "tanh",
]  # fmt: skip
