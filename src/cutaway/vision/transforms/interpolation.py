"""InterpolationMode: how pixels between pixels are found."""

from __future__ import annotations

from enum import Enum
from typing import Any

from cutaway.core.errors import ArgumentTypeError


class InterpolationMode(Enum):
    """Tensors know the first four, Pillow's images all but NEAREST_EXACT, which is NEAREST to them."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


PILLOW = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.NEAREST_EXACT: 0,
}
"""Pillow's numbers of the modes."""


def mode_of(interpolation: Any) -> InterpolationMode:
    """An InterpolationMode, also from Pillow's number of it.  Raises ArgumentTypeError for anything else."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        for mode, number in PILLOW.items():
            if number == interpolation:
                return mode
    raise ArgumentTypeError(
        f"interpolation should be an InterpolationMode or Pillow's number of one (0 to 5), got {interpolation!r}"
    )
