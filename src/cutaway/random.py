"""PyTorch's `torch.random`: the default generator's seed and state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.dtypes import check_device
from cutaway.core.generator import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **options: Any) -> Iterator[None]:
    """After the `with` block the default generator goes on as if nothing had been drawn inside.

    Raises DeviceError where `devices` names a GPU.
    """
    for d in devices or ():
        check_device(f"cuda:{d}" if isinstance(d, int) else d)
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)


def __getattr__(name: str) -> Any:
    raise absent("cutaway.random", name, __all__)
