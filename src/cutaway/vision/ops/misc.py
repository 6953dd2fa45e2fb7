"""Layers that networks for images share: convolution with norm and activation, attention to channels, frozen norms."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.creation import ones, zeros
from cutaway.core.tensor import Tensor
from cutaway.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    BatchNorm3d,
    Conv2d,
    Conv3d,
    Dropout,
    Linear,
    Module,
    ReLU,
    Sequential,
    Sigmoid,
)

__all__ = """Conv2dNormActivation Conv3dNormActivation ConvNormActivation FrozenBatchNorm2d MLP Permute
SqueezeExcitation""".split()

Layer = Callable[..., Module]
Ints = int | Sequence[int]


class FrozenBatchNorm2d(Module):
    """Batch norm with statistics, scale and shift that are constants: buffers weight, bias, running_mean, running_var.

    x[N, C, H, W].  Takes the state of a BatchNorm2d.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", ones(num_features))
        self.register_buffer("bias", zeros(num_features))
        self.register_buffer("running_mean", zeros(num_features))
        self.register_buffer("running_var", ones(num_features))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, mean, var = (
            b.reshape(1, -1, 1, 1) for b in (self.weight, self.bias, self.running_mean, self.running_var)
        )
        scale = weight * (var + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


class ConvNormActivation(Sequential):
    """A convolution that keeps the size but for its stride, a norm and an activation; either may be None.

    Of any number of dimensions: use Conv2dNormActivation or Conv3dNormActivation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints = 3,
        stride: Ints = 1,
        padding: Ints | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = BatchNorm2d,
        activation_layer: Layer | None = ReLU,
        dilation: Ints = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: Layer = Conv2d,
    ) -> None:
        pad = _keeping(kernel_size, dilation) if padding is None else padding
        has_bias = norm_layer is None if bias is None else bias
        layers: list[Module] = [
            conv_layer(in_channels, out_channels, kernel_size, stride, pad, dilation, groups, has_bias)
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels
        if type(self) is ConvNormActivation:
            warnings.warn(
                "Don't use ConvNormActivation directly, please use Conv2dNormActivation and Conv3dNormActivation "
                "instead.",
                stacklevel=2,
            )


def _keeping(kernel_size: Ints, dilation: Ints) -> Ints:
    """The padding that keeps the size."""
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return (kernel_size - 1) // 2 * dilation
    n = len(dilation) if isinstance(kernel_size, int) else len(kernel_size)  # type: ignore[arg-type]
    kernels, dilations = ([x] * n if isinstance(x, int) else x for x in (kernel_size, dilation))
    return tuple((k - 1) // 2 * d for k, d in zip(kernels, dilations, strict=True))


class Conv2dNormActivation(ConvNormActivation):
    """A convolution that keeps the size but for its stride, a norm and an activation; either may be None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints = 3,
        stride: Ints = 1,
        padding: Ints | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = BatchNorm2d,
        activation_layer: Layer | None = ReLU,
        dilation: Ints = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer, dilation,
            inplace, bias, Conv2d,
        )  # fmt: skip


class Conv3dNormActivation(ConvNormActivation):
    """The same for volumes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints = 3,
        stride: Ints = 1,
        padding: Ints | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = BatchNorm3d,
        activation_layer: Layer | None = ReLU,
        dilation: Ints = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer, dilation,
            inplace, bias, Conv3d,
        )  # fmt: skip


class SqueezeExcitation(Module):
    """x[N, C, H, W] times a factor for each channel, made of all channels' means (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = ReLU,
        scale_activation: Layer = Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc1 = Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def _scale(self, input: Tensor) -> Tensor:
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(squeezed))

    def forward(self, input: Tensor) -> Tensor:
        return self._scale(input) * input


class MLP(Sequential):
    """Linear, norm, activation and dropout for each of `hidden_channels`, the last one without norm and activation."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        norm_layer: Layer | None = None,
        activation_layer: Layer | None = ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        where = {} if inplace is None else {"inplace": inplace}
        layers: list[Module] = []
        c = in_channels
        for width in hidden_channels[:-1]:
            layers.append(Linear(c, width, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(width))
            if activation_layer is not None:
                layers.append(activation_layer(**where))
            layers.append(Dropout(dropout, **where))
            c = width
        super().__init__(*layers, Linear(c, hidden_channels[-1], bias=bias), Dropout(dropout, **where))


class Permute(Module):
    """The dimensions in another order."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = list(dims)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.ops.misc", name, __all__)
