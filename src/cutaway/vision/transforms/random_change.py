"""Random mirror images, turns, bends, colours."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.nn import Module
from cutaway.vision.transforms import draws
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.arguments import angles, fill_of, filling, numbers_of, pair
from cutaway.vision.transforms.functional import BILINEAR, NEAREST
from cutaway.vision.transforms.interpolation import InterpolationMode, mode_of


class _WithProbability(Module):
    """`change` with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return self.change(img) if draws.happens(self.p) else img

    def change(self, img: Any) -> Any:
        """The changed image."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_WithProbability):
    """Left and right changed, with probability p."""

    def change(self, img: Any) -> Any:
        return F.hflip(img)


class RandomVerticalFlip(_WithProbability):
    """Top and bottom changed, with probability p."""

    def change(self, img: Any) -> Any:
        return F.vflip(img)


class RandomGrayscale(_WithProbability):
    """Gray, with as many channels as before, with probability p."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0])


class _Exactly(_WithProbability):
    """Those of torchvision's transforms that compare in double precision, and print their argument first."""

    shown: str = ""

    def forward(self, img: Any) -> Any:
        return self.change(img) if draws.happens_exactly(self.p) else img

    def __repr__(self) -> str:
        first = f"{self.shown}={getattr(self, self.shown)}," if self.shown else ""
        return f"{type(self).__name__}({first}p={self.p})"


class RandomInvert(_Exactly):
    """The negative, with probability p."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Exactly):
    """Only the highest `bits` of each byte, with probability p."""

    shown = "bits"

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Exactly):
    """What is as bright as `threshold` or brighter inverted, with probability p."""

    shown = "threshold"

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Exactly):
    """Sharper by a factor (0 blurs, 1 changes nothing), with probability p."""

    shown = "sharpness_factor"

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Exactly):
    """Each channel stretched from black to white, with probability p."""

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Exactly):
    """Each channel with its levels used about equally often, with probability p."""

    def change(self, img: Any) -> Any:
        return F.equalize(img)


class RandomRotation(Module):
    """Turned by an angle of (low, high) degrees, or of (-degrees, degrees)."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.interpolation = mode_of(interpolation)
        self.degrees = angles(degrees, "degrees")
        self.center = center if center is None else numbers_of(center, "center", (2,))
        self.expand = expand
        self.fill = filling(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle, drawn."""
        return draws.uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill = fill_of(self.fill, img)
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(Module):
    """Turned by (-degrees, degrees), moved by up to translate = (a W, b H), scaled by (low, high), sheared by degrees
    (along x: one or two numbers; along x and y: four)."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: InterpolationMode | int = NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.interpolation = mode_of(interpolation)
        self.degrees = angles(degrees, "degrees")
        if translate is not None and not all(0 <= t <= 1 for t in numbers_of(translate, "translate", (2,))):
            raise ArgumentError(f"translation values should be between 0 and 1, got {translate}")
        if scale is not None and min(numbers_of(scale, "scale", (2,))) <= 0:
            raise ArgumentError(f"scale values should be positive, got {scale}")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else angles(shear, "shear", (2, 4))
        self.fill = filling(fill)
        self.center = center if center is None else numbers_of(center, "center", (2,))

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """(angle, (x, y), scale, (shear x, shear y)), drawn, for an image of img_size (W, H)."""
        angle = draws.uniform(degrees[0], degrees[1])
        x = y = 0
        if translate is not None:
            x, y = (round(draws.uniform(-t * n, t * n)) for t, n in zip(translate, img_size))
        scale = 1.0 if scale_ranges is None else draws.uniform(scale_ranges[0], scale_ranges[1])
        along_x = along_y = 0.0
        if shears is not None:
            along_x = draws.uniform(shears[0], shears[1])
            along_y = draws.uniform(shears[2], shears[3]) if len(shears) == 4 else 0.0
        return angle, (x, y), scale, (along_x, along_y)

    def forward(self, img: Any) -> Any:
        fill = fill_of(self.fill, img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, F.get_image_size(img))
        return F.affine(img, *drawn, interpolation=self.interpolation, fill=fill, center=self.center)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        parts += [f"{n}={v}" for n in ("translate", "scale", "shear") if (v := getattr(self, n)) is not None]
        parts += [f"interpolation={self.interpolation.value}"] * (self.interpolation != NEAREST)
        parts += [f"fill={self.fill}"] * (self.fill != 0) + [f"center={self.center}"] * (self.center is not None)
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(_WithProbability):
    """With probability p, each corner moved inwards by up to distortion_scale / 2 of the sides."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__(p)
        self.interpolation = mode_of(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = filling(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """(the corners, where they go), the latter drawn: top left, top right, bottom right, bottom left."""
        dx, dy = (int(distortion_scale * (n // 2)) for n in (width, height))
        left, right = (0, dx + 1), (width - dx - 1, width)
        top, bottom = (0, dy + 1), (height - dy - 1, height)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, [[draws.integer(*x), draws.integer(*y)] for x, y in corners]

    def change(self, img: Any) -> Any:
        _, h, w = F.get_dimensions(img)
        start, end = self.get_params(w, h, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, fill_of(self.fill, img))


class Grayscale(Module):
    """Gray: one channel, or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class GaussianBlur(Module):
    """Smoothed by a Gaussian whose standard deviation is drawn of (low, high) pixels, or is the one number given."""

    def __init__(self, kernel_size: int | Sequence[int], sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers.")
        if any(n <= 0 or n % 2 == 0 for n in self.kernel_size):
            raise ArgumentError(f"Kernel size value should be an odd and positive number, got {kernel_size!r}")
        self.sigma: Any = (sigma, sigma) if isinstance(sigma, numbers.Number) else sigma
        if not isinstance(self.sigma, Sequence) or len(self.sigma) != 2 or not 0 < self.sigma[0] <= self.sigma[1]:
            raise ArgumentError(f"sigma should be one positive number or two of the form (min, max), got {sigma!r}")

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The standard deviation, drawn."""
        return draws.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        return F.gaussian_blur(img, self.kernel_size, self.get_params(*self.sigma))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class ColorJitter(Module):
    """Brightness, contrast, saturation and hue changed in random order, each by a factor drawn of (low, high), or of
    (1 - x, 1 + x) for a number x; hue by a part of the circle, drawn of (-x, x).  0 leaves it alone."""

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness = _range(brightness, "brightness")
        self.contrast = _range(contrast, "contrast")
        self.saturation = _range(saturation, "saturation")
        self.hue = _range(hue, "hue", 0.0, (-0.5, 0.5))

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple[Any, ...]:
        """(the order, and the four factors, None for those left alone), drawn."""
        order = random.randperm(4).tolist()
        return order, *(None if r is None else draws.uniform(*r) for r in (brightness, contrast, saturation, hue))

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order:
            if factors[i] is not None:
                img = changes[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in ("brightness", "contrast", "saturation", "hue"))
        return f"{type(self).__name__}({shown})"


def _range(
    value: Any, name: str, center: float = 1.0, bound: tuple[float, float] = (0.0, float("inf"))
) -> tuple[float, float] | None:
    if isinstance(value, (int, float)):
        if value < 0:
            raise ArgumentError(f"If {name} is a single number, it must be non negative, got {value}")
        low, high = center - value, center + value
        low = max(low, 0.0) if center else low
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise ArgumentTypeError(f"{name} should be a single number or a list/tuple with length 2, got {value!r}")
    if not bound[0] <= low <= high <= bound[1]:
        raise ArgumentError(f"{name} values should be between {bound}, but got {(low, high)}")
    return None if low == high == center else (low, high)
