"""RoIAlign (He et al. 2017, arXiv 1703.06870): regions at places between pixels, so nothing is rounded."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ShapeError
from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.ops.regions import bins, regions, sampled, weighted

__all__ = ["PSRoIAlign", "RoIAlign", "ps_roi_align", "roi_align"]


@composite(r"\mathrm{mean}_{s}\, x_{nc}(u_s, v_s)")
def roi_align(
    input: Tensor,
    boxes: Any,
    output_size: Any,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Each region cut into bins, each bin the mean of samples between pixels.  x[N, C, H, W], K boxes -> y[K, C, h, w].

    boxes: [K, 5] of (image, x1, y1, x2, y2), or a list of [L, 4] (x1, y1, x2, y2) for each image, of the input's dtype.
    output_size: (h, w), or one number for both.  spatial_scale: pixels of x a unit of the boxes.
    sampling_ratio: samples along a side of a bin, s x s of them; -1 or 0: about one a pixel.
    aligned=True takes pixels as points in the middle of unit squares, so boxes move by half a pixel; False does not,
    and makes each box one pixel large at least.  There is no gradient towards the boxes.

    Raises ShapeError (also an AssertionError, of boxes), DTypeError when dtypes differ, IndexOutOfRange for an image
    that is not there, ArgumentError for places that are not finite.
    """
    return _aligned("roi_align", input, boxes, output_size, spatial_scale, sampling_ratio, 0.5 * aligned, not aligned)


@composite(r"\mathrm{mean}_{s}\, x_{n,\,cij}(u_s, v_s)")
def ps_roi_align(
    input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1
) -> Tensor:
    """roi_align in which each bin has its own channels (Li et al. 2017, arXiv 1711.07264).
    x[N, C h w, H, W], K boxes -> y[K, C, h, w].

    Options and errors as of roi_align(aligned=True); ShapeError unless the channels are a multiple of h w.
    """
    h, w = bins("ps_roi_align", output_size)
    if input.ndim == 4 and input.shape[1] % (h * w):
        raise ShapeError(
            f"ps_roi_align: input channels must be a multiple of pooling height * pooling width, {h} * {w}, "
            f"got {show(input)}"
        )
    return _aligned("ps_roi_align", input, boxes, (h, w), spatial_scale, sampling_ratio, 0.5, False, own=True)


def _aligned(
    op: str,
    input: Tensor,
    boxes: Any,
    output_size: Any,
    scale: float,
    ratio: int,
    offset: float,
    at_least_one: bool,
    own: bool = False,
) -> Tensor:
    found, counts = regions(op, input, boxes), bins(op, output_size)
    kind = found.dtype.type
    low, high = found[:, 1:3] * kind(scale) - kind(offset), found[:, 3:5] * kind(scale) - kind(offset)
    sides = np.maximum(high - low, 1) if at_least_one else high - low
    weights = []  # of rows, of columns
    for axis, count, length in ((1, counts[0], input.shape[2]), (0, counts[1], input.shape[3])):
        size = sides[:, axis] / kind(count)
        grid = np.full(len(size), ratio) if ratio > 0 else np.ceil(size).astype(np.int64).clip(0)
        weights.append(sampled(low[:, axis], size, grid, count, length))
    return weighted(input, found[:, 0].astype(np.int64), weights[0], weights[1], own)


class RoIAlign(Module):
    """roi_align with these options."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned})"
        )


class PSRoIAlign(Module):
    """ps_roi_align with these options."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio = output_size, spatial_scale, sampling_ratio

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
