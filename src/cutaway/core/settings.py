"""Switches that PyTorch's programs set. Here there is one device and one way to compute; so most are kept and change
nothing, and what cannot be kept is refused.
"""

from __future__ import annotations

from typing import Any

from cutaway.core import dtypes
from cutaway.core.dtypes import get_default_device as get_default_device
from cutaway.core.dtypes import set_default_device as set_default_device
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe

_deterministic = {"mode": False, "warn_only": False}
_precision = "highest"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """With True, every run of a program gives the same numbers, to the last digit. Otherwise the first runs on a machine may
    differ from each other and from later ones in rounding: native programs take over when another process has made them, and
    later runs find them in the cache.

    For any number of threads the numbers are the same in any case.
    Raises ArgumentTypeError for what is no truth value.
    """
    for name, value in (("mode", mode), ("warn_only", warn_only)):
        if not isinstance(value, (bool, int)):
            raise ArgumentTypeError(f"use_deterministic_algorithms: {name} must be True or False, got {describe(value)}")
    _deterministic.update(mode=bool(mode), warn_only=bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return _deterministic["mode"] and _deterministic["warn_only"]


def set_float32_matmul_precision(precision: str) -> None:
    """Kept: float32 products are computed in float32, as "highest" says.  Raises ArgumentError for an unknown one."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ArgumentError(
            f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}"
        )
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was told; "highest" at first."""
    return _precision


def set_default_tensor_type(t: Any) -> None:
    """The older `set_default_dtype`: takes `FloatTensor`, `DoubleTensor`, or such a name.  Raises as that does."""
    d = dtypes.from_type_name(t) if isinstance(t, str) else dtypes.as_dtype(t, "set_default_tensor_type")
    dtypes.set_default_dtype(d)


def set_flush_denormal(mode: bool) -> bool:
    """False: it cannot be chosen. Compiled programs count denormals as zero, NumPy computes with them."""
    return False
