"""PyTorch's `torch.xpu` where there is no such device: questions are answered so, and what only tidies up is accepted."""

from __future__ import annotations

from cutaway.core.absent import absent

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Accepted: there is no device whose numbers it would start."""


manual_seed_all = manual_seed


def synchronize(device: object = None) -> None:
    """Nothing to wait for: operations are done when they return."""


def empty_cache() -> None:
    """Accepted: there is no cache."""


def __getattr__(name: str) -> object:
    raise absent("cutaway.xpu", name, __all__)
