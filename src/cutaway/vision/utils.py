"""Many images as one, and in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.derived import stack
from cutaway.core.errors import ArgumentTypeError
from cutaway.core.functions import cat
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.vision.drawing import draw_bounding_boxes, draw_keypoints, draw_segmentation_masks
from cutaway.vision.pillow import from_array

__all__ = ["draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "make_grid", "save_image"]


@no_grad()
def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images x[B, C, H, W], or a list of [C, H, W], side by side: [3, H', W'] with `nrow` in a row, `padding` pixels of
    `pad_value` around each.  Gray becomes three channels.

    `normalize` stretches from value_range, by default their smallest and largest number, to 0 .. 1; all of them alike,
    or each by itself with `scale_each`.  Raises ArgumentTypeError for what is no tensor or list of tensors.
    """
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, list) or not all(isinstance(t, Tensor) for t in tensor):
            raise ArgumentTypeError(f"make_grid: tensor or list of tensors expected, got {describe(tensor)}")
        tensor = stack(tensor, 0)
    if value_range is not None and not isinstance(value_range, tuple):
        raise ArgumentTypeError(f"make_grid: value_range has to be a tuple (min, max), got {value_range!r}")
    while tensor.ndim < 4:
        if tensor.ndim == 3 and tensor.shape[0] == 1:
            tensor = cat([tensor] * 3, 0)
        tensor = tensor.unsqueeze(0)
    if tensor.shape[1] == 1:
        tensor = cat([tensor] * 3, 1)
    if normalize:
        parts = [_stretched(t, value_range) for t in (tensor if scale_each else [tensor])]
        tensor = stack(parts, 0) if scale_each else parts[0]
    return tensor.squeeze(0) if tensor.shape[0] == 1 else _placed(tensor, nrow, padding, pad_value)


def _stretched(x: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    low, high = value_range or (float(x.min()), float(x.max()))
    return (x.clamp(low, high) - low) / max(high - low, 1e-5)


def _placed(x: Tensor, nrow: int, padding: int, pad_value: float) -> Tensor:
    count, channels, h, w = x.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    h, w = h + padding, w + padding
    grid = x.new_full((channels, h * rows + padding, w * columns + padding), pad_value)
    for k, image in enumerate(x):
        top, left = k // columns * h + padding, k % columns * w + padding
        grid[:, top : top + h - padding, left : left + w - padding] = image
    return grid


@no_grad()
def save_image(
    tensor: Tensor | Sequence[Tensor],
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """`make_grid(tensor, **kwargs)` of numbers from 0 to 1, in a file; its name or `format` ("png") says of which kind."""
    grid = make_grid(tensor, **kwargs)
    pixels = (grid * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)
    from_array(pixels).save(fp, format=format)


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.utils", name, __all__)
