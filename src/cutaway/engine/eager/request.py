"""Request: a composite's call as words, from which another process can make the same plan; and how a plan is made of it."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.autograd import RECORDING, Leaf
from cutaway.core.aval import Aval
from cutaway.core.dtypes import ALL, get_default_dtype
from cutaway.core.dtypes import dtype as DType
from cutaway.core.op import PARTS
from cutaway.core.package import named
from cutaway.core.refusal import RAW
from cutaway.core.tensor import Size, Tensor
from cutaway.engine.eager.native import order_of
from cutaway.engine.eager.plan import Input, Plan, Refused
from cutaway.engine.eager.record import read, write
from cutaway.engine.eager.walk import Walk
from cutaway.engine.llvm import cache
from cutaway.engine.llvm.target import target
from cutaway.engine.program import generator
from cutaway.functional.recurrent import recurrence

RECURRENCE = recurrence.__wrapped__  # type: ignore[attr-defined]
OURS = "cutaway."


class Slot:
    """Where a Tensor goes in a call: the class stands for itself."""


class Request(NamedTuple):
    """A call: the function's home and name, its arguments with `Slot` for Tensors, and what is known of each Tensor."""

    module: str
    function: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    inputs: tuple[tuple[tuple[int, ...], np.dtype, tuple[int, ...], int], ...]  # shape, dtype, order in memory, wants
    recording: bool
    default: DType

    def name(self) -> str:
        """What the plan is kept under: all that it depends on, with machine, compiler, and the functions' files."""
        made_by = generator("functional", self.module.split(".")[1])
        with named("cutaway"):
            words = f"{self._replace(named={})} {sorted(self.named.items())}"
        return hashlib.sha256(f"plan|{made_by}|{target().key}|{words}".encode()).hexdigest()


class Words(pickle.Pickler):
    """Requests in bytes, in which Cutaway's classes go by its own names: while a PyTorch program runs they say `torch`."""

    def reducer_override(self, obj: Any) -> Any:
        """How dtypes and sizes are made again."""
        if isinstance(obj, DType):
            return make_dtype, (obj.name,)
        return (make_size, (tuple(obj),)) if type(obj) is Size else NotImplemented


def make_dtype(name: str) -> DType:
    """The dtype of this name."""
    return next(d for d in ALL if d.name == name)


def make_size(numbers: tuple[int, ...]) -> Size:
    """A Size."""
    return Size(numbers)


def request(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    """This call; a recurrence's for one time."""
    tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    recording = RECORDING.get()
    inputs = []
    for t in tensors:
        wants = 0 if t._node is None or not recording else 1 if type(t._node) is Leaf else 2
        shape = timeless(t._data.shape) if fn is RECURRENCE else t._data.shape
        inputs.append((shape, t._data.dtype, order_of(t._data) or (), wants))
    return Request(
        fn.__module__, fn.__qualname__, tuple([Slot if isinstance(a, Tensor) else a for a in args]),
        {k: Slot if isinstance(a, Tensor) else a for k, a in kwargs.items()}, tuple(inputs), recording,
        get_default_dtype(),
    )  # fmt: skip


def timeless(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """A shape among a recurrence's, with one time in the place of all: a step does the same for any number of them."""
    return (min(shape[0], 1), *shape[1:]) if len(shape) == 3 else shape


def found(r: Request) -> Callable[..., Any] | None:
    """The function that a request names, where it is one of the library's own."""
    if not r.module.startswith(OURS):
        return None
    fn = getattr(import_module(r.module), r.function, None)
    return getattr(fn, "__wrapped__", fn)


def can_travel(r: Request, fn: Callable[..., Any]) -> bool:
    """Whether another process would find this very function under its name, and nothing put in its place."""
    return not PARTS[0] and r.module in sys.modules and found(r) is fn


def make(r: Request, fn: Callable[..., Any], name: str = "", record: bytes | None = None) -> Plan | Walk | None:
    """The plan for a call; None where it must go op by op (an error will be said there).

    record: what is known of it, under this name in the cache, where what is found out more is kept.
    """
    inputs = [Input(Aval(shape, dtype), order, wants) for shape, dtype, order, wants in r.inputs]

    def call(*given: Tensor) -> Any:
        left = iter(given)
        return fn(
            *[next(left) if a is Slot else a for a in r.arguments],
            **{k: next(left) if a is Slot else a for k, a in r.named.items()},
        )

    try:
        if fn is RECURRENCE:
            return Walk(fn.__name__, r.arguments, inputs, Slot)
        plan = Plan(fn.__name__, call, inputs)
        if not (record and read(plan, record)):
            plan.trace()
        if name:
            plan.learned = lambda plan: cache.put(name, write(plan))
    except (Refused, *RAW):
        return None
    return plan
