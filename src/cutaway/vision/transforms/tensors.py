"""What transforms do to tensors [..., C, H, W]: sizes, borders, places.  All of it has gradients where floats have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.creation import as_tensor
from cutaway.core.dtypes import dtype, float32, float64
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from cutaway.core.functions import from_numpy
from cutaway.core.tensor import Tensor
from cutaway.functional.conv import conv2d
from cutaway.functional.interpolate import interpolate
from cutaway.functional.padding import pad as pad_last

MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


def dimensions(img: Tensor) -> list[int]:
    """[C, H, W]."""
    if img.ndim < 2:
        raise ArgumentTypeError(f"Tensor is not a torch image: expected [..., H, W], got {show(img)}")
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def channels(img: Tensor, op: str) -> int:
    """1 or 3, the channels that `op` knows what to do with.  Raises ArgumentTypeError for others."""
    c = dimensions(img)[0]
    if c not in (1, 3):
        raise ArgumentTypeError(
            f"{op}: Input image tensor permitted channel values are 1 or 3, but found {c} in {show(img)}"
        )
    return c


def highest(kind: dtype) -> int:
    """White: the largest number of an integer dtype, 1 for floats."""
    return 1 if kind.is_floating_point else int(np.iinfo(kind.np).max)


def converted(img: Tensor, kind: dtype) -> Tensor:
    """In another dtype, black and white staying black and white."""
    if img.dtype == kind:
        return img
    if kind.is_floating_point:
        return img.to(kind) if img.dtype.is_floating_point else img.to(kind) / float(highest(img.dtype))
    top = highest(kind)
    if img.dtype.is_floating_point:
        if kind.itemsize >= max(4, img.dtype.itemsize):
            raise DTypeError(
                f"convert_image_dtype: the cast from {img.dtype} to {kind} cannot be performed safely: such floats do "
                "not count that far; use a smaller integer dtype"
            )
        return (img * (top + 1.0 - 1e-3)).to(kind)  # so each integer gets an equal share of 0 to 1
    if highest(img.dtype) > top:
        return img.div((highest(img.dtype) + 1) // (top + 1), rounding_mode="floor").to(kind)
    return img.to(kind) * ((top + 1) // (highest(img.dtype) + 1))


class Floats:
    """An image as float [N, C, H, W], and back: rounded, in its own dtype and shape.

    `keep` are the dtypes that need no conversion.
    """

    def __init__(self, img: Tensor, keep: Sequence[dtype] = (float32, float64)) -> None:
        self.dtype, self.lead = img.dtype, img.shape[:-3]
        self.flat = img.ndim == 2
        x = img.unsqueeze(0) if self.flat else img
        x = x.reshape((-1, *x.shape[-3:])) if x.ndim != 4 else x
        self.x = x if x.dtype in keep else x.to(keep[0])

    def back(self, x: Tensor) -> Tensor:
        """`x` [N, C, H', W'] as the image was."""
        if not self.dtype.is_floating_point:
            x = x.round()
        x = x.to(self.dtype)
        return x.reshape(x.shape[-2:]) if self.flat else x.reshape((*self.lead, *x.shape[-3:]))


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A part [..., height, width]; black outside the image."""
    _, h, w = dimensions(img)
    bottom, right = top + height, left + width
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if top >= 0 and left >= 0 and bottom <= h and right <= w:
        return inside
    return pad_last(
        inside,
        (
            max(min(right, 0) - left, 0),
            max(right - max(w, left), 0),
            max(min(bottom, 0) - top, 0),
            max(bottom - max(h, top), 0),
        ),
    )


def pad(img: Tensor, left: int, top: int, right: int, bottom: int, fill: Any, mode: str) -> Tensor:
    """More pixels around; fewer where a number is negative."""
    dimensions(img)
    amounts = (left, right, top, bottom)
    if mode == "constant":
        fill = 0 if fill is None else fill
        if isinstance(fill, (tuple, list)) and len(fill) == 1:
            fill = fill[0]
        if not isinstance(fill, (int, float)):
            raise ArgumentTypeError(f"pad: Got inappropriate fill arg: tensors are filled with one number, got {fill!r}")
        return pad_last(img, amounts, value=float(fill))
    if mode == "symmetric":
        return _symmetric(img, amounts)
    return pad_last(img, amounts, mode={"edge": "replicate"}.get(mode, mode))


def _symmetric(img: Tensor, amounts: Sequence[int]) -> Tensor:
    """Mirrored with the border pixel repeated."""
    for dim, low, high in ((-1, *amounts[:2]), (-2, *amounts[2:])):
        n = img.shape[dim]
        if max(low, high) > n:
            raise ShapeError(f"pad: mode 'symmetric' can add at most {n} pixels there to {show(img)}, got {(low, high)}")
        at = np.arange(-low, n + high)
        img = img.index_select(dim, from_numpy(np.where(at < 0, -1 - at, np.where(at >= n, 2 * n - 1 - at, at))))
    return img


