"""Watch: the operations of a program while it runs, linked by what each read, forward and backward. It keeps no values.

It sits on the interpreter stack, so everything runs op by op (native programs and compiled functions included); the recorder
keeps values for the picture, a Watch asks a question of each step and lets the values go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from cutaway.core.autograd import RECORDING, Leaf, Node
from cutaway.core.diary import Place
from cutaway.core.dtypes import INEXACT
from cutaway.core.op import INTERPRETER, STAGE, Op
from cutaway.core.promote import coerce
from cutaway.core.tensor import Tensor
from cutaway.inspect.lines import here
from cutaway.inspect.observer import BACKWARD, COMPOSITE, FUNCTION, LAYER, STEP, Observer

FINE, INF, NAN = 0, 1, 2  # the worst element of a value


class Source:
    """A value that no step made: data, a parameter, a number."""

    op = None
    number = -1
    inputs: tuple[Any, ...] = ()

    def __init__(self, t: Tensor, state: int = FINE) -> None:
        self.array, self.tensor = ref(t._data), ref(t)
        self.node = t._node
        self.shape, self.dtype, self.state = t._data.shape, t._data.dtype, state


class Step:
    """One operation that ran.

    inputs     the Steps and Sources that made what it read;  shape, dtype: of its result;  place: the user's line
    layers     the modules that it ran in, outermost first;  scopes: the composites
    node       a weak reference to its entry on the tape;  attached: which inputs came with a history
    recording  whether gradients were on;  of: in a backward (a rule's, or a user's), the Step that it is of, or its Node
    state      FINE, INF or NAN;  fact: what a subclass notes of it
    """

    __slots__ = (
        "__weakref__", "attached", "attrs", "dtype", "fact", "inputs", "layers", "node", "number", "of", "op", "place",
        "recording", "result", "scopes", "shape", "state", "within",
    )  # fmt: skip

    op: Op
    number: int
    attrs: dict[str, Any]
    inputs: tuple[Any, ...]
    attached: tuple[bool, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    place: Place | None
    layers: tuple[Any, ...]
    scopes: tuple[str, ...]
    recording: bool
    within: bool  # a user's Function
    of: Any
    node: Any
    result: Any
    state: int
    fact: Any


class Watch(Observer):
    """Watch from `on` to `off`. Subclasses say what is asked: `seen`, `flowed`, `stepped`."""

    def __init__(self) -> None:
        self.count = 0
        self.made: dict[int, tuple[Any, Step]] = {}  # id of an array -> (weak reference to it, what made it)
        self.nodes: WeakKeyDictionary[Node, Step] = WeakKeyDictionary()
        self._layers: tuple[Any, ...] = ()
        self._scopes: tuple[str, ...] = ()
        self._within = 0
        self._of: Node | None = None  # of a user's Function, while its backward runs

    # --- what subclasses ask ----------------------------------------------------------------------------------------

    def seen(self, step: Step, tensors: tuple[Tensor, ...], y: Tensor) -> None:
        """A step ran."""

    def flowed(self, node: Node, g: Any, parent: Node, gi: Any) -> None:
        """In a backward, `g` arrived at `node`, and `gi` goes on to `parent`."""

    def stepped(self, optimizer: Any, place: Place | None) -> None:
        """An optimiser has changed its parameters."""

    # --- the observers: one that was there before goes on observing ---------------------------------------------------

    def __call__(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        """An operation: the interpreter's place."""
        tensors = coerce(op, inputs)
        y = (self._below or Op.eager)(op, tensors, attrs)
        if STAGE.get() is not None or type(y._data) is not np.ndarray:
            return y
        step = Step()
        self.count += 1
        step.number, step.op, step.attrs, step.state, step.fact = self.count, op, attrs, FINE, None
        step.inputs = tuple([self.origin(t) for t in tensors])
        step.attached = tuple([t._node is not None for t in tensors])
        step.shape, step.dtype = y._data.shape, y._data.dtype
        step.layers, step.scopes, step.within = self._layers, self._scopes, self._within > 0
        step.recording, (step.place, node) = RECORDING.get(), here()
        node = self._of if node is None else node
        step.of = None if node is None else self.nodes.get(node, node)
        step.node = step.result = None
        if y._node is not None:
            step.node = ref(y._node)
            self.nodes[y._node] = step
        key = id(y._data)
        step.result = ref(y._data, lambda _: self.made.pop(key, None))
        self.made[key] = step.result, step
        self.seen(step, tensors, y)
        return y

    def around(self, kind: str, owner: Any, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note what encloses the steps that are to come. In a user's backward they are steps of the Function's node."""
        inside = self._layers, self._scopes, self._within, self._of
        token = None
        if kind == LAYER:
            self._layers = (*self._layers, owner)
        elif kind in (COMPOSITE, FUNCTION):
            self._scopes = (*self._scopes, getattr(fn, "__name__", ""))
            self._within += kind == FUNCTION
        elif kind == BACKWARD and self._outer is None:
            self._of, token = owner, INTERPRETER.set(self)
        try:
            out = fn(*args, **kwargs) if self._outer is None else self._outer(fn, args, kwargs)
        finally:
            self._layers, self._scopes, self._within, self._of = inside
            if token is not None:
                INTERPRETER.reset(token)
        if kind == STEP:
            self.stepped(owner, here()[0])
        return out

    def _flow(self, node: Node, g: Any, parent: Node, gi: Any) -> None:
        if self._beside is not None:
            self._beside(node, g, parent, gi)
        self.flowed(node, g, parent, gi)

    # --- what is known ----------------------------------------------------------------------------------------------

    def origin(self, t: Tensor) -> Step | Source:
        """What made a tensor."""
        found = self.nodes.get(t._node) if t._node is not None and not isinstance(t._node, Leaf) else None
        if found is None:
            entry = self.made.get(id(t._data))
            found = entry[1] if entry is not None and entry[0]() is t._data else None
        return Source(t) if found is None else found


def worst(a: np.ndarray) -> int:
    """FINE, INF or NAN."""
    if a.dtype.kind not in INEXACT or np.isfinite(a).all():
        return FINE
    return NAN if np.isnan(a).any() else INF
