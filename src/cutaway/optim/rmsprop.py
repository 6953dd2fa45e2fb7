"""RMSprop: gradients divided by their recent size."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import NOT_NEGATIVE
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2;  p <- p - lr g / (sqrt(v) + eps).

    centered    divide by the standard deviation instead: sqrt(v - m^2), m <- alpha m + (1 - alpha) g
    momentum    b <- momentum b + g / (sqrt(v) + eps);  p <- p - lr b
    Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013, equations 38 to 45.
    """

    limits = {
        "lr": NOT_NEGATIVE,
        "alpha": NOT_NEGATIVE,
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "momentum": NOT_NEGATIVE,
    }
    last = ("capturable", "foreach", "maximize", "differentiable")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The averages start at 0."""
        names = ["square_avg", *["momentum_buffer"] * (h["momentum"] > 0), *["grad_avg"] * bool(h["centered"])]
        return dict.fromkeys(names, 0.0)

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, alpha = h["lr"], h["alpha"]
        v = alpha * s["square_avg"] + (1 - alpha) * g * g
        s = {**s, "square_avg": v}
        if h["centered"]:
            m = s["grad_avg"] = alpha * s["grad_avg"] + (1 - alpha) * g
            v = v - m * m
        step = g / (v**0.5 + h["eps"])
        if h["momentum"] > 0:
            step = s["momentum_buffer"] = h["momentum"] * s["momentum_buffer"] + step
        return p - lr * step, s
