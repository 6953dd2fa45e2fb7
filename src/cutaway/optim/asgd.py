"""ASGD: gradient descent that also averages the parameters it passes."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import NOT_NEGATIVE
from cutaway.optim.either import maximum
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class ASGD(Optimizer):
    """p <- (1 - lambd eta) p - eta g;  eta = lr / (1 + lambd lr t)^alpha;  from step t0 on `ax` is the average of p.

    The average is remembered, as state[p]["ax"]; it is not written to p.
    Polyak & Juditsky 1992; the schedule of eta is that of Bottou 2010, section 4.
    """

    limits = {"lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    scalars = ("eta", "mu")
    last = ("foreach", "maximize", "differentiable", "capturable")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The first step is lr long and is the whole average."""
        return {"eta": h["lr"], "mu": 1.0, "ax": 0.0}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, lambd, eta = h["lr"], h["lambd"], s["eta"]
        p = p * (1 - lambd * eta) - eta * g
        ax = s["ax"] + s["mu"] * (p - s["ax"])
        eta = lr / (1 + lambd * lr * t) ** h["alpha"]
        return p, {"eta": eta, "mu": 1 / maximum(t - h["t0"], 1.0), "ax": ax}
