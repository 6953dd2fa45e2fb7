"""Plan: what a composite does, as two native programs. One gives its result and what the gradient needs, one the gradient.

The function and its gradient are traced together, by the rules of the ops inside, and the graph is cut where the gradient
that arrives comes in. What the second half reads of the first is saved, unless it costs next to nothing to compute anew from
what is saved anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from cutaway.core.autograd import Leaf, Node, walk
from cutaway.core.aval import Aval
from cutaway.core.op import INTERPRETER, OPS, STAGE
from cutaway.core.ops.movement import inverse
from cutaway.core.tensor import Tensor
from cutaway.engine.eager.native import Dims, Native
from cutaway.engine.graph import Graph, Source, Value, below
from cutaway.engine.passes import clean
from cutaway.engine.passes.rewrite import Builder
from cutaway.engine.symbol import Symbol
from cutaway.engine.trace import Tracer, symbol_of

QUICK = frozenset("add sub mul neg gt ge lt le eq ne".split())


class Refused(Exception):
    """The composite does something that only Python can do: it looks at values, writes, or gives back its argument."""


class Recorder(Tracer):
    """A tracer for one function whose arguments are all that it reads."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.before, self.memory, self.inputs, self.original = {}, {}, {}, {}
        self.kept, self.names, self.arguments = [], {}, []
        self.owners = {}  # type: ignore[assignment]

    def store(self, target: Tensor, y: Tensor) -> NoReturn:
        """Nothing is written."""
        raise Refused

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

    def __init__(self, label: str, fn: Callable[..., Any], inputs: Sequence[Input]) -> None:
        """Trace `fn(*tensors)`.  Raises Refused, or whatever the function raises."""
        self.label, self.call, self.inputs = label, fn, list(inputs)
        self.metas = tuple([(i.aval.shape, i.aval.dtype) for i in inputs])
        tracer = Recorder()
        handles = []
        for n, i in enumerate(inputs):
            t = Tensor._wrap(Symbol(tracer, tracer.argument(n, i.aval, i.order)))  # type: ignore[arg-type]
            tracer.own(t)
            if i.wants:
                t._node = Leaf(t)
            handles.append(t)
        token, stage = INTERPRETER.set(tracer), STAGE.set(tracer)
        try:
            y = fn(*handles)
            if type(y) is not Tensor or symbol_of(y) is None or y._view or any(y._cell is t._cell for t in handles):
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
        self.one_op = self._is_one_op(y, handles)
        self._cut(tracer, _kept(y, handles))

    def _is_one_op(self, y: Tensor, handles: list[Tensor]) -> bool:
        """True if the function is one op of its arguments. Then its rules say what a gradient of the gradient needs."""
        node = y._node
        if node is None or node.parents != tuple([t._node for t in handles]):
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
        whole = clean(Graph(tracer.values, [self.value, *wanted]))
        y, *found = whole.outputs
        g = next((v for v in whole.inputs if v.source is not None and v.source.index == -1), None)
        rest = iter(found)
        gradients = [None if v is None else next(rest) for v in self.gradients]
        late: set[Value] = set() if g is None else {g}  # what depends on the arriving gradient
        for v in whole.values:
            if any(i in late for i in v.inputs):
                late.add(v)
        roots = {v for v in gradients if v is not None}
        numbers = [v for v in whole.inputs if v.source is not None and v.source.kind == "number"]
        self.numbers = [(r, v.aval) for v in numbers if v.source is not None and (r := v.source.number) is not None]
        # Arguments of the forward program: the tensors, then the numbers.
        place = {v: v.source.index for v in whole.inputs if v.source is not None and v.source.kind == "argument"}
        place.update({v: len(self.inputs) + n for n, v in enumerate(numbers)})
        padded = below(v for v in whole.values if v.op is not None and v.op.name == "pad")
        forbidden = {v for v, n in place.items() if 0 <= n < len(self.inputs) and n not in kept and v not in padded}
        saved = saved_values(whole, {y}, late, roots, place, forbidden)
        made = [v for v in saved if v not in place and v is not y]
        loose = [True] * (1 + len(made))
        self.forward = Native(extract(whole, [y, *made], place), loose)
        self.order = self.forward.results[0].dims
        # The gradient program reads: saved arguments by number, then y and what was made.
        self.saves_y = y in saved
        self.saved_arguments = sorted(n for v in saved if 0 <= (n := place.get(v, -1)) < len(self.inputs))
        self.keeps = bool(saved)
        read = below(roots)
        self.matters = sorted(n for v, n in place.items() if v in read and 0 <= n < len(self.inputs))
        self._whole, self._made, self._y, self._g, self._place = whole, made, y, g, place
        self._gradients = gradients
        self._backward: dict[Dims, Native] = {}
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
        n = len(self.inputs) + len(self.numbers)
        place = dict(self._place)
        stored: dict[Value, Dims | None] = {}
        for k, (v, result) in enumerate(zip([self._y, *self._made], self.forward.results, strict=True)):
            place[v] = n + k
            stored[v] = result.dims
        assert self._g is not None
        place[self._g] = n + 1 + len(self._made)
        stored[self._g] = inverse(order) if order else None
        outputs = [v for v in self._gradients if v is not None]
        loose = [self.inputs[k].wants == 2 for k in self.towards]
        return Native(extract(self._whole, outputs, place, stored), loose)


