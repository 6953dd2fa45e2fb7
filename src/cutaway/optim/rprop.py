"""Rprop: only the signs of gradients count; each element has a step of its own."""

from __future__ import annotations

from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.optim.check import NOT_NEGATIVE
from cutaway.optim.either import maximum, minimum, sign
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class Rprop(Optimizer):
    """p <- p - d sign(g);  d grows by etas[1] while the sign stays and shrinks by etas[0] where it changed.

    Where the sign changed the element rests for a step. For whole data sets: the noise of batches changes signs.
    step_sizes  the smallest and the largest d
    Riedmiller & Braun 1993, in the variant iRprop- of Igel & Huesken 2000.
    """

    limits = {"lr": NOT_NEGATIVE}
    last = ("foreach", "maximize", "differentiable", "capturable")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """No gradient yet; every step is lr long."""
        return {"prev": 0.0, "step_size": h["lr"]}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        (shrink, grow), (least, most) = h["etas"], h["step_sizes"]
        alike = sign(g * s["prev"])
        same, changed = maximum(alike, 0.0), maximum(-alike, 0.0)
        d = s["step_size"] * (1 + (grow - 1) * same + (shrink - 1) * changed)
        d = minimum(maximum(d, least), most)
        g = g * (1 - changed)
        return p - sign(g) * d, {"prev": g, "step_size": d}

    def _check(self, group: Group) -> None:
        super()._check(group)
        low, high = group["etas"]
        if not 0.0 < low < 1.0 < high:
            raise ArgumentError(f"Rprop: etas must be a shrinking and a growing factor, got {low} and {high}")
