"""A gradient rule on arrays: its own code, with each op's NumPy forward in the place of the op.

Rules are written once, in Tensor ops, so that a gradient can be recorded, traced and differentiated again. An ordinary
backward asks for none of that, and a Tensor an op is most of what it costs. So the rule's code is run once more with other
globals: `gate(g, y)` is then `gate.forward(g, y)`, `reshape(g, shape=A.shape)` NumPy's reshape, and `g * y` needs nothing.
Only code that we can see through is taken: operators, ops that are plain NumPy, shapes, and functions made of these.
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from cutaway.core import op as _op

SEEN = frozenset(["shape", "ndim", "dtype", "sqrt", "pi"])  # attributes that mean the same on both sides
AS_IT_IS = (ModuleType, type, int, float, str, tuple, BuiltinFunctionType)
ELSEWHERE = ("contract", "window", "random")  # kinds whose work is done by other means than NumPy


def on_arrays(fn: Callable[..., Any]) -> Callable[..., Any] | None:
    """`fn` for arrays instead of Tensors, or None if it does more than this can see through."""
    fn = getattr(fn, "__wrapped__", fn)  # float16, which the wrappers are about, is not computed this way
    if not isinstance(fn, FunctionType) or fn.__closure__ or fn.__kwdefaults__:
        return None
    names: dict[str, Any] = {"__builtins__": builtins}
    for kind, name in _names(fn.__code__):
        if kind == "attribute":
            if name not in SEEN:
                return None
            continue
        value = fn.__globals__.get(name, getattr(builtins, name, None))
        if isinstance(value, _op.Op):
            value = None if value.kind in ELSEWHERE else value.forward
        elif isinstance(value, FunctionType):
            value = on_arrays(value)
        elif not isinstance(value, AS_IT_IS):
            value = None
        if value is None:
            return None
        names[name] = value
    return FunctionType(fn.__code__, names, fn.__name__, fn.__defaults__)


def _names(code: CodeType) -> Iterator[tuple[str, str]]:
    """What the code, and code inside it, loads by name: globals and attributes."""
    for step in dis.get_instructions(code):
        if step.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")):
            yield "attribute", step.argval
        elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield "global", step.argval
        elif "ATTR" in step.opname or "GLOBAL" in step.opname or step.opname.startswith(("IMPORT", "LOAD_SUPER")):
            yield "attribute", ""  # writes, imports: not to be seen through
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
