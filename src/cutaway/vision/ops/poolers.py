"""RoIAlign over a pyramid: each region is read from the level that suits its size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, AssertedError
from cutaway.core.functions import cat, full_like, zeros
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.ops.boxes import box_area
from cutaway.vision.ops.regions import bins
from cutaway.vision.ops.roi_align import roi_align

__all__ = ["MultiScaleRoIAlign"]


class MultiScaleRoIAlign(Module):
    """x, a dict of maps [N, C, H_i, W_i], boxes, a list of [L, 4] for each image, and the images' sizes (H, W) ->
    y[K, C, h, w] (Lin et al. 2017, arXiv 1612.03144, equation 1).

    featmap_names   the maps that are used
    output_size     (h, w), or one number for both
    sampling_ratio  as of roi_align
    canonical_scale, canonical_level   a box of sides 224 is read from level 4, of twice the sides one level above

    Scales are powers of two, of the first call's sizes.
    """

    def __init__(
        self,
        featmap_names: Sequence[str],
        output_size: Any,
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names, self.sampling_ratio = featmap_names, sampling_ratio
        self.output_size = bins(type(self).__name__, output_size)
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level
        self.scales: list[float] | None = None

    def forward(self, x: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        maps = [v for k, v in x.items() if k in self.featmap_names]
        if not maps:
            raise ArgumentError(f"none of {list(self.featmap_names)} is among the maps, {list(x)}")
        if self.scales is None:
            if not image_shapes:
                raise ArgumentError("images list should not be empty")
            whole = [max(sizes) for sizes in zip(*image_shapes, strict=True)]
            self.scales = [_scale(m, whole) for m in maps]
        where = cat([cat((full_like(b[:, :1], i), b), 1) for i, b in enumerate(boxes)])
        if len(maps) == 1:
            return roi_align(maps[0], where, self.output_size, self.scales[0], self.sampling_ratio)
        levels = self._levels(cat(boxes), -math.log2(self.scales[0]), -math.log2(self.scales[-1]))
        y: Tensor = zeros((where.shape[0], maps[0].shape[1], *self.output_size), dtype=maps[0].dtype)
        for level, (m, scale) in enumerate(zip(maps, self.scales, strict=True)):
            of = (levels == level).nonzero()[:, 0]
            y = y.index_put((of,), roi_align(m, where[of], self.output_size, scale, self.sampling_ratio))
        return y

    def _levels(self, boxes: Tensor, lowest: float, highest: float) -> Tensor:
        """Which of the maps, by each box's size."""
        side = box_area(boxes.detach()).sqrt()
        level = (self.canonical_level + (side / self.canonical_scale).log2() + 1e-6).floor()
        return level.clamp(lowest, highest).long() - int(lowest)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio})"
        )


def _scale(feature: Tensor, size: Sequence[int]) -> float:
    """A map's pixels a pixel of the image: the nearest power of two."""
    y, x = (2.0 ** round(math.log2(s / whole)) for s, whole in zip(feature.shape[-2:], size, strict=True))
    if y != x:
        raise AssertedError(
            f"a map of {list(feature.shape[-2:])} is no picture of {list(size)}: its scales are {y} and {x}"
        )
    return y
