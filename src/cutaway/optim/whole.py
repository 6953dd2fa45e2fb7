"""An optimiser whose rule looks at a parameter as a whole: at its norm, its rows and columns, its singular values."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.tensor import Tensor
from cutaway.optim.check import plain
from cutaway.optim.optimizer import Group, Optimizer


class WholeOptimizer(Optimizer):
    """`update` gets Tensors, always; `shapes` says what is remembered of a parameter, each from zeros."""

    def shapes(self, p: Tensor) -> dict[str, tuple[int, ...]]:
        """The shape of each thing remembered of `p`, by name."""
        return {}

    def _memory(self, p: Tensor, h: Group) -> dict[str, Any]:
        memory = super()._memory(p, h)
        for name, shape in self.shapes(p).items():
            if name not in memory:
                memory[name] = Tensor._wrap(np.zeros(shape, p._data.dtype))
        return memory

    def _shape_of(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        return self.shapes(p).get(name, p._data.shape)

    def _eagerly(self) -> None:
        with no_grad():
            for group in self.param_groups:
                h = {name: plain(value) for name, value in group.items() if name != "params"}
                for p in group["params"]:
                    if p._grad is not None:
                        self._change(p, p._grad, h)

    def _change(self, p: Tensor, g: Tensor, h: Group) -> None:
        memory, t = self._memory(p, h), 0
        if self.counts:
            t = int(memory["step"].item()) + 1
            memory["step"].fill_(t)
        new, state = self.apply(p.detach(), g, {n: m for n, m in memory.items() if n != "step"}, t, h)
        for name, value in state.items():
            memory[name].copy_(value)
        p._assign(new, "step")


def least(a: Any, b: Any) -> Any:
    """The smaller of two numbers, either of which may be a Tensor."""
    if isinstance(a, Tensor):
        return a.minimum(b) if isinstance(b, Tensor) else a.clamp(max=b)
    return least(b, a) if isinstance(b, Tensor) else min(a, b)
