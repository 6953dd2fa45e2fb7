"""Adagrad: a learning rate for each element, smaller where gradients were large."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.errors import GradError
from cutaway.optim.check import NOT_NEGATIVE
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value
from cutaway.optim.rows import add, entries


class Adagrad(Optimizer):
    """G <- G + g^2;  p <- p - lr_t g / (sqrt(G) + eps),  lr_t = lr / (1 + (t - 1) lr_decay).

    Duchi, Hazan & Singer 2011, algorithm 1 with a diagonal matrix; book 6.1.5.
    """

    limits = {
        "lr": NOT_NEGATIVE,
        "lr_decay": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "initial_accumulator_value": NOT_NEGATIVE,
        "eps": NOT_NEGATIVE,
    }
    last = ("foreach", "maximize", "differentiable", "fused")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)
        for group in self.param_groups:  # PyTorch's state is there before the first step
            for p in group["params"]:
                p.numel()  # refuses a lazy layer's parameter: the state would not have its size
                self._memory(p, group)

    def start(self, h: Group) -> dict[str, float]:
        """The sum of squares starts at `initial_accumulator_value`."""
        return {"sum": h["initial_accumulator_value"]}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr = h["lr"] / (1 + (t - 1) * h["lr_decay"])
        G = s["sum"] + g * g
        return p - lr * g / (G**0.5 + h["eps"]), {"sum": G}

    def rows(self, p: Any, g: Any, h: Group) -> None:
        """The same for the entries of a sparse gradient.  Raises GradError with weight_decay."""
        if h["weight_decay"]:
            raise GradError(f"{self._name}: weight_decay changes every element, and the gradient is sparse; set it to 0")
        memory, (at, values) = self._memory(p, h), entries(g)
        t = int(memory["step"].item()) + 1
        memory["step"].fill_(t)
        G = memory["sum"]._data
        G[at] += values * values
        add(p, at, -h["lr"] / (1 + (t - 1) * h["lr_decay"]) * values / (np.sqrt(G[at]) + h["eps"]))
