"""Feature pyramids (Lin et al. 2017, arXiv 1612.03144): coarse maps, which know what, carried down to fine ones, which
know where.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.functional import interpolate, max_pool2d
from cutaway.nn import Conv2d, Module, ModuleList, init
from cutaway.vision.ops.misc import Conv2dNormActivation, Layer

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]

Maps = tuple[list[Tensor], list[str]]


class ExtraFPNBlock(Module):
    """What makes more levels at the end of a pyramid."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> Maps:
        """results: the pyramid's maps; x: those that it was made of; names: of the results.  Gives both with more."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(results, x, names)")


class FeaturePyramidNetwork(Module):
    """An ordered dict of maps [N, C_i, H_i, W_i], from fine to coarse, to one of the same names, all of out_channels.

    Raises ArgumentError for a level without channels, ArgumentTypeError unless extra_blocks is an ExtraFPNBlock.
    """

    _version = 2  # 2: each convolution is the first of a Conv2dNormActivation

    def __init__(
        self,
        in_channels_list: Sequence[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        if 0 in in_channels_list:
            raise ArgumentError(f"in_channels=0 is currently not supported, got {list(in_channels_list)}")
        made: Any = lambda c, kernel: Conv2dNormActivation(
            c, out_channels, kernel, norm_layer=norm_layer, activation_layer=None
        )
        self.inner_blocks = ModuleList(made(c, 1) for c in in_channels_list)
        self.layer_blocks = ModuleList(made(out_channels, 3) for _ in in_channels_list)
        _initialise(self)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise ArgumentTypeError(f"extra_blocks should be of type ExtraFPNBlock not {describe(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:
            for block in ("inner_blocks", "layer_blocks"):
                for i in range(len(self.inner_blocks)):
                    for what in ("weight", "bias"):
                        old = f"{prefix}{block}.{i}.{what}"
                        if old in state_dict:
                            state_dict[f"{prefix}{block}.{i}.0.{what}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def get_result_from_inner_blocks(self, x: Tensor, idx: int) -> Tensor:
        """Level `idx` with its channels made out_channels; negative indices count from the coarsest."""
        return self.inner_blocks[idx](x)

    def get_result_from_layer_blocks(self, x: Tensor, idx: int) -> Tensor:
        """Level `idx` smoothed."""
        return self.layer_blocks[idx](x)

    def forward(self, x: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
        names, given = list(x), list(x.values())
        carried = self.get_result_from_inner_blocks(given[-1], -1)
        results = [self.get_result_from_layer_blocks(carried, -1)]
        for i in reversed(range(len(given) - 1)):
            lateral = self.get_result_from_inner_blocks(given[i], i)
            carried = lateral + interpolate(carried, size=tuple(lateral.shape[-2:]), mode="nearest")
            results.insert(0, self.get_result_from_layer_blocks(carried, i))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, given, names)
        return OrderedDict(zip(names, results, strict=True))


class LastLevelMaxPool(ExtraFPNBlock):
    """One more level, "pool": every other pixel of the coarsest one."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> Maps:
        return [*results, max_pool2d(results[-1], 1, 2, 0)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Two more levels by convolutions of stride 2 (RetinaNet, Lin et al. 2017, arXiv 1708.02002).

    Of the coarsest map that the pyramid was made of, or, where in_channels is out_channels, of the pyramid's own.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = Conv2d(out_channels, out_channels, 3, 2, 1)
        _initialise(self)
        self.use_P5 = in_channels == out_channels

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> Maps:
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        return [*results, p6, self.p7(p6.relu())], [*names, "p6", "p7"]


def _initialise(module: Module) -> None:
    for m in module.modules():
        if isinstance(m, Conv2d):
            init.kaiming_uniform_(m.weight, a=1)
            if m.bias is not None:
                init.zeros_(m.bias)
