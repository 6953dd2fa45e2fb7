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


def minimum(a: Any, b: float) -> Any:
    """The smaller of an array and a number, element by element."""
    return a.clamp(max=b) if isinstance(a, Tensor) else np.minimum(a, b)


def sign(a: Any) -> Any:
    """-1, 0 or 1, element by element."""
    return a.sign() if isinstance(a, Tensor) else np.sign(a)
