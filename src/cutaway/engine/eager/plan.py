"""Plan: what a composite does, as two native programs. One gives its result and what the gradient needs, one the gradient.

The function and its gradient are traced together, by the rules of the ops inside, and the graph is cut where the gradient
that arrives comes in. What the second half reads of the first is saved, unless it costs next to nothing to compute anew from
what is saved anyway. What the function writes in place (batch norm's running statistics) is written after the first half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from cutaway.core.autograd import RECORDING, Leaf, walk
from cutaway.core.aval import Aval
from cutaway.core.op import INTERPRETER, OPS, STAGE
from cutaway.core.ops.movement import inverse
from cutaway.core.tensor import Tensor
from cutaway.engine.cut import above, extract, kept, saved_values
from cutaway.engine.eager.native import Dims, Facts, Native
from cutaway.engine.graph import Graph, Source, Value, below
from cutaway.engine.passes import clean
from cutaway.engine.symbol import Symbol
from cutaway.engine.trace import Tracer, symbol_of

# What is known of a plan besides its programs, in words.
KEPT = (
    "differentiable", "meta", "attrs", "saves", "writes", "one_op", "order", "usual", "saves_y", "saved_arguments",
    "keeps", "matters", "towards",
)  # fmt: skip


class Refused(Exception):
    """The composite does something that only Python can do: it looks at values, gives back its argument, or writes to what
    wants a gradient.
    """


class Recorder(Tracer):
    """A tracer for one function whose arguments are all that it reads."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.before, self.memory, self.inputs, self.original = {}, {}, {}, {}
        self.kept, self.names, self.arguments = [], {}, []
        self.owners = {}  # type: ignore[assignment]
        self.handles: list[Tensor] = []
        self.written: dict[int, Value] = {}  # by the number of the argument: what is in it afterwards

    def store(self, target: Tensor, y: Tensor) -> None:
        """Only arguments that no gradient passes are written."""
        n = next((n for n, t in enumerate(self.handles) if t is target), None)
        if n is None or target._node is not None or y._node is not None:
            raise Refused
        super().store(target, y)
        symbol = symbol_of(target)
        assert symbol is not None
        self.written[n] = symbol.value

    def adopt(self, tensor: Tensor) -> NoReturn:
        """Nothing lives on."""
        raise Refused

    def unknown(self) -> NoReturn:
        """The function would like to look at values."""
        raise Refused

    def argument(self, index: int, aval: Aval, order: Dims) -> Value:
        """An input that lies in memory in the order of `order` (empty: row-major), as a value of its own shape."""
        if not order:
            return self.input(aval, Source("argument", index=index, name=str(index)))
        stored = Aval(tuple(aval.shape[d] for d in order), aval.dtype)
        return _as_meant(self, self.input(stored, Source("argument", index=index, name=str(index))), order)


def _as_meant(tracer: Recorder, v: Value, order: Dims) -> Value:
    dims = inverse(order)
    return tracer.emit(OPS["permute"], (v,), {"dims": dims}, Aval(tuple(v.aval.shape[d] for d in dims), v.aval.dtype))


class Input:
    """A Tensor argument as the plan sees it: shape and dtype, the order in memory, and where its gradient goes.

    wants   0: nowhere, 1: to a leaf, whose .grad is row-major, 2: on
    """

    __slots__ = ("aval", "order", "wants")

    def __init__(self, aval: Aval, order: Dims, wants: int) -> None:
        self.aval, self.order, self.wants = aval, order, wants


