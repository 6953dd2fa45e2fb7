"""DropBlock (Ghiasi et al. 2018, arXiv 1810.12890): dropout of squares, since single pixels can be told from their
neighbours.
"""

from __future__ import annotations

import math

from cutaway.core.aval import show
from cutaway.core.creation import empty
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.functional import max_pool2d, max_pool3d, pad
from cutaway.nn import Module

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """In training, squares of block_size are 0, so many that about a part p of x[N, C, H, W] is; the rest grows, so
    that the mean stays.

    A block is cut to the image's size.  Raises ArgumentError unless 0 <= p <= 1 and block_size is odd, ShapeError.
    """
    return _dropped("drop_block2d", 2, input, p, block_size, inplace, eps, training)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """drop_block2d of volumes x[N, C, D, H, W]: cubes are dropped."""
    return _dropped("drop_block3d", 3, input, p, block_size, inplace, eps, training)


def _dropped(
    op: str, dims: int, input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool
) -> Tensor:
    if p < 0.0 or p > 1.0:
        raise ArgumentError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != dims + 2:
        raise ShapeError(f"{op}: input should be {dims + 2} dimensional. Got {input.ndim} dimensions: {show(input)}")
    if not training or p == 0.0:
        return input
    sizes = list(input.shape[2:])
    block = min(block_size, *sizes)
    if block % 2 == 0:
        raise ArgumentError(f"{op}: a block has a pixel in its middle, so block_size must be odd, got {block}")
    free = [s - block + 1 for s in sizes]
    chance = p * math.prod(sizes) / (block**dims * math.prod(free))
    centres = empty((*input.shape[:2], *free), dtype=input.dtype).bernoulli_(min(chance, 1.0))
    half = block // 2
    dropped = pad(centres, [half] * (2 * dims), value=0)
    kept = 1 - (max_pool2d if dims == 2 else max_pool3d)(dropped, block, 1, half)
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


class DropBlock2d(Module):
    """drop_block2d with these options, in training."""

    function = staticmethod(drop_block2d)

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """drop_block3d with these options, in training."""

    function = staticmethod(drop_block3d)
