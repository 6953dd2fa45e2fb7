"""Inception v3: large convolutions as products of small ones, 7 x 7 as 1 x 7 and 7 x 1.

Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision" (arXiv 1512.00567), section 6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cutaway import functional as F
from cutaway.core.derived import cat
from cutaway.core.tensor import Tensor
from cutaway.nn import AdaptiveAvgPool2d, Conv2d, Dropout, Linear, MaxPool2d, Module, init
from cutaway.vision.models.build import builder
from cutaway.vision.models.googlenet import BasicConv2d, as_tensorflow
from cutaway.vision.models.parts import drawn

ACROSS: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
DOWN: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}
SHORT_ACROSS: dict[str, Any] = {"kernel_size": (1, 3), "padding": (0, 1)}
SHORT_DOWN: dict[str, Any] = {"kernel_size": (3, 1), "padding": (1, 0)}


class InceptionOutputs(NamedTuple):
    """What the network gives in training."""

    logits: Tensor
    aux_logits: Tensor | None


def _pooled(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


class InceptionA(Module):
    """1 x 1, 5 x 5, two of 3 x 3, and a pooling, side by side."""

    def __init__(self, in_channels: int, pool_features: int) -> None:
        super().__init__()
        conv, c = BasicConv2d, in_channels
        self.branch1x1 = conv(c, 64, kernel_size=1)
        self.branch5x5_1 = conv(c, 48, kernel_size=1)
        self.branch5x5_2 = conv(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv(c, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv(c, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat([self.branch1x1(x), five, double, self.branch_pool(_pooled(x))], 1)


class InceptionB(Module):
    """Half the size: 3 x 3, two of 3 x 3, and a pooling."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        conv, c = BasicConv2d, in_channels
        self.branch3x3 = conv(c, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv(c, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat([self.branch3x3(x), double, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionC(Module):
    """1 x 1, 7 x 7, two of 7 x 7, and a pooling, side by side."""

    def __init__(self, in_channels: int, channels_7x7: int) -> None:
        super().__init__()
        conv, c, mid = BasicConv2d, in_channels, channels_7x7
        self.branch1x1 = conv(c, 192, kernel_size=1)
        self.branch7x7_1 = conv(c, mid, kernel_size=1)
        self.branch7x7_2 = conv(mid, mid, **ACROSS)
        self.branch7x7_3 = conv(mid, 192, **DOWN)
        self.branch7x7dbl_1 = conv(c, mid, kernel_size=1)
        self.branch7x7dbl_2 = conv(mid, mid, **DOWN)
        self.branch7x7dbl_3 = conv(mid, mid, **ACROSS)
        self.branch7x7dbl_4 = conv(mid, mid, **DOWN)
        self.branch7x7dbl_5 = conv(mid, 192, **ACROSS)
        self.branch_pool = conv(c, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return cat([self.branch1x1(x), seven, double, self.branch_pool(_pooled(x))], 1)


class InceptionD(Module):
    """Half the size: 3 x 3, 7 x 7 and 3 x 3, and a pooling."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        conv, c = BasicConv2d, in_channels
        self.branch3x3_1 = conv(c, 192, kernel_size=1)
        self.branch3x3_2 = conv(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv(c, 192, kernel_size=1)
        self.branch7x7x3_2 = conv(192, 192, **ACROSS)
        self.branch7x7x3_3 = conv(192, 192, **DOWN)
        self.branch7x7x3_4 = conv(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_2(self.branch7x7x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        return cat([three, seven, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionE(Module):
    """1 x 1, a forked 3 x 3, a forked double one, and a pooling, side by side."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        conv, c = BasicConv2d, in_channels
        self.branch1x1 = conv(c, 320, kernel_size=1)
        self.branch3x3_1 = conv(c, 384, kernel_size=1)
        self.branch3x3_2a = conv(384, 384, **SHORT_ACROSS)
        self.branch3x3_2b = conv(384, 384, **SHORT_DOWN)
        self.branch3x3dbl_1 = conv(c, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv(384, 384, **SHORT_ACROSS)
        self.branch3x3dbl_3b = conv(384, 384, **SHORT_DOWN)
        self.branch_pool = conv(c, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        forks = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        forks += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return cat([self.branch1x1(x), *forks, self.branch_pool(_pooled(x))], 1)


class InceptionAux(Module):
    """A classifier halfway."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv0 = BasicConv2d(in_channels, 128, kernel_size=1)
        self.conv1 = BasicConv2d(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(Module):
    """x[N, 3, 299, 299] -> logits[N, num_classes]; in training with aux_logits (logits, aux_logits)."""

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        init_weights = drawn("Inception v3", init_weights)
        conv = BasicConv2d
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = MaxPool2d(3, 2)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = InceptionA(192, 32), InceptionA(256, 64), InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b, self.Mixed_6c = InceptionC(768, 128), InceptionC(768, 160)
        self.Mixed_6d, self.Mixed_6e = InceptionC(768, 160), InceptionC(768, 192)
        self.AuxLogits = InceptionAux(768, num_classes) if aux_logits else None
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b, self.Mixed_7c = InceptionE(1280), InceptionE(2048)
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.dropout = Dropout(dropout)
        self.fc = Linear(2048, num_classes)
        if init_weights:
            for m in self.modules():
                if isinstance(m, (Conv2d, Linear)):
                    init.trunc_normal_(m.weight, 0.0, float(getattr(m, "stddev", 0.1)), -2, 2)

    def forward(self, x: Tensor) -> Any:
        x = as_tensorflow(x) if self.transform_input else x
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a, self.Mixed_6b, self.Mixed_6c):
            x = block(x)
        x = self.Mixed_6e(self.Mixed_6d(x))
        halfway = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.avgpool(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        x = self.fc(self.dropout(x).flatten(1))
        return InceptionOutputs(x, halfway) if self.training and self.aux_logits else x


inception_v3 = builder("inception_v3", Inception3, "Inception v3, for images of 299 x 299.")