def resize(img: Tensor, size: Sequence[int], mode: str, antialias: bool | None) -> Tensor:
    """At size (H, W)."""
    dimensions(img)
    if mode not in MODES:
        raise ArgumentError(f"resize: interpolation {mode!r} is for Pillow's images; tensors know {', '.join(MODES)}")
    smooth = mode in ("bilinear", "bicubic")
    floats = Floats(img)
    y = interpolate(
        floats.x, tuple(size), mode=mode, align_corners=False if smooth else None, antialias=bool(antialias) and smooth
    )
    if mode == "bicubic" and img.dtype.np == np.uint8:
        y = y.clamp(0, 255)
    return floats.back(y)


def normalize(img: Tensor, mean: Any, std: Any, inplace: bool) -> Tensor:
    """(x - mean[C]) / std[C]."""
    if not img.dtype.is_floating_point:
        raise ArgumentTypeError(f"normalize: Input tensor should be a float tensor, got {show(img)}; use ToTensor first")
    if img.ndim < 3:
        raise ArgumentError(f"normalize: Expected tensor to be a tensor image of size (..., C, H, W), got {show(img)}")
    shift, scale = (_per_channel(v, img) for v in (mean, std))
    if not scale.all():
        raise ArgumentError(f"normalize: std evaluated to zero after conversion to {img.dtype}: {std}")
    for name, values in (("mean", shift), ("std", scale)):
        if values.ndim == 3 and values.shape[0] not in (1, img.shape[-3]) and img.shape[-3] != 1:
            raise ShapeError(f"normalize: {name} has {values.shape[0]} values for the channels of {show(img)}")
    if inplace:
        return img.sub_(from_numpy(shift)).div_(from_numpy(scale))
    return (img - from_numpy(shift)) / from_numpy(scale)


def _per_channel(values: Any, img: Tensor) -> np.ndarray:
    """[C, 1, 1] of a sequence, in the image's dtype; anything of other dimensions as it is."""
    if isinstance(values, (tuple, list)) and all(isinstance(v, (int, float)) for v in values):
        return _column(tuple(values), img.dtype.np)
    array = (values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)).astype(img.dtype.np)
    return array.reshape(-1, 1, 1) if array.ndim == 1 else array


@lru_cache(64)
def _column(values: tuple[float, ...], kind: np.dtype) -> np.ndarray:
    column = np.array(values, kind).reshape(-1, 1, 1)
    column.flags.writeable = False
    return column


def erase(img: Tensor, top: int, left: int, height: int, width: int, value: Any, inplace: bool) -> Tensor:
    """A rectangle overwritten."""
    img = img if inplace else img.clone()
    img[..., top : top + height, left : left + width] = as_tensor(value)
    return img


def gaussian_blur(img: Tensor, size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """Smoothed by a Gaussian of size (columns, rows), mirrored at the border."""
    kind = img.dtype if img.dtype.is_floating_point else float32
    across, down = (_gaussian(n, s, kind.np) for n, s in zip(size, sigma, strict=True))
    kernel = from_numpy(down[:, None] * across[None, :])
    floats = Floats(img, (kind,))
    x = pad_last(floats.x, (size[0] // 2, size[0] // 2, size[1] // 2, size[1] // 2), mode="reflect")
    c = x.shape[1]
    return floats.back(conv2d(x, kernel.expand((c, 1, *kernel.shape)), groups=c))


def _gaussian(n: int, sigma: float, kind: Any) -> np.ndarray:
    at = np.linspace(-(n - 1) / 2, (n - 1) / 2, n).astype(kind)
    weights = np.exp(-0.5 * (at / np.asarray(sigma, kind)) ** 2)
    return weights / weights.sum()


def output_size(h: int, w: int, size: Sequence[int], max_size: int | None) -> list[int]:
    """[H, W] after Resize(size, max_size=...): one number is for the shorter side."""
    if len(size) == 2:
        return list(size)
    short, long = min(h, w), max(h, w)
    wanted = size[0]
    new_short, new_long = wanted, int(wanted * long / short)
    if max_size is not None:
        if max_size <= wanted:
            raise ArgumentError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge, {wanted}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if w <= h else [new_short, new_long]


def rounded_half(total: int) -> int:
    """total / 2, halves going to the even number."""
    return round(total / 2.0)


def log32(x: float) -> float:
    """log x in single precision, as PyTorch takes it of a tensor."""
    return float(np.float32(math.log(np.float32(x))))


def exp32(x: float) -> float:
    """exp x in single precision."""
    return float(np.float32(math.exp(np.float32(x))))
