"""Adafactor: Adam's second moment of a matrix from its rows and columns alone, steps in proportion to the weights."""

from __future__ import annotations

from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.optim.check import NOT_NEGATIVE, Limit
from cutaway.optim.optimizer import Group, Memory, Value
from cutaway.optim.whole import WholeOptimizer, least


class Adafactor(WholeOptimizer):
    """v = r c / mean(r) of a matrix, where r and c are running means of g^2 along its rows and columns.

    u = g / sqrt(v);  p <- p - max(eps2, rms(p)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / d), and before it weight decay.
    The mean at step t forgets the past by t^beta2_decay. eps = (eps1, eps2): the least of sqrt(v), None for that of the
    dtype, and of rms(p).  Vectors have a v of their own.
    Shazeer & Stern 2018, algorithms 4 to 6.
    """

    limits = {
        "lr": NOT_NEGATIVE, "beta2_decay": Limit("0 or less", lambda x: x <= 0), "d": Limit("1 or more", lambda x: x >= 1),
        "weight_decay": NOT_NEGATIVE,
    }  # fmt: skip
    last = ("foreach", "maximize")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, implementation)

    def _check(self, group: Group) -> None:
        super()._check(group)
        eps = group["eps"]
        if len(eps) != 2 or eps[1] is None or any(e is not None and not e >= 0 for e in eps):
            raise ArgumentError(f"{self._name}: eps must be two numbers of 0 or more, the first or None, got {eps}")

    def shapes(self, p: Tensor) -> dict[str, tuple[int, ...]]:
        """Of a matrix (or several) a number a row and a number a column, of a vector one for each element."""
        size = tuple(p.shape)
        if len(size) < 2:
            return {"variance": size}
        return {"row_var": (*size[:-1], 1), "col_var": (*size[:-2], 1, size[-1])}

    def apply(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        g = -g if h["maximize"] else g
        eps1, eps2 = h["eps"]
        eps1 = finfo(p.dtype).eps if eps1 is None else eps1
        fresh = t ** h["beta2_decay"]
        size = max(1, p.numel()) ** 0.5
        alpha = (p.norm() / size).clamp(min=eps2) * least(t**-0.5, h["lr"])
        p = p * (1 - h["lr"] * h["weight_decay"])
        if "variance" in s:
            v = s["variance"] + fresh * (g * g - s["variance"])
            s = {"variance": v}
        else:
            row, column = s["row_var"], s["col_var"]
            row = row + fresh * ((g * g).mean(-1, keepdim=True) - row)
            column = column + fresh * ((g * g).mean(-2, keepdim=True) - column)
            v = row @ column / row.mean(-2, keepdim=True).clamp(min=eps1)
            s = {"row_var": row, "col_var": column}
        u = g * v.clamp(min=eps1 * eps1).rsqrt()
        return p - alpha / (u.norm() / (size * h["d"])).clamp(min=1.0) * u, s
