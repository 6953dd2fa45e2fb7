"""Transforms as functions of one image: Pillow's, or a tensor [..., C, H, W].

Names, arguments and results are those of torchvision.transforms.functional.  Every function raises ArgumentTypeError
(a TypeError) for what is no image, ArgumentError (a ValueError) for an argument that makes no sense.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.dtypes import dtype, float32, get_default_dtype
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.functions import from_numpy
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.vision.pillow import from_array, is_image, need
from cutaway.vision.transforms import colours, grid, images, tensors
from cutaway.vision.transforms.interpolation import PILLOW, InterpolationMode, mode_of

Image = Any
"""One of Pillow's images, or a Tensor."""

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "center_crop", "convert_image_dtype", "crop", "elastic_transform",
    "equalize", "erase",
    "five_crop", "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size", "hflip", "invert",
    "normalize", "pad", "perspective", "pil_to_tensor", "posterize", "resize", "resized_crop", "rgb_to_grayscale",
    "rotate", "solarize", "ten_crop", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip


def _is_tensor(img: Image, op: str) -> bool:
    """True for a tensor, False for Pillow's image.  Raises ArgumentTypeError for anything else."""
    if isinstance(img, Tensor):
        return True
    if is_image(img):
        return False
    need(op)
    fix = "; ToPILImage() makes an image of an array, ToTensor() a tensor" if isinstance(img, np.ndarray) else ""
    raise ArgumentTypeError(f"{op}: img should be PIL Image or Tensor, got {describe(img)}{fix}")


# ---- between images, arrays and tensors


def to_tensor(pic: Image) -> Tensor:
    """Pillow's image, or an array [H, W] or [H, W, C], as a tensor [C, H, W]; bytes become floats from 0 to 1."""
    if is_image(pic):
        img = _pixels(pic)
        if pic.mode == "1":
            img = 255 * img
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ArgumentError(f"to_tensor: pic should be 2/3 dimensional, got {pic.ndim} dimensions")
        img = pic if pic.ndim == 3 else pic[:, :, None]
    else:
        raise ArgumentTypeError(f"to_tensor: pic should be PIL Image or ndarray, got {describe(pic)}")
    img = img.transpose(2, 0, 1)
    if img.dtype != np.uint8:
        return from_numpy(np.array(img, order="C"))
    kind = get_default_dtype()
    if kind.itemsize == 2:
        return from_numpy(np.array(img, order="C")).to(kind).div(255)
    floats = img.astype(kind.np, order="C")
    floats /= 255
    return from_numpy(floats)


def pil_to_tensor(pic: Image) -> Tensor:
    """Pillow's image as a tensor [C, H, W] of the same numbers."""
    if not is_image(pic):
        raise ArgumentTypeError(f"pil_to_tensor: pic should be PIL Image, got {describe(pic)}")
    return from_numpy(_pixels(pic)).permute(2, 0, 1)


def _pixels(pic: Image) -> np.ndarray:
    """A copy of the pixels [H, W, C]."""
    kinds = {"I": np.int32, "I;16": np.int16, "I;16B": np.int16, "F": np.float32}
    return np.array(pic, kinds.get(pic.mode, np.uint8)).reshape(pic.height, pic.width, -1)


def to_pil_image(pic: Tensor | np.ndarray, mode: str | None = None) -> Image:
    """A tensor [H, W] or [C, H, W], or an array [H, W] or [H, W, C], as Pillow's image; floats times 255 become bytes.

    `mode` is Pillow's name of the channels, where their number leaves a choice ("HSV", "CMYK", ...; "F" for floats).
    """
    if isinstance(pic, Tensor):
        array = pic.detach().numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise ArgumentTypeError(f"to_pil_image: pic should be Tensor or ndarray, got {describe(pic)}")
    if array.ndim not in (2, 3):
        raise ArgumentError(f"to_pil_image: pic should be 2/3 dimensional, got {array.ndim} dimensions")
    array = array[:, :, None] if array.ndim == 2 else array
    if array.shape[2] > 4:
        raise ArgumentError(f"to_pil_image: pic should not have > 4 channels, got {array.shape[2]} channels")
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.int64).astype(np.uint8)  # beyond 255 or below 0 it wraps
    if array.shape[2] == 1:
        array = array[:, :, 0]
        big = "" if sys.byteorder == "little" else "B"
        possible = {"u1": ["L"], "i2": ["I;16" + big], "i4": ["I"], "f4": ["F"]}.get(array.dtype.str[1:], [])
    else:
        possible = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}[array.shape[2]]
    if mode is None and (array.ndim == 2 or array.dtype == np.uint8):
        mode = possible[0] if possible else None
        if mode is None:
            raise ArgumentTypeError(f"to_pil_image: Input type {array.dtype} is not supported")
    if mode not in possible:
        raise ArgumentError(f"to_pil_image: mode {mode!r} does not fit {array.dtype}{list(array.shape)}: use {possible}")
    return from_array(array, mode)


