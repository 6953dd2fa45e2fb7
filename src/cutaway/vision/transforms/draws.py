"""The random numbers of transforms, drawn from the default generator as torchvision draws them from PyTorch's."""

from __future__ import annotations

import numpy as np

from cutaway.core import random
from cutaway.core.dtypes import get_default_dtype
from cutaway.core.generator import Generator


def uniforms(shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Numbers of [low, high) in the default dtype, which decides how much of the stream each takes."""
    return random.uniform(shape, low, high, get_default_dtype().np)


def normals(shape: tuple[int, ...], generator: Generator | None = None) -> np.ndarray:
    """Normal numbers in the default dtype."""
    return random.normal(shape, dtype=get_default_dtype().np, generator=generator)


def happens(p: float) -> bool:
    """With probability p, compared in the default dtype."""
    u = uniforms((1,))
    return bool(u[0] < u.dtype.type(p))


def happens_exactly(p: float) -> bool:
    """With probability p, compared in double precision."""
    return float(uniforms((1,))[0]) < p


def uniform(low: float, high: float) -> float:
    """A number of [low, high)."""
    return float(uniforms((1,), low, high)[0])


def integer(low: int, high: int) -> int:
    """One of low .. high - 1."""
    return int(random.randint((1,), low, high)[0])
