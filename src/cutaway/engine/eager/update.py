"""An optimiser's step in eager mode: the rule over all parameters as one native program; it is handed the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.accelerate import AT_ONCE, ELEMENTS
from cutaway.core.dtypes import FLOATING
from cutaway.core.op import INTERPRETER
from cutaway.core.refusal import RAW
from cutaway.core.tensor import Tensor
from cutaway.engine.compile import Compiled
from cutaway.engine.eager.composite import HEAT, LEAST

REFUSED = object()  # in the place of a program: the rule cannot be traced
MOST = 8  # sets of parameters with a gradient that are remembered for an optimiser


def run(optimizer: Any, staged: Callable[..., None]) -> bool:
    """True if the step was done natively; `staged` is the step as a trace sees it."""
    if INTERPRETER.get() is not None or not type(optimizer).__module__.startswith("cutaway."):
        return False  # a user's own rule may do more than compute
    params = [p for group in optimizer.param_groups for p in group["params"] if p._grad is not None]
    if not params:
        return False
    known = optimizer._native
    key = tuple(map(id, params))
    found = known.get(key, 0)
    if type(found) is int:
        found += 1 + min(sum([p._data.size for p in params]) // ELEMENTS, HEAT // LEAST)
        if found >= HEAT or AT_ONCE.get():
            found = _make(optimizer, params, staged)
        while len(known) >= MOST and key not in known:
            known.pop(next(iter(known)))
        known[key] = found
        if type(found) is int:
            return False
    if found is REFUSED:
        return False
    grads = [p._grad for p in params]
    for p, g in zip(params, grads, strict=True):
        if p._data.dtype.kind not in FLOATING or g._data.shape != p._data.shape:
            return False
    try:
        found(*grads)
    except RAW:
        known[key] = REFUSED  # before anything was written: what is wrong is said by the step on NumPy
        return False
    return True


def _make(optimizer: Any, params: list[Tensor], staged: Callable[..., None]) -> Compiled:
    def step(*grads: Tensor) -> None:
        for p, g in zip(params, grads, strict=True):
            p._grad = g
        staged(optimizer)

    return Compiled(step)