def convert_image_dtype(image: Tensor, dtype: dtype = float32) -> Tensor:
    """A tensor in another dtype, with black and white staying black and white: 0 to 255 in uint8, 0 to 1 in floats."""
    if not isinstance(image, Tensor):
        raise ArgumentTypeError(f"convert_image_dtype: Input img should be Tensor Image, got {describe(image)}")
    return tensors.converted(image, dtype)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(x - mean[C]) / std[C] of floats x[..., C, H, W]."""
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"normalize: img should be Tensor Image, got {describe(tensor)}; use ToTensor first")
    return tensors.normalize(tensor, mean, std, inplace)


def get_dimensions(img: Image) -> list[int]:
    """[C, H, W]."""
    return tensors.dimensions(img) if _is_tensor(img, "get_dimensions") else images.dimensions(img)


def get_image_size(img: Image) -> list[int]:
    """[W, H]."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Image) -> int:
    """C."""
    return get_dimensions(img)[0]


# ---- sizes and places


def resize(
    img: Image,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Image:
    """At size (H, W); of one number, the shorter side is made that long, the longer one at most `max_size`."""
    mode = mode_of(interpolation)
    wanted = [size] if isinstance(size, int) else list(size)
    if len(wanted) not in (1, 2):
        raise ArgumentError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(wanted)} element tuple/list")
    if max_size is not None and len(wanted) != 1:
        raise ArgumentError("max_size should only be passed if size specifies the length of the smaller edge")
    _, h, w = get_dimensions(img)
    out = tensors.output_size(h, w, wanted, max_size)
    if out == [h, w]:
        return img
    if isinstance(img, Tensor):
        return tensors.resize(img, out, mode.value, antialias)
    if antialias is False:
        warnings.warn("Pillow's images are always antialiased; antialias=False has no effect", stacklevel=2)
    return images.resize(img, out, PILLOW[mode])


def pad(img: Image, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Image:
    """More pixels around: `padding` is one number, (left and right, top and bottom), or (left, top, right, bottom).

    padding_mode: "constant" (fill), "edge" (the border pixel repeated), "reflect" and "symmetric" (mirrored, without
    and with the border pixel itself).  fill is a number, or for Pillow's images also one for each channel.
    """
    if not isinstance(padding, (int, tuple, list)):
        raise ArgumentTypeError(f"pad: Got inappropriate padding arg: expected ints, got {padding!r}")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ArgumentError(f"Padding mode should be either constant, edge, reflect or symmetric, got {padding_mode!r}")
    amounts = [padding] if isinstance(padding, int) else list(padding)
    if len(amounts) not in (1, 2, 4):
        raise ArgumentError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(amounts)} element tuple")
    left, top, right, bottom = amounts * (4 // len(amounts))
    how = tensors.pad if _is_tensor(img, "pad") else images.pad
    return how(img, left, top, right, bottom, fill, padding_mode)


def crop(img: Image, top: int, left: int, height: int, width: int) -> Image:
    """A part; black outside the image."""
    return (tensors.crop if _is_tensor(img, "crop") else images.crop)(img, top, left, height, width)


def center_crop(img: Image, output_size: int | Sequence[int]) -> Image:
    """The middle (H, W), with black around where the image is smaller."""
    th, tw = _pair(output_size)
    _, h, w = get_dimensions(img)
    if tw > w or th > h:
        across, down = max(tw - w, 0), max(th - h, 0)
        img = pad(img, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2])
        _, h, w = get_dimensions(img)
        if (th, tw) == (h, w):
            return img
    return crop(img, tensors.rounded_half(h - th), tensors.rounded_half(w - tw), th, tw)


def resized_crop(
    img: Image,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = BILINEAR,
    antialias: bool | None = True,
) -> Image:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Image, size: int | Sequence[int]) -> tuple[Image, ...]:
    """Top left, top right, bottom left, bottom right, centre, each of (H, W)."""
    th, tw = _pair(size)
    _, h, w = get_dimensions(img)
    if tw > w or th > h:
        raise ArgumentError(f"Requested crop size {(th, tw)} is bigger than input size {(h, w)}")
    corners = [crop(img, top, left, th, tw) for top in (0, h - th) for left in (0, w - tw)]
    return (*corners, center_crop(img, (th, tw)))


