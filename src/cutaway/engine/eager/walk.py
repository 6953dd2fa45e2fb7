"""Walk: a recurrent layer in eager mode. One step is traced and compiled, and its program runs once for each time.

The same is done with the step's gradient, from the last time to the first. What belongs to all times together (the gradient
of the weights) is one product afterwards. So one Walk serves sequences of any length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cutaway.core.accelerate import AT_ONCE
from cutaway.core.autograd import Leaf, Node, Saved, Wanted, output_node, walk
from cutaway.core.aval import Aval
from cutaway.core.op import INTERPRETER, OPS, STAGE
from cutaway.core.ops.movement import inverse
from cutaway.core.tensor import Tensor
from cutaway.engine.cut import above, extract, saved_values
from cutaway.engine.eager.blocks import LARGE, empty
from cutaway.engine.eager.contraction import WORK
from cutaway.engine.eager.native import Addresses, Dims, Native
from cutaway.engine.eager.node import CompositeNode
from cutaway.engine.eager.plan import Input, Recorder, Refused
from cutaway.engine.graph import Graph, Source, Value
from cutaway.engine.passes import clean
from cutaway.engine.passes.rewrite import Builder
from cutaway.engine.program import address_of
from cutaway.engine.symbol import Symbol
from cutaway.engine.trace import symbol_of
from cutaway.functional.recurrent import from_state, next_state, recurrence

OFTEN = 50  # products of one size for the weight's gradient, before they have a kernel of their own


class Walk:
    """For one signature of `recurrence`, whatever the number of times: what Plan is for other composites."""

    used = one_op = False
    numbers = writes = metas = ()
    meta: Any = None  # a WalkNode has its own shapes, and has them all
    op, attrs = OPS["copy"], dict[str, Any]()

    def __init__(self, label: str, args: Sequence[Any], inputs: Sequence[Input], absent: object) -> None:
        """`args` are those of `recurrence`, with `absent` in the place of each Tensor.

        Raises Refused where the step cannot be a program, or whatever it raises.
        """
        self.label, self.inputs = label, list(inputs)
        self.step, _, _, bias, going, self.backwards, *state = args
        self.biased, self.masked = bias is absent, going is absent
        self.first = 2 + self.biased + self.masked  # the first state among the Tensors
        self.states = len(state)
        ahead = inputs[0].aval
        if any(i.aval.size == 0 for i in inputs) or ahead.dtype.kind != "f" or ahead.dtype.itemsize < 4:
            raise Refused
        self.hidden = inputs[self.first].aval  # [N, H]
        self.differentiable = any(i.wants for i in inputs)
        self.saves = tuple(range(len(inputs)))
        self.saves_y, self.keeps = True, True
        self.saved_arguments = self.matters = list(self.saves)
        self._multiplied: dict[int, int] = {}  # how often, by the number of terms
        self._products: dict[int, Native] = {}
        self._trace()

    def call(self, *given: Tensor) -> tuple[Tensor, ...]:
        """`recurrence`, op by op."""
        ahead, w_hh, bias, going, state = self._named(given)
        return recurrence(self.step, ahead, w_hh, bias, going, self.backwards, *state)

    def run(
        self, arrays: list[np.ndarray], parents: tuple[Node | None, ...], saved: list[Saved]
    ) -> tuple[Tensor, ...]:
        """What `recurrence` gives: h of all times, and the last state."""
        states = self.forward(arrays)
        last = 0 if self.backwards else -1
        results = [Tensor._wrap(a) for a in (states[0], *[s[last].copy() for s in states[: self.states]])]
        if self.differentiable:
            node = WalkNode(self, parents, saved, arrays + states, results[0])
            for k, y in enumerate(results):
                y._node = output_node(node, k, y)
        return tuple(results)

    def _named(self, given: Sequence[Any]) -> tuple[Any, Any, Any, Any, tuple[Any, ...]]:
        """The inputs as ahead, w_hh, b_hh, going, state."""
        bias = given[2] if self.biased else None
        going = given[self.first - 1] if self.masked else None
        return given[0], given[1], bias, going, tuple(given[self.first :])

    # --- one step, and its gradient ---------------------------------------------------------------------------------

    def _trace(self) -> None:
        tracer = Recorder()

        def argument(n: int, shape: tuple[int, ...], dtype: np.dtype) -> Tensor:
            t = Tensor._wrap(Symbol(tracer, tracer.argument(n, Aval(shape, dtype), ())))  # type: ignore[arg-type]
            tracer.own(t)
            return t

        given = [argument(n, self._at_one_time(n), i.aval.dtype) for n, i in enumerate(self.inputs)]
        ahead, turned, bias, going, state = self._named(given)
        token, stage = INTERPRETER.set(tracer), STAGE.set(tracer)
        try:
            if self.differentiable:
                for t in (ahead, *state):
                    t._node = Leaf(t)
            behind = from_state(turned, bias, state)
            new = next_state(self.step, ahead, behind, going, state)
            if any(symbol_of(s) is None for s in new):
                raise Refused
            found, arriving = [], []
            if self.differentiable:
                # What arrives at a state is its gradient from outside, plus that from the time after.
                arriving = [argument(-1 - k, new[k // 2].shape, new[k // 2]._data.dtype) for k in range(2 * len(new))]
                roots = [(s._node, arriving[2 * i] + arriving[2 * i + 1]) for i, s in enumerate(new)]
                targets = [ahead._node, behind._node, *[s._node for s in state]]
                found = walk([(n, g) for n, g in roots if n is not None], targets, True, False)  # type: ignore[arg-type]
                if any(g is None for g in found):
                    raise Refused
        finally:
            INTERPRETER.reset(token)
            STAGE.reset(stage)
        graph = clean(Graph(tracer.values, [tracer.value_of(t) for t in (*new, *found)]))
        self._compile(graph, graph.outputs[: self.states], graph.outputs[self.states :])

    def _at_one_time(self, n: int) -> tuple[int, ...]:
        """The shape of an input as one step sees it."""
        shape = self.inputs[n].aval.shape
        if n == 1:
            return shape[::-1]  # W_h is handed over transposed
        return shape[1:] if n == 0 or (self.masked and n == self.first - 1) else shape

    def _compile(self, graph: Graph, results: list[Value], gradients: list[Value]) -> None:
        """The two programs. Arguments of the second: those of the first, its results, then the arriving gradients."""
        place = {v: v.source.index for v in graph.inputs if v.source is not None and v.source.kind == "argument"}
        late = above(graph, [v for v, n in place.items() if n < 0])
        self.alike = bool(gradients) and gradients[0] is gradients[1]
        if self.alike:  # only the GRU multiplies what comes from the state before it is added
            del gradients[1]
        saved = saved_values(graph, set(results), late, set(gradients), place, set()) if gradients else []
        self.new, self.made = results, [v for v in saved if v not in place and v not in results]
        outputs = [*results, *self.made]
        self._forward = Native.of(extract(graph, outputs, place), [False] * len(outputs))
        if not gradients:
            return
        before = len(self.inputs) + len(outputs)
        stored: dict[Value, Dims | None] = dict.fromkeys(outputs)
        for v, n in list(place.items()):
            if n < 0:
                place[v] = before - 1 - n
            elif n == 1:
                stored[v] = (1, 0)  # here, W_h is read as it is
        place.update({v: len(self.inputs) + k for k, v in enumerate(outputs)})
        self._backward = Native.of(extract(graph, gradients, place, stored), [False] * len(gradients))

    # --- all times --------------------------------------------------------------------------------------------------

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each state at all times [T, N, H], and what the gradient needs besides."""
        ahead, w_hh, bias, going, state = self._named(self._row_major(arrays))
        times = len(ahead)
        results = [_for_all_times(times, v.aval) for v in (*self.new, *self.made)]
        turned = np.ascontiguousarray(w_hh.T)
        after = [self._along(s) for s in results]
        arguments = [*self._arguments(ahead, turned, bias, going), *self._before(state, after)]
        self._forward.repeat(times, arguments, after)
        return results

    def gradients(self, arrays: Sequence[np.ndarray], arriving: dict[int, np.ndarray]) -> list[np.ndarray | None]:
        """The gradient towards each input.

        arrays: the inputs, and what forward gave; arriving: gradients of h of all times (0), and of the last state.
        """
        given = self._row_major(arrays[: len(self.inputs)])
        states, times = arrays[len(self.inputs) :], len(given[0])
        ahead, w_hh, bias, going, state = self._named(given)
        after = [self._along(s) for s in states]
        arguments = [*self._arguments(ahead, w_hh, bias, going), *self._before(state, after), *after]
        each = Aval(ahead.shape[1:], ahead.dtype)
        g_ahead = _for_all_times(times, each)
        g_behind = g_ahead if self.alike else _for_all_times(times, each)
        results = [self._along(g_ahead)] if self.alike else [self._along(g_ahead), self._along(g_behind)]
        zeros = np.zeros(*self.hidden)  # by name: addresses hold nothing alive
        nothing = _fixed(zeros, times)
        carried = [np.empty((2, *s.shape), s.dtype) for s in state]
        for i, two in enumerate(carried):
            here = [address_of(two[k % 2]) for k in range(times)]
            outside = self._along(arriving[0]) if i == 0 and 0 in arriving else nothing
            last = address_of(arriving[1 + i]) if 1 + i in arriving else nothing[0]
            arguments += [outside, [*here[1:], last]]
            results.append(here)
        self._backward.repeat(times, arguments, results, last_first=True)
        gradients: list[np.ndarray | None] = [g_ahead, *[None] * (self.first - 1), *[two[0] for two in carried]]
        if self.inputs[1].wants:
            gradients[1] = self._towards_weight(g_behind, states[0], state[0])
        if self.biased and self.inputs[2].wants:
            gradients[2] = g_behind.sum((0, 1))
        return gradients

    def _towards_weight(self, g: np.ndarray, h: np.ndarray, initial: np.ndarray) -> np.ndarray:
        """Sum over time and batch of g[t, n, :] x h[t - 1, n, :]."""
        rows = g.shape[-1], h.shape[-1]
        first, later, earlier = (-1, g[:-1], h[1:]) if self.backwards else (0, g[1:], h[:-1])
        found = g[first].T @ initial if len(g) == 1 or initial.any() else np.zeros(rows, g.dtype)
        if len(g) > 1:
            a, b = later.reshape(-1, rows[0]), earlier.reshape(-1, rows[1])
            product = self._products.get(len(a))
            if product is None and a.size * b.size >= WORK:
                self._multiplied[len(a)] = often = self._multiplied.get(len(a), 0) + 1
                if often >= OFTEN or AT_ONCE.get():
                    product = self._products[len(a)] = _product(len(a), rows, g.dtype)
            found += a.T @ b if product is None else product([a, b])[0]
        return found

    def _row_major(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Inputs as they are meant, of those in the order of their memory."""
        pairs = zip(arrays, self.inputs, strict=True)
        return [np.ascontiguousarray(a.transpose(inverse(i.order))) if i.order else a for a, i in pairs]

    def _along(self, array: np.ndarray) -> Addresses:
        """Where array[t] lies, in the order in which times are walked through."""
        at = range(address_of(array), address_of(array) + array.nbytes, array.nbytes // len(array))
        return at[::-1] if self.backwards else at

    def _arguments(self, ahead: np.ndarray, weight: np.ndarray, bias: Any, going: Any) -> list[Addresses]:
        found = [self._along(ahead), _fixed(weight, len(ahead))]
        if bias is not None:
            found.append(_fixed(bias, len(ahead)))
        return found if going is None else [*found, self._along(going)]

    def _before(self, state: Sequence[np.ndarray], after: Sequence[Addresses]) -> list[Addresses]:
        """Where the state before each time lies."""
        return [[address_of(s), *a[:-1]] for s, a in zip(state, after, strict=False)]


def _fixed(array: np.ndarray, times: int) -> Addresses:
    return [address_of(array)] * times


def _for_all_times(times: int, each: Aval) -> np.ndarray:
    shape, nbytes = (times, *each.shape), times * each.size * each.dtype.itemsize
    return empty(shape, each.dtype, nbytes) if nbytes >= LARGE else np.empty(shape, each.dtype)


def _product(terms: int, rows: tuple[int, int], dtype: np.dtype) -> Native:
    """a[terms, A], b[terms, B] -> the sum over terms of a x b [A, B]."""
    builder = Builder()
    a, b = [
        builder.input(Aval((terms, r), dtype), Source("argument", index=n, name=str(n))) for n, r in enumerate(rows)
    ]
    y = builder.op("matmul", builder.op("permute", a, dims=(1, 0)), b)
    return Native.of(Graph(builder.values, [y]).verify(), [False])


class WalkNode(CompositeNode):
    """The tape's entry for a walk."""

    __slots__ = ()

    plan: Any

    def __init__(
        self, plan: Walk, parents: tuple[Node | None, ...], saved: list[Saved], arrays: list[np.ndarray], y: Tensor
    ) -> None:
        super().__init__(plan, parents, saved, arrays, y, None)
        self.metas = tuple([(data.shape, data.dtype) for data, _, _ in saved])
        self.meta = y._data.shape, y._data.dtype

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """(parent, gradient, fresh) for each parent that wants one; `g` holds a gradient for some of the results."""
        self._check()
        if create_graph or any(type(part._data) is not np.ndarray for part in g.parts.values()):
            yield from self._again(g, wanted)
            return
        arriving = {k: np.ascontiguousarray(part._data) for k, part in g.parts.items()}
        for parent, gi in zip(self.parents, self.plan.gradients(self.arrays, arriving), strict=True):
            if parent is not None and gi is not None and (wanted is None or parent in wanted):
                yield parent, Tensor._wrap(gi), True

    def _roots(self, results: Any, g: Any) -> list[tuple[Node, Any]]:
        return [(results[k]._node, part) for k, part in g.parts.items()]
