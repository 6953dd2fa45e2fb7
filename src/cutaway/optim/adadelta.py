"""Adadelta: steps of the size of recent steps, so that no learning rate need be chosen."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import FRACTION, NOT_NEGATIVE
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class Adadelta(Optimizer):
    """v <- rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u <- rho u + (1 - rho) d^2;  p <- p - lr d.

    Zeiler 2012, algorithm 1 (where lr = 1).
    """

    limits = {"lr": NOT_NEGATIVE, "rho": FRACTION, "eps": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    last = ("maximize", "capturable", "foreach", "differentiable")

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The averages start at 0."""
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, rho, eps = h["lr"], h["rho"], h["eps"]
        v = rho * s["square_avg"] + (1 - rho) * g * g
        d = (s["acc_delta"] + eps) ** 0.5 / (v + eps) ** 0.5 * g
        u = rho * s["acc_delta"] + (1 - rho) * d * d
        return p - lr * d, {"square_avg": v, "acc_delta": u}
