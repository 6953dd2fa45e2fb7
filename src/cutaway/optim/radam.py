"""RAdam: Adam that trusts its denominator only once it has seen enough gradients; no warm-up is needed."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import BELOW_ONE, NOT_NEGATIVE
from cutaway.optim.either import choose, maximum
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class RAdam(Optimizer):
    """p <- p - lr r m^ / sqrt(v^) once rho_t > 5, before that p <- p - lr m^.

    rho_oo = 2 / (1 - b2) - 1,  rho_t = rho_oo - 2 t b2^t / (1 - b2^t)  is the length of the average,
    r^2 = (rho_t - 4)(rho_t - 2) rho_oo / ((rho_oo - 4)(rho_oo - 2) rho_t)  makes up for its variance.
    Liu et al. 2020, algorithm 2.
    """

    limits = {"lr": NOT_NEGATIVE, "betas": BELOW_ONE, "eps": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    last = ("maximize", "foreach", "capturable", "decoupled_weight_decay", "differentiable")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The averages start at 0."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, (b1, b2) = h["lr"], h["betas"]
        m = s["exp_avg"] + (1 - b1) * (g - s["exp_avg"])
        v = s["exp_avg_sq"] + (1 - b2) * (g * g - s["exp_avg_sq"])
        s = {"exp_avg": m, "exp_avg_sq": v}
        m_hat = m / (1 - b1**t)
        rho_end = 2 / (1 - b2) - 1
        rho = rho_end - 2 * t * b2**t / (1 - b2**t)
        seen = maximum(rho, 5.0)
        r = ((seen - 4) * (seen - 2) * rho_end / ((rho_end - 4) * (rho_end - 2) * seen)) ** 0.5
        root = (v**0.5 + h["eps"]) / (1 - b2**t) ** 0.5  # of v^
        return p - lr * m_hat * choose(rho > 5, r / root, 1.0), s
