"""PyTorch's `torch.cpu`: the device on which everything is."""

from __future__ import annotations

from cutaway.core.absent import absent

__all__ = ["current_device", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """"cpu"."""
    return "cpu"


def synchronize(device: object = None) -> None:
    """Nothing to wait for: operations are done when they return."""


def __getattr__(name: str) -> object:
    raise absent("cutaway.cpu", name, __all__)
