"""Regions of images as small images of one size: what pooling of regions has in common.

A mean over a region's bins is linear in the image, and separable: bin (i, j) weighs pixel (h, w) by Wy[i, h] Wx[j, w].
So all bins of all regions are one sparse matrix times the pixels, and gradients of any order are that matrix's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, AssertedError, AssertedShape, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.functions import cat, from_numpy, full_like
from cutaway.core.sparse.pattern import Pattern
from cutaway.core.sparse.product import product
from cutaway.core.tensor import Tensor
from cutaway.functional._check import floating, is_tensor, n_tuple


def regions(op: str, input: Tensor, boxes: Any) -> np.ndarray:
    """The regions as numbers [K, 5]: which image, x1, y1, x2, y2.  boxes: such a Tensor, or a list of [L, 4] an image.

    Raises AssertedShape for boxes of other shapes, DTypeError unless they are of the input's dtype, ShapeError unless
    the input is [N, C, H, W], IndexOutOfRange for an image that is not there, ArgumentError for places that are not
    finite.
    """
    is_tensor(op, input=input)
    floating(op, input)
    if input.ndim != 4:
        raise ShapeError(f"{op}: input should be [N, C, H, W], got {show(input)}")
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise AssertedShape(f"{op}: the boxes tensor shape is not correct as Tensor[K, 5], got {show(boxes)}")
    elif isinstance(boxes, (list, tuple)):
        for b in boxes:
            if b.ndim != 2 or b.shape[1] != 4:
                raise AssertedShape(
                    f"{op}: the shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]], "
                    f"got {show(b)}"
                )
        boxes = cat([cat((full_like(b[:, :1], i), b), 1) for i, b in enumerate(boxes)])
    else:
        raise AssertedError(f"{op}: boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]], got {boxes!r}")
    if boxes.dtype != input.dtype:
        raise DTypeError(f"{op}: input and boxes should have the same type, got {show(input)} and {show(boxes)}")
    found: np.ndarray = wide(boxes.detach()).numpy()
    if not np.isfinite(found).all():
        raise ArgumentError(f"{op}: boxes hold NaN or infinity, which are no places in an image")
    if len(found) and not 0 <= found[:, 0].min() <= found[:, 0].max() < input.shape[0]:
        raise IndexOutOfRange(
            f"{op}: the first column of boxes says of which of {input.shape[0]} images each is, from 0 on; it goes "
            f"from {found[:, 0].min():g} to {found[:, 0].max():g}"
        )
    return found


def wide(x: Tensor) -> Tensor:
    """In float32 at least."""
    return x.float() if x.dtype.itemsize == 2 else x


def bins(op: str, output_size: Any) -> tuple[int, int]:
    """(rows, columns) of the result.  Raises ArgumentError."""
    h, w = n_tuple(op, "output_size", output_size, 2, 1)
    return h, w


def weighted(input: Tensor, image: np.ndarray, wy: np.ndarray, wx: np.ndarray, own: bool = False) -> Tensor:
    """y[k, c, i, j] = sum_hw wy[k, i, h] wx[k, j, w] x[image[k], c, h, w].

    own: each bin reads channels of its own, x[image[k], (c, i, j), h, w].
    """
    (n, c, h, w), (k, rows, _), columns = input.shape, wy.shape, wx.shape[1]
    i_y, at_y = np.nonzero(wy.reshape(-1, h))
    i_x, at_x = np.nonzero(wx.reshape(-1, w))
    of_region = np.bincount(i_x // columns, minlength=k)  # how many entries of wx are a region's
    first = np.cumsum(of_region) - of_region
    times = of_region[i_y // rows]
    y = np.repeat(np.arange(len(i_y)), times)
    x = np.arange(len(y)) + np.repeat(first[i_y // rows] - (np.cumsum(times) - times), times)
    i, j = i_y[y], i_x[x] % columns
    channels = rows * columns if own else 1
    place = image[i // rows] * channels + ((i % rows) * columns + j if own else 0)
    pattern = Pattern(i * columns + j, (place * h + at_y[y]) * w + at_x[x], (k * rows * columns, n * channels * h * w))
    values = (wy.reshape(-1, h)[i_y, at_y][y] * wx.reshape(-1, w)[i_x, at_x][x]).astype(wy.dtype)
    pixels = input.reshape(n, c // channels, channels, h, w).permute(0, 2, 3, 4, 1).reshape(-1, c // channels)
    found = product(from_numpy(values), pattern, wide(pixels)).to(input.dtype)
    return found.reshape(k, rows, columns, c // channels).permute(0, 3, 1, 2).contiguous()


def sampled(start: np.ndarray, size: np.ndarray, grid: np.ndarray, count: int, length: int) -> np.ndarray:
    """weights[K, count, length] of a line's pixels: the mean of grid[k] samples in each of `count` bins of size[k] from
    start[k] on, each between two pixels.  Outside the line, but for a pixel's breadth, there is nothing.
    """
    kinds, dtype = len(start), start.dtype
    k = np.repeat(np.arange(kinds), grid)
    i = (np.arange(len(k)) - (np.cumsum(grid) - grid)[k]).astype(dtype)
    b = np.arange(count, dtype=dtype)
    half = dtype.type(0.5)
    step = (i + half) * size[k] / grid[k].astype(dtype)
    at = start[k, None] + b * size[k, None] + step[:, None]
    inside = (at >= -1) & (at <= length)
    at = np.where(inside, at, 0).clip(0, length - 1)
    low = at.astype(np.int64)
    far = (at - low).astype(np.float64) * inside
    row = (k[:, None] * count + np.arange(count)) * length
    total = np.bincount((row + low).ravel(), (inside - far).ravel(), kinds * count * length)
    total += np.bincount((row + np.minimum(low + 1, length - 1)).ravel(), far.ravel(), kinds * count * length)
    return (total.reshape(kinds, count, length) / np.maximum(grid, 1)[:, None, None]).astype(dtype)
