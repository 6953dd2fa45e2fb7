"""Focal loss: cross entropy in which what is already right counts little."""

from __future__ import annotations

from cutaway.core.errors import ArgumentError
from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.functional import binary_cross_entropy_with_logits
from cutaway.functional._check import reduced

__all__ = ["sigmoid_focal_loss"]


@composite(r"-\alpha_t (1 - p_t)^\gamma \log p_t")
def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log p_t, where p_t is the probability of what is true (Lin et al. 2017, arXiv
    1708.02002, equation 5).  inputs[...] scores, targets[...] of 0 and 1, floats -> [...], or their "mean" or "sum".

    alpha weighs the ones and 1 - alpha the zeros; -1 weighs nothing.
    Raises ArgumentError for another alpha or reduction, ShapeError when the shapes differ.
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ArgumentError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = inputs.sigmoid()
    surprise = binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = surprise * (1 - p_t) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return reduced(loss, reduction_named(reduction))


def reduction_named(reduction: str) -> str:
    """Of "none", "mean" and "sum" one.  Raises ArgumentError."""
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(
            f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
        )
    return reduction
