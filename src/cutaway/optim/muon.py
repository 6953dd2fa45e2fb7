"""Muon: momentum of a matrix whose singular values are all made about 1."""

from __future__ import annotations

from typing import Any

from cutaway.core.dtypes import bfloat16
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.optim.check import NOT_NEGATIVE
from cutaway.optim.optimizer import Group, Memory, Value
from cutaway.optim.whole import WholeOptimizer

ADJUSTMENTS = {
    None: lambda rows, columns: max(1.0, rows / columns) ** 0.5,
    "original": lambda rows, columns: max(1.0, rows / columns) ** 0.5,
    "match_rms_adamw": lambda rows, columns: 0.2 * max(rows, columns) ** 0.5,
}


class Muon(WholeOptimizer):
    """b <- momentum b + (1 - momentum) g;  p <- (1 - lr weight_decay) p - lr k U, U near b with singular values of 1.

    U comes of ns_steps steps of Newton and Schulz, X <- a X + (b A + c A^2) X with A = X X', from X = b / |b| in bfloat16;
    with `nesterov` of g (1 - momentum) + momentum b in b's place.  k makes up for the matrix's shape: adjust_lr_fn
    "original" sqrt(max(1, rows / columns)), "match_rms_adamw" 0.2 sqrt(max(rows, columns)).
    For the matrices inside a network; its vectors, embeddings and last layer go to AdamW.
    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Liu et al. 2025, arXiv 2502.16982.
    Raises ArgumentError for parameters that are no matrices.
    """

    limits = {"lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE, "momentum": NOT_NEGATIVE}
    counts = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        if group["adjust_lr_fn"] not in ADJUSTMENTS:
            raise ArgumentError(
                f"Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', got {group['adjust_lr_fn']!r}"
            )
        super()._check({**group, "ns_coefficients": ()} if len(group["ns_coefficients"]) == 3 else group)
        for p in group["params"]:
            if p.ndim != 2:
                raise ArgumentError(
                    f"Muon: only matrices have singular values, got a parameter of shape {list(p.shape)}; "
                    "give it to another optimiser, AdamW say"
                )

    def shapes(self, p: Tensor) -> dict[str, tuple[int, ...]]:
        """The momentum."""
        return {"momentum_buffer": tuple(p.shape)}

    def apply(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """One step, see the class."""
        momentum = h["momentum"]
        b = s["momentum_buffer"]
        b = b + (1 - momentum) * (g - b)
        u = orthogonal(g + momentum * (b - g) if h["nesterov"] else b, h["ns_coefficients"], h["ns_steps"], h["eps"])
        k = ADJUSTMENTS[h["adjust_lr_fn"]](*p.shape)
        return p * (1 - h["lr"] * h["weight_decay"]) - h["lr"] * k * u.to(p.dtype), {"momentum_buffer": b}


def orthogonal(x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A matrix with x's singular vectors, and singular values near 1 (in bfloat16).  x[M, N] -> [M, N]."""
    a, b, c = coefficients
    wide = x.shape[0] <= x.shape[1]
    y = x.to(bfloat16) if wide else x.to(bfloat16).t()
    y = y / y.norm().clamp(min=eps)
    for _ in range(steps):
        gram = y @ y.t()
        y = y.addmm(gram.addmm(gram, gram, beta=b, alpha=c), y, beta=a)
    return y if wide else y.t()
