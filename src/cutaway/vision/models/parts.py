"""What several networks share besides the layers of vision.ops: a norm of channels, initial values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from cutaway.core.tensor import Tensor
from cutaway.functional import layer_norm
from cutaway.nn import BatchNorm2d, Conv2d, GroupNorm, LayerNorm, Linear, Module, init


class LayerNorm2d(LayerNorm):
    """LayerNorm over the channels of x[N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        moved = x.permute(0, 2, 3, 1)
        return layer_norm(moved, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


def drawn(network: str, init_weights: bool | None) -> bool:
    """Whether initial values are drawn: by default, with a warning that this takes long."""
    if init_weights is None:
        warnings.warn(
            f"{network}: initial values are drawn by default, which takes long; say init_weights=True or False",
            FutureWarning,
            stacklevel=3,
        )
        return True
    return init_weights


def initialise(network: Module, linear: Callable[[Any], None]) -> None:
    """Convolutions by He's rule towards the output, norms as identities, linear layers as `linear` says; biases 0."""
    for m in network.modules():
        if isinstance(m, Conv2d):
            init.kaiming_normal_(m.weight, mode="fan_out")
        elif isinstance(m, (BatchNorm2d, GroupNorm)):
            init.ones_(m.weight)
        elif isinstance(m, Linear):
            linear(m)
        if isinstance(m, (Conv2d, BatchNorm2d, GroupNorm, Linear)) and m.bias is not None:
            init.zeros_(m.bias)
