"""Choosing by masks of bits. A branch a value (`np.where`, `copyto(where=)`) costs ten times this on random masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.dtypes import FLOATING

_BITS: dict[int, np.dtype[Any]] = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def keep(mask: np.ndarray, a: np.ndarray) -> np.ndarray:
    """`a` where the mask holds, else 0: exact for infinities and NaN, which a product with 0 is not."""
    if a.dtype.kind not in FLOATING:
        if a.dtype.kind == "c":
            return np.where(mask, a, a.dtype.type(0))
        kept: np.ndarray = a * mask
        return kept
    bits = _BITS[a.dtype.itemsize]
    ones: np.ndarray = np.negative(mask.view(np.int8), dtype=bits)  # 0, or all bits set
    out = ones if ones.shape == a.shape else None
    kept = np.bitwise_and(ones, a.view(bits), out=out).view(a.dtype)
    return kept


def _is_zero(x: Any) -> bool:
    return not x.ndim and not x if isinstance(x, np.ndarray) else type(x) in (int, float) and x == 0


def choose(mask: np.ndarray, a: Any, b: Any) -> Any:
    """`np.where`, by bits where one side is a constant zero."""
    if isinstance(mask, np.ndarray) and mask.ndim:
        if _is_zero(b) and isinstance(a, np.ndarray) and a.ndim:
            return keep(mask, a)
        if _is_zero(a) and isinstance(b, np.ndarray) and b.ndim:
            return keep(~mask, b)
    return np.where(mask, a, b)
