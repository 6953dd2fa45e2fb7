"""An optimiser's step in eager mode: the rule over all parameters as one native program; it is handed the gradients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from cutaway.core.accelerate import AT_ONCE
from cutaway.core.dtypes import FLOATING
from cutaway.core.op import INTERPRETER
from cutaway.core.package import is_ours
from cutaway.core.refusal import RAW
from cutaway.core.tensor import Tensor
from cutaway.engine.compile import Compiled
from cutaway.engine.eager import ahead
from cutaway.engine.eager.worth import EARLY, MAKING, saved_by_step
from cutaway.engine.llvm import cache
from cutaway.engine.llvm.target import target
from cutaway.engine.program import generator


class Spent(NamedTuple):
    """In the place of a program: microseconds that NumPy took so far, whether the cache was asked, whether it is time."""

    on_numpy: float
    looked: bool
    due: bool


START = Spent(0.0, False, False)
REFUSED = object()  # in the place of a program: the rule cannot be traced
MOST = 8  # sets of parameters with a gradient that are remembered for an optimiser


def run(optimizer: Any, staged: Callable[..., None]) -> bool:
    """True if the step was done natively; `staged` is the step as a trace sees it."""
    if INTERPRETER.get() is not None or not is_ours(type(optimizer)):
        return False  # a user's own rule may do more than compute
    params = [p for group in optimizer.param_groups for p in group["params"] if p._grad is not None]
    if not params:
        return False
    known = optimizer._native
    key = tuple(map(id, params))
    found = known.get(key, START)
    if type(found) is Spent:
        found = _warm(found, optimizer, params)
        if found.due:
            found = _make(optimizer, params, staged)
        while len(known) >= MOST and key not in known:
            known.pop(next(iter(known)))
        known[key] = found
        if type(found) is Spent:
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


def _warm(before: Spent, optimizer: Any, params: list[Tensor]) -> Spent:
    """Count a step on NumPy. It is compiled when as much was spent on it, or sooner, if an earlier run left its code."""
    spent = before.on_numpy + saved_by_step(params)
    if AT_ONCE.get() or spent >= MAKING:
        return Spent(spent, True, True)
    look = not before.looked and before is not START and spent >= EARLY
    return Spent(spent, before.looked or look, look and ahead.known(_name(optimizer, params)) is not None)


def _name(optimizer: Any, params: list[Tensor]) -> str:
    """What a step's code is kept under: the rule, its switches, and what there is to update."""
    switches = [
        [(k, v if v is None or isinstance(v, (bool, str)) else bool(v)) for k, v in sorted(g.items()) if k != "params"]
        for g in optimizer.param_groups
    ]
    shapes = [(p._data.shape, p._data.dtype) for p in params]
    words = f"step|{generator()}|{target().key}|{type(optimizer).__qualname__}|{switches}|{shapes}"
    return hashlib.sha256(words.encode()).hexdigest()


def _make(optimizer: Any, params: list[Tensor], staged: Callable[..., None]) -> Compiled:
    cache.get_or_make(_name(optimizer, params), bytes)  # so that later runs know

    def step(*grads: Tensor) -> None:
        for p, g in zip(params, grads, strict=True):
            p._grad = g
        staged(optimizer)

    return Compiled(step)
