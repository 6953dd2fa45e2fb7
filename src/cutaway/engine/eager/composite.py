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
from cutaway.engine.eager.request import RECURRENCE, can_travel, make, request, timeless
from cutaway.engine.eager.walk import Walk
from cutaway.engine.eager.worth import EARLY, making, saved
from cutaway.engine.llvm import cache

SOONER = 0.5  # of what making a plan takes: when one is due at the latest that another process has been asked for
LEAST = 3  # calls before a plan is made, unless one call takes as long
MOST = 512  # signatures that are remembered

Signature = tuple[Any, ...]
NEVER = object()  # in the place of a plan: there cannot be one
SIMPLE = frozenset([int, float, bool, str, type(None), DType])  # arguments that are taken by value
KNOWN: dict[type, bool] = {Tensor: True}  # types of Tensors that mean nothing more


class Count:
    """What NumPy has spent on a signature, in microseconds by estimate.  worth: what a plan saves a call."""

    __slots__ = "asked", "each", "look", "need", "spent", "worth"

    def __init__(self, worth: float, need: float) -> None:
        self.worth = worth
        self.asked: str | None = None  # by which name another process was asked for the plan; "", if that cannot be
        self.look = min(EARLY, need)  # spent, at which there is something to decide
        self._due_at(need)
        self.spent = self.each

    def _due_at(self, need: float) -> None:
        """From now on a plan is due when so much is spent, which a call adds `each` to."""
        self.need = need
        self.each = self.worth if self.worth >= need else min(self.worth, need / LEAST)

    def ask(self, name: str) -> None:
        """The plan was asked for, by this name; or cannot be: ""."""
        self.asked = name
        if name:
            self._due_at(self.need * SOONER)
            self.look = 0.0  # it may be made at any time
        else:
            self.look = self.need


CALLS: dict[Signature, object] = {}  # a Plan, a Walk, a Count, or NEVER


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
    if fn is RECURRENCE:
        key = [timeless(k) if type(k) is tuple else k for k in key]
    signature = tuple(key)
    plan = CALLS.get(signature)
    if type(plan) is Plan or type(plan) is Walk:
        plan.used = True
    elif plan is NEVER:
        return NOT
    else:
        count = plan if isinstance(plan, Count) else None
        if count is not None:
            count.spent += count.each
            if count.spent < count.look and not AT_ONCE.get():
                return NOT
        plan = _warm(signature, count, fn, args, kwargs)
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
    signature: Signature, count: Count | None, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Plan | Walk | None:
    """A call of a signature without a plan, when something may be due; its plan, if it is time."""
    if count is None:  # the first call
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        if not tensors:
            _remember(signature, NEVER)
            return None
        count = Count(saved(fn, args, kwargs, sum([t._data.size for t in tensors])), making(fn))
        _remember(signature, count)
        if count.spent < count.need and not AT_ONCE.get():
            return None
    asked = count.asked
    due = count.spent >= count.need or AT_ONCE.get() or bool(asked and ahead.made(asked))
    if not due and asked is not None:
        return None
    what = request(fn, args, kwargs)
    name, record = "", None
    if due:
        if asked:
            ahead.wait(asked, what, count.need / 1e6)
            name = asked if can_travel(what, fn) else ""
            record = cache.find(name) if name else None
    else:
        name = what.name() if can_travel(what, fn) else ""
        record = ahead.known(name) if name else None
        if record is None:
            count.ask(name if name and ahead.ask(name, what, count.worth) else "")
            return None
    plan = make(what, fn, name, record)
    _remember(signature, NEVER if plan is None else plan)
    return plan


def _remember(signature: Signature, what: object) -> None:
    """Keep it; of too many, those go first that were not used since they were looked at last."""
    CALLS[signature] = what
    while len(CALLS) > MOST:
        oldest = next(iter(CALLS))
        known = CALLS.pop(oldest)
        if isinstance(known, (Plan, Walk)) and known.used:
            known.used = False
            CALLS[oldest] = known
