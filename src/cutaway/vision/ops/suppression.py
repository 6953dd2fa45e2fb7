"""Non-maximum suppression: of boxes that show the same thing the best one is kept.

The greedy rule is sequential, but what it compares is not.  Boxes are taken by falling score in blocks: a block is
settled in itself, row by row of its own small matrix of overlaps; then all that is left behind it is compared with what
the block has kept at once, in tiles that stay in the cache.
"""

from __future__ import annotations

import numpy as np

from cutaway.core.aval import show
from cutaway.core.creation import zeros
from cutaway.core.dtypes import float32, float64, int64
from cutaway.core.errors import DTypeError, ShapeError
from cutaway.core.functions import cat, from_numpy
from cutaway.core.op import CAST
from cutaway.core.tensor import Tensor
from cutaway.functional._check import is_tensor
from cutaway.vision.ops.regions import wide

BLOCK, TILE = 64, 2048  # 512 KB a matrix in float32


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes are kept, by falling score: int64[K].  boxes[N, 4] of corners, scores[N].

    The best one is, and those whose IoU with it is larger than iou_threshold are not; then the best of the rest, and so
    on.  Of equal scores the first one is better.
    Raises ShapeError for other shapes, DTypeError unless both are float32 or both float64.
    """
    is_tensor("nms", boxes=boxes, scores=scores)
    if CAST.get() is not None:  # autocast
        boxes, scores = wide(boxes), wide(scores)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"nms: boxes should be a 2d tensor [N, 4], got {show(boxes)}")
    if scores.ndim != 1 or scores.shape[0] != boxes.shape[0]:
        raise ShapeError(f"nms: scores should be [{boxes.shape[0]}], one for each box, got {show(scores)}")
    if boxes.dtype != scores.dtype or boxes.dtype not in (float32, float64):
        raise DTypeError(
            f"nms: dets should have the same type as scores, float32 or float64, got {show(boxes)} and {show(scores)}"
        )
    order = scores.detach().sort(dim=0, descending=True, stable=True)[1].numpy()
    kept = _kept(boxes.detach().numpy()[order], float(iou_threshold))
    return from_numpy(order[kept])  # type: ignore[no-any-return]


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """nms within each class alone: int64[K] by falling score.  boxes[N, 4] of corners, scores[N], idxs[N] the classes.

    Errors as of nms; ShapeError unless there is a class for each box.
    """
    is_tensor("batched_nms", boxes=boxes, scores=scores, idxs=idxs)
    if not boxes.numel():
        return zeros(0, dtype=int64)  # type: ignore[no-any-return]
    if tuple(idxs.shape) != tuple(boxes.shape[:1]):
        raise ShapeError(f"batched_nms: idxs should be [{boxes.shape[0]}], a class for each box, got {show(idxs)}")
    classes = idxs.detach().numpy()
    members = [from_numpy(np.flatnonzero(classes == c)) for c in np.unique(classes)]
    kept = cat([of[nms(boxes[of], scores[of], iou_threshold)] for of in members]).sort()[0]
    return kept[scores.detach()[kept].sort(descending=True, stable=True)[1]]  # type: ignore[no-any-return]


def _kept(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """bool[N]: which of boxes[N, 4], the best first, no better one that is kept suppresses."""
    n = len(boxes)
    sides = np.ascontiguousarray(boxes.T)
    alive, limit = np.ones(n, bool), _rounded_down(threshold, boxes.dtype)
    for start in range(0, n, BLOCK):
        end = min(start + BLOCK, n)
        block = start + np.flatnonzero(alive[start:end])
        near = _overlap(sides[:, block], sides[:, block]) > limit
        for i in range(len(block)):
            if alive[block[i]]:
                alive[block[i + 1 :]] &= ~near[i, i + 1 :]
        best = sides[:, block[alive[block]]]
        rest = end + np.flatnonzero(alive[end:])
        for at in range(0, len(rest), TILE):
            tile = rest[at : at + TILE]
            alive[tile] = ~(_overlap(best, sides[:, tile]) > limit).any(0)
    return alive


def _rounded_down(threshold: float, dtype: np.dtype) -> np.ndarray:
    """The largest number of `dtype` that is not above the threshold: IoUs exceed the one if they exceed the other."""
    limit = np.asarray(threshold, dtype)
    return np.nextafter(limit, dtype.type(-np.inf)) if float(limit) > threshold else limit


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU[N, M] of a[4, N] and b[4, M]; NaN of two boxes without an area."""
    with np.errstate(all="ignore"):
        area = lambda x: (x[2] - x[0]) * (x[3] - x[1])
        w = np.minimum(a[2, :, None], b[2])
        w -= np.maximum(a[0, :, None], b[0])
        h = np.minimum(a[3, :, None], b[3])
        h -= np.maximum(a[1, :, None], b[1])
        common = np.maximum(w, 0, out=w)
        common *= np.maximum(h, 0, out=h)
        union = np.add(area(a)[:, None], area(b), out=h)
        union -= common
        common /= union
    return common
