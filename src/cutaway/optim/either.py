"""The few functions that rules need beyond + - * / **, for NumPy arrays, plain numbers and Tensors alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.tensor import Tensor


def maximum(a: Any, b: Any) -> Any:
    """The larger one, element by element."""
    if isinstance(a, Tensor):
        return a.maximum(b) if isinstance(b, Tensor) else a.clamp(min=b)
    return np.maximum(a, b) if isinstance(a, np.ndarray) else max(a, b)


def choose(condition: Any, a: Any, b: float) -> Any:
    """`a` where the condition holds, else the number b."""
    if isinstance(condition, Tensor):
        return a * condition + b * ~condition
    return a if condition else b
