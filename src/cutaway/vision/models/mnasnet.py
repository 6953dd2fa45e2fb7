"""MNASNet: inverted residuals found by a search that also measured the time on a phone.

Tan et al. 2019 (arXiv 1807.11626), figure 7.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import BatchNorm2d, Conv2d, Dropout, Linear, Module, ReLU, Sequential, init
from cutaway.vision.models.build import builder
from cutaway.vision.models.mobilenet import divisible

MOMENTUM = 1 - 0.9997
WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320)
# kernel, stride, wider inside, blocks
STACKS = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))


def _conv(c: int, out: int, size: int = 1, stride: int = 1, groups: int = 1, active: bool = True) -> list[Module]:
    layers: list[Module] = [
        Conv2d(c, out, size, stride, size // 2, groups=groups, bias=False), BatchNorm2d(out, momentum=MOMENTUM)
    ]  # fmt: skip
    return [*layers, ReLU(inplace=True)] if active else layers


class _InvertedResidual(Module):
    def __init__(self, c: int, out: int, size: int, stride: int, ratio: int) -> None:
        super().__init__()
        wide = c * ratio
        self.apply_residual = c == out and stride == 1
        self.layers = Sequential(*_conv(c, wide), *_conv(wide, wide, size, stride, wide), *_conv(wide, out, active=False))

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


class MNASNet(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]; alpha times as wide.  Raises ArgumentError unless alpha > 0."""

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ArgumentError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        d = [divisible(width * alpha, 8) for width in WIDTHS]
        layers = [*_conv(3, d[0], 3, 2), *_conv(d[0], d[0], 3, 1, d[0]), *_conv(d[0], d[1], active=False)]
        for c, out, (size, stride, ratio, count) in zip(d[1:], d[2:], STACKS, strict=False):
            first = _InvertedResidual(c, out, size, stride, ratio)
            layers.append(Sequential(first, *(_InvertedResidual(out, out, size, 1, ratio) for _ in range(count - 1))))
        self.layers = Sequential(*layers, *_conv(d[7], 1280))
        self.classifier = Sequential(Dropout(dropout, inplace=True), Linear(1280, num_classes))
        for m in self.modules():
            if isinstance(m, Conv2d):
                init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, Linear):
                init.kaiming_uniform_(m.weight, mode="fan_out", nonlinearity="sigmoid")
                init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean((2, 3)))


def _a(alpha: float) -> Any:
    name = f"mnasnet{str(alpha).replace('.', '_')}"
    return builder(name, partial(MNASNet, alpha), f"MNASNet, {alpha} times as wide.")


mnasnet0_5, mnasnet0_75, mnasnet1_0, mnasnet1_3 = map(_a, (0.5, 0.75, 1.0, 1.3))
