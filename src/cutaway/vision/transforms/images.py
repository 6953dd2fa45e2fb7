"""What transforms do to Pillow's images: mostly what Pillow itself offers, under torchvision's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.vision.pillow import from_array, need

Fill = float | Sequence[float] | None
PAD_MODES = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}  # np.pad's names


def dimensions(img: Any) -> list[int]:
    """[C, H, W]."""
    width, height = img.size
    return [len(img.getbands()), height, width]


def hflip(img: Any) -> Any:
    """Left and right changed."""
    return img.transpose(need("hflip").Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Top and bottom changed."""
    return img.transpose(need("vflip").Transpose.FLIP_TOP_BOTTOM)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part; black outside the image."""
    return img.crop((left, top, left + width, top + height))


def resize(img: Any, size: Sequence[int], mode: int) -> Any:
    """At size (H, W), by one of Pillow's modes."""
    return img.resize(tuple(size[::-1]), mode)


def pad(img: Any, left: int, top: int, right: int, bottom: int, fill: Fill, mode: str) -> Any:
    """More pixels around; fewer where a number is negative."""
    if mode == "constant":
        wider = need("pad", "ImageOps").expand(img, border=(left, top, right, bottom), fill=filling(img, fill))
        if img.mode == "P":
            wider.putpalette(img.getpalette())
        return wider
    border = np.array([left, top, right, bottom])
    if (border < 0).any():
        less = -np.minimum(border, 0)
        img = img.crop((less[0], less[1], img.width - less[2], img.height - less[3]))
    left, top, right, bottom = np.maximum(border, 0)
    pixels = np.asarray(img)
    around = ((top, bottom), (left, right), (0, 0))[: pixels.ndim]
    padded = from_array(np.pad(pixels, around, mode))  # type: ignore[call-overload]
    if img.mode == "P":
        padded.putpalette(img.getpalette())
    return padded


def filling(img: Any, fill: Fill) -> Any:
    """`fill` as Pillow wants it: a number for one band, a tuple for several, whole numbers but in mode F."""
    bands = len(img.getbands())
    fill = 0 if fill is None else fill
    number = float if img.mode == "F" else int
    if isinstance(fill, (int, float)):
        return number(fill) if bands == 1 else (number(fill),) * bands
    values = tuple(number(x) for x in fill)
    if len(values) == 1:
        values *= bands
    if len(values) != bands:
        raise ArgumentError(f"fill has {len(values)} values, but the image has {bands} channels; give one per channel")
    return values


def warp(img: Any, kind: str, numbers: Sequence[float], mode: int, fill: Fill) -> Any:
    """An affine (6 numbers) or perspective (8) transform from places of the result to places of the image."""
    method = getattr(need(kind).Transform, kind.upper())
    return img.transform(img.size, method, numbers, mode, fillcolor=filling(img, fill))


def rotate(img: Any, angle: float, mode: int, expand: bool, center: Sequence[float] | None, fill: Fill) -> Any:
    """Turned counter-clockwise by `angle` degrees."""
    return img.rotate(angle, mode, expand, center, fillcolor=filling(img, fill))


def enhance(img: Any, what: str, factor: float) -> Any:
    """Pillow's ImageEnhance: 0 takes all Brightness, Contrast, Color or Sharpness away, 1 changes nothing."""
    return getattr(need(what, "ImageEnhance"), what)(img).enhance(factor)


def hue(img: Any, factor: float) -> Any:
    """The hue turned by `factor` of the circle."""
    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turned = np.array(h, np.uint8) + np.int32(factor * 255).astype(np.uint8)  # wraps, as hues do
    return need("adjust_hue").merge("HSV", (from_array(turned), s, v)).convert(img.mode)


def gamma(img: Any, gamma: float, gain: float) -> Any:
    """255 gain (x / 255)^gamma."""
    table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def grayscale(img: Any, channels: int) -> Any:
    """Mode L, or RGB with three equal channels."""
    gray = img.convert("L")
    return gray if channels == 1 else from_array(np.dstack([np.asarray(gray)] * 3))


def operation(img: Any, name: str, *numbers: float) -> Any:
    """invert, posterize, solarize, autocontrast or equalize of Pillow's ImageOps."""
    return getattr(need(name, "ImageOps"), name)(img, *numbers)
