"""SparseAdam: Adam that leaves alone the rows of a table that no example looked up."""

from __future__ import annotations

from typing import Any

from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.optim.check import BELOW_ONE, POSITIVE
from cutaway.optim.optimizer import Group, Memory, Value
from cutaway.optim.whole import WholeOptimizer


class SparseAdam(WholeOptimizer):
    """Adam's rule for the rows of p whose gradient is not zero everywhere; the others keep p, m and v as they are.

    p <- p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), as in PyTorch, whose eps is not divided.
    PyTorch takes the gradients of nn.Embedding(sparse=True) only and knows the rows from them; here gradients are dense, so
    any parameter is taken, and a row that was looked up with a gradient of exactly 0 counts as one that was not.
    """

    limits = {"lr": POSITIVE, "betas": BELOW_ONE, "eps": POSITIVE}
    last = ("maximize",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def shapes(self, p: Tensor) -> dict[str, tuple[int, ...]]:
        """Both averages."""
        return {"exp_avg": tuple(p.shape), "exp_avg_sq": tuple(p.shape)}

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        (b1, b2), m, v = h["betas"], s["exp_avg"], s["exp_avg_sq"]
        touched = g != 0
        for dim in range(g.ndim - 1, 0, -1):
            touched = touched.any(dim, keepdim=True)
        m = where(touched, m + (1 - b1) * (g - m), m)
        v = where(touched, v + (1 - b2) * (g * g - v), v)
        size = h["lr"] * (1 - b2**t) ** 0.5 / (1 - b1**t)
        return where(touched, p - size * (m / (v**0.5 + h["eps"])), p), {"exp_avg": m, "exp_avg_sq": v}
