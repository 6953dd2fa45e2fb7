"""A few numbers of an array around one element, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.dtypes import INEXACT

NEAR = 2  # neighbours on either side


def first_bad(a: np.ndarray) -> tuple[int, ...]:
    """The index of the first NaN, or if there is none of the first Inf."""
    bad = np.isnan(a)
    if not bad.any():
        bad = ~np.isfinite(a)
    return tuple(int(i) for i in np.unravel_index(int(bad.argmax()), a.shape))


def around(a: np.ndarray, shape: tuple[int, ...], at: tuple[int, ...]) -> str:
    """`float32[3, 4], around [1, 2]: 0.1 0.2 >0< 0.4`: `a` at the element `at` of a result of this shape.

    An array that does not broadcast to the shape has no such element: its smallest and largest are told.
    """
    head = f"{a.dtype.name}{list(a.shape)}"
    if a.ndim == 0:
        return f"{a.dtype.name} {_show(a[()])}"
    if a.ndim > len(shape) or any(n not in (1, m) for n, m in zip(a.shape[::-1], shape[::-1])):
        return f"{head}, {extent(a)}"
    index = tuple(0 if n == 1 else i for n, i in zip(a.shape, at[len(shape) - a.ndim :], strict=True))
    row, k = a[index[:-1]], index[-1]
    low, high = max(0, k - NEAR), min(len(row), k + NEAR + 1)
    shown = [f">{_show(row[i])}<" if i == k else _show(row[i]) for i in range(low, high)]
    dots = "... " if low else "", " ..." if high < len(row) else ""
    return f"{head}, around {list(index)}: {dots[0]}{' '.join(shown)}{dots[1]}"


def extent(a: np.ndarray) -> str:
    """`from -1 to 3, with 2 NaN`."""
    if not a.size:
        return "empty"
    if a.dtype.kind == "c":
        return f"of magnitudes {extent(np.abs(a))}"
    if a.dtype.kind not in INEXACT:
        return f"from {a.min()} to {a.max()}"
    good = a[np.isfinite(a)]
    text = f"from {_show(good.min())} to {_show(good.max())}" if good.size else "no finite element"
    for word, n in (("NaN", int(np.isnan(a).sum())), ("Inf", int(np.isinf(a).sum()))):
        text += f", {n} {word}" if n else ""
    return text


def _show(x: Any) -> str:
    if np.iscomplexobj(x):
        return f"{x.real:.4g}{x.imag:+.4g}i"
    return f"{float(x):.4g}" if np.asarray(x).dtype.kind in INEXACT else str(x)


def largest(a: np.ndarray) -> float:
    """The largest magnitude among finite floating elements; 0 if there are none."""
    if a.dtype.kind not in INEXACT:
        return 0.0
    good = np.abs(a[np.isfinite(a)])
    return float(good.max()) if good.size else 0.0


class Shown(NamedTuple):
    """An operation at one element: inputs and result as text, the inputs' values there (NaN: it has none), their largest."""

    inputs: tuple[str, ...]
    result: str
    values: tuple[float, ...]
    size: float
    dtype: np.dtype

    @classmethod
    def of(cls, inputs: Sequence[np.ndarray], y: np.ndarray, at: tuple[int, ...]) -> Shown:
        """Of what an operation made `y` of."""
        values = []
        for a in inputs:
            try:
                x = np.broadcast_to(a, y.shape)[at]
                values.append(float(abs(x) if np.iscomplexobj(x) else x))
            except ValueError:
                values.append(np.nan)
        texts = tuple(around(a, y.shape, at) for a in inputs)
        return cls(texts, around(y, y.shape, at), tuple(values), max(map(largest, inputs), default=0.0), y.dtype)
