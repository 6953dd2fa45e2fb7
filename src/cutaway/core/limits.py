"""What a dtype can hold, and which dtype two things have together."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import dtypes
from cutaway.core.dtypes import FROM_NUMPY, as_dtype, dtype
from cutaway.core.errors import ArgumentTypeError, DTypeError


class finfo:
    """The limits of a floating dtype: `bits eps max min tiny smallest_normal resolution`.

    Without a dtype, of the default one.  Raises ArgumentTypeError for an integer one.
    """

    def __init__(self, type: Any = None) -> None:
        d = dtypes.get_default_dtype() if type is None else as_dtype(type, "finfo")
        if not d.is_floating_point:
            raise ArgumentTypeError(f"finfo: {d!r} is no floating dtype; use iinfo")
        n = np.finfo(d.np)
        self.dtype, self.bits = d.name, int(n.bits)
        self.eps, self.max, self.min = float(n.eps), float(n.max), float(n.min)
        self.tiny = self.smallest_normal = float(n.tiny)
        self.resolution = 10.0**-n.precision

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={getattr(self, k):g}" for k in "resolution min max eps smallest_normal tiny".split())
        return f"finfo({values}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype: `bits max min`.  Raises ArgumentTypeError for any other."""

    def __init__(self, type: Any) -> None:
        d = as_dtype(type, "iinfo")
        if d.category != 1:
            raise ArgumentTypeError(f"iinfo: {d!r} is no integer dtype; use finfo for floating ones")
        n = np.iinfo(d.np)
        self.dtype, self.bits, self.max, self.min = d.name, int(n.bits), int(n.max), int(n.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that both can become."""
    return FROM_NUMPY[dtypes.promote_np(as_dtype(type1, "promote_types").np, as_dtype(type2, "promote_types").np)]


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of `tensor1 + tensor2`; either may be a Python number."""
    return FROM_NUMPY[dtypes.result_np([_standing(tensor1), _standing(tensor2)])]


def can_cast(from_: dtype, to: dtype) -> bool:
    """True unless the conversion would leave floating for integer, or numbers for bool."""
    return as_dtype(from_, "can_cast").category <= as_dtype(to, "can_cast").category


def _standing(x: Any) -> tuple[np.dtype, int]:
    if hasattr(x, "_data"):
        return x._data.dtype, 2 if x._data.ndim else 1
    if not isinstance(x, (bool, int, float)):
        raise DTypeError(f"result_type: expected a Tensor or a number, got {type(x).__name__}")
    return as_dtype(type(x)).np, 0
