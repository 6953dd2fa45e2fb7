"""Values in a few characters, for a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.tensor import Tensor

MANY = 64  # numbers of an array that are written out


def number(v: Any) -> str:
    """A number as a person writes it: 0.25, 3, 1e+300, nan."""
    if isinstance(v, (bool, np.bool_)):
        return str(bool(v))
    return f"{float(v) + 0.0:.4g}"  # and no -0


def short(x: Any) -> str:
    """A value in one line: arrays with their shape where it does not show."""
    if isinstance(x, Tensor):
        x = x.detach().numpy()
    if isinstance(x, np.ndarray):
        if x.size > MANY:
            return f"array {list(x.shape)}"
        return number(x) if x.ndim == 0 else _nested(x)
    if isinstance(x, (int, np.integer, np.bool_)):
        return str(x.item() if isinstance(x, np.generic) else x)
    if isinstance(x, (float, np.floating)):
        return number(x)
    if isinstance(x, tuple):
        return f"({', '.join(map(short, x))})"
    if isinstance(x, list):
        return f"[{', '.join(map(short, x[:MANY]))}{', ...' if len(x) > MANY else ''}]"
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {short(v)}" for k, v in x.items()) + "}"
    text = repr(x)
    return text if len(text) <= 200 else text[:197] + "..."


def leaves(x: Any) -> list[Any]:
    """What a tuple of tuples holds, in order."""
    return [v for part in x for v in leaves(part)] if isinstance(x, tuple) else [x]


def named(x: Any, names: Sequence[str]) -> str:
    """A value over as many lines as it has parts, each with its name."""
    parts = leaves(x)
    if len(parts) != len(names):
        return whole(x)
    width = max(map(len, names), default=0)
    return "\n".join(f"{name:<{width}}  {whole(v)}" for name, v in zip(names, parts, strict=True))


def whole(x: Any) -> str:
    """A value over as many lines as it needs, arrays with shape."""
    if isinstance(x, Tensor):
        x = x.detach().numpy()
    if isinstance(x, np.ndarray) and x.ndim > 0:
        if x.size > MANY or x.ndim > 3:
            return f"{np.array2string(x, precision=4, threshold=16)}  shape {list(x.shape)}"
        return f"{_nested(x)}  shape {list(x.shape)}"
    if isinstance(x, tuple):
        return "\n".join(f"({i + 1}) {whole(v)}" for i, v in enumerate(x)) if x else "()"
    return short(x)


def _nested(x: np.ndarray) -> str:
    if x.ndim == 0:
        return number(x) if x.dtype.kind == "f" else str(x.item())
    return f"[{', '.join(map(_nested, x))}]"
