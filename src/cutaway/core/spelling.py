"""Names of arguments that PyTorch takes beside its own: `axis` for `dim`, `keepdims`, `input` for the tensor itself, `out`.

Looked at only after Python has refused a call, so that a call in the usual spelling costs nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from cutaway.core.errors import ArgumentTypeError, GradError

SPELLINGS = {"axis": "dim", "keepdims": "keepdim", "split_size_or_sections": "split_size"} | dict.fromkeys(
    ("mat2", "vec", "vec2", "tensor"), "other"
)
SPELLINGS |= {"axis0": "dim0", "axis1": "dim1", "from": "a", "to": "b"}
FIRST = ("input", "x", "x1")  # the tensor itself
LISTED = ("dims", "size", "sizes", "shape", "repeats")  # what is written as f(2, 3), too

PLACED = {"view": ("dtype",), "random_": ("from", "to")}  # by position here


def respelled(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The call in the function's own spelling; None if it is in its own already, or in none that is known."""
    signature = inspect.signature(fn).parameters
    parameters = [n for n, p in signature.items() if p.kind is not p.VAR_POSITIONAL]
    first = next(iter(parameters), "")
    spread = len(parameters) < len(signature)
    own: dict[str, Any] = {}
    for key, value in sorted(kwargs.items()) if fn.__name__ in PLACED else kwargs.items():
        if key in parameters:
            name = key
        elif key in FIRST and not args and first:
            args, name = (value,), ""
        elif (key in LISTED and spread and len(args) == (first == "self")) or key in PLACED.get(fn.__name__, ()):
            args, name = (*args, value), ""
        else:
            name = SPELLINGS.get(key, "")
            if name not in parameters or name in own or name in kwargs:
                return None
        if name:
            own[name] = value
    return (args, own) if own.keys() != kwargs.keys() else None


def into(out: Any, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of `fn`, written into `out`: a Tensor, or as many as there are results. A shape that differs is replaced.

    Raises GradError while a gradient is recorded, ArgumentTypeError where `out` is no Tensor.
    """
    y = fn(*args, **kwargs)
    if out is None:
        return y
    name = fn.__name__
    ys, outs = (y, out) if isinstance(y, tuple) else ((y,), (out,))
    if not isinstance(outs, (tuple, list)) or len(outs) != len(ys) or not all(hasattr(o, "_settle") for o in outs):
        raise ArgumentTypeError(f"{name}: out must be {'a Tensor' if len(ys) == 1 else f'{len(ys)} Tensors'}, got {out!r}")
    for target, result in zip(outs, ys, strict=True):
        if target.requires_grad or result.requires_grad:
            raise GradError(f"{name}: out= records no gradient; leave it out, or wrap the call in `with no_grad():`")
        if target._data.shape != result._data.shape:
            target.data = target.new_zeros(result.shape)
        target._assign(result, name)
    if not isinstance(y, tuple):
        return out
    return type(y)(*outs) if hasattr(y, "_fields") else tuple(outs)