def ten_crop(img: Image, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Image, ...]:
    """`five_crop` of the image, and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def hflip(img: Image) -> Image:
    """Left and right changed."""
    return img.flip(-1) if _is_tensor(img, "hflip") else images.hflip(img)


def vflip(img: Image) -> Image:
    """Top and bottom changed."""
    return img.flip(-2) if _is_tensor(img, "vflip") else images.vflip(img)


def rotate(
    img: Image,
    angle: float,
    interpolation: InterpolationMode | int = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Image:
    """Turned counter-clockwise by `angle` degrees about `center` (x, y), by default the middle.

    `expand` makes the result large enough for all of it.
    """
    mode = mode_of(interpolation)
    if not isinstance(angle, (int, float)):
        raise ArgumentTypeError(f"rotate: Argument angle should be int or float, got {describe(angle)}")
    if not _is_tensor(img, "rotate"):
        return images.rotate(img, angle, PILLOW[mode], expand, center, fill)
    matrix = grid.inverse_affine(_from_middle(img, center), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    return grid.affine(img, matrix, mode.value, fill, expand)


def affine(
    img: Image,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Image:
    """Sheared (degrees along x and y), scaled, turned clockwise (degrees) about `center`, and moved by (x, y) pixels."""
    mode = mode_of(interpolation)
    if not isinstance(angle, (int, float)):
        raise ArgumentTypeError(f"affine: Argument angle should be int or float, got {describe(angle)}")
    if len(translate) != 2:
        raise ArgumentError(f"Argument translate should be a sequence of length 2, got {translate!r}")
    if scale <= 0:
        raise ArgumentError(f"Argument scale should be positive, got {scale}")
    angles = [shear, 0.0] if isinstance(shear, (int, float)) else list(shear)
    angles = angles * 2 if len(angles) == 1 else angles
    if len(angles) != 2:
        raise ArgumentError(f"Shear should be a sequence containing two values, got {shear!r}")
    if not _is_tensor(img, "affine"):
        middle = (img.width * 0.5, img.height * 0.5) if center is None else center
        matrix = grid.inverse_affine(middle, angle, translate, scale, angles)
        return images.warp(img, "affine", matrix, PILLOW[mode], fill)
    matrix = grid.inverse_affine(_from_middle(img, center), angle, translate, scale, angles)
    return grid.affine(img, matrix, mode.value, fill)


def _from_middle(img: Tensor, center: Sequence[float] | None) -> Sequence[float]:
    _, h, w = get_dimensions(img)
    return (0.0, 0.0) if center is None else (center[0] - w * 0.5, center[1] - h * 0.5)


def perspective(
    img: Image,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = BILINEAR,
    fill: Any = None,
) -> Image:
    """Drawn so that the four corners `startpoints`, each (x, y), come to lie at `endpoints`."""
    mode = mode_of(interpolation)
    numbers = grid.perspective_numbers(startpoints, endpoints)
    if _is_tensor(img, "perspective"):
        return grid.perspective(img, numbers, mode.value, fill)
    return images.warp(img, "perspective", numbers, PILLOW[mode], fill)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """The rectangle of height h and width w at row i, column j overwritten by v, which broadcasts to [..., C, h, w]."""
    if not isinstance(img, Tensor):
        raise ArgumentTypeError(f"erase: img should be Tensor Image, got {describe(img)}; use ToTensor first")
    return tensors.erase(img, i, j, h, w, v, inplace)


def elastic_transform(
    img: Image,
    displacement: Tensor,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Image:
    """Each pixel from its place plus displacement[1, H, W, 2], (x, y) in parts of half the size; `fill` outside.

    Raises ArgumentTypeError for a displacement that is no tensor, ArgumentError for one of another shape.
    """
    if not isinstance(displacement, Tensor):
        raise ArgumentTypeError(f"elastic_transform: displacement should be a Tensor, got {describe(displacement)}")
    _, h, w = get_dimensions(img)
    if tuple(displacement.shape) != (1, h, w, 2):
        raise ArgumentError(f"Argument displacement shape should be {(1, h, w, 2)}, but given {tuple(displacement.shape)}")
    picture = _is_tensor(img, "elastic_transform")
    x: Any = img if picture else pil_to_tensor(img)
    y = grid.displaced(x, displacement.detach().numpy()[0], mode_of(interpolation).value, fill)
    return y if picture else to_pil_image(y, img.mode)


def gaussian_blur(img: Image, kernel_size: int | Sequence[int], sigma: Any = None) -> Image:
    """Smoothed by a Gaussian of `kernel_size` (columns, rows), odd numbers, and standard deviation `sigma` in pixels."""
    size = _pair(kernel_size)
    if any(n % 2 == 0 or n < 0 for n in size):
        raise ArgumentError(f"kernel_size should have odd and positive integers, got {kernel_size!r}")
    if sigma is None:
        spread: Sequence[float] = [n * 0.15 + 0.35 for n in size]
    else:
        spread = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma) * (2 // len(sigma))
    if len(spread) != 2 or min(spread) <= 0:
        raise ArgumentError(f"sigma should have one or two positive values, got {sigma!r}")
    if _is_tensor(img, "gaussian_blur"):
        return tensors.gaussian_blur(img, size, spread)
    return to_pil_image(tensors.gaussian_blur(pil_to_tensor(img), size, spread), img.mode)


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(H, W), of one number for both too."""
    sides = (size,) if isinstance(size, (int, float)) else tuple(size)
    if len(sides) not in (1, 2):
        raise ArgumentError(f"Please provide only two dimensions (h, w) for size, got {size!r}")
    return int(sides[0]), int(sides[-1])


