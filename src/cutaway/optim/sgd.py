"""Stochastic gradient descent, with momentum: SGD, and the book's names Momentum and Nesterov."""

from __future__ import annotations

from typing import Any

from cutaway.core.errors import ArgumentError, GradError
from cutaway.optim.check import NOT_NEGATIVE
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value
from cutaway.optim.rows import add, entries


class SGD(Optimizer):
    """p <- p - lr g; with momentum, g is replaced by the velocity b <- momentum b + (1 - dampening) g, at first b = g.

    nesterov    look ahead: g + momentum b instead of b; needs momentum and no dampening
    Robbins & Monro 1951; Polyak 1964; Sutskever et al. 2013, equations 1 to 4 (their velocity is -lr b); book 6.1.
    """

    limits = {"lr": NOT_NEGATIVE, "momentum": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    last = ("maximize", "foreach", "differentiable", "fused")
    counts = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, momentum = h["lr"], h["momentum"]
        if momentum:
            b = momentum * s["momentum_buffer"] + (1 - h["dampening"]) * g if s else g
            g = g + momentum * b if h["nesterov"] else b
            s = {"momentum_buffer": b}
        return p - lr * g, s

    def rows(self, p: Any, g: Any, h: Group) -> None:
        """The same for a sparse gradient; the velocity is sparse, too.  Raises GradError with weight_decay."""
        if h["weight_decay"]:
            raise GradError(f"{self._name}: weight_decay changes every element, and the gradient is sparse; set it to 0")
        if momentum := h["momentum"]:
            memory = self._memory(p, h)
            b = memory.get("momentum_buffer")
            b = g.clone() if b is None else (b * momentum + g * (1 - h["dampening"])).coalesce()
            memory["momentum_buffer"] = b
            g = (g + b * momentum).coalesce() if h["nesterov"] else b
        if p._strided:
            at, values = entries(g)
            add(p, at, -h["lr"] * values)
        else:
            p.add_(g, alpha=-h["lr"])

    def _check(self, group: Group) -> None:
        super()._check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError(
                f"{self._name}: nesterov needs momentum above 0 and dampening 0, "
                f"got momentum={group['momentum']}, dampening={group['dampening']}; write momentum=0.9, dampening=0"
            )


class Momentum(SGD):
    """SGD that rolls on: v <- momentum v - lr g, p <- p + v (book 6.1.4)."""

    def __init__(self, params: Any, lr: float = 0.01, momentum: float = 0.9, **options: Any) -> None:
        super().__init__(params, lr, momentum, **options)


class Nesterov(SGD):
    """Momentum whose gradient is taken where the velocity leads (Nesterov 1983; Bengio et al. 2012, equation 7)."""

    def __init__(self, params: Any, lr: float = 0.01, momentum: float = 0.9, **options: Any) -> None:
        super().__init__(params, lr, momentum, nesterov=True, **options)
