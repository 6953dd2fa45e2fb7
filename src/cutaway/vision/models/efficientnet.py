"""EfficientNet: inverted residuals with attention to channels, scaled in width, depth and resolution together.

Tan & Le 2019 (arXiv 1905.11946), table 1; version 2, whose first stages are plain convolutions: 2021 (arXiv 2104.00298).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import AdaptiveAvgPool2d, BatchNorm2d, Dropout, Linear, Module, Sequential, SiLU, init
from cutaway.vision.models.build import builder
from cutaway.vision.models.mobilenet import divisible
from cutaway.vision.models.parts import initialise
from cutaway.vision.ops.misc import Conv2dNormActivation, Layer, SqueezeExcitation
from cutaway.vision.ops.stochastic_depth import StochasticDepth

# kind ("M": with a convolution channel by channel, "F": fused), expand ratio, kernel, stride, channels in and out, layers
Stage = tuple[str, int, int, int, int, int, int]
B0: list[Stage] = [
    ("M", 1, 3, 1, 32, 16, 1), ("M", 6, 3, 2, 16, 24, 2), ("M", 6, 5, 2, 24, 40, 2), ("M", 6, 3, 2, 40, 80, 3),
    ("M", 6, 5, 1, 80, 112, 3), ("M", 6, 5, 2, 112, 192, 4), ("M", 6, 3, 1, 192, 320, 1),
]  # fmt: skip
V2: dict[str, list[Stage]] = {
    "s": [
        ("F", 1, 3, 1, 24, 24, 2), ("F", 4, 3, 2, 24, 48, 4), ("F", 4, 3, 2, 48, 64, 4), ("M", 4, 3, 2, 64, 128, 6),
        ("M", 6, 3, 1, 128, 160, 9), ("M", 6, 3, 2, 160, 256, 15),
    ],
    "m": [
        ("F", 1, 3, 1, 24, 24, 3), ("F", 4, 3, 2, 24, 48, 5), ("F", 4, 3, 2, 48, 80, 5), ("M", 4, 3, 2, 80, 160, 7),
        ("M", 6, 3, 1, 160, 176, 14), ("M", 6, 3, 2, 176, 304, 18), ("M", 6, 3, 1, 304, 512, 5),
    ],
    "l": [
        ("F", 1, 3, 1, 32, 32, 4), ("F", 4, 3, 2, 32, 64, 7), ("F", 4, 3, 2, 64, 96, 7), ("M", 4, 3, 2, 96, 192, 10),
        ("M", 6, 3, 1, 192, 224, 19), ("M", 6, 3, 2, 224, 384, 25), ("M", 6, 3, 1, 384, 640, 7),
    ],
}  # fmt: skip


class _Block(Module):
    def __init__(self, layers: Sequence[Module], c: int, out: int, stride: int, drop: float) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and c == out
        self.block = Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.out_channels = out

    def forward(self, input: Tensor) -> Tensor:
        y = self.block(input)
        return self.stochastic_depth(y) + input if self.use_res_connect else y


class MBConv(_Block):
    """Wider (1 x 1), channel by channel, attention to channels, narrow again."""

    def __init__(self, ratio: int, kernel: int, stride: int, c: int, out: int, drop: float, norm: Layer) -> None:
        wide = divisible(c * ratio, 8)
        layers: list[Module] = []
        if wide != c:
            layers.append(Conv2dNormActivation(c, wide, 1, norm_layer=norm, activation_layer=SiLU))
        layers += [
            Conv2dNormActivation(wide, wide, kernel, stride, groups=wide, norm_layer=norm, activation_layer=SiLU),
            SqueezeExcitation(wide, max(1, c // 4), activation=partial(SiLU, inplace=True)),
            Conv2dNormActivation(wide, out, 1, norm_layer=norm, activation_layer=None),
        ]
        super().__init__(layers, c, out, stride, drop)


class FusedMBConv(_Block):
    """The same with one plain convolution in the place of the first two."""

    def __init__(self, ratio: int, kernel: int, stride: int, c: int, out: int, drop: float, norm: Layer) -> None:
        wide = divisible(c * ratio, 8)
        first = out if wide == c else wide
        layers: list[Module] = [
            Conv2dNormActivation(c, first, kernel, stride, norm_layer=norm, activation_layer=SiLU)
        ]  # fmt: skip
        if wide != c:
            layers.append(Conv2dNormActivation(wide, out, 1, norm_layer=norm, activation_layer=None))
        super().__init__(layers, c, out, stride, drop)


class EfficientNet(Module):
    """x[N, 3, H, W] -> logits[N, num_classes].  Raises ArgumentError without settings."""

    def __init__(
        self,
        inverted_residual_setting: Sequence[Stage],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        if not inverted_residual_setting:
            raise ArgumentError("The inverted_residual_setting should not be empty")
        norm: Layer = norm_layer or BatchNorm2d
        first = inverted_residual_setting[0][4]
        layers: list[Module] = [Conv2dNormActivation(3, first, 3, 2, norm_layer=norm, activation_layer=SiLU)]
        total, done = sum(stage[6] for stage in inverted_residual_setting), 0
        for kind, ratio, kernel, stride, c, out, count in inverted_residual_setting:
            blocks: list[Module] = []
            for i in range(count):
                drop = stochastic_depth_prob * float(done) / total
                made = MBConv if kind == "M" else FusedMBConv
                blocks.append(made(ratio, kernel, stride if i == 0 else 1, c if i == 0 else out, out, drop, norm))
                done += 1
            layers.append(Sequential(*blocks))
        last = inverted_residual_setting[-1][5]
        wide = 4 * last if last_channel is None else last_channel
        layers.append(Conv2dNormActivation(last, wide, 1, norm_layer=norm, activation_layer=SiLU))
        self.features = Sequential(*layers)
        self.avgpool = AdaptiveAvgPool2d(1)
        self.classifier = Sequential(Dropout(dropout, inplace=True), Linear(wide, num_classes))

        def uniform(m: Any) -> None:
            bound = 1.0 / math.sqrt(m.out_features)
            init.uniform_(m.weight, -bound, bound)

        initialise(self, uniform)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _scaled(width: float, depth: float) -> list[Stage]:
    return [
        (kind, ratio, kernel, stride, divisible(c * width, 8), divisible(out * width, 8), math.ceil(count * depth))
        for kind, ratio, kernel, stride, c, out, count in B0
    ]


def _make(stages: list[Stage], drop: float, **options: Any) -> EfficientNet:
    return EfficientNet(stages, options.pop("dropout", drop), **options)


_fine = partial(BatchNorm2d, eps=0.001, momentum=0.01)
# width, depth, dropout
SCALES = {
    0: (1.0, 1.0, 0.2), 1: (1.0, 1.1, 0.2), 2: (1.1, 1.2, 0.3), 3: (1.2, 1.4, 0.3), 4: (1.4, 1.8, 0.4), 5: (1.6, 2.2, 0.4),
    6: (1.8, 2.6, 0.5), 7: (2.0, 3.1, 0.5),
}  # fmt: skip


def _b(n: int) -> Any:
    width, depth, drop = SCALES[n]
    more = {"norm_layer": _fine} if n >= 5 else {}
    return builder(f"efficientnet_b{n}", partial(_make, _scaled(width, depth), drop, **more), f"EfficientNet-B{n}.")


def _v2(size: str, drop: float) -> Any:
    norm = partial(BatchNorm2d, eps=1e-3)
    make = partial(_make, V2[size], drop, norm_layer=norm, last_channel=1280)
    return builder(f"efficientnet_v2_{size}", make, f"EfficientNetV2-{size.upper()}.")


efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3 = _b(0), _b(1), _b(2), _b(3)
efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7 = _b(4), _b(5), _b(6), _b(7)
efficientnet_v2_s, efficientnet_v2_m, efficientnet_v2_l = _v2("s", 0.2), _v2("m", 0.3), _v2("l", 0.4)
