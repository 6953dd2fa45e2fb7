"""Convolutions that see one channel each, between linear maps of the channels.

Sandler, Howard, Zhu, Zhmoginov & Chen 2018, "MobileNetV2: inverted residuals and linear bottlenecks".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    GroupNorm,
    Linear,
    Module,
    ReLU6,
    Sequential,
    init,
)
from cutaway.vision.models.build import builder

Norm = Callable[[int], Module]

# table 2: how much wider inside, channels, how many blocks, the first one's stride
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def divisible(v: float, by: int) -> int:
    """The nearest multiple, but not below 90 % of v."""
    near = max(by, int(v + by / 2) // by * by)
    return near + by if near < 0.9 * v else near


def conv_norm_relu(c: int, out: int, size: int, stride: int, groups: int, norm: Norm) -> Sequential:
    """A convolution that keeps the size but for its stride, normalised, clipped to 0 .. 6."""
    conv = Conv2d(c, out, size, stride, (size - 1) // 2, groups=groups, bias=False)
    return Sequential(conv, norm(out), ReLU6(inplace=True))


class InvertedResidual(Module):
    """Wider (1 x 1), 3 x 3 channel by channel, narrow again (1 x 1, linear); added to the input where sizes agree."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ArgumentError(f"stride should be 1 or 2 instead of {stride}")
        norm = norm_layer or BatchNorm2d
        width = round(inp * expand_ratio)
        wider = [conv_norm_relu(inp, width, 1, 1, 1, norm)] if expand_ratio != 1 else []
        self.conv = Sequential(
            *wider, conv_norm_relu(width, width, 3, stride, width, norm), Conv2d(width, oup, 1, bias=False), norm(oup)
        )
        self.stride = stride
        self.out_channels = oup
        self.use_res_connect = stride == 1 and inp == oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]; width_mult times as many channels everywhere."""

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        settings = BLOCKS if inverted_residual_setting is None else inverted_residual_setting
        if not settings or len(settings[0]) != 4:
            raise ArgumentError(f"inverted_residual_setting should be a non-empty list of 4 numbers each, got {settings}")
        norm, block = norm_layer or BatchNorm2d, block or InvertedResidual
        c = divisible(32 * width_mult, round_nearest)
        self.last_channel = divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[Module] = [conv_norm_relu(3, c, 3, 2, 1, norm)]
        for expand_ratio, channels, count, stride in settings:
            out = divisible(channels * width_mult, round_nearest)
            for i in range(count):
                features.append(block(c, out, stride if i == 0 else 1, expand_ratio, norm))
                c = out
        features.append(conv_norm_relu(c, self.last_channel, 1, 1, 1, norm))
        self.features = Sequential(*features)
        self.classifier = Sequential(Dropout(dropout), Linear(self.last_channel, num_classes))
        for m in self.modules():
            if isinstance(m, Conv2d):
                init.kaiming_normal_(m.weight, mode="fan_out")
            elif isinstance(m, (BatchNorm2d, GroupNorm)):
                init.ones_(m.weight)
            elif isinstance(m, Linear):
                init.normal_(m.weight, 0, 0.01)
            if isinstance(m, (Conv2d, BatchNorm2d, GroupNorm, Linear)) and m.bias is not None:
                init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(AdaptiveAvgPool2d((1, 1))(self.features(x)).flatten(1))


mobilenet_v2 = builder("mobilenet_v2", MobileNetV2, "MobileNetV2.")
