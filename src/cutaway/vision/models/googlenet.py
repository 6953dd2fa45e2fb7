"""GoogLeNet: convolutions of several sizes side by side, and two classifiers halfway that help to train.

Szegedy et al. 2015, "Going deeper with convolutions" (arXiv 1409.4842), table 1; with batch norm, as torchvision's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cutaway import functional as F
from cutaway.core.derived import cat
from cutaway.core.tensor import Tensor
from cutaway.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    MaxPool2d,
    Module,
    Sequential,
    init,
)
from cutaway.vision.models.build import builder
from cutaway.vision.models.parts import drawn

# channels in, then those of the 1 x 1, the reduced and the 3 x 3, the reduced and the last "5 x 5", the pooled
INCEPTIONS = {
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64), "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64), "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip


class GoogLeNetOutputs(NamedTuple):
    """What the network gives in training."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(Module):
    """Convolution, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(Module):
    """1 x 1, 3 x 3, 3 x 3 once more (torchvision's, for 5 x 5) and a pooling, side by side."""

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int, pool_proj: int
    ) -> None:
        super().__init__()
        conv, c = BasicConv2d, in_channels
        self.branch1 = conv(c, ch1x1, kernel_size=1)
        self.branch2 = Sequential(conv(c, ch3x3red, kernel_size=1), conv(ch3x3red, ch3x3, kernel_size=3, padding=1))
        self.branch3 = Sequential(conv(c, ch5x5red, kernel_size=1), conv(ch5x5red, ch5x5, kernel_size=3, padding=1))
        self.branch4 = Sequential(MaxPool2d(3, 1, 1, ceil_mode=True), conv(c, pool_proj, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(Module):
    """A classifier halfway."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = BasicConv2d(in_channels, 128, kernel_size=1)
        self.fc1 = Linear(2048, 1024)
        self.fc2 = Linear(1024, num_classes)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]; in training with aux_logits (logits, aux_logits2, aux_logits1)."""

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        init_weights = drawn("GoogLeNet", init_weights)
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = BasicConv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, kernel_size=1)
        self.conv3 = BasicConv2d(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = MaxPool2d(3, 2, ceil_mode=True)
        for name, sizes in INCEPTIONS.items():
            setattr(self, f"inception{name}", Inception(*sizes))
            if name == "3b":
                self.maxpool3 = MaxPool2d(3, 2, ceil_mode=True)
            if name == "4e":
                self.maxpool4 = MaxPool2d(2, 2, ceil_mode=True)
        self.aux1 = InceptionAux(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.dropout = Dropout(dropout)
        self.fc = Linear(1024, num_classes)
        if init_weights:
            for m in self.modules():
                if isinstance(m, (Conv2d, Linear)):
                    init.trunc_normal_(m.weight, 0.0, 0.01, -2, 2)

    def forward(self, x: Tensor) -> Any:
        x = as_tensorflow(x) if self.transform_input else x
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        helped = self.training and self.aux1 is not None and self.aux2 is not None
        first = self.aux1(x) if helped else None  # type: ignore[misc]
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        second = self.aux2(x) if helped else None  # type: ignore[misc]
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(x, second, first) if self.training and self.aux_logits else x


def as_tensorflow(x: Tensor) -> Tensor:
    """Images normalised by ImageNet's means and deviations as those normalised to -1 .. 1."""
    shift, scale = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return cat([x[:, c : c + 1] * (scale[c] / 0.5) + (shift[c] - 0.5) / 0.5 for c in range(3)], 1)


googlenet = builder("googlenet", GoogLeNet, "GoogLeNet.")
