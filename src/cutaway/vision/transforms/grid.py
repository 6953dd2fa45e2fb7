"""Turning, shearing, bending tensors [..., C, H, W]: each pixel of the result is looked up at its place in the image.

The arithmetic of places is in the image's precision and in torchvision's order: a rounding decides which pixel is the
nearest.  Gradients flow to the image, not to the places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.dtypes import float32
from cutaway.core.errors import ArgumentError
from cutaway.core.functions import from_numpy, where
from cutaway.core.tensor import Tensor
from cutaway.vision.transforms.tensors import Floats, dimensions


def inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """The six numbers of M^-1, where M = T C R(angle) S(shear) scale C^-1: from a place of the result to the image's.

    R(angle) S = [[cos(a - sy) / cos sy, -cos(a - sy) tan sx / cos sy - sin a],
                  [sin(a - sy) / cos sy, -sin(a - sy) tan sx / cos sy + cos a]], whose determinant is 1.
    """
    rot, (sx, sy) = math.radians(angle), (math.radians(s) for s in shear)
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty)
    m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty)
    m[2] += cx
    m[5] += cy
    return m


def affine(img: Tensor, matrix: Sequence[float], mode: str, fill: Any, expand: bool = False) -> Tensor:
    """`matrix` leads from places of the result to the image's, both counted from the centre.

    `expand`: the result is as large as holds the whole image.
    """
    _, h, w = dimensions(img)
    oh, ow = _expanded(matrix, h, w) if expand else (h, w)
    kind = img.dtype.np if img.dtype.is_floating_point else np.dtype(np.float32)
    base = _places(oh, ow, -0.5 * oh + 0.5, -0.5 * ow + 0.5, kind)
    theta = np.array(matrix, kind).reshape(2, 3).T / np.array([0.5 * w, 0.5 * h], kind)
    return sampled(img, (base @ theta).reshape(oh, ow, 2), mode, fill)


def perspective(img: Tensor, c: Sequence[float], mode: str, fill: Any) -> Tensor:
    """x' = (c0 x + c1 y + c2) / (c6 x + c7 y + 1), y' = (c3 x + c4 y + c5) / (c6 x + c7 y + 1)."""
    _, h, w = dimensions(img)
    kind = img.dtype.np if img.dtype.is_floating_point else np.dtype(np.float32)
    base = _places(h, w, 0.5, 0.5, kind)
    above = np.array([c[:3], c[3:6]], kind).T / np.array([0.5 * w, 0.5 * h], kind)
    below = np.array([[c[6], c[7], 1.0]] * 2, kind).T
    return sampled(img, ((base @ above) / (base @ below) - 1).reshape(h, w, 2).astype(kind), mode, fill)


def perspective_numbers(start: Sequence[Sequence[float]], end: Sequence[Sequence[float]]) -> list[float]:
    """The eight numbers that lead from the four corners `end` to the four corners `start`, each (x, y)."""
    if len(start) != 4 or len(end) != 4:
        raise ArgumentError(
            f"Please provide exactly four corners, got {len(start)} startpoints and {len(end)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    try:
        numbers = np.linalg.solve(np.array(rows, np.float64), np.array(start, np.float64).reshape(8))
    except np.linalg.LinAlgError:
        raise ArgumentError(f"perspective: three of the corners lie on one line: {start} and {end}") from None
    return numbers.astype(np.float32).tolist()


def _places(h: int, w: int, top: float, left: float, kind: np.dtype) -> np.ndarray:
    """[H W, 3]: (x, y, 1) of each pixel's middle, (left, top) being the first one's."""
    base = np.ones((h, w, 3), kind)
    base[..., 0] = np.linspace(left, left + w - 1, w)
    base[..., 1] = np.linspace(top, top + h - 1, h)[:, None]
    return base.reshape(h * w, 3)


def _expanded(matrix: Sequence[float], h: int, w: int) -> tuple[int, int]:
    """(H, W) of the box around the image's corners, turned."""
    x, y = 0.5 * w, 0.5 * h
    corners = np.array([[-x, -y, 1], [-x, y, 1], [x, y, 1], [x, -y, 1]], np.float32)
    moved = corners @ np.array(matrix, np.float32).reshape(2, 3).T
    half = np.array([x, y], np.float32)
    tiny = np.float32(1e-4)  # what is less than this over a whole number is a rounding
    top, bottom = (np.trunc((edge + half) / tiny) * tiny for edge in (moved.max(0), moved.min(0)))
    ow, oh = np.ceil(top) - np.floor(bottom)
    return int(oh), int(ow)


def displaced(img: Tensor, displacement: np.ndarray, mode: str, fill: Any) -> Tensor:
    """Each pixel from its place plus displacement[H, W, 2]."""
    h, w = displacement.shape[:2]
    kind = displacement.dtype.type
    across, down = (np.linspace((1 - n) / n, (n - 1) / n, n).astype(kind) for n in (w, h))
    places = np.stack(np.broadcast_arrays(across[None, :], down[:, None]), -1)
    return sampled(img, places + displacement, mode, fill)


def sampled(img: Tensor, grid: np.ndarray, mode: str, fill: Any) -> Tensor:
    """The image looked up at grid[H', W', 2]: (x, y), where -1 and 1 are its edges.  `fill` outside, black for None."""
    if mode not in ("nearest", "bilinear"):
        raise ArgumentError(f"Interpolation mode {mode!r} is unsupported with Tensor input; use nearest or bilinear")
    kind = img.dtype if img.dtype.is_floating_point else float32
    floats = Floats(img, (kind,))
    x = floats.x
    n, c, h, w = x.shape
    oh, ow = grid.shape[:2]
    half = grid.dtype.type(0.5)
    at_x, at_y = ((grid[..., i] + 1) * grid.dtype.type(size / 2) - half for i, size in ((0, w), (1, h)))
    pixels = x.reshape((n, c, h * w))
    y, covered = None, np.zeros((oh, ow), grid.dtype)
    for row, column, weight in (_nearest if mode == "nearest" else _bilinear)(at_x, at_y):
        inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
        weight = np.where(inside, weight, 0).astype(grid.dtype)
        index = np.where(inside, row * w + column, 0).astype(np.int64)
        part = pixels.index_select(2, from_numpy(index.ravel())).reshape((n, c, oh, ow)) * from_numpy(weight)
        y = part if y is None else y + part
        covered += weight
    assert y is not None
    if fill is not None:
        y = _filled(y, covered, mode, fill)
    return floats.back(y)


def _filled(y: Tensor, covered: np.ndarray, mode: str, fill: Any) -> Tensor:
    colour = np.asarray(fill, covered.dtype).reshape(-1, 1, 1)
    if len(colour) not in (1, y.shape[1]):
        raise ArgumentError(
            f"The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(colour)} != {y.shape[1]})"
        )
    if mode == "nearest":
        return where(from_numpy(covered < 0.5), from_numpy(np.broadcast_to(colour, y.shape).copy()), y)
    return y * from_numpy(covered) + from_numpy((1 - covered) * colour)


def _nearest(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, Any]]:
    return [(np.rint(y), np.rint(x), 1)]


def _bilinear(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, Any]]:
    left, top = np.floor(x), np.floor(y)
    right_by, down_by = x - left, y - top
    left_by, up_by = 1 - right_by, 1 - down_by
    return [
        (top, left, up_by * left_by),
        (top, left + 1, up_by * right_by),
        (top + 1, left, down_by * left_by),
        (top + 1, left + 1, down_by * right_by),
    ]
