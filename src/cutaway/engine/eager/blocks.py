"""Memory for large results, used again. Fresh memory from the system is cleared page by page when it is first touched, which
takes as long as an elementwise kernel that fills it; a training step asks for the same sizes over and over.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

LARGE = 1 << 17  # bytes, from which the system's allocator takes fresh pages
KEPT = 1 << 28  # bytes that may lie idle

_spare: dict[int, list[np.ndarray]] = {}


class Block(ctypes.Structure):
    """What arrays in a stretch of memory hold on to. When the last of them is gone, the memory waits for the next.

    (No array itself: of a base that is an array, NumPy would hold the base.)
    """

    memory: np.ndarray

    def __del__(self) -> None:
        _keep(self.memory)


@lru_cache(256)
def _kind(size: int) -> type[Block]:
    return type("Block", (Block,), {"_fields_": [("bytes", ctypes.c_char * size)]})


def _keep(memory: np.ndarray) -> None:
    if memory.nbytes + idle() > KEPT:
        _spare.clear()
    if memory.nbytes <= KEPT:
        _spare.setdefault(memory.nbytes, []).append(memory)


def idle() -> int:
    """Bytes that wait to be used again."""
    return sum([size * len(waiting) for size, waiting in [*_spare.items()]])


def empty(shape: tuple[int, ...], dtype: np.dtype, nbytes: int) -> np.ndarray:
    """As `np.empty`, for `nbytes` of LARGE or more."""
    size = -(-nbytes // LARGE) * LARGE
    waiting = _spare.get(size)
    try:
        memory: Any = waiting.pop() if waiting else None
    except IndexError:  # another thread was faster
        memory = None
    if memory is None:
        memory = np.empty(size, np.uint8)
    block: Any = _kind(size).from_buffer(memory)
    block.memory = memory
    return np.ndarray(shape, dtype, buffer=block)
