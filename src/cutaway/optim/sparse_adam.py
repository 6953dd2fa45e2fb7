"""SparseAdam: Adam that leaves alone the rows of a table that no example looked up."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.creation import tensor
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError, GradError
from cutaway.core.op import STAGE
from cutaway.core.tensor import Tensor
from cutaway.optim.check import BELOW_ONE, POSITIVE
from cutaway.optim.optimizer import Group, Memory, Value
from cutaway.optim.rows import add, entries
from cutaway.optim.whole import WholeOptimizer


class SparseAdam(WholeOptimizer):
    """Adam's rule for the entries of a sparse gradient, that of nn.Embedding(sparse=True); all else keeps p, m and v.

    p <- p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), as in PyTorch, whose eps is not divided.
    In a compiled step the gradient is dense, and its rows are taken that are not zero everywhere.
    Raises ArgumentError for a sparse parameter; step() raises GradError for a dense gradient.
    """

    limits = {"lr": POSITIVE, "betas": BELOW_ONE, "eps": POSITIVE}
    last = ("maximize",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def add_param_group(self, param_group: Group) -> None:
        """As of every optimiser.  Raises ArgumentError for a sparse parameter."""
        super().add_param_group(param_group)
        at = [i for i, p in enumerate(self.param_groups[-1]["params"]) if not p._strided]
        if at:
            raise ArgumentError(f"{self._name}: parameters must be dense, and those at {at} are sparse; call .to_dense()")

    def shapes(self, p: Tensor) -> dict[str, tuple[int, ...]]:
        """Both averages."""
        return {"exp_avg": tuple(p.shape), "exp_avg_sq": tuple(p.shape)}

    def _memory(self, p: Tensor, h: Group) -> dict[str, Any]:
        memory = super()._memory(p, h)
        staged, step = STAGE.get() is not None, memory["step"]
        if staged is not isinstance(step, Tensor):  # a number, as in PyTorch, but where a program counts
            memory["step"] = tensor(float(step)) if staged else int(step)
        return memory

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        (b1, b2), m, v = h["betas"], s["exp_avg"], s["exp_avg_sq"]
        touched = g != 0
        for dim in range(g.ndim - 1, 0, -1):
            touched = touched.any(dim, keepdim=True)
        m = where(touched, m + (1 - b1) * (g - m), m)
        v = where(touched, v + (1 - b2) * (g * g - v), v)
        size = h["lr"] * (1 - b2**t) ** 0.5 / (1 - b1**t)
        return where(touched, p - size * (m / (v**0.5 + h["eps"])), p), {"exp_avg": m, "exp_avg_sq": v}

    def rows(self, p: Any, g: Any, h: Group) -> None:
        """One step of the entries of g, see the class."""
        memory, (at, values) = self._memory(p, h), entries(g)
        memory["step"] = t = memory["step"] + 1
        b1, b2 = h["betas"]
        m, v = memory["exp_avg"]._data, memory["exp_avg_sq"]._data
        m[at] += (1 - b1) * (values - m[at])
        v[at] += (1 - b2) * (values * values - v[at])
        size = h["lr"] * (1 - b2**t) ** 0.5 / (1 - b1**t)
        add(p, at, -size * (m[at] / (np.sqrt(v[at]) + h["eps"])))

    def _eagerly(self) -> None:
        if any(p._grad is not None for p in self._parameters()):
            raise GradError(f"{self._name}: does not support dense gradients; use Adam, or nn.Embedding(sparse=True)")
