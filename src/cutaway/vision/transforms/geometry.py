"""Sizes and borders without chance."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.nn import Module
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.arguments import pair
from cutaway.vision.transforms.functional import BILINEAR
from cutaway.vision.transforms.interpolation import InterpolationMode, mode_of


class Resize(Module):
    """At size (H, W); of one number, the shorter side is made that long, the longer one at most `max_size`."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise ArgumentTypeError(f"Size should be int or sequence, got {size!r}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ArgumentError(f"If size is a sequence, it should have 1 or 2 values, got {size!r}")
        self.size = size
        self.max_size = max_size
        self.interpolation = mode_of(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class _Sized(Module):
    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class CenterCrop(_Sized):
    """The middle (H, W), with black around where the image is smaller."""

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class FiveCrop(_Sized):
    """Top left, top right, bottom left, bottom right, centre, each of (H, W)."""

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)


class TenCrop(_Sized):
    """The five crops of the image, and those of its mirror image."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class Pad(Module):
    """More pixels around.  See `functional.pad`."""

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, (numbers.Number, tuple, list)):
            raise ArgumentTypeError(f"Got inappropriate padding arg: expected ints, got {padding!r}")
        if not isinstance(fill, (numbers.Number, tuple, list)):
            raise ArgumentTypeError(f"Got inappropriate fill arg: expected numbers, got {fill!r}")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ArgumentError(
                f"Padding mode should be either constant, edge, reflect or symmetric, got {padding_mode!r}"
            )
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ArgumentError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"
