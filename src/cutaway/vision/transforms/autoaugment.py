"""Policies that choose among a dozen changes of an image: searched for, or drawn at random.

Cubuk et al. 2019, "AutoAugment: learning augmentation strategies from data", tables 7 to 9; Cubuk et al. 2020,
"RandAugment"; Müller & Hutter 2021, "TrivialAugment".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from cutaway.core import random
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.transforms import draws
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.arguments import fill_of
from cutaway.vision.transforms.functional import NEAREST
from cutaway.vision.transforms.interpolation import InterpolationMode

# a change of `img` by the magnitude m, in the mode of interpolation i, with f outside
CHANGES: dict[str, Callable[[Any, float, InterpolationMode, Any], Any]] = {
    "Identity": lambda img, m, i, f: img,
    "ShearX": lambda img, m, i, f: F.affine(img, 0.0, (0, 0), 1.0, (_degrees(m), 0.0), i, f, (0, 0)),
    "ShearY": lambda img, m, i, f: F.affine(img, 0.0, (0, 0), 1.0, (0.0, _degrees(m)), i, f, (0, 0)),
    "TranslateX": lambda img, m, i, f: F.affine(img, 0.0, (int(m), 0), 1.0, (0.0, 0.0), i, f),
    "TranslateY": lambda img, m, i, f: F.affine(img, 0.0, (0, int(m)), 1.0, (0.0, 0.0), i, f),
    "Rotate": lambda img, m, i, f: F.rotate(img, m, i, fill=f),
    "Brightness": lambda img, m, i, f: F.adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m, i, f: F.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m, i, f: F.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m, i, f: F.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m, i, f: F.posterize(img, int(m)),
    "Solarize": lambda img, m, i, f: F.solarize(img, m),
    "AutoContrast": lambda img, m, i, f: F.autocontrast(img),
    "Equalize": lambda img, m, i, f: F.equalize(img),
    "Invert": lambda img, m, i, f: F.invert(img),
}
SIGNED = {"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness"}

# 25 pairs of (change, probability, magnitude of 0 .. 9) each
POLICIES = {
    "imagenet": """
        Posterize 0.4 8, Rotate 0.6 9; Solarize 0.6 5, AutoContrast 0.6; Equalize 0.8, Equalize 0.6;
        Posterize 0.6 7, Posterize 0.6 6; Equalize 0.4, Solarize 0.2 4; Equalize 0.4, Rotate 0.8 8;
        Solarize 0.6 3, Equalize 0.6; Posterize 0.8 5, Equalize 1.0; Rotate 0.2 3, Solarize 0.6 8;
        Equalize 0.6, Posterize 0.4 6; Rotate 0.8 8, Color 0.4 0; Rotate 0.4 9, Equalize 0.6;
        Equalize 0.0, Equalize 0.8; Invert 0.6, Equalize 1.0; Color 0.6 4, Contrast 1.0 8; Rotate 0.8 8, Color 1.0 2;
        Color 0.8 8, Solarize 0.8 7; Sharpness 0.4 7, Invert 0.6; ShearX 0.6 5, Equalize 1.0;
        Color 0.4 0, Equalize 0.6; Equalize 0.4, Solarize 0.2 4; Solarize 0.6 5, AutoContrast 0.6;
        Invert 0.6, Equalize 1.0; Color 0.6 4, Contrast 1.0 8; Equalize 0.8, Equalize 0.6
    """,
    "cifar10": """
        Invert 0.1, Contrast 0.2 6; Rotate 0.7 2, TranslateX 0.3 9; Sharpness 0.8 1, Sharpness 0.9 3;
        ShearY 0.5 8, TranslateY 0.7 9; AutoContrast 0.5, Equalize 0.9; ShearY 0.2 7, Posterize 0.3 7;
        Color 0.4 3, Brightness 0.6 7; Sharpness 0.3 9, Brightness 0.7 9; Equalize 0.6, Equalize 0.5;
        Contrast 0.6 7, Sharpness 0.6 5; Color 0.7 7, TranslateX 0.5 8; Equalize 0.3, AutoContrast 0.4;
        TranslateY 0.4 3, Sharpness 0.2 6; Brightness 0.9 6, Color 0.2 8; Solarize 0.5 2, Invert 0.0;
        Equalize 0.2, AutoContrast 0.6; Equalize 0.2, Equalize 0.6; Color 0.9 9, Equalize 0.6;
        AutoContrast 0.8, Solarize 0.2 8; Brightness 0.1 3, Color 0.7 0; Solarize 0.4 5, AutoContrast 0.9;
        TranslateY 0.9 9, TranslateY 0.7 9; AutoContrast 0.9, Solarize 0.8 3; Equalize 0.8, Invert 0.1;
        TranslateY 0.7 9, AutoContrast 0.9
    """,
    "svhn": """
        ShearX 0.9 4, Invert 0.2; ShearY 0.9 8, Invert 0.7; Equalize 0.6, Solarize 0.6 6; Invert 0.9, Equalize 0.6;
        Equalize 0.6, Rotate 0.9 3; ShearX 0.9 4, AutoContrast 0.8; ShearY 0.9 8, Invert 0.4;
        ShearY 0.9 5, Solarize 0.2 6; Invert 0.9, AutoContrast 0.8; Equalize 0.6, Rotate 0.9 3;
        ShearX 0.9 4, Solarize 0.3 3; ShearY 0.8 8, Invert 0.7; Equalize 0.9, TranslateY 0.6 6;
        Invert 0.9, Equalize 0.6; Contrast 0.3 3, Rotate 0.8 4; Invert 0.8, TranslateY 0.0 2;
        ShearY 0.7 6, Solarize 0.4 8; Invert 0.6, Rotate 0.8 4; ShearY 0.3 7, TranslateX 0.9 3;
        ShearX 0.1 6, Invert 0.6; Solarize 0.7 2, TranslateY 0.6 7; ShearY 0.8 4, Invert 0.8;
        ShearX 0.7 9, TranslateY 0.8 3; ShearY 0.8 5, AutoContrast 0.7; ShearX 0.7 2, Invert 0.1
    """,
}


def _degrees(slope: float) -> float:
    return math.degrees(math.atan(slope))


def _evenly(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last, with the roundings of PyTorch's linspace, which a byte of a result may tell."""
    a, b = np.float32(first), np.float32(last)
    i, step = np.arange(count), np.float64((b - a) / np.float32(max(count - 1, 1)))
    return np.where(i < max(count // 2, 1), a + step * i, b - step * (count - 1 - i)).astype(np.float32).tolist()


def _magnitudes(bins: int, h: int, w: int, wide: bool = False) -> dict[str, list[float]]:
    """The magnitudes of each change, from nothing to the most; none where there is no choice.

    Translations are by up to 150 / 331 of the sides; in the `wide` space by 32 pixels, and all else reaches further.
    """

    def to(last: float, first: float = 0.0) -> list[float]:
        return _evenly(first, last, bins)

    slope, turn, share = (0.99, 135.0, 0.99) if wide else (0.3, 30.0, 0.9)
    across, down = (32.0, 32.0) if wide else (150.0 / 331.0 * w, 150.0 / 331.0 * h)
    lost = 6 if wide else 4  # bits
    return {
        "Identity": [],
        "ShearX": to(slope),
        "ShearY": to(slope),
        "TranslateX": to(across),
        "TranslateY": to(down),
        "Rotate": to(turn),
        **{name: to(share) for name in ("Brightness", "Color", "Contrast", "Sharpness")},
        "Posterize": [8 - round(i / ((bins - 1) / lost)) for i in range(bins)] if bins > 1 else [8],
        "Solarize": to(0.0, 255.0),
        "AutoContrast": [],
        "Equalize": [],
    }


class AutoAugmentPolicy(Enum):
    """The data set that a policy was found on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class _Policy(Module):
    def __init__(self, interpolation: InterpolationMode, fill: Any) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _changed(self, img: Any, name: str, magnitude: float) -> Any:
        fill = self.fill if self.fill is None else fill_of(self.fill, img)
        return CHANGES[name](img, magnitude, self.interpolation, fill)

    def _turned_round(self) -> bool:
        """Whether a magnitude is taken negative, drawn."""
        return draws.integer(0, 2) == 1

    def _shown(self, **options: Any) -> str:
        shown = {**options, "interpolation": self.interpolation, "fill": self.fill}
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in shown.items())})"


class AutoAugment(_Policy):
    """One of the policy's 25 pairs of changes, each with its own probability and magnitude.  For images of bytes."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not isinstance(policy, AutoAugmentPolicy):
            raise ArgumentError(f"The provided policy {policy!r} is not recognized; use an AutoAugmentPolicy")
        self.policy = policy
        self.policies = [tuple(map(_parsed, pair.split(","))) for pair in POLICIES[policy.value].split(";")]

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """(which pair, two numbers of 0 .. 1, two signs), drawn."""
        which = draws.integer(0, transform_num)
        return which, Tensor._wrap(draws.uniforms((2,))), Tensor._wrap(random.randint((2,), 0, 2))

    def forward(self, img: Any) -> Any:
        which, probabilities, signs = self.get_params(len(self.policies))
        _, h, w = F.get_dimensions(img)
        space = _magnitudes(10, h, w)
        drawn = zip(self.policies[which], probabilities.numpy(), signs.tolist(), strict=True)
        for (name, p, level), happened, sign in drawn:
            if happened <= type(happened)(p):
                magnitude = 0.0 if level is None else float(space[name][level])
                img = self._changed(img, name, -magnitude if name in SIGNED and not sign else magnitude)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


def _parsed(change: str) -> tuple[str, float, int | None]:
    name, p, *level = change.split()
    return name, float(p), int(level[0]) if level else None


class RandAugment(_Policy):
    """num_ops changes drawn at random, each of the same magnitude.  For images of bytes."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 0 <= magnitude < num_magnitude_bins:
            raise ArgumentError(f"magnitude should be one of 0 to {num_magnitude_bins - 1}, got {magnitude}")
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        _, h, w = F.get_dimensions(img)
        space = _magnitudes(self.num_magnitude_bins, h, w)
        for _ in range(self.num_ops):
            name = list(space)[draws.integer(0, len(space))]
            magnitude = float(space[name][self.magnitude]) if space[name] else 0.0
            if name in SIGNED and self._turned_round():
                magnitude = -magnitude
            img = self._changed(img, name, magnitude)
        return img

    def __repr__(self) -> str:
        return self._shown(
            num_ops=self.num_ops, magnitude=self.magnitude, num_magnitude_bins=self.num_magnitude_bins
        )


class TrivialAugmentWide(_Policy):
    """One change, of a magnitude drawn at random.  For images of bytes."""

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: InterpolationMode = NEAREST, fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        space = _magnitudes(self.num_magnitude_bins, 0, 0, wide=True)
        name = list(space)[draws.integer(0, len(space))]
        magnitude = float(space[name][draws.integer(0, len(space[name]))]) if space[name] else 0.0
        if name in SIGNED and self._turned_round():
            magnitude = -magnitude
        return self._changed(img, name, magnitude)

    def __repr__(self) -> str:
        return self._shown(num_magnitude_bins=self.num_magnitude_bins)
