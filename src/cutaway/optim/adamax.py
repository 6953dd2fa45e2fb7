"""Adamax: Adam with the largest gradient so far in place of their root mean square."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import BELOW_ONE, NOT_NEGATIVE
from cutaway.optim.either import maximum
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class Adamax(Optimizer):
    """m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);  p <- p - lr / (1 - b1^t) m / u.

    Kingma & Ba 2015, algorithm 2.
    """

    limits = {"lr": NOT_NEGATIVE, "betas": BELOW_ONE, "eps": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    last = ("foreach", "maximize", "differentiable", "capturable")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The average and the largest gradient start at 0."""
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, (b1, b2) = h["lr"], h["betas"]
        m = s["exp_avg"] + (1 - b1) * (g - s["exp_avg"])
        u = maximum(b2 * s["exp_inf"], abs(g) + h["eps"])
        return p - lr / (1 - b1**t) * m / u, {"exp_avg": m, "exp_inf": u}
