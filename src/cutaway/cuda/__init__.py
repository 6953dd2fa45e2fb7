"""PyTorch's `torch.cuda` where there is no GPU: questions are answered so, and what only tidies up is accepted."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import DeviceError, MissingKey
from cutaway.cuda import amp

__all__ = [
    "Event",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "can_device_access_peer",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_gencode_flags",
    "get_rng_state",
    "get_rng_state_all",
    "host_memory_stats",
    "init",
    "initial_seed",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_per_process_memory_fraction",
    "set_rng_state_all",
    "stream",
    "synchronize",
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


def memory_stats(device: Any = None) -> dict[str, Any]:
    """An empty dict: nothing is counted."""
    return OrderedDict()


host_memory_stats = memory_stats


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Raises MissingKey, as PyTorch does where there is no GPU: there are no counts to put into words."""
    raise MissingKey("cuda.memory_summary: allocated_bytes.all.current: there is no GPU here; ask cuda.is_available() first")


def get_arch_list() -> list[str]:
    """An empty list: there are no kernels for a GPU."""
    return []


def get_gencode_flags() -> str:
    """Empty."""
    return ""


class Event:
    """A point in a GPU's work.  Raises DeviceError when one is made: there is no GPU."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        raise DeviceError("cuda.Event: there is no GPU here; take time.perf_counter(), operations are done when they return")


class Stream:
    """A queue of a GPU's work.  Raises DeviceError when one is made: there is no GPU."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        raise DeviceError("cuda.Stream: there is no GPU here; ask cuda.is_available() first")


class StreamContext:
    """`with stream(None):` changes nothing."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def stream(stream: Any) -> StreamContext:
    """A context in which work would go to that stream; None, the only one there can be here, changes nothing."""
    return StreamContext(stream)


class device:
    """`with device(i):` on a GPU.  Raises DeviceError when it is entered, unless the number is negative or None."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device

    def __enter__(self) -> None:
        if not isinstance(self.idx, int) or self.idx >= 0:
            raise DeviceError(f"cuda.device: there is no GPU {self.idx} here; ask cuda.is_available() first")

    def __exit__(self, *error: object) -> None:
        pass


class OutOfMemoryError(RuntimeError):
    """To be named in `except`: never raised, as there is no GPU."""


def _refuse(name: str) -> Any:
    def ask(*args: Any, **kwargs: Any) -> Any:
        raise DeviceError(f"cuda.{name}: there is no GPU here; ask cuda.is_available() first")

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = "Raises DeviceError: there is no GPU."
    return ask


(
    current_device, get_device_name, get_device_properties, get_device_capability, mem_get_info, set_device, current_stream,
    default_stream, get_rng_state, initial_seed, init, set_per_process_memory_fraction, can_device_access_peer,
) = map(
    _refuse,
    "current_device get_device_name get_device_properties get_device_capability mem_get_info set_device current_stream "
    "default_stream get_rng_state initial_seed init set_per_process_memory_fraction can_device_access_peer".split(),
)  # fmt: skip


def __getattr__(name: str) -> Any:
    raise absent("cutaway.cuda", name, __all__)
