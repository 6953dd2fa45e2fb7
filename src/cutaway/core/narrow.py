"""float16 and bfloat16: numbers of two bytes, computed with in float32. What an op gives is rounded once.

So it is in PyTorch on the CPU. A product `x * 0.1` rounds its result, not 0.1; a sum is made in float32. Ops that only
move numbers move the bits as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cutaway.core.dtypes import FLOATING, is_narrow

if TYPE_CHECKING:
    from cutaway.core.op import Op

F32 = np.dtype(np.float32)
MOVING = frozenset("cast copy where gather index full scatter windows".split())


def moves(op: Op, attrs: dict[str, Any]) -> bool:
    """True if the op's results are some of its inputs' numbers, as they are (or converted, which rounds once, too)."""
    return op.kind == "movement" or op.name in MOVING or (op.name == "index_put" and not attrs["accumulate"])


def forward(op: Op, *arrays: np.ndarray, **attrs: Any) -> Any:
    """The op's forward; over float32 where inputs are narrow, and then rounded to their dtype."""
    found = [a.dtype for a in arrays if is_narrow(a.dtype)]
    if not found or moves(op, attrs):
        return op.forward(*arrays, **attrs)
    y = op.forward(*[a.astype(F32) if is_narrow(a.dtype) else a for a in arrays], **attrs)
    return y.astype(found[0]) if y.dtype == F32 else y


F = TypeVar("F", bound=Callable[..., Any])


def in_single(fn: F) -> F:
    """Mark a function of several ops that PyTorch computes in one: narrow inputs count in float32, the result is rounded.

    Its gradient, too: it passes the same conversions. Inputs of several dtypes are left to the ops, which promote or refuse.
    """
    names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
    place = names.index("inplace") if "inplace" in names else len(names)

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        for x in args or kwargs.values():
            if hasattr(x, "_data"):
                if x._data.itemsize == 2:
                    break
                return fn(*args, **kwargs)
        else:
            return fn(*args, **kwargs)
        d = x._data.dtype
        given = [y._data.dtype for y in (*args, *kwargs.values()) if hasattr(y, "_data")]
        if any(e.kind in FLOATING and e != d for e in given) or not is_narrow(d):
            return fn(*args, **kwargs)
        inplace = args[place] if len(args) > place else kwargs.get("inplace", False)
        if inplace:
            args, kwargs = args[:place], {**kwargs, "inplace": False}
        y = fn(*map(_wide, args), **{k: _wide(v) for k, v in kwargs.items()})
        y = y.to(x.dtype) if hasattr(y, "_data") and y._data.dtype == F32 else y
        return x.copy_(y) if inplace else y

    return call  # type: ignore[return-value]


def _wide(x: Any) -> Any:
    return x.float() if hasattr(x, "_data") and is_narrow(x._data.dtype) else x
