"""`finfo` and `iinfo`: what a dtype can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import dtypes
from cutaway.core.dtypes import dtype as DType
from cutaway.core.errors import ArgumentTypeError
from cutaway.core.refusal import describe


class _Info:
    dtype: str
    bits: int
    _shown: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash((type(self), self.dtype))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name):g}" for name in self._shown)
        return f"{type(self).__name__}({values}, dtype={self.dtype})"

    def _read(self, d: Any, floating: bool) -> DType:
        name, wanted = type(self).__name__, "a floating or complex" if floating else "an integer"
        d = d.to_real() if floating and isinstance(d, DType) else d
        if not isinstance(d, DType) or d.is_floating_point is not floating or d.is_complex or d is dtypes.bool_:
            raise ArgumentTypeError(f"{name}: expected {wanted} dtype, got {d if isinstance(d, DType) else describe(d)}")
        self.dtype, self.bits = d.name, 8 * d.itemsize
        return d


class finfo(_Info):
    """Limits of a floating dtype (the default one if none is given): eps, max, min, tiny, resolution, bits.

    Raises ArgumentTypeError for another dtype.
    """

    _shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")

    def __init__(self, type: Any = None) -> None:
        found = dtypes.limits(self._read(dtypes.get_default_dtype() if type is None else type, True).np)
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.tiny = self.smallest_normal = float(found.smallest_normal)
        self.resolution = 10.0 ** -int(found.precision)


class iinfo(_Info):
    """Limits of an integer dtype: min, max, bits.  Raises ArgumentTypeError for another dtype."""

    _shown = ("min", "max")

    def __init__(self, type: Any) -> None:
        found = np.iinfo(self._read(type, False).np)
        self.min, self.max = int(found.min), int(found.max)


__all__ = ["finfo", "iinfo"]
