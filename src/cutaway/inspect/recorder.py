"""Recorder: watches a program while it runs, and keeps what happened: operations, what enclosed them, gradients.

It sits on the interpreter stack and lets the work be done as always, native programs included. Of a value it keeps the array
itself, so a recording costs little time; memory that the program owns and may write to again (parameters, data) is copied,
and what an operation made, before it is written to in place.
A composite that ran as one native program is one event, which `expand.py` opens when someone wants to look inside.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from cutaway.core import accelerate
from cutaway.core.accelerate import NOT
from cutaway.core.autograd import WATCH, WRITE, Node, Packed
from cutaway.core.diary import Place
from cutaway.core.generator import default_generator
from cutaway.core.op import INTERPRETER, SCOPE, Op
from cutaway.core.promote import coerce
from cutaway.core.tensor import Tensor
from cutaway.core.views import WriteNode
from cutaway.inspect.lines import place_of, users_frame
from cutaway.inspect.observer import BACKWARD, COMPOSITE, LAYER, STEP, Observer
from cutaway.optim.optimizer import Optimizer


class Ref(NamedTuple):
    """A value: its array, and its version when it was met."""

    array: np.ndarray
    version: int


class Scope(NamedTuple):
    """What encloses events: a layer, a composite, a user's Function, an optimiser's step."""

    number: int
    parent: int  # -1: nothing
    kind: str
    owner: Any  # the module, the function, the optimiser
    place: Place | None


class Event(NamedTuple):
    """One operation, or a composite that ran as one program. `node` is its entry on the tape, if it has one."""

    number: int
    scope: int  # that it is in; of a composite, its own
    op: Op | None  # None: a composite
    attrs: dict[str, Any]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    node: Node | None
    place: Place | None
    call: Call | None = None
    update: Update | None = None


class Update(NamedTuple):
    """What an optimiser's rule had before it, of one parameter. Inputs of the event: the parameter, its gradient."""

    optimizer: Any
    memory: dict[str, Any]  # arrays, and plain numbers
    options: dict[str, Any]


class Taken(NamedTuple):
    """A parameter as a step finds it."""

    p: Tensor
    before: Ref
    gradient: Ref
    update: Update


