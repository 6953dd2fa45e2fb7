"""PyTorch's `torch.cuda` where there is no GPU: questions are answered so, and what only tidies up is accepted."""

from __future__ import annotations

from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import DeviceError
from cutaway.cuda import amp

__all__ = [
    "OutOfMemoryError", "amp", "current_device", "device_count", "empty_cache", "get_device_capability",
    "get_device_name", "get_device_properties", "get_rng_state_all", "ipc_collect", "is_available",
    "is_bf16_supported", "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved", "reset_peak_memory_stats",
    "seed", "seed_all", "set_device", "set_rng_state_all", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False."""
    return False


is_initialized = is_bf16_supported = is_available


def device_count() -> int:
    """0."""
    return 0


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def manual_seed(seed: int) -> None:
    """Accepted: there is no GPU whose numbers it would start; `cutaway.manual_seed` starts the CPU's."""


manual_seed_all = manual_seed


def seed() -> None:
    """Accepted, as `manual_seed`."""


seed_all = seed


def synchronize(device: Any = None) -> None:
    """Nothing to wait for: operations are done when they return."""


def empty_cache() -> None:
    """Nothing to empty."""


ipc_collect = empty_cache


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset."""


def get_rng_state_all() -> list[Any]:
    """An empty list: one state for each GPU."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Accepts an empty list.  Raises DeviceError for states of GPUs, which are not here."""
    if len(new_states):
        raise DeviceError(f"cuda.set_rng_state_all: {len(new_states)} states, but there is no GPU here; leave them out")


class OutOfMemoryError(RuntimeError):
    """To be named in `except`: never raised, as there is no GPU."""


def _refuse(name: str) -> Any:
    def ask(device: Any = None) -> Any:
        raise DeviceError(f"cuda.{name}: there is no GPU here; ask cuda.is_available() first")

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = "Raises DeviceError: there is no GPU."
    return ask


current_device, get_device_name, get_device_properties, get_device_capability, mem_get_info, set_device = map(
    _refuse,
    "current_device get_device_name get_device_properties get_device_capability mem_get_info set_device".split(),
)


def __getattr__(name: str) -> Any:
    raise absent("cutaway.cuda", name, __all__)
