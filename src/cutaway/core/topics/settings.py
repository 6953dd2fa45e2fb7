"""Settings that PyTorch has for all of a program: how tensors print; and those that change nothing here, each saying why."""

from __future__ import annotations

import math
from typing import Any

from cutaway.core import dtypes, printing
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe, guarded

PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
PRECISIONS = ("highest", "high", "medium")
_chosen: dict[str, Any] = {"precision": "highest", "deterministic": False}


@guarded
def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """How tensors print: digits, how many elements are shown whole and how many at the edges, the width; or a profile."""
    if profile is not None:
        if not isinstance(profile, str) or profile not in PROFILES:
            raise ArgumentError(f"set_printoptions: profile must be one of {', '.join(PROFILES)}, got {profile!r}")
        printing.PRECISION, printing.THRESHOLD, printing.EDGE, printing.WIDTH = PROFILES[profile]  # type: ignore[assignment]
    for value in (precision, threshold, edgeitems, linewidth):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0):
            raise ArgumentTypeError(f"set_printoptions: expected numbers of 0 or more, got {describe(value)}")
    for name, value in (("PRECISION", precision), ("THRESHOLD", threshold), ("EDGE", edgeitems), ("WIDTH", linewidth)):
        if value is not None:
            setattr(printing, name, value)
    printing.SCIENCE = None if sci_mode is None else bool(sci_mode)


@guarded
def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: products are in full float32 whatever it says.  Raises ArgumentError for an unknown name."""
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ArgumentError(f"set_float32_matmul_precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    _chosen["precision"] = precision


@guarded
def get_float32_matmul_precision() -> str:
    """What was set."""
    return str(_chosen["precision"])


@guarded
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: results never depend on chance or on the number of threads."""
    if not isinstance(mode, (bool, int)):
        raise ArgumentTypeError(f"use_deterministic_algorithms: expected True or False, got {describe(mode)}")
    _chosen["deterministic"] = bool(mode)


@guarded
def are_deterministic_algorithms_enabled() -> bool:
    """What was set."""
    return bool(_chosen["deterministic"])


@guarded
def set_default_device(device: Any) -> None:
    """Accepted for the CPU.  Raises DeviceError for another."""
    dtypes.check_device(device)


@guarded
def get_default_device() -> dtypes.device:
    """The CPU."""
    return dtypes.CPU
