"""Losses between boxes that belong together, pair by pair: what the overlaps of boxes.py are to all pairs."""

from __future__ import annotations

from cutaway.core.dtypes import float32, float64
from cutaway.core.functions import where
from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.vision.ops.boxes import aspect, trade_off
from cutaway.vision.ops.focal_loss import reduction_named

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss"]


@composite(r"1 - \mathrm{IoU} + \frac{|c| - |a \cup b|}{|c|}")
def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - GIoU of each pair (Rezatofighi et al. 2019, arXiv 1902.09630).  [..., 4] corners -> [...], "mean" or "sum".

    Raises ArgumentError for another reduction.
    """
    a, b = _floats(boxes1), _floats(boxes2)
    common, union = _intersection_and_union(a, b)
    w, h = (a[..., 2:].maximum(b[..., 2:]) - a[..., :2].minimum(b[..., :2])).unbind(-1)
    hull = w * h
    return _reduced(1 - (common / (union + eps) - (hull - union) / (hull + eps)), reduction)


@composite(r"1 - \mathrm{IoU} + \frac{\rho^2(a, b)}{c^2}")
def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - DIoU of each pair (Zheng et al. 2020, arXiv 1911.08287).  [..., 4] corners -> [...], "mean" or "sum".

    Raises ArgumentError for another reduction.
    """
    loss, _ = _distance(_floats(boxes1), _floats(boxes2), eps)
    return _reduced(loss, reduction)


@composite(r"1 - \mathrm{IoU} + \frac{\rho^2(a, b)}{c^2} + \alpha v")
def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - CIoU of each pair (Zheng et al. 2020, arXiv 1911.08287).  [..., 4] corners -> [...], "mean" or "sum".

    Raises ArgumentError for another reduction.
    """
    a, b = _floats(boxes1), _floats(boxes2)
    loss, iou = _distance(a, b, eps)
    v = aspect(a, b)
    return _reduced(loss + trade_off(iou, v, eps) * v, reduction)


def _distance(a: Tensor, b: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """1 - DIoU, and IoU."""
    common, union = _intersection_and_union(a, b)
    iou = common / (union + eps)
    hull = a[..., 2:].maximum(b[..., 2:]) - a[..., :2].minimum(b[..., :2])
    between = (a[..., :2] + a[..., 2:]) / 2 - (b[..., :2] + b[..., 2:]) / 2
    return 1 - iou + (between**2).sum(-1) / ((hull**2).sum(-1) + eps), iou


def _intersection_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    w, h = (a[..., 2:].minimum(b[..., 2:]) - a[..., :2].maximum(b[..., :2])).unbind(-1)
    common = where((w > 0) & (h > 0), w * h, 0.0)
    area = lambda x: (x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1])
    return common, area(a) + area(b) - common


def _floats(x: Tensor) -> Tensor:
    return x if x.dtype in (float32, float64) else x.float()


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    """As in PyTorch, but the mean of no pair is 0, and has a gradient."""
    if reduction_named(reduction) == "none":
        return loss
    return loss.mean() if reduction == "mean" and loss.numel() else loss.sum()