class Call(NamedTuple):
    """How a composite was called, so that it can be called again."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    random: tuple[int, int]  # seed and position
    recording: bool


class Flow(NamedTuple):
    """One piece of a backward pass: what arrived at `node`, and the gradient that went on to `parent`."""

    node: Node
    arrived: Any  # a Tensor's array, or {number of the result: array}
    parent: Node
    gradient: Any
    at: int  # how many events there were before
    walk: int  # which backward pass
    via: Node | None = None  # what the tape calls the parent, where a box was opened


class Ran(NamedTuple):
    """An operation in the backward that a user wrote."""

    op: Op
    place: Place | None
    y: np.ndarray


class Written(NamedTuple):
    """A write to a view: what the whole held, what was written, how the view is taken, where in the program."""

    before: Ref
    y: Ref
    path: tuple[Any, ...]
    place: Place | None


class Recorder(Observer):
    """What happened from `on` to `off`."""

    def __init__(self, native: bool = True) -> None:
        self.native = native
        self.events: list[Event] = []
        self.scopes: list[Scope] = []
        self.flows: list[Flow] = []
        self.copies: dict[tuple[int, int], np.ndarray] = {}  # of memory that the program owns, by (id, version)
        self.names: dict[int, str] = {}  # id of an array -> what the program calls it
        self.leaves: dict[int, tuple[Node, np.ndarray]] = {}  # id of an array that asks for a gradient
        self.gradients_of: dict[int, int] = {}  # id of a gradient's array -> that of its parameter
        self.roots: dict[int, Any] = {}  # modules called from outside any other
        self.kept: dict[tuple[int, int], np.ndarray] = {}  # what an event made, as it was before it was written to
        self.same: dict[tuple[int, int], Ref] = {}  # what a write left there: the value that was written
        self.ran: dict[int, list[list[Ran]]] = {}  # in the backward of a user's Function, by the id of its node; each time
        self._writes: dict[tuple[int, int], Written] = {}  # to a view: what it leaves in the whole
        self._made_in: dict[int, list[Ref]] = {}  # by the owner of the memory
        self._flows_in: dict[int, list[int]] = {}
        self._gradients: dict[int, np.ndarray] = {}  # copies, by the id of what was written to since
        self._made: set[tuple[int, int]] = set()  # arrays that an event made
        self._alive: list[Any] = []  # what ids are of
        self._stack = [-1]

    def places(self) -> dict[ContextVar[Any], Any]:
        """Those of any observer, and where writes are told of. Within `numpy_only()` what is native stays away."""
        return super().places() | {WRITE: self.write}

    # --- forward ----------------------------------------------------------------------------------------------------

    def __call__(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        """An operation: the interpreter's place."""
        given = coerce(op, inputs)
        refs = tuple([self.see(t) for t in given])
        below = INTERPRETER.set(self._below)
        try:
            y = Op.eager(op, given, attrs)
        finally:
            INTERPRETER.reset(below)
        self.events.append(
            Event(len(self.events), self._stack[-1], op, attrs, refs, (self.made(y),), y._node, self.here())
        )
        return y

    def around(self, kind: str, owner: Any, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What encloses others is called."""
        if kind == BACKWARD:
            return self._users_backward(owner, fn, args)
        number = len(self.scopes)
        self.scopes.append(Scope(number, self._stack[-1], kind, owner, self.here()))
        if kind == LAYER and not any(n >= 0 and self.scopes[n].kind == LAYER for n in self._stack):
            self.roots.setdefault(id(owner), owner)
        self._stack.append(number)
        try:
            if kind == STEP:
                return self._step(owner, fn, args, kwargs)
            if kind == COMPOSITE and self.native and self._below is None and accelerate.composite is not None:
                y = self._natively(fn, args, kwargs, number)
                if y is not NOT:
                    return y
            return fn(*args, **kwargs)
        finally:
            self._stack.pop()

    def _aside(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Without being watched."""
        tokens: list[tuple[Any, Any]] = [
            (INTERPRETER, INTERPRETER.set(self._below)), (SCOPE, SCOPE.set(None)), (WATCH, WATCH.set(None))
        ]  # fmt: skip
        try:
            return fn(*args, **kwargs)
        finally:
            for variable, token in reversed(tokens):
                variable.reset(token)

    def _step(self, optimizer: Any, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An optimiser's step: one event for each parameter that it changes. What a closure does is the program's."""
        taken: list[Taken] = []
        closure = next((a for a in (*args, *kwargs.values()) if callable(a)), None)
        if closure is None:
            taken = self._taken(optimizer)
            y = self._aside(fn, args, kwargs)
        else:
            rule = type(optimizer).update is not Optimizer.update  # else it evaluates often: told from the first to the last

            def watched() -> Any:
                loss = closure()
                if rule or not taken:
                    taken[:] = self._taken(optimizer)
                return loss

            y = fn(watched)
        for x in taken:
            if (id(x.p._data), x.p._cell[0]) != (id(x.before.array), x.before.version):
                number, after = len(self.events), self.see(x.p)
                inputs = x.before, x.gradient
                self.events.append(
                    Event(number, self._stack[-1], None, {}, inputs, (after,), None, self.here(), update=x.update)
                )
        return y

    def _taken(self, optimizer: Any) -> list[Taken]:
        """The parameters that have a gradient, with what is remembered of them."""
        found = []
        for group in optimizer.param_groups:
            options = {k: v for k, v in group.items() if k not in ("params", "param_names")}
            for p in group["params"]:
                if p._grad is None or not p._grad._strided or type(p._grad._data) is not np.ndarray:
                    continue
                before, g = self.see(p), p._grad._data
                gradient = Ref(g, p._grad._cell[0])
                if (id(g), gradient.version) not in self.copies:
                    self.copies[id(g), gradient.version] = g.copy()
                    self._alive.append(g)
                state = optimizer.state.get(p, {})
                memory = {k: v._data.copy() if isinstance(v, Tensor) else v for k, v in state.items()}
                self.gradients_of[id(g)] = id(p._data)
                found.append(Taken(p, before, gradient, Update(optimizer, memory, options)))
        return found

    def _natively(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], scope: int) -> Any:
        """The composite by its native program, as one event; NOT if there is none."""
        native = accelerate.composite
        assert native is not None
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        refs = tuple([self.see(t) for t in tensors])
        random = default_generator._seed, default_generator._offset
        y = self._aside(native, (fn, args, kwargs), {})
        if y is NOT:
            return NOT
        results = y if isinstance(y, tuple) else (y,)
        outputs = tuple([self.made(t) for t in results])
        held = iter(refs)
        frozen = tuple([_Slot(next(held), a._node is not None) if isinstance(a, Tensor) else a for a in args])
        named = {k: _Slot(next(held), a._node is not None) if isinstance(a, Tensor) else a for k, a in kwargs.items()}
        node = results[0]._node
        if isinstance(y, tuple) and node is not None:
            node = node.parents[0]
        call = Call(fn, frozen, named, random, node is not None)
        self.events.append(Event(len(self.events), scope, None, {}, refs, outputs, node, self.here(), call))
        return y

    def see(self, t: Tensor) -> Ref:
        """A value that an event reads; copied if no event made it."""
        array, version = t._data, t._cell[0]
        key = id(array), version
        if key in self._writes:
            before, y, path, place = self._writes.pop(key)
            node, number = t._node if isinstance(t._node, WriteNode) else None, len(self.events)
            made = (self.made(t),)
            self.events.append(Event(number, self._stack[-1], None, {"path": path}, (before, y), made, node, place))
        if key not in self._made and key not in self.same and key not in self.copies:
            self.copies[key] = array.copy()
            self._alive.append(array)
            self._name(t)
            if t._node is not None:
                self.leaves[id(array)] = t._node, array
        return Ref(array, version)

    def made(self, t: Tensor) -> Ref:
        """A value that an event makes."""
        array, version = t._data, t._cell[0]
        self._made.add((id(array), version))
        ref = Ref(array, version)
        self._made_in.setdefault(_owner(array), []).append(ref)
        return ref

    def held(self, ref: Ref) -> tuple[tuple[int, int], np.ndarray]:
        """A value's key and its numbers, as they were when it was met."""
        ref = self.same.get((id(ref.array), ref.version), ref)
        key = id(ref.array), ref.version
        kept = self.copies.get(key)
        return key, self.kept.get(key, ref.array) if kept is None else kept

    def write(self, t: Tensor, y: Tensor | None) -> None:
        """Before `y` is written to `t`: the place of WRITE. What is recorded of that memory is copied."""
        if type(t._data) is not np.ndarray:
            return
        left = id(t._data), t._cell[0] + 1
        self.same.pop(left, None)  # of a write that was refused
        self._writes.pop(left, None)
        whole = t._base if t._view else None
        if whole is not None and y is not None:
            self._writes[id(whole._data), t._cell[0] + 1] = Written(self.see(whole), self.see(y), t._path, self.here())
            self._alive.append(whole._data)
        owner = _owner(t._data)
        for ref in self._made_in.pop(owner, []):
            self.kept[id(ref.array), ref.version] = ref.array.copy()
        for n in self._flows_in.pop(owner, []):
            f = self.flows[n]
            self.flows[n] = f._replace(arrived=self._copied(f.arrived), gradient=self._copied(f.gradient))
        if y is not None and y._data.dtype == t._data.dtype:
            ref = self.see(y)
            self.same[left] = self.same.get((id(ref.array), ref.version), ref)
            self._alive.append(t._data)

    def _copied(self, arrays: Any) -> Any:
        """The same array, the same copy."""
        if isinstance(arrays, dict):
            return {k: self._copied(a) for k, a in arrays.items()}
        if id(arrays) not in self._gradients:
            self._gradients[id(arrays)] = arrays.copy()
            self._alive.append(arrays)
        return self._gradients[id(arrays)]

    # --- backward ---------------------------------------------------------------------------------------------------

    def _flow(self, node: Node, arrived: Any, parent: Node, gradient: Any) -> None:
        """A gradient passes: the place of WATCH."""
        f = Flow(node, _arrays(arrived), parent, _arrays(gradient), len(self.events), self._walk(node, arrived))
        for part in (f.arrived, f.gradient):
            for a in part.values() if isinstance(part, dict) else (part,):
                self._flows_in.setdefault(_owner(a), []).append(len(self.flows))
        self.flows.append(f)

    def _users_backward(self, node: Node, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """What a user's backward does is noted beside its step; with create_graph it is seen as any other code."""
        if INTERPRETER.get() is self:
            return fn(*args)
        ran: list[Ran] = []
        self.ran.setdefault(id(node), []).append(ran)

        def noting(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
            y = Op.eager(op, coerce(op, inputs), attrs)
            frame = users_frame(2)
            ran.append(Ran(op, None if frame is None else place_of(frame), y._data.copy()))
            return y

        tokens = INTERPRETER.set(noting), SCOPE.set(None)
        try:
            return fn(*args)
        finally:
            SCOPE.reset(tokens[1])
            INTERPRETER.reset(tokens[0])

    def _walk(self, node: Node, arrived: Any) -> int:
        """The number of the backward pass: within one, nodes come from the youngest to the oldest, each once."""
        if not self.flows:
            return 0
        last = self.flows[-1]
        again = first(_arrays(arrived)) is not first(last.arrived) if node is last.node else node.seq > last.node.seq
        return last.walk + again

    # --- where in the program -----------------------------------------------------------------------------------------

    def here(self) -> Place | None:
        """The line of the user's program."""
        frame = users_frame(3)
        return None if frame is None else place_of(frame)

    def _name(self, t: Tensor) -> None:
        """What the program calls a tensor, from the variables in sight."""
        frame = users_frame(3)
        if frame is not None:
            for space in (frame.f_locals, frame.f_globals):
                for name, x in space.items():
                    if x is t and not name.startswith("_"):
                        self.names.setdefault(id(t._data), name)
                        return


def _owner(array: Any) -> int:
    """Who owns an array's memory: views of one have the same."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)


def first(arrays: Any) -> Any:
    """Of an array, or several by number, the first."""
    return next(iter(arrays.values())) if isinstance(arrays, dict) else arrays


def _arrays(g: Any) -> Any:
    return {k: t._data for k, t in g.parts.items()} if type(g) is Packed else g._data


class _Slot(NamedTuple):
    """A Tensor's place in a call: the value, and whether it asked for a gradient."""

    ref: Ref
    wants: bool
