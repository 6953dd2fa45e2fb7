"""Activations written over their input: `relu_(x)` is `relu(x, inplace=True)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutaway.core.refusal import guarded
from cutaway.functional import activation

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

__all__ = ["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"]


@guarded
def relu_(input: Tensor) -> Tensor:
    """`relu` over its input."""
    return activation.relu(input, True)


@guarded
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` over its input."""
    return activation.leaky_relu(input, negative_slope, True)


@guarded
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` over its input."""
    return activation.elu(input, alpha, True)


@guarded
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` over its input."""
    return activation.celu(input, alpha, True)


@guarded
def selu_(input: Tensor) -> Tensor:
    """`selu` over its input."""
    return activation.selu(input, True)


@guarded
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` over its input."""
    return activation.hardtanh(input, min_val, max_val, True)


@guarded
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` over its input."""
    return activation.threshold(input, threshold, value, True)


@guarded
def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu` over its input."""
    return activation.rrelu(input, lower, upper, training, True)
