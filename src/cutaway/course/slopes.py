"""The numerical gradient, for specs of backward exercises: slow, obvious, and by other means than any rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def slope(f: Callable[[np.ndarray], Any], x: np.ndarray, g: Any = 1.0, h: float = 1e-5) -> np.ndarray:
    """The gradient of (f(x) * g).sum() with respect to x, by central differences: shape of x; g has the shape of f(x).

    With f of quarters and h = 1e-5 it is right to about nine digits, where f has no corner within h.
    """
    x = np.array(x, float)
    out = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        kept = x[at]
        x[at] = kept + h
        above = np.sum(np.asarray(f(x)) * g)
        x[at] = kept - h
        below = np.sum(np.asarray(f(x)) * g)
        x[at] = kept
        out[at] = (above - below) / (2 * h)
    return out
