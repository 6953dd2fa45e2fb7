"""PyTorch's `torch.accelerator` where there is none: a program that asks gets the CPU."""

from __future__ import annotations

from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import DeviceError

__all__ = [
    "current_accelerator", "current_device_index", "device_count", "empty_cache", "is_available", "set_device_idx",
    "set_device_index", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False."""
    return False


def current_accelerator(check_available: bool = False) -> None:
    """None: there is no accelerator."""


def device_count() -> int:
    """0."""
    return 0


def set_device_index(device: Any) -> None:
    """Accepts a negative index, which means none.  Raises DeviceError for any other: there is no such device."""
    if not isinstance(device, int) or device >= 0:
        raise DeviceError(
            f"set_device_index: there is no accelerator {device!r} here; leave the call out, all is on the CPU"
        )


set_device_idx = set_device_index


def current_device_index() -> int:
    """Raises DeviceError: there is no accelerator."""
    raise DeviceError("current_device_index: there is no accelerator here; ask is_available() first")


def synchronize(device: Any = None) -> None:
    """Nothing to wait for: operations are done when they return."""


def empty_cache() -> None:
    """Nothing to empty."""


def __getattr__(name: str) -> Any:
    raise absent("cutaway.accelerator", name, __all__)
