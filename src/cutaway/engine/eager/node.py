"""The tape's entry for a composite that ran as one program: its gradient is another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.accelerate import numpy_only
from cutaway.core.autograd import _SEQ, RECORDING, Node, Saved, Wanted, walk
from cutaway.core.generator import default_generator
from cutaway.core.grad_names import Name
from cutaway.core.op import OPS
from cutaway.core.tensor import Tensor
from cutaway.engine.eager.native import order_of

if TYPE_CHECKING:
    from cutaway.engine.eager.plan import Plan
    from cutaway.engine.eager.walk import Walk

COPY = OPS["copy"]
COPIED = 1 << 15  # elements of a gradient that are brought into the usual order: larger ones have a program of their own
NOTHING = np.empty(0)


class CompositeNode(Node):
    """A composite's call: the plan, its Tensors, what the gradient program reads, and how to do it again op by op."""

    __slots__ = ("arrays", "plan", "random")

    plan: Any  # a Plan; a WalkNode's is a Walk
    whole = True

    def __init__(
        self,
        plan: Plan | Walk,
        parents: tuple[Node | None, ...],
        saved: list[Saved],
        arrays: list[np.ndarray],
        y: Tensor,
        random: tuple[int, int] | None,
    ) -> None:
        self.seq = next(_SEQ)
        self.op, self.attrs, self.metas, self.meta = plan.op, plan.attrs, plan.metas, plan.meta
        self.parents = parents
        # Inputs are held for a gradient of the gradient; only those that the program reads must not be overwritten.
        self.saved = {n: saved[n] for n in plan.saves}
        self.saved_y = (y._data, y._cell, y._cell[0]) if plan.saves_y else None
        self.freed = False
        self.hooks = self.retain = None
        self.plan, self.arrays, self.random = plan, arrays, random

    @property
    def name(self) -> Name:
        """The composite's name."""
        return Name(self.plan.label, getattr(self, "spoken", ""))

    def free(self) -> None:
        """Let go of the saved values."""
        self.freed = self.plan.keeps  # a gradient that reads nothing can be computed again
        self.saved, self.saved_y, self.arrays = {}, None, [NOTHING] * len(self.arrays)

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """(parent, gradient, fresh) for each parent that wants one."""
        self._check()
        plan = self.plan
        if create_graph or type(g._data) is not np.ndarray:
            yield from self._again(g, wanted)
            return
        data = g._data
        order = () if data.flags.c_contiguous else order_of(data)
        if order != plan.usual and data.size <= COPIED:
            data, order = np.ascontiguousarray(data.transpose(plan.usual) if plan.usual else data), plan.usual
        elif order is None:
            data, order = np.ascontiguousarray(data), ()
        elif order:
            data = data.transpose(order)
        program = plan.backward(order)
        for n, gi, result in zip(plan.towards, program([*self.arrays, data]), program.results, strict=True):
            parent = self.parents[n]
            if parent is not None and (wanted is None or parent in wanted):
                yield parent, Tensor._wrap(gi if result.dims is None else gi.transpose(result.dims)), True

    def _check(self) -> None:
        """Raises GradError if something that is read was freed or overwritten."""
        if self.freed:
            raise self._freed_error()
        for n in self.plan.saved_arguments:
            s = self.saved[n]
            if s[1][0] != s[2]:
                self._unpack(s, None, n)  # says so
        y = self.saved_y
        if y is not None and y[1][0] != y[2]:
            self._unpack(y, None, "y")

    def _again(self, g: Any, wanted: Wanted) -> Iterator[tuple[Node, Any, bool]]:
        """The composite once more, op by op and recorded, so that the gradient has a history of its own."""
        if self.plan.one_op:
            yield from super().gradients(g, wanted, True)
            return
        if not self.saved:
            raise self._freed_error()
        for n in self.plan.matters:
            self._unpack(self.saved[n], None, n)  # refuses what was overwritten
        written = {n for n, _ in self.plan.writes}
        inputs: list[Tensor] = []
        targets: list[tuple[Node, Node]] = []
        for n, parent in enumerate(self.parents):
            t = Tensor._wrap(self.saved[n][0])
            if n in written:  # once was enough
                t = t.clone()
            else:
                t._cell = self.saved[n][1]
                t._epoch = t._cell[1]
            if parent is not None:
                # A node in between: gradients are asked for here, and not beyond.
                t._node = Node(COPY, {}, (parent,), (self.metas[n],), self.metas[n], {}, None)
                targets.append((parent, t._node))
            inputs.append(t)
        token = RECORDING.set(True)
        before = default_generator._seed, default_generator._offset
        try:
            if self.random is not None:
                default_generator._seed, default_generator._offset = self.random
            with numpy_only():
                y = self.plan.call(*inputs)
        finally:
            RECORDING.reset(token)
            default_generator._seed, default_generator._offset = before
        found = walk(self._roots(y, g), [t for _, t in targets], True, True)
        for (parent, _), gi in zip(targets, found, strict=True):
            if gi is not None and (wanted is None or parent in wanted):
                yield parent, gi, False

    def _roots(self, results: Any, g: Any) -> list[tuple[Node, Any]]:
        """Where what arrives comes in, in the composite that was done again."""
        return [(results._node, g)]
