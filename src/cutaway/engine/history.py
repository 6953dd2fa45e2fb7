"""What a compiled function's result needs so that `loss.backward()` outside goes through it: a second program.

The function and its gradient are traced together, by the rules of the ops inside, and the graph is cut where the gradients
that arrive come in, as for the composites of eager mode (eager/plan.py). The first program gives the results and what the
second reads of it; the second is compiled at the first backward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cutaway.core.autograd import _SEQ, Leaf, Node, Wanted, walk
from cutaway.core.errors import GradError, TraceError
from cutaway.core.grad_names import Name
from cutaway.core.op import OPS
from cutaway.core.tensor import Tensor
from cutaway.engine.cut import above, extract, kept, saved_values
from cutaway.engine.graph import Graph, Source, Value, Write, below
from cutaway.engine.trace import Entry

if TYPE_CHECKING:
    from cutaway.engine.eager.native import Native

COPY = OPS["copy"]


class Wish(NamedTuple):
    """Where a gradient goes: argument `argument`, or `tensor`, which the function closes over."""

    tensor: Tensor | None
    argument: int
    value: Value  # the gradient


class History:
    """Traced: which results a gradient may arrive at, as which values, and what the gradients come to.

    results  (number of the output, the value that arrives there)
    """

    def __init__(self, results: list[tuple[int, Value]], wishes: list[Wish], kept: set[Value]) -> None:
        self.results, self.wishes, self.kept = results, wishes, kept


def look_back(tracer: Any, results: Sequence[Tensor], arguments: Sequence[Tensor]) -> History | None:
    """While tracing, after the function: the gradients of all that its results depend on; None if there are none."""
    roots = [(n, t) for n, t in enumerate(results) if t._node is not None]
    if not roots:
        return None
    met = [tracer.before[i] for i in tracer.inputs if i in tracer.before]
    closed = [t for t in met if t._node is not None]
    handles = [*arguments, *closed]
    targets = [t for t in handles if t._node is not None]
    outer = next((t for t in closed if not isinstance(t._node, Leaf)), None)
    if outer is not None:
        raise TraceError(
            f"compile: the function reads {outer.dtype}{list(outer.shape)}, a result with a history outside of it; "
            "pass it as an argument, so that its gradient finds the way back"
        )
    for t in arguments:
        if isinstance(t._node, Entry):
            t._node.close()
    arriving = []
    for n, t in roots:
        g = tracer.input(tracer.value_of(t).aval, Source("argument", index=-1 - n, name=f"gradient {n}"))
        arriving.append((n, g))
    symbols = [(t._node, tracer.wrap(g)) for (_, t), (_, g) in zip(roots, arriving)]
    found = walk(symbols, [t._node for t in targets], True, False)
    place = {id(t): n for n, t in enumerate(arguments)}
    wishes = [
        Wish(None if id(t) in place else t, place.get(id(t), -1), tracer.value_of(g))
        for t, g in zip(targets, found, strict=True)
        if g is not None
    ]
    read = kept([t._node for _, t in roots], handles)
    return History(arriving, wishes, {tracer.entry(handles[n]) for n in read}) if wishes else None


class Backward:
    """The second program, and what it reads: arguments, tensors and numbers of the first, its results, what it made besides.

    saved  the graph's values, in the order of the second program's arguments; then come the arriving gradients
    """

    def __init__(self, graph: Graph, history: History, outputs: Sequence[Value]) -> None:
        self.history, self.results = history, list(outputs)
        arriving = [g for _, g in history.results]
        late = above(graph, arriving)
        wanted = [w.value for w in history.wishes]
        inputs = {v for v in graph.inputs if v not in arriving}
        written = {v for v in inputs if v.source is not None and v.source.tensor is not None} & {
            v for v in inputs for w in graph.writes if v.source is not None and w.tensor is v.source.tensor
        }
        padded = below(v for v in graph.values if v.op is not None and v.op.name == "pad")
        movable = {v for v in inputs if v.source is not None and v.source.kind in ("argument", "tensor")}
        forbidden = {v for v in movable if v not in history.kept and v not in padded}
        self.saved = saved_values(graph, set(outputs), late, set(wanted), inputs, forbidden)
        # An input that the function itself overwrites is saved as a copy.
        self.copies = {v: Value(COPY, (v,), {}, v.aval, v.line) for v in self.saved if v in written}
        there = set(outputs)
        self.made = [
            self.copies.get(v, v) for v in self.saved if (v.op is not None and v not in there) or v in self.copies
        ]
        place = {v: n for n, v in enumerate([*self.saved, *arriving])}
        self._graph, self._wanted = graph, wanted
        self._place, self._stored = place, dict.fromkeys(v for v in place if v.op is not None)
        self._native: Native | None = None

    def forward(self, graph: Graph, outputs: Sequence[Value], writes: Sequence[Write]) -> Graph:
        """The first half of the graph, whose outputs are the results and then what was made."""
        needed = below([*outputs, *self.made, *(w.value for w in writes)])
        values: list[Value] = []
        for v in graph.values:
            if v in needed:
                values.append(v)
            if v in self.copies:
                values.append(self.copies[v])
        return Graph(values, [*outputs, *self.made], writes)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The gradients, in the order of the wishes."""
        if self._native is None:
            from cutaway.engine.eager.native import Native

            part = extract(self._graph, self._wanted, self._place, self._stored)
            self._native = Native.of(part, [False] * len(self._wanted))
        return self._native(arrays)


class CompiledNode(Node):
    """A call of a compiled function: its gradient is the second program."""

    __slots__ = ("arrays", "label", "program", "watched")

    def __init__(
        self,
        label: str,
        program: Backward,
        parents: Sequence[Node | None],
        arrays: list[np.ndarray],
        watched: list[tuple[str, np.ndarray, list[int], int]],
    ) -> None:
        self.seq = next(_SEQ)
        self.op, self.attrs, self.meta = COPY, {}, ((), np.dtype(np.float32))
        self.parents = tuple(parents)
        self.metas = tuple((tuple(w.value.aval.shape), w.value.aval.dtype) for w in program.history.wishes)
        self.saved, self.saved_y, self.freed = {}, None, False
        self.hooks = self.retain = None
        self.label, self.program, self.arrays, self.watched = label, program, arrays, watched

    @property
    def name(self) -> Name:
        """The function's name."""
        return Name(self.label)

    def free(self) -> None:
        """Let go of the saved values."""
        self.arrays, self.watched, self.freed = [], [], True

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """(parent, gradient, fresh) for each parent that wants one."""
        if self.freed:
            raise self._freed_error()
        if create_graph or any(type(part._data) is not np.ndarray for part in g.parts.values()):
            raise GradError(
                f"backward of {self.name}: a compiled function has no gradient of a gradient; "
                "call the function itself where create_graph=True is needed"
            )
        for what, array, cell, version in self.watched:
            if cell[0] != version:
                raise GradError(
                    f"backward of {self.name}: {what}, {array.dtype.name}{list(array.shape)}, was overwritten by an "
                    f"in-place operation after the call (version {cell[0]}, expected {version}); "
                    "clone() it before the in-place operation"
                )
        arriving = []
        for n, v in self.program.history.results:
            part = g.parts.get(n)
            arriving.append(
                np.zeros(v.aval.shape, v.aval.dtype) if part is None else np.ascontiguousarray(part._data)
            )
        found = self.program([*self.arrays, *arriving])
        for parent, gi in zip(self.parents, found, strict=True):
            if parent is not None and (wanted is None or parent in wanted):
                yield parent, Tensor._wrap(gi), True
