"""Colours of tensors [..., 1 or 3, H, W]: integers from black 0 to white 255 (the dtype's largest), floats from 0 to 1."""

from __future__ import annotations

import numpy as np

from cutaway.core.aval import show
from cutaway.core.derived import stack
from cutaway.core.dtypes import float32, int64
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.functions import cat, from_numpy, where
from cutaway.core.tensor import Tensor
from cutaway.functional.conv import conv2d
from cutaway.vision.transforms.tensors import Floats, channels, converted, highest


def grayscale(img: Tensor, out: int = 1) -> Tensor:
    """0.2989 R + 0.587 G + 0.114 B, as one channel or as three equal ones.

    torchvision leaves one channel where three are wanted of one; here they are three, as its documentation says.
    """
    if img.ndim < 3:
        raise ArgumentTypeError(f"Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    if out not in (1, 3):
        raise ArgumentError(f"num_output_channels should be either 1 or 3, got {out}")
    if channels(img, "rgb_to_grayscale") == 3:
        r, g, b = img.unbind(-3)
        gray = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        gray = img.clone()
    return gray.expand((*img.shape[:-3], 3, *img.shape[-2:])) if out == 3 else gray


def blended(a: Tensor, b: Tensor | float, share: float) -> Tensor:
    """share a + (1 - share) b, kept between black and white."""
    mix = float(share) * a + (1.0 - float(share)) * b
    return mix.clamp(0, highest(a.dtype)).to(a.dtype)


def brightness(img: Tensor, factor: float) -> Tensor:
    """0 is black, 1 the image."""
    channels(img, "adjust_brightness")
    return blended(img, 0.0 * img, factor)


def contrast(img: Tensor, factor: float) -> Tensor:
    """0 is the mean gray, 1 the image."""
    gray = grayscale(img) if channels(img, "adjust_contrast") == 3 else img
    kind = img.dtype if img.dtype.is_floating_point else float32
    return blended(img, gray.to(kind).mean((-3, -2, -1) if gray.ndim > 2 else (-2, -1), keepdim=True), factor)


def saturation(img: Tensor, factor: float) -> Tensor:
    """0 is gray, 1 the image."""
    return img if channels(img, "adjust_saturation") == 1 else blended(img, grayscale(img), factor)


def sharpness(img: Tensor, factor: float) -> Tensor:
    """0 is blurred, 1 the image, 2 sharper."""
    channels(img, "adjust_sharpness")
    if min(img.shape[-2:]) <= 2:
        return img
    return blended(img, _blurred(img), factor)


def _blurred(img: Tensor) -> Tensor:
    """Averages over 3 x 3 pixels, the middle one counting five times; the border stays as it is."""
    kind = img.dtype if img.dtype.is_floating_point else float32
    kernel = np.ones((3, 3), kind.np)
    kernel[1, 1] = 5
    kernel /= kernel.sum()
    floats = Floats(img, (kind,))
    c = floats.x.shape[1]
    inner = floats.back(conv2d(floats.x, from_numpy(kernel).expand((c, 1, 3, 3)), groups=c))
    rows = cat([img[..., 1:-1, :1], inner, img[..., 1:-1, -1:]], -1)
    return cat([img[..., :1, :], rows, img[..., -1:, :]], -2)


def gamma(img: Tensor, gamma: float, gain: float) -> Tensor:
    """gain x^gamma, of x from 0 to 1."""
    channels(img, "adjust_gamma")
    x = img if img.dtype.is_floating_point else converted(img, float32)
    return converted((gain * x**gamma).clamp(0, 1), img.dtype)


def hue(img: Tensor, factor: float) -> Tensor:
    """The hue turned by `factor` of the circle."""
    if channels(img, "adjust_hue") == 1:
        return img
    h, s, v = _hsv(converted(img, float32))
    return converted(_rgb((h + factor) % 1.0, s, v), img.dtype)


def _hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value, each from 0 to 1.  Smith 1978, "Color gamut transform pairs"."""
    r, g, b = img.unbind(-3)
    v, low = img.amax(-3), img.amin(-3)
    gray, spread = v == low, v - low
    s = spread / where(gray, 1.0, v)
    divisor = where(gray, 1.0, spread)
    rc, gc, bc = ((v - x) / divisor for x in (r, g, b))
    h = where(v == r, bc - gc, where(v == g, 2.0 + rc - bc, 4.0 + gc - rc))
    return (h / 6.0 + 1.0).fmod(1.0), s, v


def _rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """[..., 3, H, W] of hue, saturation and value: which sixth of the circle says who of R, G, B is v, p, q, t."""
    sixth = (h * 6.0).floor()
    f = h * 6.0 - sixth
    p, q, t = ((v * x).clamp(0, 1) for x in (1.0 - s, 1.0 - s * f, 1.0 - s * (1.0 - f)))
    which = (sixth.to(int64) % 6).unsqueeze(-3)
    rgb = ((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))
    return cat([stack(list(six), -3).gather(-3, which) for six in rgb], -3)


def invert(img: Tensor) -> Tensor:
    """White minus the image."""
    _at_least_3(img, "invert")
    return highest(img.dtype) - img


def posterize(img: Tensor, bits: int) -> Tensor:
    """Only the highest `bits` of each uint8."""
    _bytes(img, "posterize")
    return img & (256 - 2 ** (8 - bits))


def solarize(img: Tensor, threshold: float) -> Tensor:
    """What is as bright as `threshold` or brighter is inverted."""
    _at_least_3(img, "solarize")
    if threshold > highest(img.dtype):
        raise ArgumentTypeError(f"Threshold should be less than bound of img, {highest(img.dtype)}; got {threshold}")
    return where(img >= threshold, invert(img), img)


def autocontrast(img: Tensor) -> Tensor:
    """Each channel stretched so that its darkest pixel is black and its brightest white."""
    _at_least_3(img, "autocontrast")
    white = highest(img.dtype)
    kind = img.dtype if img.dtype.is_floating_point else float32
    low, high = img.amin((-2, -1), keepdim=True).to(kind), img.amax((-2, -1), keepdim=True).to(kind)
    flat = low == high
    scale = where(flat, 1.0, white / where(flat, 1.0, high - low))
    return ((img - where(flat, 0.0, low)) * scale).clamp(0, white).to(img.dtype)


def equalize(img: Tensor) -> Tensor:
    """Each channel of uint8 with its levels used about equally often."""
    _bytes(img, "equalize")
    planes = img.numpy().reshape(-1, *img.shape[-2:])
    return from_numpy(np.stack([_equalized(plane) for plane in planes]).reshape(tuple(img.shape)))


def _equalized(plane: np.ndarray) -> np.ndarray:
    count = np.bincount(plane.ravel(), minlength=256)
    step = count[count > 0][:-1].sum() // 255
    if not step:
        return plane
    below = np.concatenate([[0], np.cumsum(count)[:-1]])
    table = np.minimum((below + step // 2) // step, 255)
    return table.astype(np.uint8)[plane]


def _at_least_3(img: Tensor, op: str) -> None:
    if img.ndim < 3:
        raise ArgumentTypeError(f"{op}: Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    channels(img, op)


def _bytes(img: Tensor, op: str) -> None:
    _at_least_3(img, op)
    if img.dtype.np != np.uint8:
        raise ArgumentTypeError(f"{op}: Only uint8 image tensors are supported, got {show(img)}")
