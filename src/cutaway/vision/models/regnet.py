"""RegNet: widths that grow along a line, rounded, in stages of grouped bottlenecks.

Radosavovic et al. 2020, "Designing network design spaces" (arXiv 2003.13678), section 3.3.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, Module, ReLU, Sequential, init
from cutaway.vision.models.build import builder
from cutaway.vision.models.mobilenet import divisible
from cutaway.vision.ops.misc import Conv2dNormActivation, Layer, SqueezeExcitation


class Stage(NamedTuple):
    """A stage: its width, how many blocks, and the channels of a group."""

    width: int
    depth: int
    group: int


def stages(depth: int, w_0: int, w_a: float, w_m: float, group_width: int) -> list[Stage]:
    """Widths w_0 + w_a i, each rounded to w_0 w_m^k and to a multiple of 8; equal ones are a stage."""
    if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8:
        raise ArgumentError("Invalid RegNet settings")
    steps = np.round(np.log((np.arange(depth) * w_a + w_0) / w_0) / math.log(w_m))
    widths = (np.round(w_0 * w_m**steps / 8) * 8).astype(int).tolist()
    found = []
    for width in dict.fromkeys(widths):
        group = min(group_width, width)
        found.append(Stage(divisible(width, group), widths.count(width), group))
    return found


class BottleneckTransform(Sequential):
    """1 x 1, 3 x 3 in groups, attention to channels if wanted, 1 x 1."""

    def __init__(self, c: int, out: int, stride: int, norm: Layer, group: int, se_ratio: float | None) -> None:
        layers: OrderedDict[str, Module] = OrderedDict()
        layers["a"] = Conv2dNormActivation(c, out, 1, norm_layer=norm)
        layers["b"] = Conv2dNormActivation(out, out, 3, stride, groups=out // group, norm_layer=norm)
        if se_ratio:
            layers["se"] = SqueezeExcitation(out, round(se_ratio * c))
        layers["c"] = Conv2dNormActivation(out, out, 1, norm_layer=norm, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(Module):
    """The input, projected where sizes differ, plus a bottleneck; then ReLU."""

    def __init__(self, c: int, out: int, stride: int, norm: Layer, group: int, se_ratio: float | None) -> None:
        super().__init__()
        self.proj = None
        if c != out or stride != 1:
            self.proj = Conv2dNormActivation(c, out, 1, stride, norm_layer=norm, activation_layer=None)
        self.f = BottleneckTransform(c, out, stride, norm, group, se_ratio)
        self.activation = ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class RegNet(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]."""

    def __init__(
        self,
        block_params: list[Stage],
        num_classes: int = 1000,
        stem_width: int = 32,
        norm_layer: Layer | None = None,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        norm: Layer = norm_layer or BatchNorm2d
        self.stem = Conv2dNormActivation(3, stem_width, 3, 2, norm_layer=norm)
        trunk: OrderedDict[str, Module] = OrderedDict()
        c = stem_width
        for i, (width, depth, group) in enumerate(block_params, 1):
            blocks = OrderedDict(
                (
                    f"block{i}-{j}",
                    ResBottleneckBlock(c if j == 0 else width, width, 2 if j == 0 else 1, norm, group, se_ratio),
                )
                for j in range(depth)
            )
            trunk[f"block{i}"] = Sequential(blocks)
            c = width
        self.trunk_output = Sequential(trunk)
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc = Linear(c, num_classes)
        for m in self.modules():
            if isinstance(m, Conv2d):
                fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                init.normal_(m.weight, 0.0, math.sqrt(2.0 / fan_out))
            elif isinstance(m, Linear):
                init.normal_(m.weight, 0.0, 0.01)
                init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))


# depth, w_0, w_a, w_m, channels of a group
SETTINGS: dict[str, tuple[int, int, float, float, int]] = {
    "y_400mf": (16, 48, 27.89, 2.09, 8), "y_800mf": (14, 56, 38.84, 2.4, 16), "y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "y_3_2gf": (21, 80, 42.63, 2.66, 24), "y_8gf": (17, 192, 76.82, 2.19, 56), "y_16gf": (18, 200, 106.23, 2.48, 112),
    "y_32gf": (20, 232, 115.89, 2.53, 232), "x_400mf": (22, 24, 24.48, 2.54, 16), "x_800mf": (16, 56, 35.73, 2.28, 16),
    "x_1_6gf": (18, 80, 34.01, 2.25, 24), "x_3_2gf": (25, 88, 26.31, 2.25, 48), "x_8gf": (23, 80, 49.56, 2.88, 120),
    "x_16gf": (22, 216, 55.59, 2.1, 128), "x_32gf": (23, 320, 69.86, 2.0, 168),
}  # fmt: skip


def _make(name: str, **options: Any) -> RegNet:
    norm = options.pop("norm_layer", partial(BatchNorm2d, eps=1e-05, momentum=0.1))
    return RegNet(stages(*SETTINGS[name]), norm_layer=norm, se_ratio=0.25 if name[0] == "y" else None, **options)


(
    regnet_y_400mf, regnet_y_800mf, regnet_y_1_6gf, regnet_y_3_2gf, regnet_y_8gf, regnet_y_16gf, regnet_y_32gf,
    regnet_x_400mf, regnet_x_800mf, regnet_x_1_6gf, regnet_x_3_2gf, regnet_x_8gf, regnet_x_16gf, regnet_x_32gf,
) = (builder(f"regnet_{name}", partial(_make, name), f"RegNet {name.upper()}.") for name in SETTINGS)  # fmt: skip
