"""Values as JSON: the numbers themselves where they are few, a picture and statistics where they are many."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from cutaway.core.dtypes import is_narrow

SMALL = 64  # elements that are shown as numbers
SIDE = 40  # cells of a picture's sides, at most
WAYS = 253  # shades: 0 the least, 252 the most, 253 NaN, 254 inf, 255 -inf
NAN, INF, MINUS_INF = 253, 254, 255


def to_json(a: np.ndarray, side: int = SIDE) -> dict[str, Any]:
    """{"shape", "dtype", "data"} or {"shape", "dtype", "stats", "heat"}: see docs/inspect-format.md."""
    found: dict[str, Any] = {"shape": list(a.shape), "dtype": a.dtype.name}
    if a.dtype.kind == "c" and a.size > SMALL:
        a = np.abs(a)  # a picture has one number a place
    if a.size <= SMALL:
        return found | {"data": [number(x) for x in a.ravel().tolist()]}
    return found | {"stats": statistics(a), "heat": heat(a, side)}


def number(x: Any) -> Any:
    """A Python number as JSON knows it: NaN and infinities by name, complex numbers as text, "1.5-2i"."""
    if isinstance(x, complex):
        return f"{x.real:.6g}{x.imag:+.6g}i"
    if isinstance(x, float) and not np.isfinite(x):
        return "nan" if x != x else "inf" if x > 0 else "-inf"
    return x


def statistics(a: np.ndarray) -> dict[str, Any]:
    """Of the finite elements: least, mean, most, standard deviation, length; how many are zero, NaN, infinite."""
    a = a.astype(np.float32) if is_narrow(a.dtype) else a
    finite = a if a.dtype.kind != "f" or np.isfinite(a).all() else a[np.isfinite(a)]
    some = finite.ravel() if finite.size else np.zeros(1)
    square = float(np.dot(some, some)) if some.dtype.kind == "f" else float(np.square(some.astype(np.float64)).sum())
    mean = float(some.mean(dtype=np.float64))
    return {
        "min": float(some.min()),
        "max": float(some.max()),
        "mean": mean,
        "std": math.sqrt(max(0.0, square / some.size - mean * mean)),
        "norm": math.sqrt(square),
        "zeros": int(a.size - np.count_nonzero(a)),
        "nan": int(np.count_nonzero(np.isnan(a))) if a.dtype.kind == "f" else 0,
        "inf": int(np.count_nonzero(np.isinf(a))) if a.dtype.kind == "f" else 0,
    }


def heat(a: np.ndarray, side: int = SIDE) -> dict[str, Any]:
    """A picture of the elements: rows x columns cells of one byte; a cell shows its element of largest magnitude.

    The last dimension runs to the right; images [N, C, H, W] lie side by side. `step`: elements a cell, down and across.
    """
    rows = _as_rows(a if a.dtype.kind == "f" and a.dtype.itemsize >= 4 else a.astype(np.float64), side)
    down, across = (max(1, -(-n // side)) for n in rows.shape)
    with np.errstate(all="ignore"):
        cells = _largest(_largest(rows, down, 0), across, 1).astype(np.float64)
        finite = cells[np.isfinite(cells)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        shades = np.rint(np.clip((np.nan_to_num(cells) - low) / (high - low or 1.0), 0.0, 1.0) * (WAYS - 1))
    shades = np.where(np.isnan(cells), NAN, np.where(cells == np.inf, INF, np.where(cells == -np.inf, MINUS_INF, shades)))
    text = base64.b64encode(shades.astype(np.uint8).tobytes()).decode()
    return {
        "rows": cells.shape[0],
        "columns": cells.shape[1],
        "step": [down, across],
        "low": low,
        "high": high,
        "cells": text,
    }


def _largest(a: np.ndarray, each: int, axis: int) -> np.ndarray:
    """Of every `each` neighbours along an axis the one of largest magnitude; a NaN wins."""
    if each == 1:
        return a
    starts = np.arange(0, a.shape[axis], each)
    high, low = np.maximum.reduceat(a, starts, axis), np.minimum.reduceat(a, starts, axis)
    return np.where(np.isnan(high) | (high >= -low), high, low)


def _as_rows(a: np.ndarray, side: int) -> np.ndarray:
    if a.ndim == 1:
        width = math.isqrt(a.size - 1) + 1 if a.size > side else a.size
        flat = np.zeros(-(-a.size // width) * width, a.dtype)
        flat[: a.size] = a
        return flat.reshape(-1, width)
    if a.ndim == 4 and a.shape[-1] > 1 and a.shape[-2] > 1:  # channels side by side, images one below the other
        n, c, h, w = a.shape
        return a.transpose(0, 2, 1, 3).reshape(n * h, c * w)
    return a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
