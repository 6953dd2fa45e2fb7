"""Layers that several networks share: convolution with norm and activation, attention to channels, branches left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.creation import empty
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.functional import layer_norm
from cutaway.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    GroupNorm,
    LayerNorm,
    Linear,
    Module,
    ReLU,
    Sequential,
    Sigmoid,
    init,
)

Layer = Callable[..., Module]


class Conv2dNormActivation(Sequential):
    """A convolution that keeps the size but for its stride, a norm and an activation; either may be None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        norm_layer: Layer | None = BatchNorm2d,
        activation_layer: Layer | None = ReLU,
        dilation: int = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        pad = (kernel_size - 1) // 2 * dilation if padding is None else padding
        has_bias = norm_layer is None if bias is None else bias
        layers: list[Module] = [
            Conv2d(in_channels, out_channels, kernel_size, stride, pad, dilation, groups, has_bias)
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels


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

    def forward(self, input: Tensor) -> Tensor:
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(squeezed)) * input


class StochasticDepth(Module):
    """In training 0 with probability p, else x / (1 - p); of the whole batch or of each row (Huang et al. 2016).

    Raises ArgumentError unless 0 <= p <= 1 and mode is "batch" or "row".
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"drop probability has to be between 0 and 1, but got {p}")
        if mode not in ("batch", "row"):
            raise ArgumentError(f"mode has to be either 'batch' or 'row', but got {mode}")
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        kept = 1.0 - self.p
        rows = [input.shape[0] if self.mode == "row" else 1]
        noise = empty((*rows, *[1] * (input.ndim - 1)), dtype=input.dtype).bernoulli_(kept)
        return input * (noise / kept if kept > 0 else noise)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"


class LayerNorm2d(LayerNorm):
    """LayerNorm over the channels of x[N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        moved = x.permute(0, 2, 3, 1)
        return layer_norm(moved, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class Permute(Module):
    """The dimensions in another order."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = list(dims)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)


class MLP(Sequential):
    """Linear, activation and dropout for each of `hidden_channels`, the last one without the activation."""

    def __init__(
        self, in_channels: int, hidden_channels: Sequence[int], activation_layer: Layer = ReLU, dropout: float = 0.0
    ) -> None:
        layers: list[Module] = []
        c = in_channels
        for width in hidden_channels[:-1]:
            layers += [Linear(c, width), activation_layer(), Dropout(dropout)]
            c = width
        super().__init__(*layers, Linear(c, hidden_channels[-1]), Dropout(dropout))


def drawn(network: str, init_weights: bool | None) -> bool:
    """Whether initial values are drawn: by default, with a warning that this takes long."""
    if init_weights is None:
        warnings.warn(
            f"{network}: initial values are drawn by default, which takes long; say init_weights=True or False",
            FutureWarning,
            stacklevel=3,
        )
        return True
    return init_weights


def initialise(network: Module, linear: Callable[[Any], None]) -> None:
    """Convolutions by He's rule towards the output, norms as identities, linear layers as `linear` says; biases 0."""
    for m in network.modules():
        if isinstance(m, Conv2d):
            init.kaiming_normal_(m.weight, mode="fan_out")
        elif isinstance(m, (BatchNorm2d, GroupNorm)):
            init.ones_(m.weight)
        elif isinstance(m, Linear):
            linear(m)
        if isinstance(m, (Conv2d, BatchNorm2d, GroupNorm, Linear)) and m.bias is not None:
            init.zeros_(m.bias)
