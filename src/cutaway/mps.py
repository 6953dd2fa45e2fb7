"""PyTorch's `torch.mps` where there is no such device: questions are answered so, and what only tidies up is accepted."""

from __future__ import annotations

from typing import Any

from cutaway.core.absent import absent

__all__ = [
    "current_allocated_memory",
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "seed",
    "synchronize",
]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Accepted: there is no device whose numbers it would start."""


def seed() -> None:
    """Accepted, as `manual_seed`."""


def synchronize() -> None:
    """Nothing to wait for: operations are done when they return."""


def empty_cache() -> None:
    """Nothing to empty."""


def current_allocated_memory() -> int:
    """0 bytes."""
    return 0


def __getattr__(name: str) -> Any:
    raise absent("cutaway.mps", name, __all__)
