"""Interpolation: an image at another size."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ShapeError, UnwrittenMode, UnwrittenShape
from cutaway.core.functions import from_numpy
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.functional._check import floating, is_tensor
from cutaway.functional.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

SPATIAL = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
ANY = ("nearest", "nearest-exact", "area")
Taps = list[tuple[np.ndarray, np.ndarray]]


def _triangle(d: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(d), 0)


def _keys(d: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = -0.5, at distances d of up to 2."""
    d = np.abs(d)
    near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0))


FILTERS = {"bilinear": (1, _triangle), "bicubic": (2, _keys)}  # of antialias=True: how far each reaches, and its weights


@composite(r"\mathrm{interpolate}(x)")
@in_single
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x[N, C, L], [N, C, H, W] or [N, C, D, H, W] at another size: either `size`, or `scale_factor` times the old one.

    mode: "nearest", "nearest-exact", "area" for any of them; "linear" for one dimension of space, "bilinear" and
    "bicubic" (Keys 1981, a = -0.75) for two, "trilinear" for three.
    align_corners=True puts the corner pixels of both images on one another; False their outer edges.
    antialias=True, for "bilinear" and "bicubic", widens the filter by as much as the image shrinks, so that every
    pixel counts; it is what Pillow does (the cubic's a is then -0.5).

    Raises ArgumentError for an unknown mode, or options that do not go together; ShapeError for the wrong number of
    dimensions.
    """
    is_tensor("interpolate", input=input)
    n = input.ndim - 2
    if mode not in SPATIAL and mode not in ANY:
        raise UnwrittenMode(f"interpolate: mode {mode!r} is unknown; use one of {', '.join((*ANY, *SPATIAL))}")
    if not 1 <= n <= 3 or SPATIAL.get(mode, n) != n:
        raise UnwrittenShape(
            f"interpolate: mode {mode!r} needs [N, C] and {SPATIAL.get(mode, '1 to 3')} dimensions of space, got "
            f"{show(input)}; "
            + {1: "use mode='linear'", 2: "use mode='bilinear'", 3: "use mode='trilinear'"}.get(n, "reshape it")
        )
    if antialias and mode not in FILTERS:
        raise ArgumentError(f"interpolate: antialias=True needs mode 'bilinear' or 'bicubic', got {mode!r}; leave it out")
    if align_corners is not None and mode in ANY:
        raise ArgumentError(f"interpolate: align_corners has no meaning with mode {mode!r}; leave it out")
    out, factors = _sizes(input, n, size, scale_factor, bool(recompute_scale_factor), mode == "area")
    if 0 in input.shape[2:] or min(out) < 1:
        raise ShapeError(f"interpolate: input {show(input)} and output {list(out)} must have at least one pixel")
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[n - 1](input, out)
    x = input
    if antialias:
        floating("interpolate", x)
        for d in (1, 0):  # PyTorch's order, of which roundings tell
            x = _filtered(x, d + 2, out[d], factors[d], mode, bool(align_corners))
        return x
    for d in range(n):
        x = _along(x, d + 2, out[d], factors[d], mode, bool(align_corners))
    return x


def _sizes(
    x: Tensor, n: int, size: Any, scale_factor: Any, recompute: bool, area: bool
) -> tuple[tuple[int, ...], list[float | None]]:
    """Output size, and per dimension the factor that positions are computed with (None: output over input)."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give either size or scale_factor, and not both")
    value = scale_factor if size is None else size
    values = list(value) if hasattr(value, "__len__") else [value] * n
    if len(values) != n:
        raise ArgumentError(f"interpolate: {value!r} must be one number, or {n}: one a dimension of space of {show(x)}")
    if size is not None:
        if recompute:
            raise ArgumentError(
                "interpolate: recompute_scale_factor has no meaning with an explicit size; leave it out"
            )
        return tuple(map(int, values)), [None] * n
    out = tuple(math.floor(s * f) for s, f in zip(x.shape[2:], values, strict=True))
    return out, [None] * n if recompute or area else [float(f) for f in values]


def _along(x: Tensor, dim: int, out: int, factor: float | None, mode: str, align_corners: bool) -> Tensor:
    """x resampled along one dimension."""
    n = x.shape[dim]
    if mode.startswith("nearest"):
        return _nearest(x, dim, n, out, factor, mode)
    floating("interpolate", x)
    if out == n and (mode != "bicubic" or align_corners or factor is None or factor == 1.0):
        return x  # PyTorch copies where the size stays, whatever the factor; not so in bicubic mode
    taps = (_cubic_taps if mode == "bicubic" else _linear_taps)(
        *_positions(n, out, factor, align_corners, mode == "bicubic"), n
    )
    return _weighted(x, dim, taps)


def _weighted(x: Tensor, dim: int, taps: Taps) -> Tensor:
    """The sum over the taps of weight[out] * x[..., index[out], ...]."""
    shape = (-1,) + (1,) * (x.ndim - dim - 1)
    y = None
    for index, weight in taps:
        part = x.index_select(dim, from_numpy(index)) * from_numpy(weight.astype(x.dtype.np).reshape(shape))
        y = part if y is None else y + part
    assert y is not None
    return y


