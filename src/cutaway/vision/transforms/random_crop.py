"""Random parts of an image: cut out, or cut away."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.functions import from_numpy, tensor
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.transforms import draws
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.arguments import pair, scale_and_ratio
from cutaway.vision.transforms.functional import BILINEAR
from cutaway.vision.transforms.interpolation import InterpolationMode, mode_of
from cutaway.vision.transforms.tensors import exp32, log32


class RandomCrop(Module):
    """A part of size (H, W) at a random place, after padding.  `pad_if_needed`: both sides, where the image is smaller.

    Raises ArgumentError for an image that is too small.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = tuple(pair(size))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width), drawn."""
        _, h, w = F.get_dimensions(img)
        th, tw = output_size
        if h < th or w < tw:
            raise ArgumentError(f"Required crop size {(th, tw)} is larger than input image size {(h, w)}")
        if (h, w) == (th, tw):
            return 0, 0, h, w
        top = draws.integer(0, h - th + 1)
        return top, draws.integer(0, w - tw + 1), th, tw

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, h, w = F.get_dimensions(img)
            if w < self.size[1]:
                img = F.pad(img, [self.size[1] - w, 0], self.fill, self.padding_mode)
            if h < self.size[0]:
                img = F.pad(img, [0, self.size[0] - h], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Module):
    """A random part, brought to `size`: its area a share of `scale`, its width over its height of `ratio`.

    Szegedy et al. 2015, "Going deeper with convolutions", section 6.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size)
        scale_and_ratio(scale, ratio)
        self.interpolation = mode_of(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, height, width), drawn; after ten that do not fit, the middle."""
        _, height, width = F.get_dimensions(img)
        for _ in range(10):
            area, shape = _area_and_shape(height * width, scale, ratio)
            w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < w <= width and 0 < h <= height:
                top = draws.integer(0, height - h + 1)
                return top, draws.integer(0, width - w + 1), h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(w / min(ratio))
        elif width / height > max(ratio):
            w = round(h * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(x, 4) for x in v) for v in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomErasing(Module):
    """With probability p, a random rectangle of a tensor [..., C, H, W] overwritten: by a number, a number a channel,
    or normal random numbers (value="random").

    `scale` is the range of its share of the area, `ratio` that of its height over its width.
    Zhong et al. 2017, "Random erasing data augmentation".
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise ArgumentTypeError(f"Argument value should be either a number or str or a sequence, got {value!r}")
        if isinstance(value, str) and value != "random":
            raise ArgumentError(f"If value is str, it should be 'random', got {value!r}")
        scale_and_ratio(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ArgumentError(f"Scale should be between 0 and 1, got {scale}")
        if not 0 <= p <= 1:
            raise ArgumentError(f"Random erasing probability should be between 0 and 1, got {p}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """(top, left, height, width, what to write), drawn; the whole image as it is after ten that do not fit."""
        c, height, width = img.shape[-3:]
        for _ in range(10):
            area, shape = _area_and_shape(height * width, scale, ratio)
            h, w = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if h < height and w < width:
                new = from_numpy(draws.normals((c, h, w))) if value is None else tensor(value)[:, None, None]
                top = draws.integer(0, height - h + 1)
                return top, draws.integer(0, width - w + 1), h, w, new
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        if not draws.happens(self.p):
            return img
        if not isinstance(img, Tensor) or img.ndim < 3:
            got = show(img) if isinstance(img, Tensor) else type(img).__name__
            raise ArgumentTypeError(f"RandomErasing: needs a tensor [..., C, H, W], got {got}; put it after ToTensor")
        value: Any = self.value
        if isinstance(value, (int, float)):
            value = [float(value)]
        elif isinstance(value, str):
            value = None
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ArgumentError(
                f"If value is a sequence, it should have either a single value or {img.shape[-3]} (number of input "
                f"channels), got {value!r}"
            )
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


def _area_and_shape(area: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[float, float]:
    """A share of the area, uniform, and a ratio of sides, uniform in its logarithm."""
    share = draws.uniform(scale[0], scale[1])
    return area * share, exp32(draws.uniform(log32(ratio[0]), log32(ratio[1])))
