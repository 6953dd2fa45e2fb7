"""New training images out of old ones: random shifts and mirror images, a whole batch at a time.

The batch may be a Tensor or a NumPy array, of any dtype; what comes back is of the same kind, and new memory.
The random numbers come from `generator`, or the default one.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.random import Generator
from cutaway.core.tensor import Tensor

Batch = TypeVar("Batch", Tensor, np.ndarray)


def augment(
    x: Batch, *, shift: int = 0, flip: bool = False, fill: float = 0.0, generator: Generator | None = None
) -> Batch:
    """`random_flip`, then `random_shift`, of x[B, C, H, W]: the usual pair for CIFAR-10 is shift=4, flip=True."""
    if flip:
        x = random_flip(x, generator=generator)
    if shift:
        x = random_shift(x, shift, fill=fill, generator=generator)
    return x


def random_shift(x: Batch, pixels: int = 2, *, fill: float = 0.0, generator: Generator | None = None) -> Batch:
    """Move each image of x[B, C, H, W] by up to `pixels` in each direction; what comes in is `fill`.

    For normalised images fill with what black became: -mean / std.  Raises ArgumentError for pixels < 0.
    """
    images = _images(x, "random_shift")
    if pixels < 0:
        raise ArgumentError(f"random_shift: pixels must be 0 or more, got {pixels}")
    down, right = random.randint((2, len(images)), -pixels, pixels + 1, generator=generator)
    return shifted(x, down, right, fill=fill)


def shifted(x: Batch, down: np.ndarray, right: np.ndarray, *, fill: float = 0.0) -> Batch:
    """Each image of x[B, C, H, W] moved by its own down[B] and right[B] pixels; what comes in is `fill`."""
    images = _images(x, "shifted")
    b, c, h, w = images.shape
    p = int(max(np.abs(down).max(initial=0), np.abs(right).max(initial=0)))
    framed = np.full((b, c, h + 2 * p, w + 2 * p), fill, images.dtype)
    framed[:, :, p : p + h, p : p + w] = images
    windows = np.lib.stride_tricks.sliding_window_view(framed, (h, w), axis=(2, 3))  # [B, C, 2p+1, 2p+1, H, W]
    return _like(x, windows[np.arange(b)[:, None], np.arange(c), p - down[:, None], p - right[:, None]])


def random_flip(x: Batch, p: float = 0.5, *, generator: Generator | None = None) -> Batch:
    """Mirror each image of x[B, C, H, W] left to right with probability `p`.

    Raises ArgumentError for p outside 0 to 1.
    """
    images = _images(x, "random_flip")
    if not 0 <= p <= 1:
        raise ArgumentError(f"random_flip: p is a probability, 0 to 1, got {p}")
    mirrored = random.uniform((len(images),), generator=generator) < p
    result = images.copy()
    result[mirrored] = images[mirrored][..., ::-1]
    return _like(x, result)


def _images(x: Tensor | np.ndarray, op: str) -> np.ndarray:
    images = x._data if isinstance(x, Tensor) else x
    if images.ndim != 4:
        raise ShapeError(f"{op}: expected a batch of images x[B, C, H, W], got {images.dtype}{list(images.shape)}")
    return images


def _like(x: Batch, images: np.ndarray) -> Batch:
    return Tensor._wrap(images) if isinstance(x, Tensor) else images
