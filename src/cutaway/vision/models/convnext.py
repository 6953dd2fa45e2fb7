"""ConvNeXt: a convolutional network with what transformers brought.

Liu et al. 2022, "A ConvNet for the 2020s" (arXiv 2201.03545), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.functions import ones
from cutaway.core.tensor import Tensor
from cutaway.nn import GELU, AdaptiveAvgPool2d, Conv2d, Flatten, LayerNorm, Linear, Module, Parameter, Sequential, init
from cutaway.vision.models.build import builder
from cutaway.vision.models.parts import LayerNorm2d
from cutaway.vision.ops.misc import Conv2dNormActivation, Layer, Permute
from cutaway.vision.ops.stochastic_depth import StochasticDepth


class CNBlock(Module):
    """7 x 7 channel by channel, norm, four times as wide and back, each channel scaled; added to the input."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(LayerNorm, eps=1e-6)
        self.block = Sequential(
            Conv2d(dim, dim, 7, padding=3, groups=dim),
            Permute([0, 2, 3, 1]),
            norm(dim),
            Linear(dim, 4 * dim),
            GELU(),
            Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = Parameter(ones((dim, 1, 1)) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class ConvNeXt(Module):
    """x[N, 3, H, W] -> logits[N, num_classes].  block_setting: (channels, those of the next stage or None, blocks) a stage.

    Raises ArgumentError without settings.
    """

    def __init__(
        self,
        block_setting: Sequence[tuple[int, int | None, int]],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Any = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ArgumentError("The block_setting should not be empty")
        made, norm = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        first = Conv2dNormActivation(3, block_setting[0][0], 4, 4, 0, norm_layer=norm, activation_layer=None, bias=True)
        layers: list[Module] = [first]
        total, done = sum(count for _, _, count in block_setting), 0
        for c, following, count in block_setting:
            stage = []
            for _ in range(count):
                stage.append(made(c, layer_scale, stochastic_depth_prob * done / (total - 1.0)))
                done += 1
            layers.append(Sequential(*stage))
            if following is not None:
                layers.append(Sequential(norm(c), Conv2d(c, following, 2, 2)))
        self.features = Sequential(*layers)
        self.avgpool = AdaptiveAvgPool2d(1)
        last = block_setting[-1][0]
        self.classifier = Sequential(norm(last), Flatten(1), Linear(last, num_classes))
        for m in self.modules():
            if isinstance(m, (Conv2d, Linear)):
                init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _make(widths: Sequence[int], third: int, drop: float, **options: Any) -> ConvNeXt:
    stages = list(zip(widths, [*widths[1:], None], (3, 3, third, 3), strict=True))
    return ConvNeXt(stages, options.pop("stochastic_depth_prob", drop), **options)


convnext_tiny = builder("convnext_tiny", partial(_make, (96, 192, 384, 768), 9, 0.1), "ConvNeXt Tiny.")
convnext_small = builder("convnext_small", partial(_make, (96, 192, 384, 768), 27, 0.4), "ConvNeXt Small.")
convnext_base = builder("convnext_base", partial(_make, (128, 256, 512, 1024), 27, 0.5), "ConvNeXt Base.")
convnext_large = builder("convnext_large", partial(_make, (192, 384, 768, 1536), 27, 0.5), "ConvNeXt Large.")
