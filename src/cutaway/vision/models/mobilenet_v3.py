"""MobileNetV3: inverted residuals, some with attention to channels, found by search.

Howard et al. 2019, "Searching for MobileNetV3" (arXiv 1905.02244), tables 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Dropout,
    Hardsigmoid,
    Hardswish,
    Linear,
    Module,
    ReLU,
    Sequential,
    init,
)
from cutaway.vision.models.build import builder
from cutaway.vision.models.mobilenet import divisible
from cutaway.vision.models.parts import initialise
from cutaway.vision.ops.misc import Conv2dNormActivation, Layer, SqueezeExcitation

Row = tuple[int, int, int, int, bool, str, int]
# channels in, kernel, wider inside, channels out, attention, activation, stride
LARGE: list[Row] = [
    (16, 3, 16, 16, False, "RE", 1), (16, 3, 64, 24, False, "RE", 2), (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2), (40, 5, 120, 40, True, "RE", 1), (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2), (80, 3, 200, 80, False, "HS", 1), (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1), (80, 3, 480, 112, True, "HS", 1), (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2), (160, 5, 960, 160, True, "HS", 1), (160, 5, 960, 160, True, "HS", 1),
]  # fmt: skip
SMALL: list[Row] = [
    (16, 3, 16, 16, True, "RE", 2), (16, 3, 72, 24, False, "RE", 2), (24, 3, 88, 24, False, "RE", 1),
    (24, 5, 96, 40, True, "HS", 2), (40, 5, 240, 40, True, "HS", 1), (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 120, 48, True, "HS", 1), (48, 5, 144, 48, True, "HS", 1), (48, 5, 288, 96, True, "HS", 2),
    (96, 5, 576, 96, True, "HS", 1), (96, 5, 576, 96, True, "HS", 1),
]  # fmt: skip


class InvertedResidual(Module):
    """Wider (1 x 1), channel by channel, with attention to channels if wanted, narrow again (1 x 1, linear)."""

    def __init__(self, row: Sequence[Any], norm_layer: Layer) -> None:
        super().__init__()
        c, kernel, wide, out, attention, name, stride, *dilation = row
        self.use_res_connect = stride == 1 and c == out
        activation: Any = Hardswish if name == "HS" else ReLU
        apart = dilation[0] if dilation else 1
        layers: list[Module] = []
        if wide != c:
            layers.append(Conv2dNormActivation(c, wide, 1, norm_layer=norm_layer, activation_layer=activation))
        layers.append(
            Conv2dNormActivation(
                wide, wide, kernel, 1 if apart > 1 else stride, groups=wide, norm_layer=norm_layer,
                activation_layer=activation, dilation=apart,
            )
        )  # fmt: skip
        if attention:
            layers.append(SqueezeExcitation(wide, divisible(wide // 4, 8), scale_activation=Hardsigmoid))
        layers.append(Conv2dNormActivation(wide, out, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = Sequential(*layers)
        self.out_channels, self._is_cn = out, stride > 1

    def forward(self, input: Tensor) -> Tensor:
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(Module):
    """x[N, 3, H, W] -> logits[N, num_classes].  Raises ArgumentError without settings."""

    def __init__(
        self,
        inverted_residual_setting: Sequence[Sequence[Any]],
        last_channel: int,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not inverted_residual_setting:
            raise ArgumentError("The inverted_residual_setting should not be empty")
        norm = norm_layer or partial(BatchNorm2d, eps=0.001, momentum=0.01)
        first, last = inverted_residual_setting[0][0], inverted_residual_setting[-1][3]
        self.features = Sequential(
            Conv2dNormActivation(3, first, 3, 2, norm_layer=norm, activation_layer=Hardswish),
            *(InvertedResidual(row, norm) for row in inverted_residual_setting),
            Conv2dNormActivation(last, 6 * last, 1, norm_layer=norm, activation_layer=Hardswish),
        )
        self.avgpool = AdaptiveAvgPool2d(1)
        self.classifier = Sequential(
            Linear(6 * last, last_channel), Hardswish(inplace=True), Dropout(dropout, inplace=True),
            Linear(last_channel, num_classes),
        )  # fmt: skip
        initialise(self, lambda m: init.normal_(m.weight, 0, 0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _settings(rows: list[Row], last: int, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False) -> Any:
    """The rows, wider or narrower; the last three blocks with half the channels, or dilated instead of strided."""
    half, made = 2 if reduced_tail else 1, []
    tail = next(i for i, row in enumerate(rows) if row[3] == rows[-1][3])
    scaled = lambda c: divisible(c * width_mult, 8)
    for i, (c, kernel, wide, out, attention, name, stride) in enumerate(rows):
        inside = i > tail
        made.append(
            (
                scaled(c // half if inside else c), kernel, scaled(wide // half if inside else wide),
                scaled(out // half if i >= tail else out), attention, name, stride, 2 if dilated and i >= tail else 1,
            )
        )  # fmt: skip
    return made, scaled(last // half)


def _make(rows: list[Row], last: int, **options: Any) -> MobileNetV3:
    shape = {name: options.pop(name) for name in ("width_mult", "reduced_tail", "dilated") if name in options}
    return MobileNetV3(*_settings(rows, last, **shape), **options)


mobilenet_v3_large = builder("mobilenet_v3_large", partial(_make, LARGE, 1280), "MobileNetV3 Large.")
mobilenet_v3_small = builder("mobilenet_v3_small", partial(_make, SMALL, 1024), "MobileNetV3 Small.")
