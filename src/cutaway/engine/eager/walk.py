"""Walk: a recurrent layer in eager mode. One step is traced and compiled, and its program runs once for each time.

The same is done with the step's gradient, from the last time to the first. What belongs to all times together (the gradient of
the weights) is one product afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.autograd import Leaf, walk
from cutaway.core.aval import Aval
from cutaway.core.op import INTERPRETER, OPS, STAGE
from cutaway.core.ops.movement import inverse
from cutaway.core.tensor import Tensor
from cutaway.core.functions import stack
from cutaway.engine.eager.native import Addresses, Dims, Native
from cutaway.engine.eager.plan import Input, Recorder, Refused, extract, saved_values
from cutaway.engine.graph import Graph, Source, Value
from cutaway.engine.passes import clean
from cutaway.engine.passes.rewrite import Builder
from cutaway.engine.program import address_of
from cutaway.engine.symbol import Symbol
from cutaway.engine.trace import symbol_of
from cutaway.functional.recurrent import from_state, next_state, walk_through

class Gradient(NamedTuple):
    """A gradient as CompositeNode takes it: row-major."""

    dims: None = None


class Walk:
    """For one signature of `recurrence`: what Plan is for other composites. Its one result is all states [S, T, N, H]."""

    used = one_op = False
    order, numbers = None, ()
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
        self.metas = tuple([(i.aval.shape, i.aval.dtype) for i in inputs])
        ahead = inputs[0].aval
        if any(i.aval.size == 0 for i in inputs) or ahead.dtype.kind != "f" or ahead.dtype.itemsize < 4:
            raise Refused
        self.times = ahead.shape[0]
        hidden = inputs[self.first].aval
        self.meta = (self.states, self.times, *hidden.shape), hidden.dtype
        self.differentiable = any(i.wants for i in inputs)
        self.towards = [n for n, i in enumerate(inputs) if i.wants]
        self.saves = tuple(range(len(inputs)))
        self.saves_y, self.keeps = True, True
        self.saved_arguments = self.matters = list(self.saves)
        self._product: Native | None = None
        self._trace()

    def call(self, *given: Tensor) -> Tensor:
        """All states, op by op."""
        ahead, w_hh, bias, going, state = self._named(given)
        states = walk_through(self.step, ahead, w_hh, bias, going, self.backwards, state)
        return stack([stack([s[i] for s in states]) for i in range(self.states)])

    def finish(self, states: Tensor) -> tuple[Tensor, ...]:
        """What `recurrence` gives: h of all times, and the last state."""
        last = 0 if self.backwards else self.times - 1
        each = [states.select(0, i) for i in range(self.states)]
        return each[0], *[s.select(0, last) for s in each]

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
        late = {v for v, n in place.items() if n < 0}
        for v in graph.values:
            if any(i in late for i in v.inputs):
                late.add(v)
        self.alike = bool(gradients) and gradients[0] is gradients[1]
        if self.alike:  # only the GRU multiplies what comes from the state before it is added
            del gradients[1]
        saved = saved_values(graph, set(results), late, set(gradients), place, set()) if gradients else []
        self.made = [v for v in saved if v not in place and v not in results]
        outputs = [*results, *self.made]
        self._forward = Native(extract(graph, outputs, place), [False] * len(outputs))
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
        self._backward = Native(extract(graph, gradients, place, stored), [False] * len(gradients))

    # --- all times --------------------------------------------------------------------------------------------------

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """All states, and what the gradient needs besides."""
        ahead, w_hh, bias, going, state = self._named(self._row_major(arrays))
        states = np.empty(*self.meta)
        made = [np.empty((self.times, *v.aval.shape), v.aval.dtype) for v in self.made]
        turned = np.ascontiguousarray(w_hh.T)
        arguments = [self._along(ahead), self._fixed(turned)]
        if bias is not None:
            arguments.append(self._fixed(bias))
        if going is not None:
            arguments.append(self._along(going))
        after = [self._along(s) for s in states]
        arguments += self._before(state, after)
        self._forward.repeat(self.times, arguments, [*after, *map(self._along, made)])
        return [states, *made]

    def backward(self, order: Dims) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        """The gradients of `towards`, from the inputs, the states, what was made, and the gradient that arrives."""

        def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
            g = arrays[-1].transpose(inverse(order)) if order else arrays[-1]
            return self._gradients(arrays[:-1], np.ascontiguousarray(g))

        run.results = [Gradient()] * len(self.towards)  # type: ignore[attr-defined]
        return run

    def _gradients(self, arrays: Sequence[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
        given = self._row_major(arrays[: len(self.inputs)])
        states, *made = arrays[len(self.inputs) :]
        ahead, w_hh, bias, going, state = self._named(given)
        arguments = [self._along(ahead), self._fixed(w_hh)]
        if bias is not None:
            arguments.append(self._fixed(bias))
        if going is not None:
            arguments.append(self._along(going))
        after = [self._along(s) for s in states]
        arguments += [*self._before(state, after), *after, *map(self._along, made)]
        g_ahead = np.empty_like(ahead)
        g_behind = g_ahead if self.alike else np.empty_like(ahead)
        results = [self._along(g_ahead)] if self.alike else [self._along(g_ahead), self._along(g_behind)]
        nothing = np.zeros_like(state[0])
        carried = [np.empty((2, *s.shape), s.dtype) for s in state]
        for two, outside in zip(carried, g, strict=True):
            here = [address_of(two[k % 2]) for k in range(self.times)]
            arguments += [self._along(outside), [*here[1:], address_of(nothing)]]
            results.append(here)
        self._backward.repeat(self.times, arguments, results, last_first=True)
        gradients: list[Any] = [g_ahead, None, *[None] * (self.first - 2), *[two[0] for two in carried]]
        if self.inputs[1].wants:
            gradients[1] = self._towards_weight(g_behind, states[0], state[0])
        if self.biased and self.inputs[2].wants:
            gradients[2] = g_behind.sum((0, 1))
        return [gradients[n] for n in self.towards]

    def _towards_weight(self, g: np.ndarray, h: np.ndarray, initial: np.ndarray) -> np.ndarray:
        """Sum over time and batch of g[t, n, :] x h[t - 1, n, :]."""
        rows = g.shape[-1], h.shape[-1]
        first, later, earlier = (-1, g[:-1], h[1:]) if self.backwards else (0, g[1:], h[:-1])
        found = g[first].T @ initial if self.times == 1 or initial.any() else np.zeros(rows, g.dtype)
        if self.times > 1:
            if self._product is None:
                self._product = _product(later.size // rows[0], rows, g.dtype)
            found += self._product([later.reshape(-1, rows[0]), earlier.reshape(-1, rows[1])])[0]
        return found

    def _row_major(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Inputs as they are meant, of those in the order of their memory."""
        pairs = zip(arrays, self.inputs, strict=True)
        return [np.ascontiguousarray(a.transpose(inverse(i.order))) if i.order else a for a, i in pairs]

    def _along(self, array: np.ndarray) -> Addresses:
        """Where array[t] lies, in the order in which times are walked through."""
        at = range(address_of(array), address_of(array) + array.nbytes, array.nbytes // self.times)
        return at[::-1] if self.backwards else at

    def _fixed(self, array: np.ndarray) -> Addresses:
        return [address_of(array)] * self.times

    def _before(self, state: Sequence[np.ndarray], after: Sequence[Addresses]) -> list[Addresses]:
        """Where the state before each time lies."""
        return [[address_of(s), *a[:-1]] for s, a in zip(state, after, strict=True)]


def _product(terms: int, rows: tuple[int, int], dtype: np.dtype) -> Native:
    """a[terms, A], b[terms, B] -> the sum over terms of a x b [A, B]."""
    builder = Builder()
    a, b = [
        builder.input(Aval((terms, r), dtype), Source("argument", index=n, name=str(n))) for n, r in enumerate(rows)
    ]
    y = builder.op("matmul", builder.op("permute", a, dims=(1, 0)), b)
    return Native(Graph(builder.values, [y]).verify(), [False])
