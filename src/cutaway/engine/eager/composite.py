"""Composites in eager mode: one native program for each signature on which NumPy has spent enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.accelerate import AT_ONCE, NOT
from cutaway.core.autograd import RECORDING, Leaf, Node, Saved
from cutaway.core.dtypes import dtype as DType
from cutaway.core.dtypes import get_default_dtype
from cutaway.core.generator import default_generator
from cutaway.core.op import INTERPRETER
from cutaway.core.tensor import Size, Tensor
from cutaway.engine.eager import ahead
from cutaway.engine.eager.native import order_of
from cutaway.engine.eager.node import CompositeNode
from cutaway.engine.eager.plan import Plan, number_array
from cutaway.engine.eager.request import RECURRENCE, can_travel, make, request
from cutaway.engine.eager.walk import Walk
from cutaway.engine.eager.worth import EARLY, making, saved

SOONER = 0.5  # of what making a plan takes: when one is due at the latest that another process has been asked for
LEAST = 3  # calls before a plan is made, unless one call takes as long
MOST = 512  # signatures that are remembered

Signature = tuple[Any, ...]
CALLS: dict[Signature, Plan | Walk | float | None] = {}  # a plan, or what was spent so far, or None: it cannot be
AHEAD: dict[Signature, str] = {}  # those that were asked for: by which name; or "", if that cannot be
SIMPLE = frozenset([int, float, bool, str, type(None), DType])  # arguments that are taken by value
KNOWN: dict[type, bool] = {Tensor: True}  # types of Tensors that mean nothing more


def _plain(kind: type) -> bool:
    """Whether this is a class of dense Tensors, and no user's own."""
    KNOWN[kind] = issubclass(kind, Tensor) and kind._strided and kind.__module__.partition(".")[0] in ("cutaway", "torch")
    return KNOWN[kind]


def run(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The composite's result by a native program, or NOT."""
    if INTERPRETER.get() is not None:
        return NOT
    key: list[Any] = [fn, RECORDING.get(), get_default_dtype(), len(args)]
    arrays: list[np.ndarray] = []
    turned: list[tuple[int, tuple[int, ...] | None]] = []  # of these, not in row-major order: how they lie
    saved: list[Saved] = []
    parents: list[Node | None] = []
    for a in (*args, *kwargs, *kwargs.values()) if kwargs else args:
        kind = type(a)
        if kind is Tensor or (KNOWN[kind] if kind in KNOWN else _plain(kind)):
            data, cell, node = a._data, a._cell, a._node
            if type(data) is not np.ndarray or (a._epoch != cell[1] and a._epoch >= 0):
                return NOT
            key += data.shape, data.dtype.num, node and (1 if type(node) is Leaf else 2)
            parents.append(node)
            saved.append((data, cell, cell[0]))
            if not data.flags.c_contiguous:
                order = order_of(data)
                key.append(order)
                turned.append((len(arrays), order))
            arrays.append(data)
        elif kind in SIMPLE or ((kind is tuple or kind is Size) and all(type(i) in SIMPLE for i in a)):
            key += kind, a
        else:
            return NOT
    if fn is RECURRENCE:  # without the number of times, where there are any
        key = [k[1:] if type(k) is tuple and len(k) == 3 and k[0] else k for k in key]
    signature = tuple(key)
    plan = CALLS.get(signature, 0.0)
    if type(plan) is Plan or type(plan) is Walk:
        plan.used = True
    else:
        plan = None if plan is None else _warm(signature, plan, fn, args, kwargs)  # type: ignore[arg-type]
        if plan is None:
            return NOT
    for n, order in turned:
        arrays[n] = np.ascontiguousarray(arrays[n]) if order is None else arrays[n].transpose(order)
    if isinstance(plan, Walk):
        return plan.run(arrays, tuple(parents), saved)
    if plan.writes and not all(saved[n][0].flags.writeable for n, _ in plan.writes):
        return NOT  # the op that would write says so
    random = None
    if plan.numbers:
        random = default_generator._seed, default_generator._offset
        arrays += [number_array(read, aval) for read, aval in plan.numbers]
    results = plan.forward(arrays)
    for n, times in reversed(plan.writes):
        data, cell, _ = saved[n]
        np.copyto(data, results.pop())
        cell[0] += times
    y = Tensor._wrap(results[0] if plan.order is None else results[0].transpose(plan.order))
    if plan.differentiable:
        y._node = CompositeNode(plan, tuple(parents), saved, arrays + results, y, random)
    return y


def _warm(
    signature: Signature, spent: float, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Plan | Walk | None:
    """A call of a signature without a plan: count what NumPy spends on it; its plan, if it is time."""
    tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    if not tensors:
        _remember(signature, None)
        return None
    asked = AHEAD.get(signature)
    more, need = saved(fn, args, kwargs, sum([t._data.size for t in tensors])), making(fn)
    if asked:
        need *= SOONER
    again, spent = spent > 0, spent + (more if more >= need else min(more, need / LEAST))
    due = spent >= need or AT_ONCE.get() or bool(asked and ahead.made(asked))
    if not due and (asked is not None or not again or spent < EARLY):
        _remember(signature, spent)
        return None
    what = request(fn, args, kwargs)
    if due:
        if asked:
            ahead.wait(asked, what, need / 1e6)
        AHEAD.pop(signature, None)
    else:
        name = what.name() if can_travel(what, fn) else ""
        if not name or not ahead.known(name):
            AHEAD[signature] = name if name and ahead.ask(name, what, more) else ""
            _remember(signature, spent)
            return None
    plan = make(what, fn)
    _remember(signature, plan)
    return plan


def _remember(signature: Signature, what: Plan | Walk | float | None) -> None:
    """Keep it; of too many, those go first that were not used since they were looked at last."""
    CALLS[signature] = what
    while len(CALLS) > MOST:
        oldest = next(iter(CALLS))
        known = CALLS.pop(oldest)
        AHEAD.pop(oldest, None)
        if isinstance(known, (Plan, Walk)) and known.used:
            known.used = False
            CALLS[oldest] = known
