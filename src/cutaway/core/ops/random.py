"""Random ops inside a graph: counter-based, so that eager, compiled and any number of threads draw the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.aval import Aval, Shape, numel, show
from cutaway.core.errors import ArgumentError, DTypeError
from cutaway.core.op import STAGE, Op, Sample
from cutaway.core.philox import philox_uniform as draw

INT64 = np.dtype(np.int64)


def _shape(state: Aval, shape: Shape, dtype: np.dtype) -> Aval:
    if any(n < 0 for n in shape):
        raise ArgumentError(f"philox_uniform: shape {list(shape)} has a negative size")
    if state.shape != (2,) or state.dtype != INT64:
        raise DTypeError(f"philox_uniform: the state must be int64[2], seed and offset, got {show(state)}")
    return Aval(tuple(shape), dtype)


def _draw(state: np.ndarray, shape: Shape, dtype: np.dtype) -> np.ndarray:
    _shape(Aval(state.shape, state.dtype), shape, dtype)
    return draw(shape, int(state[0]), int(state[1]), dtype)


philox_uniform: Op = Op(
    "philox_uniform",
    "random",
    _draw,
    _shape,
    (None,),
    formula=r"u \sim \mathcal{U}[0, 1)",
    samples=lambda: [
        Sample((np.array([7, 0]),), {"shape": (3, 5), "dtype": np.dtype("float32")}),
        Sample((np.array([7, 3]),), {"shape": (9,), "dtype": np.dtype("float64")}),
        Sample((np.array([0, 0]),), {"shape": (0,), "dtype": np.dtype("float32")}),
    ],
    errors=lambda: [
        Sample((np.array([0, 0]),), {"shape": (-1,), "dtype": np.dtype("float32")}, error="negative size"),
        Sample((np.array([0.0, 0]),), {"shape": (1,), "dtype": np.dtype("float32")}, error="int64[2]"),
    ],
)


def uniform(shape: Shape, dtype: np.dtype) -> Any:
    """Fresh uniform numbers in [0, 1) from the default generator's counter; a new stretch of it at each call."""
    from cutaway.core.generator import default_generator
    from cutaway.core.tensor import Tensor

    def state() -> np.ndarray:
        seed, offset = default_generator.next_philox(numel(shape))
        return np.array([seed & 0xFFFFFFFFFFFFFFFF, offset], np.uint64).astype(INT64)

    stage = STAGE.get()
    words = stage.number(state, INT64, "philox", (2,)) if stage else Tensor._wrap(state())
    return philox_uniform(words, shape=shape, dtype=dtype)
