"""Boxes: their formats and areas, and how much they overlap.  boxes[..., 4], mostly as (x1, y1, x2, y2)."""

from __future__ import annotations

import math
from collections.abc import Callable

from cutaway.core.autograd import no_grad
from cutaway.core.dtypes import float32, int32, int64
from cutaway.core.errors import ArgumentError, UnwrittenMode
from cutaway.core.functions import cat, stack, zeros
from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.vision.ops.suppression import batched_nms as batched_nms
from cutaway.vision.ops.suppression import nms as nms

__all__ = """batched_nms box_area box_convert box_iou clip_boxes_to_image complete_box_iou distance_box_iou
generalized_box_iou masks_to_boxes nms remove_small_boxes""".split()

# --- formats ----------------------------------------------------------------------------------------------------------

STRAIGHT, TURNED = ("xyxy", "xywh", "cxcywh"), ("xywhr", "cxcywhr", "xyxyxyxy")


def _joined(first: Tensor, second: Tensor) -> Tensor:
    return cat((first, second), -1)


TO_CORNERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "xyxy": lambda low, high: _joined(low, high),
    "xywh": lambda low, size: _joined(low, low + size),
    "cxcywh": lambda centre, size: _joined(centre - 0.5 * size, centre + 0.5 * size),
}
FROM_CORNERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "xyxy": lambda low, high: _joined(low, high),
    "xywh": lambda low, high: _joined(low, high - low),
    "cxcywh": lambda low, high: _joined((low + high) / 2, high - low),
}


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """boxes[..., 4] in another format: "xyxy" (two corners), "xywh" (corner and size) or "cxcywh" (centre and size).

    Raises ArgumentError for another format; of turned boxes ("xywhr", "cxcywhr", "xyxyxyxy") it is also a
    NotImplementedError: they are not written.
    """
    if not {in_fmt, out_fmt} <= {*STRAIGHT, *TURNED}:
        raise ArgumentError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}; "
            f"the formats are {', '.join(STRAIGHT)}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    if in_fmt in TURNED or out_fmt in TURNED:
        raise UnwrittenMode(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}: turned boxes are "
            "not written"
        )
    corners = TO_CORNERS[in_fmt](boxes[..., :2], boxes[..., 2:])
    return FROM_CORNERS[out_fmt](corners[..., :2], corners[..., 2:])


def _format(fmt: str) -> str:
    if fmt not in STRAIGHT:
        raise ArgumentError(f"Unsupported Box Format {fmt}; use one of {', '.join(STRAIGHT)}")
    return fmt


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """boxes[..., 4] of corners, those outside moved to the border of an image of `size` (H, W)."""
    h, w = size
    xs, ys = boxes[..., 0::2].clamp(0, w), boxes[..., 1::2].clamp(0, h)
    return stack((xs, ys), boxes.ndim).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Which of boxes[N, 4] (corners) have sides of at least min_size: int64[K]."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (sides >= min_size).all(1).nonzero()[:, 0]


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The box of what is not 0 in each of masks[N, H, W]: float32[N, 4], the places of its first and last pixels.

    Raises ArgumentError for a mask without a pixel.
    """
    if not masks.numel():
        return zeros((0, 4), dtype=float32)  # type: ignore[no-any-return]
    set_ = masks != 0
    y, x = set_.any(2).int(), set_.any(1).int()
    if not bool(set_.any(2).any(1).all()):
        empty = (~set_.any(2).any(1)).nonzero()[0, 0]
        raise ArgumentError(f"masks_to_boxes: masks[{int(empty)}] is empty, so it has no box; leave such masks out")
    last = lambda line: line.shape[1] - 1 - line.flip(1).argmax(1)
    return stack((x.argmax(1), y.argmax(1), last(x), last(y)), 1).float()


# --- areas and overlaps -----------------------------------------------------------------------------------------------


def _upcast(x: Tensor) -> Tensor:
    """In numbers that do not overflow in a product of two: float32 and int32 at least."""
    if x.dtype.is_floating_point:
        return x.float() if x.dtype.itemsize < 4 else x
    return x if x.dtype in (int32, int64) else x.int()


@composite(r"(x_2 - x_1)(y_2 - y_1)")
def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """boxes[..., 4] in format `fmt` (see box_convert) -> their areas[...].  Raises ArgumentError for another format."""
    wide = _upcast(boxes)
    if _format(fmt) == "xyxy":
        return (wide[..., 2] - wide[..., 0]) * (wide[..., 3] - wide[..., 1])
    return wide[..., 2] * wide[..., 3]


def _product(sides: Tensor) -> Tensor:
    """w h, of sides[..., 2]; 0 where one is negative."""
    w, h = _upcast(sides).clamp(min=0).unbind(-1)
    return w * h


def _pairs(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Corners of all pairs: low1, high1 [..., N, 1, 2] and low2, high2 [..., 1, M, 2]."""
    a, b = boxes1.unsqueeze(-2), boxes2.unsqueeze(-3)
    return a[..., :2], a[..., 2:], b[..., :2], b[..., 2:]


