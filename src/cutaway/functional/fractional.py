"""Fractional max pooling (Graham 2014): windows whose places are drawn, so that sizes shrink by a factor below 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.creation import rand
from cutaway.core.derived import constant, values
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.functional._check import floating, is_tensor, n_tuple

Ints = int | Sequence[int]


@composite(r"\max_{k} x_{s_i + k}")
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Largest element of windows at drawn places.  x[N, C, H, W] or [C, H, W] -> y of output_size, or of H, W times
    output_ratio.

    return_indices also gives where each maximum was, as positions in the flattened image.
    Raises ArgumentError unless output_size or output_ratio is given, ShapeError where the windows do not fit.
    """
    return _pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@composite(r"\max_{k} x_{s_i + k}")
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The same in three dimensions.  x[N, C, T, H, W] or [C, T, H, W]."""
    return _pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def _pool(
    op: str, n: int, input: Tensor, kernel: Any, output: Any, ratio: Any, return_indices: bool, samples: Tensor | None
) -> Any:
    is_tensor(op, input=input)
    floating(op, input)
    if output is None and ratio is None:
        raise ArgumentError(f"{op}: give output_size or output_ratio")
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(f"{op}: needs {n + 2} dimensions, or {n + 1} without the batch, got {show(input)}")
    x = input.unsqueeze(0) if input.ndim == n + 1 else input
    space, k = tuple(x.shape[2:]), n_tuple(op, "kernel_size", kernel, n, 1)
    if output is None:
        ratios = (ratio,) * n if isinstance(ratio, (int, float)) else tuple(ratio)
        output = [int(size * r) for size, r in zip(space, ratios, strict=True)]
    out = n_tuple(op, "output_size", output, n, 1)
    if any(o + w - 1 > size for o, w, size in zip(out, k, space, strict=True)):
        raise ShapeError(f"{op}: windows of {list(k)} do not fit {list(out)} times into {list(space)}")
    if samples is None:
        samples = rand((x.shape[0], x.shape[1], n), dtype=x.dtype)
    drawn = values(samples.detach()).astype(x._data.dtype)
    if drawn.shape != (*x.shape[:2], n):
        raise ShapeError(f"{op}: _random_samples must be {[*x.shape[:2], n]}, got {list(drawn.shape)}")
    if n == 2:  # PyTorch's first number is for the width
        drawn = drawn[..., ::-1]
    places: Any = np.zeros((1,) * (2 + 2 * n), np.int64)
    for d in range(n):
        starts = _starts(drawn[..., d], space[d], out[d], k[d])
        at = starts[..., None] + np.arange(k[d])  # [N, C, out, k]
        shape = [*at.shape[:2], *[1] * (2 * n)]
        shape[2 + d], shape[2 + n + d] = out[d], k[d]
        places = places * space[d] + at.reshape(shape)
    flat = x.reshape((*x.shape[:2], -1))
    windows = places.reshape((*places.shape[: 2 + n], -1))
    found = np.take_along_axis(values(flat.detach()), windows.reshape((*x.shape[:2], -1)), 2)
    best = found.reshape(windows.shape).argmax(-1)
    index = np.take_along_axis(windows, best[..., None], -1)[..., 0]
    y = flat.gather(2, constant(index.reshape((*x.shape[:2], -1)))).reshape(index.shape)
    where = constant(index)
    if input.ndim == n + 1:
        y, where = y.squeeze(0), where.squeeze(0)
    return (y, where) if return_indices else y


def _starts(sample: np.ndarray, size: int, out: int, kernel: int) -> np.ndarray:
    """Where the windows begin, sample[N, C] in [0, 1) -> [N, C, out]: steps of alpha, shifted and rounded down; the last one
    lies at the end."""
    last = size - kernel
    starts = np.full((*sample.shape, out), last, np.int64)
    if out > 1:
        alpha = sample.dtype.type(last) / sample.dtype.type(out - 1)
        steps = np.arange(out - 1).astype(sample.dtype)
        starts[..., :-1] = ((steps + sample[..., None]) * alpha).astype(np.int64)
        starts[..., :-1] -= (sample * alpha).astype(np.int64)[..., None]
    return starts


def ratio_is_fraction(op: str, ratio: Any, n: int) -> None:
    """Raise ArgumentError unless every ratio lies between 0 and 1."""
    ratios = (ratio,) * n if isinstance(ratio, (int, float)) else tuple(ratio)
    if not all(0 < r < 1 and math.isfinite(r) for r in ratios):
        raise ArgumentError(f"{op}: output_ratio must lie between 0 and 1, got {ratio}")
