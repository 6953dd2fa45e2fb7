"""ShuffleNet v2: half of the channels pass by untouched, and all are shuffled.

Ma, Zhang, Zheng & Sun 2018 (arXiv 1807.11164), table 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cutaway.core.derived import cat
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.functional import channel_shuffle
from cutaway.nn import BatchNorm2d, Conv2d, Linear, MaxPool2d, Module, ReLU, Sequential
from cutaway.vision.models.build import builder


class InvertedResidual(Module):
    """Two branches of half the channels each; with a stride both see all of them, else one is the input's half."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        half = oup // 2
        if not 1 <= stride <= 3:
            raise ArgumentError("illegal stride value")
        if stride == 1 and inp != half << 1:
            raise ArgumentError(f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values.")
        self.stride = stride
        apart = lambda c: [Conv2d(c, c, 3, stride, 1, groups=c, bias=False), BatchNorm2d(c)]
        mixed = lambda c: [Conv2d(c, half, 1, bias=False), BatchNorm2d(half), ReLU(inplace=True)]
        self.branch1 = Sequential(*apart(inp), *mixed(inp)) if stride > 1 else Sequential()
        self.branch2 = Sequential(*mixed(inp if stride > 1 else half), *apart(half), *mixed(half))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, changed = x.chunk(2, 1)
            y = cat([kept, self.branch2(changed)], 1)
        else:
            y = cat([self.branch1(x), self.branch2(x)], 1)
        return channel_shuffle(y, 2)


class ShuffleNetV2(Module):
    """x[N, 3, H, W] -> logits[N, num_classes].  Raises ArgumentError unless there are 3 stages and 5 widths."""

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ArgumentError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ArgumentError("expected stages_out_channels as list of 5 positive ints")
        c = stages_out_channels[0]
        self.conv1 = Sequential(Conv2d(3, c, 3, 2, 1, bias=False), BatchNorm2d(c), ReLU(inplace=True))
        self.maxpool = MaxPool2d(3, 2, 1)
        for i, (count, out) in enumerate(zip(stages_repeats, stages_out_channels[1:4], strict=True), 2):
            blocks = [inverted_residual(c, out, 2), *(inverted_residual(out, out, 1) for _ in range(count - 1))]
            setattr(self, f"stage{i}", Sequential(*blocks))
            c = out
        last = stages_out_channels[-1]
        self.conv5 = Sequential(Conv2d(c, last, 1, bias=False), BatchNorm2d(last), ReLU(inplace=True))
        self.fc = Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean((2, 3)))


WIDTHS = {
    "0_5": (24, 48, 96, 192, 1024), "1_0": (24, 116, 232, 464, 1024), "1_5": (24, 176, 352, 704, 1024),
    "2_0": (24, 244, 488, 976, 2048),
}  # fmt: skip


def _x(width: str) -> Any:
    make = partial(ShuffleNetV2, (4, 8, 4), WIDTHS[width])
    return builder(f"shufflenet_v2_x{width}", make, f"ShuffleNetV2, {width.replace('_', '.')} times as wide.")


shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0 = map(_x, WIDTHS)
