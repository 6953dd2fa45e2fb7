"""Training data that stays where it is: a compiled step picks its own batch out of it, written in Tensor operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway.core.tensor import Tensor
from cutaway.data import ImageData, TensorDataset
from cutaway.plug.swap import replaced
from cutaway.train.task import Examples

Pick = Callable[..., tuple[Tensor, Tensor]]


def resident(examples: Examples, shift: int = 0) -> Pick | None:
    """`pick(rows[B])` or, with `shift`, `pick(rows[B], down[B], right[B])` -> (x[B, ...], y[B]), as `examples.gather` and
    `cutaway.data.augment.shifted` give them; None for examples that know only themselves how they are fetched.
    """
    if type(examples) is ImageData:
        x, y = Tensor._wrap(examples.images), Tensor._wrap(examples.labels)
        finish = _floats(examples.mean, examples.std)
    elif type(examples) is TensorDataset and len(examples.tensors) == 2:
        x, y = examples.tensors
        finish = lambda values: values
    else:
        return None
    if not shift:
        return lambda rows: (finish(x[rows]), y[rows])
    if x.ndim != 4 or replaced("shifted"):
        return None  # a shift is for images: `gather` and `shifted` say so; or it is someone's own

    def moved(rows: Tensor, down: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """What comes in from outside is 0."""
        height, width = x.shape[2:]
        i = cutaway.arange(height)[None, :] - down[:, None]  # [B, H]: where each pixel comes from
        j = cutaway.arange(width)[None, :] - right[:, None]
        inside = ((i >= 0) & (i < height))[:, None, :, None] & ((j >= 0) & (j < width))[:, None, None, :]
        i, j = i.clamp(0, height - 1), j.clamp(0, width - 1)
        pixels = x[rows[:, None, None], :, i[:, :, None], j[:, None, :]].permute(0, 3, 1, 2)  # [B, H, W, C] before
        return cutaway.where(inside, finish(pixels), 0.0), y[rows]

    return moved


def _floats(mean: np.ndarray | None, std: np.ndarray | None) -> Callable[[Any], Any]:
    """uint8[B, C, H, W] to float32, as ImageData does it."""
    subtracted, divided = (None if v is None else Tensor._wrap(np.ascontiguousarray(v)) for v in (mean, std))

    def finish(images: Any) -> Any:
        x = images.float() / 255
        if subtracted is not None:
            x = x - subtracted
        return x if divided is None else x / divided

    return finish
