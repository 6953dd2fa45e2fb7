"""Adam and AdamW: momentum, and a learning rate for each element by the recent size of its gradients."""

from __future__ import annotations

from typing import Any

from cutaway.optim.check import BELOW_ONE, NOT_NEGATIVE
from cutaway.optim.either import maximum
from cutaway.optim.optimizer import Group, Memory, Optimizer, Value


class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p <- p - lr m^ / (sqrt(v^) + eps).

    m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t) undo that the averages started at 0.
    amsgrad     divide by the largest v so far (Reddi, Kale & Kumar 2018, algorithm 2)
    Kingma & Ba 2015, algorithm 1; book 6.1.6.
    """

    limits = {"lr": NOT_NEGATIVE, "betas": BELOW_ONE, "eps": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    last = ("maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, implementation)

    def start(self, h: Group) -> dict[str, float]:
        """The averages start at 0."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0, **({"max_exp_avg_sq": 0.0} if h["amsgrad"] else {})}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        lr, (b1, b2) = h["lr"], h["betas"]
        m, v = s["exp_avg"], s["exp_avg_sq"]
        m = m + (1 - b1) * (g - m)  # not b1 m + (1 - b1) g: in float32 these factors add up to 1 - 2e-8, each step anew
        v = v + (1 - b2) * (g * g - v)
        s = {**s, "exp_avg": m, "exp_avg_sq": v}
        if h["amsgrad"]:
            v = s["max_exp_avg_sq"] = maximum(s["max_exp_avg_sq"], v)
        root = v**0.5 * (1 / (1 - b2**t) ** 0.5)  # of v^; a division an element is dear
        return p - lr / (1 - b1**t) * m / (root + h["eps"]), s


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights directly: p <- (1 - lr weight_decay) p, then Adam.

    Loshchilov & Hutter 2019, algorithm 2.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            **implementation,
        )
