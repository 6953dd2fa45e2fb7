"""Stacks of 3 x 3 convolutions.  Simonyan & Zisserman 2015, "Very deep convolutional networks", table 1."""

from __future__ import annotations

from typing import Any

from cutaway.core.tensor import Tensor
from cutaway.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    init,
)
from cutaway.vision.models.build import builder

# how many convolutions there are before each of the five poolings, of 64, 128, 256, 512 and 512 channels
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]: `features`, brought to 7 x 7, and three linear layers."""

    def __init__(
        self, features: Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = AdaptiveAvgPool2d((7, 7))
        self.classifier = Sequential(
            Linear(512 * 7 * 7, 4096),
            ReLU(True),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(True),
            Dropout(dropout),
            Linear(4096, num_classes),
        )
        if init_weights:
            for m in self.modules():
                if isinstance(m, Conv2d):
                    init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, BatchNorm2d):
                    init.ones_(m.weight)
                elif isinstance(m, Linear):
                    init.normal_(m.weight, 0, 0.01)
                if isinstance(m, (Conv2d, BatchNorm2d, Linear)) and m.bias is not None:
                    init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _features(depth: int, batch_norm: bool) -> Sequential:
    made: list[Module] = []
    c = 3
    for width, count in zip((64, 128, 256, 512, 512), DEPTHS[depth], strict=True):
        for _ in range(count):
            made.append(Conv2d(c, width, 3, padding=1))
            made += [BatchNorm2d(width)] if batch_norm else []
            made.append(ReLU(inplace=True))
            c = width
        made.append(MaxPool2d(2, 2))
    return Sequential(*made)


def _vgg(depth: int, batch_norm: bool = False) -> Any:
    name = f"vgg{depth}_bn" if batch_norm else f"vgg{depth}"
    doc = f"VGG of {depth} layers with weights{', and batch normalisation' if batch_norm else ''}."
    return builder(name, lambda **options: VGG(_features(depth, batch_norm), **options), doc)


vgg11, vgg13, vgg16, vgg19 = (_vgg(depth) for depth in DEPTHS)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_vgg(depth, True) for depth in DEPTHS)