def _intersection_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    low1, high1, low2, high2 = _pairs(boxes1, boxes2)
    common = _product(high1.minimum(high2) - low1.maximum(low2))
    return common, box_area(boxes1).unsqueeze(-1) + box_area(boxes2).unsqueeze(-2) - common


def _hull(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The sides [..., N, M, 2] of the smallest box around each pair."""
    low1, high1, low2, high2 = _pairs(boxes1, boxes2)
    return _upcast(high1.maximum(high2) - low1.minimum(low2)).clamp(min=0)


@composite(r"\frac{|a \cap b|}{|a \cup b|}")
def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union of all pairs.  boxes1[..., N, 4], boxes2[..., M, 4] in format `fmt` -> [..., N, M].

    Raises ArgumentError for another format than "xyxy", "xywh", "cxcywh".
    """
    if _format(fmt) != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    common, union = _intersection_and_union(boxes1, boxes2)
    return common / union


@composite(r"\mathrm{IoU} - \frac{|c| - |a \cup b|}{|c|}")
def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU less the part of the hull that neither box covers: from -1 to 1.  [N, 4], [M, 4] corners -> [N, M]
    (Rezatofighi et al. 2019, arXiv 1902.09630, algorithm 1).
    """
    common, union = _intersection_and_union(boxes1, boxes2)
    hull = _product(_hull(boxes1, boxes2))
    return common / union - (hull - union) / hull


@composite(r"\mathrm{IoU} - \frac{\rho^2(a, b)}{c^2}")
def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU less the squared distance of the centres over the hull's diagonal.  [N, 4], [M, 4] corners -> [N, M]
    (Zheng et al. 2020, arXiv 1911.08287, equation 7).
    """
    common, union = _intersection_and_union(boxes1, boxes2)
    return common / union - _apart(boxes1, boxes2, eps)


def _apart(boxes1: Tensor, boxes2: Tensor, eps: float) -> Tensor:
    low1, high1, low2, high2 = _pairs(boxes1, boxes2)
    between = _upcast((low1 + high1) / 2 - (low2 + high2) / 2)
    diagonal = (_hull(boxes1, boxes2) ** 2).sum(-1) + eps
    return (between**2).sum(-1) / diagonal


@composite(r"\mathrm{IoU} - \frac{\rho^2(a, b)}{c^2} - \alpha v")
def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """distance_box_iou less how much the aspect ratios differ.  [N, 4], [M, 4] corners -> [N, M]
    (Zheng et al. 2020, arXiv 1911.08287, equations 8 to 11; no gradient runs through the trade-off alpha).
    """
    common, union = _intersection_and_union(boxes1, boxes2)
    iou = common / union
    v = aspect(boxes1.unsqueeze(-2), boxes2.unsqueeze(-3))
    return iou - _apart(boxes1, boxes2, eps) - trade_off(iou, v, eps) * v


def aspect(a: Tensor, b: Tensor) -> Tensor:
    """v: the difference of the boxes' angles, atan(w / h), squared; from 0 to 1."""
    angle = lambda x: ((x[..., 2] - x[..., 0]) / (x[..., 3] - x[..., 1])).atan()
    return (4 / math.pi**2) * (angle(_upcast(a)) - angle(_upcast(b))) ** 2


@no_grad()
def trade_off(iou: Tensor, v: Tensor, eps: float) -> Tensor:
    """alpha = v / (1 - IoU + v), a constant to the gradient."""
    return v / (1 - iou + v + eps)


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.ops.boxes", name, __all__)
