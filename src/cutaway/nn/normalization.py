"""Normalisation within each sample: it does not depend on the batch, and training and evaluation are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway import functional as F
from cutaway.core.derived import cat
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import init
from cutaway.nn.linear import counts
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter, blank


def _shape(layer: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if not shape:
        raise ArgumentError(f"{layer}: normalized_shape must name at least one dimension, got {normalized_shape!r}")
    for n in shape:
        counts(layer, normalized_shape=n)
    return shape


class _Affine(Module):
    weight: Parameter | None
    bias: Parameter | None

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(_Affine):
    """(x - mean) / √(var + eps) · weight + bias over the last dimensions (Ba et al. 2016, arXiv 1607.06450).

    x[..., *normalized_shape]; weight and bias of normalized_shape.
    Raises ShapeError for an input that does not end with normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        affine = elementwise_affine
        self.register_parameter("weight", blank(self.normalized_shape, device, dtype) if affine else None)
        self.register_parameter("bias", blank(self.normalized_shape, device, dtype) if affine and bias else None)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """x / √(mean(x²) + eps) · weight over the last dimensions (Zhang & Sennrich 2019, arXiv 1910.07467).

    x[..., *normalized_shape]; weight of normalized_shape; eps=None takes the dtype's own.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", blank(self.normalized_shape, device, dtype) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Normalised over a group of channels and all positions (Wu & He 2018, arXiv 1803.08494).

    x[N, C, ...], weight[C], bias[C].  Raises ArgumentError unless num_groups divides num_channels.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        counts("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ArgumentError(f"GroupNorm: num_channels={num_channels} does not divide into num_groups={num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", blank((num_channels,), device, dtype) if affine else None)
        self.register_parameter("bias", blank((num_channels,), device, dtype) if affine and bias else None)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return f"{text}, bias={self.bias is not None}"


class LocalResponseNorm(Module):
    """Each channel divided by the activity of its neighbours (Krizhevsky et al. 2012, section 3.3).  x[N, C, ...]."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """x[N, C, H, W] / (k + alpha / size sum of squares)^beta, over the channels within (size - 1) / 2, rounded down.

    As in PyTorch, the running sum never lets go of the first channel. LocalResponseNorm sums what its name says.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        reach, squares = (self.size - 1) // 2, input.square()
        total = squares
        for step in range(1, min(reach, input.shape[1] - 1) + 1):
            none = squares[:, :step] * 0
            total = total + cat([squares[:, step:], none], 1) + cat([none, squares[:, :-step]], 1)
        first = squares[:, :1].expand(squares.shape) * 1
        kept = cat([first[:, : reach + 1] * 0, first[:, reach + 1 :]], 1)
        return input * ((total + kept) * (self.alpha / self.size) + self.k) ** -self.beta

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
