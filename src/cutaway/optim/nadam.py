"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import BELOW_ONE, NOT_NEGATIVE
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class NAdam(Optimizer):
    """Adam whose m^ looks a step ahead: p <- p - lr (c g + c' m) / (sqrt(v^) + eps).

    With mu_t = b1 (1 - 0.96^(t momentum_decay) / 2) and M_t = mu_1 .. mu_t:
    c = (1 - mu_t) / (1 - M_t),  c' = mu_(t+1) / (1 - M_(t+1)).
    Dozat 2016, algorithm 2.
    """

    limits = {
        "lr": NOT_NEGATIVE,
        "betas": BELOW_ONE,
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "momentum_decay": NOT_NEGATIVE,
    }
    scalars = ("mu_product",)
    last = ("decoupled_weight_decay", "maximize", "foreach", "capturable", "differentiable")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The product of momenta starts at 1, the averages at 0."""
        return {"mu_product": 1.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, (b1, b2), decay = h["lr"], h["betas"], h["momentum_decay"]
        mu, mu_next = (b1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in (t, t + 1))
        M = s["mu_product"] * mu
        m = s["exp_avg"] + (1 - b1) * (g - s["exp_avg"])
        v = s["exp_avg_sq"] + (1 - b2) * (g * g - s["exp_avg_sq"])
        ahead = (1 - mu) / (1 - M) * g + mu_next / (1 - M * mu_next) * m
        return p - lr * ahead / ((v / (1 - b2**t)) ** 0.5 + h["eps"]), {"mu_product": M, "exp_avg": m, "exp_avg_sq": v}
