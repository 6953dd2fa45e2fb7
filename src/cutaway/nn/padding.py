"""Padding as layers: x[N, C, ...] grows at both ends of its last dimensions.

`padding` is one int, or an amount for each side: (left, right), then (top, bottom), then (front, back).
"""

from __future__ import annotations

from collections.abc import Sequence

from cutaway import functional as F
from cutaway.core.aval import show
from cutaway.core.errors import ShapeError
from cutaway.core.tensor import Tensor
from cutaway.functional._check import n_tuple
from cutaway.nn.module import Module

NEGATIVE_ALLOWED = -(2**62)  # a negative amount cuts off


class _Pad(Module):
    ndim = 0
    mode = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = n_tuple(type(self).__name__, "padding", padding, 2 * self.ndim, NEGATIVE_ALLOWED)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, value=self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Padding with `value`.  x[N, C, L]."""

    ndim = 1


class ConstantPad2d(_ConstantPad):
    """Padding with `value`.  x[N, C, H, W]."""

    ndim = 2


class ConstantPad3d(_ConstantPad):
    """Padding with `value`.  x[N, C, D, H, W]."""

    ndim = 3


class ZeroPad1d(_Pad):
    """Padding with zeros.  x[N, C, L]."""

    ndim = 1


class ZeroPad2d(_Pad):
    """Padding with zeros.  x[N, C, H, W]."""

    ndim = 2


class ZeroPad3d(_Pad):
    """Padding with zeros.  x[N, C, D, H, W]."""

    ndim = 3


class ReflectionPad1d(_Pad):
    """Mirrored at the border element.  x[N, C, L]."""

    ndim, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Mirrored at the border element.  x[N, C, H, W]."""

    ndim, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Mirrored at the border element.  x[N, C, D, H, W]."""

    ndim, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The border element repeated.  x[N, C, L]."""

    ndim, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The border element repeated.  x[N, C, H, W]."""

    ndim, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The border element repeated.  x[N, C, D, H, W]."""

    ndim, mode = 3, "replicate"


class _Circular(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.ndim + 1, self.ndim + 2):
            raise ShapeError(
                f"{type(self).__name__}: expected {self.ndim + 2} dimensions, or {self.ndim + 1} without the batch, got "
                f"{show(input)}"
            )
        return super().forward(input)


class CircularPad1d(_Circular):
    """Wrapped round to the other end.  x[N, C, L]."""

    ndim = 1


class CircularPad2d(_Circular):
    """Wrapped round to the other end.  x[N, C, H, W]."""

    ndim = 2


class CircularPad3d(_Circular):
    """Wrapped round to the other end.  x[N, C, D, H, W]."""

    ndim = 3
