"""Networks in which each layer reads all layers before it.

Huang, Liu, van der Maaten & Weinberger 2017, "Densely connected convolutional networks".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cutaway.core.functions import cat
from cutaway.core.tensor import Tensor
from cutaway.functional.dropout import dropout
from cutaway.nn import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Linear,
    MaxPool2d,
    Module,
    ModuleDict,
    ReLU,
    Sequential,
    init,
)
from cutaway.vision.models.build import builder


class _DenseLayer(Module):
    """growth_rate new channels, of all channels there are, by way of bn_size times as many."""

    def __init__(self, c: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = BatchNorm2d(c)
        self.relu1 = ReLU(inplace=True)
        self.conv1 = Conv2d(c, bn_size * growth_rate, 1, bias=False)
        self.norm2 = BatchNorm2d(bn_size * growth_rate)
        self.relu2 = ReLU(inplace=True)
        self.conv2 = Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: Tensor | list[Tensor]) -> Tensor:
        x = features if isinstance(features, Tensor) else cat(features, 1)
        y = self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))
        return dropout(y, self.drop_rate, self.training) if self.drop_rate > 0 else y


class _DenseBlock(ModuleDict):
    """Each layer's channels are put beside those before them."""

    def __init__(self, layers: int, c: int, bn_size: int, growth_rate: int, drop_rate: float) -> None:
        super().__init__()
        for i in range(layers):
            self.add_module(f"denselayer{i + 1}", _DenseLayer(c + i * growth_rate, growth_rate, bn_size, drop_rate))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(Sequential):
    """Half the channels at half the size."""

    def __init__(self, c: int, out: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(c)
        self.relu = ReLU(inplace=True)
        self.conv = Conv2d(c, out, 1, bias=False)
        self.pool = AvgPool2d(2, 2)


class DenseNet(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]; H and W at least 29.

    `memory_efficient` is taken and changes nothing: it would compute layers again in `backward` to save memory.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        c = num_init_features
        self.features = Sequential()
        self.features.add_module("conv0", Conv2d(3, c, 7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", BatchNorm2d(c))
        self.features.add_module("relu0", ReLU(inplace=True))
        self.features.add_module("pool0", MaxPool2d(3, stride=2, padding=1))
        for i, layers in enumerate(block_config, 1):
            self.features.add_module(f"denseblock{i}", _DenseBlock(layers, c, bn_size, growth_rate, drop_rate))
            c += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(c, c // 2))
                c //= 2
        self.features.add_module("norm5", BatchNorm2d(c))
        self.classifier = Linear(c, num_classes)
        for m in self.modules():
            if isinstance(m, Conv2d):
                init.kaiming_normal_(m.weight)
            elif isinstance(m, BatchNorm2d):
                init.ones_(m.weight)
                init.zeros_(m.bias)
            elif isinstance(m, Linear):
                init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.features(x).relu()
        return self.classifier(AdaptiveAvgPool2d((1, 1))(y).flatten(1))


def _densenet(name: str, growth_rate: int, blocks: Sequence[int], first: int) -> Any:
    make = partial(DenseNet, growth_rate, blocks, first)
    return builder(name, make, f"DenseNet of blocks of {list(blocks)} layers, {growth_rate} channels a layer.")


densenet121 = _densenet("densenet121", 32, (6, 12, 24, 16), 64)
densenet161 = _densenet("densenet161", 48, (6, 12, 36, 24), 96)
densenet169 = _densenet("densenet169", 32, (6, 12, 32, 32), 64)
densenet201 = _densenet("densenet201", 32, (6, 12, 48, 32), 64)
