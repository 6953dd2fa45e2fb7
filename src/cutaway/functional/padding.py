"""Padding: a tensor made larger (or, with negative numbers, smaller) at its ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError, UnwrittenMode, UnwrittenShape
from cutaway.core.functions import from_numpy
from cutaway.core.op import composite
from cutaway.core.ops.movement import pad as pad_op
from cutaway.functional._check import is_tensor

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

# Which element stands at place i (from -low to n + high - 1) of a dimension of n elements.
SOURCES = {
    "reflect": lambda i, n: np.where(i < 0, -i, np.where(i >= n, 2 * (n - 1) - i, i)),
    "replicate": lambda i, n: np.clip(i, 0, n - 1),
    "circular": lambda i, n: i % n,
}


@composite(r"\mathrm{pad}(x)")
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads the last dimensions: pad = (left, right), (left, right, top, bottom), ...; negative numbers crop.

    mode: "constant" (filled with value, 0 if not given), "reflect" (mirrored at the border element), "replicate"
    (the border element repeated), "circular" (wrapped round).

    Raises ArgumentError for an odd or too long pad or an unknown mode, ShapeError when nothing would be left, when a
    reflection is not shorter than its dimension, or a wrap longer than it.
    """
    is_tensor("pad", input=input)
    try:
        amounts = [int(p) for p in pad]
    except TypeError:
        raise ArgumentTypeError(f"pad: pad must be a sequence of ints such as (1, 1), got {pad!r}") from None
    if len(amounts) % 2 or len(amounts) > 2 * input.ndim:
        raise ArgumentError(
            f"pad: pad {tuple(amounts)} needs two numbers a dimension, from the last one, for at most the {input.ndim} "
            f"dimensions of {show(input)}"
        )
    low, high = [0] * input.ndim, [0] * input.ndim
    for i, (a, b) in enumerate(zip(amounts[::2], amounts[1::2], strict=True)):
        low[-1 - i], high[-1 - i] = a, b
    for d, (lo, hi) in enumerate(zip(low, high, strict=True)):
        if input.shape[d] + lo + hi < 0 or min(lo, 0) + min(hi, 0) + input.shape[d] < 0:
            raise ShapeError(f"pad: pad {tuple(amounts)} leaves less than nothing of dimension {d} of {show(input)}")
    if mode == "constant":
        return _constant(input, low, high, 0.0 if value is None else value)
    if mode not in SOURCES:
        raise UnwrittenMode(f"pad: mode {mode!r} is unknown; use 'constant', 'reflect', 'replicate' or 'circular'")
    if value:
        raise ArgumentError(f"pad: value={value} has no meaning with mode {mode!r}; leave it out")
    n = len(amounts) // 2
    if n and (n > 3 or input.ndim not in (n + 1, n + 2)):
        raise UnwrittenShape(
            f"pad: mode {mode!r} pads the last 1, 2 or 3 dimensions of [C, ...] or [N, C, ...]; pad {tuple(amounts)} is "
            f"for {n} of {show(input)}; add the missing dimension with unsqueeze, or use mode='constant'"
        )
    for d, (lo, hi) in enumerate(zip(low, high, strict=True)):
        if lo or hi:
            input = _from_itself(input, d, lo, hi, mode)
    return input


def _constant(x: Tensor, low: list[int], high: list[int], value: float) -> Tensor:
    for d, (lo, hi) in enumerate(zip(low, high, strict=True)):
        if lo < 0 or hi < 0:
            cut, size = max(-lo, 0), x.shape[d] - max(-lo, 0) - max(-hi, 0)
            x = x.narrow(d, cut, size)
    low, high = [max(lo, 0) for lo in low], [max(hi, 0) for hi in high]
    if not any(low) and not any(high):
        return x.clone()
    shape = tuple(n + lo + hi for n, lo, hi in zip(x.shape, low, high, strict=True))
    return pad_op(x, low=tuple(low), step=(1,) * len(low), shape=shape, value=value)


def _from_itself(x: Tensor, dim: int, low: int, high: int, mode: str) -> Tensor:
    if mode == "circular" and min(low, high) < 0:  # what was cropped away does not come round again
        start, cut = max(-low, 0), max(-low, 0) + max(-high, 0)
        x, low, high = x.narrow(dim, start, x.shape[dim] - cut), max(low, 0), max(high, 0)
    n = x.shape[dim]
    limit = {"reflect": n - 1, "replicate": max(low, high) if n else 0, "circular": n}[mode]
    if max(low, high) > limit:
        raise ShapeError(
            f"pad: mode {mode!r} can add at most {limit} elements to dimension {dim} of {show(x)}, got ({low}, "
            f"{high}); "
            "use less padding or mode='constant'"
        )
    source = SOURCES[mode](np.arange(-low, n + high), n).astype(np.int64)
    return x.index_select(dim, from_numpy(source))
