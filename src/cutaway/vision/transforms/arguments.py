"""What constructors of transforms have in common: sizes, ranges, fillings, and the printed form."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.tensor import Tensor
from cutaway.vision.transforms import functional as F


def pair(size: Any, message: str = "Please provide only two dimensions (h, w) for size.") -> Any:
    """(H, W), of one number for both too."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if not isinstance(size, Sequence) or isinstance(size, str):
        raise ArgumentTypeError(f"size should be an int or a sequence of one or two, got {size!r}")
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ArgumentError(f"{message} Got {size!r}")
    return size


def numbers_of(value: Any, name: str, lengths: Sequence[int]) -> Any:
    """A sequence of one of these lengths, or the error."""
    wanted = " or ".join(map(str, lengths))
    if not isinstance(value, Sequence):
        raise ArgumentTypeError(f"{name} should be a sequence of length {wanted}, got {value!r}")
    if len(value) not in lengths:
        raise ArgumentError(f"{name} should be a sequence of length {wanted}, got {value!r}")
    return value


def angles(value: Any, name: str, lengths: Sequence[int] = (2,)) -> list[float]:
    """[-x, x] of one number, or the numbers given."""
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ArgumentError(f"If {name} is a single number, it must be positive, got {value}")
        return [float(-value), float(value)]  # type: ignore[arg-type, operator]
    return [float(x) for x in numbers_of(value, name, lengths)]


def scale_and_ratio(scale: Any, ratio: Any) -> None:
    """Refuse what is no range; warn of one that is upside down."""
    for name, value in (("Scale", scale), ("Ratio", ratio)):
        if not isinstance(value, Sequence):
            raise ArgumentTypeError(f"{name} should be a sequence, got {value!r}")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=3)


def filling(fill: Any) -> Any:
    """0 for None; a number or numbers."""
    if fill is None:
        return 0
    if not isinstance(fill, (Sequence, numbers.Number)):
        raise ArgumentTypeError(f"Fill should be either a sequence or a number, got {fill!r}")
    return fill


def fill_of(fill: Any, img: Any) -> Any:
    """For a tensor, a number a channel."""
    if not isinstance(img, Tensor):
        return fill
    return [float(fill)] * F.get_dimensions(img)[0] if isinstance(fill, (int, float)) else [float(x) for x in fill]


def listed(name: str, transforms: Any, first: str = "") -> str:
    """Name( and a line for each transform )."""
    return "".join([f"{name}(", first, *(f"\n    {t}" for t in transforms), "\n)"])
