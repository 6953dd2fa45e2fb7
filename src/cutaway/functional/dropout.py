"""Dropout: values silenced at random during training.

The random numbers are counter-based (Philox): the same in eager and compiled mode, and for any number of threads.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ShapeError
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.core.ops.random import uniform
from cutaway.functional._check import floating, is_tensor, probability
from cutaway.functional.activation import SELU_ALPHA, SELU_SCALE

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

UNIFORM = np.dtype(np.float32)


def _kept(shape: tuple[int, ...], p: float) -> Tensor:
    """True with probability 1 - p."""
    return uniform(shape, UNIFORM) >= p


def _drop(
    op: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...] | None = None
) -> Tensor:
    """x times a mask of `shape` (that of x, or one that broadcasts to it), scaled up so that the mean stays."""
    is_tensor(op, input=input)
    probability(op, p)
    if not training or p == 0.0:
        return input
    floating(op, input)
    if p == 1.0:
        y = input * 0.0
    else:
        y = input * (_kept(tuple(input.shape) if shape is None else shape, p).to(input.dtype) * (1.0 / (1.0 - p)))
    return input.copy_(y) if inplace else y


@composite(r"\frac{m \odot x}{1 - p},\; m \sim \mathrm{Bernoulli}(1 - p)")
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each value is zero with probability p, and the others grow by 1 / (1 - p); outside training, x itself.
    x[...] (Srivastava et al. 2014; book, section 6.4.3, which scales at test time instead).

    Raises ArgumentError unless 0 <= p <= 1.
    """
    return _drop("dropout", input, p, training, inplace)


@composite(r"\frac{m_{nc}\, x_{nc}}{1 - p},\; m \sim \mathrm{Bernoulli}(1 - p)")
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels.  x[N, C, L] or [C, L] (Tompson et al. 2015, arXiv 1411.4280).

    Raises ArgumentError unless 0 <= p <= 1, ShapeError for another number of dimensions.
    """
    return _drop_channels("dropout1d", 1, input, p, training, inplace)


@composite(r"\frac{m_{nc}\, x_{nc}}{1 - p},\; m \sim \mathrm{Bernoulli}(1 - p)")
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels.  x[N, C, H, W] or [C, H, W] (Tompson et al. 2015, arXiv 1411.4280).

    Raises ArgumentError unless 0 <= p <= 1, ShapeError for another number of dimensions.
    """
    return _drop_channels("dropout2d", 2, input, p, training, inplace)


@composite(r"\frac{m_{nc}\, x_{nc}}{1 - p},\; m \sim \mathrm{Bernoulli}(1 - p)")
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels.  x[N, C, D, H, W] or [C, D, H, W].

    Raises ArgumentError unless 0 <= p <= 1, ShapeError for another number of dimensions.
    """
    return _drop_channels("dropout3d", 3, input, p, training, inplace)


def _drop_channels(op: str, n: int, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    is_tensor(op, input=input)
    probability(op, p)
    if n == 2 and input.ndim == 2:
        warnings.warn(f"{op}: an input [N, C] has no dimensions of space; use dropout for features", stacklevel=4)
        n = 0
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{op}: expected a batch of channels with {n} dimensions of space (the batch may be left out), got "
            f"{show(input)}" + ("; use dropout for features [N, C]" if input.ndim == 2 else "")
        )
    shape = tuple(input.shape[: input.ndim - n]) + (1,) * n
    return _drop(op, input, p, training, inplace, shape)


@composite(r"a\,(m_{nc}\, x_{nc} + (1 - m_{nc})\,\alpha') + b")
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels.  x[N, C, ...].  Raises ArgumentError unless 0 <= p <= 1."""
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2)
    return _alpha("feature_alpha_dropout", input, p, training, inplace, shape)


@composite(r"a\,(m \odot x + (1 - m)\,\alpha') + b")
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for SELU networks: dropped values go to SELU's lower limit, and an affine map restores mean and variance.
    x[...] (Klambauer et al. 2017, arXiv 1706.02515).

    Raises ArgumentError unless 0 <= p <= 1.
    """
    return _alpha("alpha_dropout", input, p, training, inplace, tuple(input.shape))


def _alpha(op: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    is_tensor(op, input=input)
    probability(op, p)
    if not training or p == 0.0:
        return input
    floating(op, input)
    if p == 1.0:
        return input.copy_(input * 0.0) if inplace else input * 0.0
    lowest = -SELU_SCALE * SELU_ALPHA
    a = ((1.0 - p) * (1.0 + p * lowest * lowest)) ** -0.5
    y = where(_kept(shape, p), input, lowest) * a - a * p * lowest
    return input.copy_(y) if inplace else y