class Plan:
    """For one signature: `forward`, and a gradient program for each order in which the arriving gradient may lie."""

    used = False  # again, since the last time that someone looked for plans to drop
    learned: Callable[[Plan], None] | None = None  # who keeps a record of it, and is told of a new gradient program

    def __init__(self, label: str, fn: Callable[..., Any], inputs: Sequence[Input]) -> None:
        """The plan of `fn(*tensors)`; nothing is known of it before `trace` or `take`."""
        self.label, self.call, self.inputs = label, fn, list(inputs)
        self.metas = tuple([(i.aval.shape, i.aval.dtype) for i in inputs])
        self.numbers: list[tuple[Callable[[], Any], Aval]] = []
        self._whole: Graph | None = None
        self._backward: dict[Dims, Native] = {}
        self._known: dict[Dims, Facts] = {}  # gradient programs that were compiled, here or before

    def keep(self) -> dict[str, Any] | None:
        """All that `take` needs, in values that can be written down; None if it is not for another process."""
        if self.numbers:
            return None
        programs = {"forward": self.forward.facts, "backward": list(self._known.items())}
        return {"op": self.op.name, **{name: getattr(self, name) for name in KEPT}, **programs}

    def take(self, kept: dict[str, Any]) -> bool:
        """Be the plan that `keep` told of, without a trace; False if its code is gone."""
        forward = Native.again(Facts.of(kept["forward"]))
        if forward is None:
            return False
        self.forward, self.op = forward, OPS[kept["op"]]
        for name in KEPT:
            setattr(self, name, kept[name])
        self._known = {order: Facts.of(facts) for order, facts in kept["backward"]}
        return True

    def trace(self) -> None:
        """See what the function does, and compile it.  Raises Refused, or whatever the function raises."""
        inputs = self.inputs
        tracer = Recorder()
        handles = []
        for n, i in enumerate(inputs):
            t = Tensor._wrap(Symbol(tracer, tracer.argument(n, i.aval, i.order)))  # type: ignore[arg-type]
            tracer.own(t)
            if i.wants:
                t._node = Leaf(t)
            handles.append(t)
        tracer.handles = handles
        token, stage = INTERPRETER.set(tracer), STAGE.set(tracer)
        try:
            y = self.call(*handles)
            if type(y) is not Tensor or symbol_of(y) is None or any(y._cell is t._cell for t in handles):
                raise Refused
            self.value = tracer.value_of(y)
            self.differentiable = y._node is not None
            self.arriving: Value | None = None
            self.gradients: list[Value | None] = []
            if self.differentiable:
                given = tracer.input(self.value.aval, Source("argument", index=-1, name="g"))
                self.arriving = given
                g = Tensor._wrap(Symbol(tracer, given))  # type: ignore[arg-type]
                targets = [t._node for t in handles if t._node is not None]
                found = iter(walk([(y._node, g)], targets, True, False))
                for i in inputs:
                    gradient = next(found) if i.wants else None
                    self.gradients.append(None if gradient is None else tracer.value_of(gradient))
        finally:
            INTERPRETER.reset(token)
            STAGE.reset(stage)
        if any(v.op is None and v.source is not None and v.source.kind == "tensor" for v in tracer.values):
            raise Refused
        self.meta = self.value.aval.shape, self.value.aval.dtype
        self.op, self.attrs, self.saves = OPS["copy"], dict[str, Any](), tuple(range(len(inputs)))
        self.writes = [(n, handles[n]._cell[0]) for n in tracer.written]  # arguments, and how many writes that were
        self.one_op = self._is_one_op(y, handles)
        self._cut(tracer, kept([y._node], handles))

    def _is_one_op(self, y: Tensor, handles: list[Tensor]) -> bool:
        """True if the function is one op of its arguments. Then its rules say what a gradient of the gradient needs."""
        node = y._node
        if node is None or self.writes or node.parents != tuple([t._node for t in handles]):
            return False
        if any(meta != m for meta, m in zip(node.metas, self.metas)) or node.op.kind == "random":
            return False
        self.op, self.attrs, self.saves = node.op, node.attrs, tuple(node.saved)
        return True

    def _cut(self, tracer: Recorder, kept: set[int]) -> None:
        """Split what was traced in two; `kept` are the arguments that the gradient may read.

        It may read those that are padded, too (PyTorch keeps them): no one wants the padded copy written out.
        """
        wanted = [v for v in self.gradients if v is not None]
        whole = clean(Graph(tracer.values, [self.value, *tracer.written.values(), *wanted]))
        y, *found = whole.outputs
        written, found = found[: len(self.writes)], found[len(self.writes) :]
        g = next((v for v in whole.inputs if v.source is not None and v.source.index == -1), None)
        rest = iter(found)
        gradients = [None if v is None else next(rest) for v in self.gradients]
        late = above(whole, () if g is None else (g,))
        roots = {v for v in gradients if v is not None}
        numbers = [v for v in whole.inputs if v.source is not None and v.source.kind == "number"]
        self.numbers = [(r, v.aval) for v in numbers if v.source is not None and (r := v.source.number) is not None]
        # Arguments of the forward program: the tensors, then the numbers.
        place = {v: v.source.index for v in whole.inputs if v.source is not None and v.source.kind == "argument"}
        place.update({v: len(self.inputs) + n for n, v in enumerate(numbers)})
        padded = below(v for v in whole.values if v.op is not None and v.op.name == "pad")
        forbidden = {v for v, n in place.items() if 0 <= n < len(self.inputs) and n not in kept and v not in padded}
        saved = saved_values(whole, {y, *written}, late, roots, place, forbidden)
        made = [v for v in saved if v not in place and v is not y]
        loose = [True] * (1 + len(made)) + [False] * len(written)
        self.forward = Native.of(extract(whole, [y, *made, *written], place), loose)
        self.order = self.forward.results[0].dims
        self.usual = inverse(self.order) if self.order else ()  # how the result lies in memory, and mostly its gradient
        # The gradient program reads: saved arguments by number, then y and what was made.
        self.saves_y = y in saved
        self.saved_arguments = sorted(n for v in saved if 0 <= (n := place.get(v, -1)) < len(self.inputs))
        self.keeps = bool(saved)
        read = below(roots)
        self.matters = sorted(n for v, n in place.items() if v in read and 0 <= n < len(self.inputs))
        self._whole, self._made, self._y, self._g, self._place = whole, made, y, g, place
        self._gradients = gradients
        self.towards = [n for n, v in enumerate(gradients) if v is not None]

    def backward(self, order: Dims) -> Native:
        """The gradient program for an arriving gradient that lies in this order.

        Its arguments: those of the forward program, the result, what was made, the gradient.
        """
        found = self._backward.get(order)
        if found is None:
            found = self._backward[order] = self._make_backward(order)
        return found

    def _make_backward(self, order: Dims) -> Native:
        facts = self._known.get(order)
        found = None if facts is None else Native.again(facts)
        if found is not None:
            return found
        if self._whole is None:
            token = RECORDING.set(True)  # as when the plan was made: a backward does not record
            try:
                self.trace()
            finally:
                RECORDING.reset(token)
        assert self._whole is not None and self._g is not None
        n = len(self.inputs) + len(self.numbers)
        place = dict(self._place)
        stored: dict[Value, Dims | None] = {}
        for k, (v, result) in enumerate(zip([self._y, *self._made], self.forward.results)):
            place[v] = n + k
            stored[v] = result.dims
        place[self._g] = n + 1 + len(self._made)
        stored[self._g] = inverse(order) if order else None
        outputs = [v for v in self._gradients if v is not None]
        loose = [self.inputs[k].wants == 2 for k in self.towards]
        made = Native.of(extract(self._whole, outputs, place, stored), loose)
        self._known[order] = made.facts
        if self.learned is not None:
            self.learned(self)
        return made


def number_array(read: Callable[[], Any], aval: Aval) -> np.ndarray:
    """A number of the surroundings, as it is now."""
    return np.array(read(), aval.dtype).reshape(aval.shape)