def _filtered(x: Tensor, dim: int, out: int, factor: float | None, mode: str, align_corners: bool) -> Tensor:
    """x resampled along one dimension under a filter that is as wide as an output pixel, if that is wider than one."""
    n = x.shape[dim]
    if out == n and factor in (None, 1.0):
        return x
    radius, weight_at = FILTERS[mode]
    real: Any = np.float64 if x.dtype.itemsize == 8 else np.float32  # positions in PyTorch's precision
    if align_corners:
        scale = real((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        scale = real(1.0 / factor) if factor is not None else real(n) / real(out)
    width = max(scale, real(1))
    support = real(radius) * width
    center = scale * (np.arange(out, dtype=real) + real(0.5))
    first = np.maximum((center - support + real(0.5)).astype(np.int64), 0)
    count = np.minimum((center + support + real(0.5)).astype(np.int64), n) - first
    k = np.arange(count.max())
    distance = ((first[:, None] + k).astype(real) - center[:, None] + real(0.5)) / width
    weight = np.where(k < count[:, None], weight_at(distance), real(0))
    weight /= weight.sum(1, keepdims=True)
    return _weighted(x, dim, [(np.minimum(first + j, n - 1), weight[:, j]) for j in k.tolist()])


def _nearest(x: Tensor, dim: int, n: int, out: int, factor: float | None, mode: str) -> Tensor:
    # In two dimensions PyTorch keeps or doubles pixels whatever the exact factor was; in one and three it does not.
    plain = mode == "nearest" and x.ndim == 4 and out in (n, 2 * n)
    if plain or (mode == "nearest" and out % n == 0 and (factor is None or factor == out // n)):
        if out == n:
            return x
        # A whole number of copies of each pixel: an expansion, whose gradient is a plain sum.
        lead, tail = x.shape[:dim], x.shape[dim + 1 :]
        return x.unsqueeze(dim + 1).expand((*lead, n, out // n, *tail)).reshape((*lead, out, *tail))
    # The roundings of these positions are PyTorch's: one unit in the last place moves a pixel.
    single = mode == "nearest" or x.ndim == 4 or x.dtype.itemsize < 8
    real = np.dtype(np.float32 if single else np.float64).type
    scale = real(1.0 / factor) if factor is not None else real(n) / real(out)
    place = np.arange(out, dtype=np.float64)
    if mode == "nearest":
        at = place * scale
    elif x.ndim == 4:
        at = (place + 0.5) * scale
    else:
        at = ((place + 0.5) * scale - 0.5).astype(real) + real(0.5)
    index = np.minimum(np.floor(at.astype(np.float32)), n - 1).astype(np.int64)
    return x.index_select(dim, from_numpy(index))


def _positions(
    n: int, out: int, factor: float | None, align_corners: bool, cubic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Where each output pixel lies in the input: the pixel before it, and the distance from that one."""
    i = np.arange(out, dtype=np.float64)
    if align_corners:
        at = i * ((n - 1) / (out - 1)) if out > 1 else i * 0.0
    else:
        at = (i + 0.5) * (1.0 / factor if factor is not None else n / out) - 0.5
        if not cubic:
            at = np.maximum(at, 0.0)
    before = np.floor(at)
    return before.astype(np.int64), at - before


def _linear_taps(before: np.ndarray, t: np.ndarray, n: int) -> Taps:
    return [(np.minimum(before, n - 1), 1.0 - t), (np.minimum(before + 1, n - 1), t)]


def _cubic_taps(before: np.ndarray, t: np.ndarray, n: int) -> Taps:
    """Keys' cubic convolution with a = -0.75: near and far branch of the kernel at distances 1 + t, t, 1 - t, 2 - t."""
    a = -0.75

    def near(d: np.ndarray) -> Any:
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0

    def far(d: np.ndarray) -> Any:
        return ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a

    weights = (far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t))
    return [(np.clip(before + k - 1, 0, n - 1), w) for k, w in enumerate(weights)]


@composite(r"\mathrm{interpolate}(x)")
@in_single
def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """An older name of interpolate, by the nearest element; warns as PyTorch does."""
    warnings.warn("upsample_nearest is an older name of interpolate; write interpolate", stacklevel=3)
    return interpolate(input, size, scale_factor, "nearest")


@composite(r"\mathrm{interpolate}(x)")
@in_single
def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """An older name of interpolate, linear with align_corners=True; warns as PyTorch does."""
    warnings.warn("upsample_bilinear is an older name of interpolate; write interpolate", stacklevel=3)
    return interpolate(input, size, scale_factor, "bilinear", True)


@composite(r"\mathrm{interpolate}(x)")
@in_single
def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of interpolate; warns as PyTorch does."""
    warnings.warn("upsample is the older name of interpolate; write interpolate", stacklevel=3)
    return interpolate(input, size, scale_factor, mode, align_corners)
