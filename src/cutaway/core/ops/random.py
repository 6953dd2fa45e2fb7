"""Random ops inside a graph: counter-based, so that eager, compiled and any number of threads draw the same numbers."""

from __future__ import annotations

import numpy as np

from cutaway.core.aval import Aval, Shape
from cutaway.core.errors import ArgumentError
from cutaway.core.op import Op, Sample
from cutaway.core.philox import philox_uniform as draw


def _shape(shape: Shape, seed: int, offset: int, dtype: np.dtype) -> Aval:
    if any(n < 0 for n in shape):
        raise ArgumentError(f"philox_uniform: shape {list(shape)} has a negative size")
    return Aval(tuple(shape), dtype)


def _draw(shape: Shape, seed: int, offset: int, dtype: np.dtype) -> np.ndarray:
    return draw(_shape(shape, seed, offset, dtype).shape, seed, offset, dtype)


philox_uniform: Op = Op(
    "philox_uniform",
    "random",
    _draw,
    _shape,
    formula=r"u \sim \mathcal{U}[0, 1)",
    onnx="RandomUniform",
    samples=lambda: [
        Sample((), {"shape": (3, 5), "seed": 7, "offset": 0, "dtype": np.dtype("float32")}),
        Sample((), {"shape": (9,), "seed": 7, "offset": 3, "dtype": np.dtype("float64")}),
        Sample((), {"shape": (0,), "seed": 0, "offset": 0, "dtype": np.dtype("float32")}),
    ],
    errors=lambda: [
        Sample((), {"shape": (-1,), "seed": 0, "offset": 0, "dtype": np.dtype("float32")}, error="negative size")
    ],
)
