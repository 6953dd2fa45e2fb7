"""RoI pooling (Girshick 2015, arXiv 1504.08083): bins of whole pixels, the largest of each, or the mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ShapeError
from cutaway.core.functions import from_numpy
from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.ops.regions import bins, regions, weighted, wide

__all__ = ["PSRoIPool", "RoIPool", "ps_roi_pool", "roi_pool"]


@composite(r"\max_{(h, w) \in \mathrm{bin}} x_{nchw}")
def roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """Each region cut into bins of whole pixels, each bin its largest pixel, 0 of none.  x[N, C, H, W], K boxes ->
    y[K, C, h, w].  The gradient goes to the first of equal ones.

    Arguments and errors as of roi_align.
    """
    op = "roi_pool"
    found, (rows, columns) = regions(op, input, boxes), bins(op, output_size)
    _, c, h, w = input.shape
    corners = _rounded(found[:, 1:] * found.dtype.type(spatial_scale))
    sides = np.maximum(corners[:, 2:] - corners[:, :2] + 1, 1).astype(found.dtype)
    x = _edges(corners[:, 0], sides[:, 0], columns, w)
    y = _edges(corners[:, 1], sides[:, 1], rows, h)
    best = _places(wide(input.detach()).numpy(), found[:, 0].astype(np.int64), y, x)
    of_image = (found[:, 0].astype(np.int64)[:, None] * c + np.arange(c))[..., None, None] * (h * w)
    pooled = input.reshape(-1)[from_numpy((of_image + np.maximum(best, 0)).reshape(-1))].reshape(best.shape)
    return pooled.masked_fill(from_numpy(best < 0), 0.0)


@composite(r"\mathrm{mean}_{(h, w) \in \mathrm{bin}}\, x_{n,\,cij,\,hw}")
def ps_roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """Each bin the mean of its pixels in channels of its own, 0 of none (Dai et al. 2016, R-FCN, arXiv 1605.06409).
    x[N, C h w, H, W], K boxes -> y[K, C, h, w].

    Bins end before the image's last row and column, as torchvision's do.
    Arguments and errors as of roi_align; ShapeError unless the channels are a multiple of h w.
    """
    op = "ps_roi_pool"
    found, (rows, columns) = regions(op, input, boxes), bins(op, output_size)
    if input.shape[1] % (rows * columns):
        raise ShapeError(
            f"{op}: input channels must be a multiple of pooling height * pooling width, {rows} * {columns}, "
            f"got {show(input)}"
        )
    corners = _rounded(found[:, 1:] * found.dtype.type(spatial_scale))
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 1).astype(found.dtype)
    lines = []
    for axis, count, length in ((1, rows, input.shape[2]), (0, columns, input.shape[3])):
        low, high = _edges(corners[:, axis], sides[:, axis], count, length - 1)[..., None]
        inside = (np.arange(length) >= low) & (np.arange(length) < high)
        lines.append(inside / np.maximum(high - low, 1).astype(found.dtype))
    return weighted(input, found[:, 0].astype(np.int64), lines[0], lines[1], own=True)


def _rounded(x: np.ndarray) -> np.ndarray:
    """To whole numbers, halves away from zero as in C."""
    return (np.sign(x) * np.floor(np.abs(x) + 0.5)).astype(np.int64)


def _edges(start: np.ndarray, side: np.ndarray, count: int, length: int) -> np.ndarray:
    """Where each bin begins and ends on a line of so many pixels: int[2, K, count]."""
    size, b = side / side.dtype.type(count), np.arange(count + 1, dtype=side.dtype)
    low, high = np.floor(b[:-1] * size[:, None]), np.ceil(b[1:] * size[:, None])
    return (np.stack((low, high)).astype(np.int64) + start[:, None]).clip(0, length)


def _places(x: np.ndarray, image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Where in the flattened image the largest pixel of each bin is: int[K, C, h, w]; -1: the bin is empty."""
    best = np.full((len(image), x.shape[1], rows.shape[2], columns.shape[2]), -1)
    for k, n in enumerate(image):
        for i, (top, bottom) in enumerate(rows[:, k].T):
            for j, (left, right) in enumerate(columns[:, k].T):
                if top < bottom and left < right:
                    part = x[n, :, top:bottom, left:right].reshape(x.shape[1], -1)
                    at = part.argmax(1)
                    best[k, :, i, j] = (top + at // (right - left)) * x.shape[3] + left + at % (right - left)
    return best


class RoIPool(Module):
    """roi_pool with these options."""

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"


class PSRoIPool(RoIPool):
    """ps_roi_pool with these options."""

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