def _kept(y: Tensor, handles: Sequence[Tensor]) -> set[int]:
    """The arguments whose very memory some op's rule reads: they must not be overwritten before the gradient is taken."""
    number = {id(t._cell): n for n, t in enumerate(handles)}
    found: set[int] = set()
    seen: set[Node] = set()
    stack = [y._node]
    while stack:
        node = stack.pop()
        if node is None or node in seen or isinstance(node, Leaf):
            continue
        seen.add(node)
        stack.extend(node.parents)
        found.update(number[id(cell)] for _, cell, _ in node.saved.values() if id(cell) in number)
    return found


def saved_values(
    whole: Graph, results: set[Value], late: set[Value], roots: set[Value], place: dict[Value, int], forbidden: set[Value]
) -> list[Value]:
    """What the gradient half (`late`, `roots`) reads of the other one; `forbidden` arguments are not to be read again."""
    border: dict[Value, None] = {}
    for v in whole.values:
        if v in late or v in roots:
            for i in v.inputs if v in late else (v,):
                if i not in late and not _constant(i):
                    border[i] = None
    saved: dict[Value, None] = {}
    known: dict[Value, frozenset[Value]] = {}

    def behind(v: Value) -> frozenset[Value]:
        """What must be saved for `v` to be computed again by elementwise ops and movements."""
        if v in forbidden:
            return frozenset([v])
        if v in place or v in results or _constant(v):
            return frozenset()
        if v not in known:
            fused = v.op is not None and (v.op.kind == "elementwise" or _moves(v))
            known[v] = frozenset().union(*map(behind, v.inputs)) if fused else frozenset([v])
        return known[v]

    def need(v: Value) -> None:
        if _constant(v):
            return
        if v not in place and v not in results and not forbidden.intersection(v.inputs) and again(v):
            for i in v.inputs:
                need(i)
        else:
            saved[v] = None

    def again(v: Value) -> bool:
        if _moves(v):
            return True
        first = behind(v)
        return (
            v.op is not None
            and v.op.kind == "elementwise"
            and not first & forbidden
            and sum(map(_bytes, first)) <= _bytes(v)
        )

    for v in border:
        need(v)
    for v in reversed(list(saved)):  # what is quickly made of the rest is no rest
        if v not in place and v not in results and _made_of(v, saved.keys() - {v}, place, results, forbidden):
            del saved[v]
    return list(saved)


def _made_of(
    v: Value, saved: set[Value], place: dict[Value, int], results: set[Value], forbidden: set[Value]
) -> bool:
    """Whether `v` is one or two elementwise ops of saved values, and no function that takes time."""
    def known(i: Value) -> bool:
        return i in saved or i in results or (i in place and i not in forbidden) or _constant(i)

    def quick(u: Value) -> bool:
        return u.op is not None and u.op.name in QUICK and u.aval.shape == v.aval.shape

    return quick(v) and all(known(i) or (quick(i) and all(map(known, i.inputs))) for i in v.inputs)


def _moves(v: Value) -> bool:
    return v.op is not None and (v.op.kind == "movement" or v.op.name == "windows")


def _bytes(v: Value) -> int:
    return v.aval.size * v.aval.dtype.itemsize


def _constant(v: Value) -> bool:
    if v.op is None:
        return v.source is not None and v.source.kind == "constant"
    return all(_constant(i) for i in v.inputs)


def extract(
    whole: Graph, outputs: Sequence[Value], place: dict[Value, int], stored: dict[Value, Dims | None] | None = None
) -> Graph:
    """The part of a graph that `outputs` need; values in `place` are arguments, and `stored` says in which order."""
    builder = Builder()
    new: dict[Value, Value] = {}
    cut = stored if stored is not None else {}
    needed = below(outputs, cut)
    for v in whole.values:
        if v not in needed:
            continue
        if v in cut or (v in place and v.op is None):
            dims = cut.get(v)
            shape = v.aval.shape if dims is None else tuple(v.aval.shape[d] for d in inverse(dims))
            source = Source("argument", index=place[v], name=str(place[v]))
            made = Value(None, (), {}, Aval(shape, v.aval.dtype), "", source)
            builder.values.append(made)
            new[v] = made if dims is None else builder.op("permute", made, dims=dims)
        else:
            new[v] = builder.again(v, tuple(new[i] for i in v.inputs))
    return Graph(builder.values, [new[v] for v in outputs]).verify()


def number_array(read: Callable[[], Any], aval: Aval) -> np.ndarray:
    """A number of the surroundings, as it is now."""
    return np.array(read(), aval.dtype).reshape(aval.shape)