# ---- colours


def rgb_to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """Gray: one channel, or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(f"num_output_channels should be either 1 or 3, got {num_output_channels}")
    how = colours.grayscale if _is_tensor(img, "rgb_to_grayscale") else images.grayscale
    return how(img, num_output_channels)


def to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """`rgb_to_grayscale` of Pillow's images alone."""
    if not is_image(img):
        raise ArgumentTypeError(f"to_grayscale: Input should be PIL Image, got {describe(img)}; use rgb_to_grayscale")
    return rgb_to_grayscale(img, num_output_channels)


def adjust_brightness(img: Image, brightness_factor: float) -> Image:
    """0 gives black, 1 the image, 2 twice as bright."""
    return _adjusted(img, "brightness", brightness_factor)


def adjust_contrast(img: Image, contrast_factor: float) -> Image:
    """0 gives the mean gray, 1 the image, 2 twice the contrast."""
    return _adjusted(img, "contrast", contrast_factor)


def adjust_saturation(img: Image, saturation_factor: float) -> Image:
    """0 gives gray, 1 the image, 2 twice the colour."""
    return _adjusted(img, "saturation", saturation_factor)


def adjust_sharpness(img: Image, sharpness_factor: float) -> Image:
    """0 gives a blurred image, 1 the image, 2 a sharper one."""
    return _adjusted(img, "sharpness", sharpness_factor)


ADJUST = {  # for a tensor; Pillow's name of it
    "brightness": (colours.brightness, "Brightness"),
    "contrast": (colours.contrast, "Contrast"),
    "saturation": (colours.saturation, "Color"),
    "sharpness": (colours.sharpness, "Sharpness"),
}


def _adjusted(img: Image, what: str, factor: float) -> Image:
    if factor < 0:
        raise ArgumentError(f"{what}_factor ({factor}) is not non-negative.")
    of_tensor, of_image = ADJUST[what]
    return of_tensor(img, factor) if _is_tensor(img, f"adjust_{what}") else images.enhance(img, of_image, factor)


def adjust_hue(img: Image, hue_factor: float) -> Image:
    """The hue turned by `hue_factor`, -0.5 to 0.5, of the colour circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ArgumentError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return (colours.hue if _is_tensor(img, "adjust_hue") else images.hue)(img, hue_factor)


def adjust_gamma(img: Image, gamma: float, gain: float = 1) -> Image:
    """gain x^gamma, of x from 0 to 1."""
    if gamma < 0:
        raise ArgumentError(f"Gamma should be a non-negative real number, got {gamma}")
    return (colours.gamma if _is_tensor(img, "adjust_gamma") else images.gamma)(img, gamma, gain)


def invert(img: Image) -> Image:
    """The negative."""
    return colours.invert(img) if _is_tensor(img, "invert") else images.operation(img, "invert")


def posterize(img: Image, bits: int) -> Image:
    """Only the highest `bits`, 0 to 8, of each byte."""
    if not 0 <= bits <= 8:
        raise ArgumentError(f"The number if bits should be between 0 and 8. Got {bits}")
    return colours.posterize(img, bits) if _is_tensor(img, "posterize") else images.operation(img, "posterize", bits)


def solarize(img: Image, threshold: float) -> Image:
    """What is as bright as `threshold` or brighter is inverted."""
    if _is_tensor(img, "solarize"):
        return colours.solarize(img, threshold)
    return images.operation(img, "solarize", threshold)


def autocontrast(img: Image) -> Image:
    """Each channel stretched so that its darkest pixel is black and its brightest white."""
    return colours.autocontrast(img) if _is_tensor(img, "autocontrast") else images.operation(img, "autocontrast")


def equalize(img: Image) -> Image:
    """Each channel with its levels used about equally often."""
    return colours.equalize(img) if _is_tensor(img, "equalize") else images.operation(img, "equalize")


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.transforms.functional", name, __all__)
