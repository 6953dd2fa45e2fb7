"""The random numbers of transforms, drawn from the default generator as torchvision draws them from PyTorch's."""

from __future__ import annotations

import numpy as np

from cutaway.core import random


def happens(p: float) -> bool:
    """With probability p, compared in single precision."""
    return bool(random.uniform((1,))[0] < np.float32(p))


def happens_exactly(p: float) -> bool:
    """With probability p, compared in double precision."""
    return float(random.uniform((1,))[0]) < p


def uniform(low: float, high: float) -> float:
    """A number of [low, high)."""
    return float(random.uniform((1,), low, high)[0])


def integer(low: int, high: int) -> int:
    """One of low .. high - 1."""
    return int(random.randint((1,), low, high)[0])
