"""Composites in eager mode: one native program for each signature that is met often enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.accelerate import AT_ONCE, ELEMENTS, NOT
from cutaway.core.autograd import RECORDING, Leaf, Node, Saved
from cutaway.core.aval import Aval
from cutaway.core.dtypes import dtype as DType
from cutaway.core.dtypes import get_default_dtype
from cutaway.core.generator import default_generator
from cutaway.core.op import INTERPRETER
from cutaway.core.refusal import RAW
from cutaway.core.tensor import Tensor
from cutaway.engine.eager.native import order_of
from cutaway.engine.eager.node import CompositeNode
from cutaway.engine.eager.plan import Input, Plan, Refused, number_array
from cutaway.engine.eager.walk import Walk
from cutaway.functional.recurrent import recurrence

HEAT = 50  # a signature is compiled at this many calls; larger arrays count for more
LEAST = 3  # calls, however large
SLOWLY = ("conv", "batch_norm")  # begin so: NumPy does these nearly as well, and their code takes long to make
PATIENCE = 60  # times HEAT, for these
COLUMNS = 5e7  # elements of im2col, in all its calls, at which a convolution is compiled
LARGE_WINDOWS = 1 << 22  # elements of a convolution for which NumPy takes longer than compiling it
RECURRENCE = recurrence.__wrapped__  # type: ignore[attr-defined]
_SLOT = object()  # where a Tensor goes in a call
MOST = 512  # signatures that are remembered

Signature = tuple[Any, ...]
CALLS: dict[Signature, Plan | Walk | int | None] = {}  # a plan, or how warm the signature is, or None: it cannot be
SIMPLE = frozenset([int, float, bool, str, type(None), DType])  # arguments that are taken by value
KNOWN: dict[type, bool] = {Tensor: True}  # types of Tensors that mean nothing more


def _plain(kind: type) -> bool:
    """Whether this is a class of Tensors, and no user's own."""
    KNOWN[kind] = issubclass(kind, Tensor) and kind.__module__.partition(".")[0] in ("cutaway", "torch")
    return KNOWN[kind]


def run(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The composite's result by a native program, or NOT."""
    if INTERPRETER.get() is not None:
        return NOT
    key: list[Any] = [fn, RECORDING.get(), get_default_dtype(), len(args)]
    arrays: list[np.ndarray] = []
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
                data = np.ascontiguousarray(data) if order is None else data.transpose(order)
            arrays.append(data)
        elif kind in SIMPLE or (kind is tuple and all(type(i) in SIMPLE for i in a)):
            key += kind, a
        else:
            return NOT
    signature = tuple(key)
    plan = CALLS.get(signature, 0)
    if type(plan) is Plan or type(plan) is Walk:
        plan.used = True
    else:
        plan = None if plan is None else _warm(signature, plan, fn, args, kwargs)  # type: ignore[arg-type]
        if plan is None:
            return NOT
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
    signature: Signature, heat: int, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Plan | Walk | None:
    """Count a call of a signature without a plan; its plan, if it is time."""
    tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    size = sum([t._data.size for t in tensors])
    at_once = AT_ONCE.get() or (size >= LARGE_WINDOWS and fn.__name__.startswith("conv"))
    need = HEAT * (PATIENCE if fn.__name__.startswith(SLOWLY) else 1)
    heat += 1 + min(int(_columns(fn, args, kwargs) / COLUMNS * need) or size // ELEMENTS, need // LEAST)
    if (heat < need and not at_once) or not tensors:
        _remember(signature, heat)
        return None
    inputs = []
    for t in tensors:
        order = order_of(t._data) or ()
        wants = 0 if t._node is None or not RECORDING.get() else 1 if type(t._node) is Leaf else 2
        inputs.append(Input(Aval(t._data.shape, t._data.dtype), order, wants))
    slots = [_SLOT if isinstance(a, Tensor) else a for a in args]
    named = {k: _SLOT if isinstance(a, Tensor) else a for k, a in kwargs.items()}

    def call(*given: Tensor) -> Any:
        left = iter(given)
        return fn(
            *[next(left) if a is _SLOT else a for a in slots],
            **{k: next(left) if a is _SLOT else a for k, a in named.items()},
        )

    plan: Plan | Walk | None
    try:
        plan = Walk(fn.__name__, slots, inputs, _SLOT) if fn is RECURRENCE else Plan(fn.__name__, call, inputs)
    except (Refused, *RAW):
        plan = None  # op by op; an error will be said there
    _remember(signature, plan)
    return plan


def _columns(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """Elements of a convolution's im2col and of its result, roughly: what a call costs NumPy; 0 of anything else."""
    if not fn.__name__.startswith("conv") or len(args) < 2 or not all(isinstance(a, Tensor) for a in args[:2]):
        return 0.0
    x, w = args[0]._data, args[1]._data
    if w.ndim < 3 or not w.size:
        return 0.0
    stride = args[3] if len(args) > 3 else kwargs.get("stride", 1)
    apart = 1 if "transpose" in fn.__name__ else math.prod(stride if isinstance(stride, tuple) else [stride] * (x.ndim - 2))
    return x.size * (math.prod(w.shape[2:]) + w.shape[0] / w.shape[1]) / max(1, apart)


def _remember(signature: Signature, what: Plan | Walk | int | None) -> None:
    """Keep it; of too many, those go first that were not used since they were looked at last."""
    CALLS[signature] = what
    while len(CALLS) > MOST:
        oldest = next(iter(CALLS))
        known = CALLS.pop(oldest)
        if isinstance(known, (Plan, Walk)) and known.used:
            known.used = False
            CALLS[oldest] = known
