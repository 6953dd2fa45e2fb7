"""Few parameters: 1 x 1 convolutions squeeze the channels before 1 x 1 and 3 x 3 ones expand them.

Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters".
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.functions import cat
from cutaway.core.tensor import Tensor
from cutaway.nn import AdaptiveAvgPool2d, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential, init
from cutaway.vision.models.build import builder

# the first convolution's channels and size; then (channels squeezed, expanded), "M" for a pooling
LAYERS: dict[str, tuple[int, int, list[Any]]] = {
    "1_0": (96, 7, ["M", (16, 64), (16, 64), (32, 128), "M", (32, 128), (48, 192), (48, 192), (64, 256), "M", (64, 256)]),
    "1_1": (64, 3, ["M", (16, 64), (16, 64), "M", (32, 128), (32, 128), "M", (48, 192), (48, 192), (64, 256), (64, 256)]),
}


class Fire(Module):
    """Squeezed, then expanded by 1 x 1 and by 3 x 3 convolutions, side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.squeeze = Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = ReLU(inplace=True)
        self.expand1x1 = Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = ReLU(inplace=True)
        self.expand3x3 = Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return cat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(Module):
    """x[N, 3, H, W] -> logits[N, num_classes], by a convolution and the mean over places."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in LAYERS:
            raise ArgumentError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        c, size, layers = LAYERS[version]
        made: list[Module] = [Conv2d(3, c, size, stride=2), ReLU(inplace=True)]
        for layer in layers:
            if isinstance(layer, str):
                made.append(MaxPool2d(3, stride=2, ceil_mode=True))
            else:
                squeezed, expanded = layer
                made.append(Fire(c, squeezed, expanded, expanded))
                c = 2 * expanded
        self.features = Sequential(*made)
        last = Conv2d(512, num_classes, 1)
        self.classifier = Sequential(Dropout(dropout), last, ReLU(inplace=True), AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, Conv2d):
                if m is last:
                    init.normal_(m.weight, 0.0, 0.01)
                else:
                    init.kaiming_uniform_(m.weight)
                init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


squeezenet1_0 = builder("squeezenet1_0", partial(SqueezeNet, "1_0"), "SqueezeNet 1.0.")
squeezenet1_1 = builder("squeezenet1_1", partial(SqueezeNet, "1_1"), "SqueezeNet 1.1, 2.4 times less work.")
