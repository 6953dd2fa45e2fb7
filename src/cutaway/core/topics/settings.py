"""Settings that PyTorch has for all of a program: how tensors print; and those that change nothing here, each saying why."""

from __future__ import annotations

import math
from typing import Any

from cutaway.core import dtypes, printing
from cutaway.core.errors import ArgumentError

PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
PRECISIONS = ("highest", "high", "medium")
_chosen: dict[str, Any] = {"precision": "highest", "deterministic": False}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """How tensors print: digits, how many elements are shown whole and how many at the edges, the width; or a profile."""
    if profile is not None:
        if profile not in PROFILES:
            raise ArgumentError(f"set_printoptions: profile must be one of {', '.join(PROFILES)}, got {profile!r}")
        printing.PRECISION, printing.THRESHOLD, printing.EDGE, printing.WIDTH = PROFILES[profile]  # type: ignore[assignment]
    for name, value in (("PRECISION", precision), ("THRESHOLD", threshold), ("EDGE", edgeitems), ("WIDTH", linewidth)):
        if value is not None:
            setattr(printing, name, value)
    printing.SCIENCE = sci_mode


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: products are in full float32 whatever it says.  Raises ArgumentError for an unknown name."""
    if precision not in PRECISIONS:
        raise ArgumentError(f"set_float32_matmul_precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    _chosen["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What was set."""
    return str(_chosen["precision"])


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: results never depend on chance or on the number of threads."""
    _chosen["deterministic"] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was set."""
    return bool(_chosen["deterministic"])


def set_default_device(device: Any) -> None:
    """Accepted for the CPU.  Raises DeviceError for another."""
    dtypes.check_device(device)


def get_default_device() -> dtypes.device:
    """The CPU."""
    return dtypes.CPU
