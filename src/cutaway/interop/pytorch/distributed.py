"""`torch.distributed` for a group of one process: what is exchanged with no one stays as it is.

A job of several processes (WORLD_SIZE above 1) is refused: their gradients would silently not be averaged.
"""

from __future__ import annotations

import os
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.dtypes import device as Device
from cutaway.core.errors import ArgumentError, DeviceError, StateError

__all__ = [
    "ReduceOp", "all_gather", "all_gather_object", "all_reduce", "barrier", "broadcast", "broadcast_object_list",
    "destroy_process_group", "gather", "get_backend", "get_default_backend_for_device", "get_node_local_rank",
    "get_rank", "get_world_size", "init_process_group", "is_available", "is_backend_available", "is_gloo_available",
    "is_initialized", "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "is_ucc_available",
    "is_xccl_available", "monitored_barrier", "new_group", "reduce", "scatter",
]  # fmt: skip

DEFAULT_BACKENDS = {"cpu": "gloo", "mps": "gloo", "cuda": "nccl", "xpu": "xccl"}
_backend = ""  # of the group, once there is one


class ReduceOp:
    """How values of several processes become one. Of one process's value, each leaves it as it is."""

    SUM, AVG, PRODUCT, MIN, MAX = "sum", "avg", "product", "min", "max"


def is_available() -> bool:
    """True: a group of one process can be made."""
    return True


is_gloo_available = is_available


def is_nccl_available() -> bool:
    """False: there is no GPU."""
    return False


is_mpi_available = is_ucc_available = is_xccl_available = is_torchelastic_launched = is_nccl_available


def is_backend_available(backend: str) -> bool:
    """True for "gloo", PyTorch's name of what exchanges values on CPUs."""
    return backend.lower() == "gloo"


def is_initialized() -> bool:
    """True between `init_process_group` and `destroy_process_group`."""
    return bool(_backend)


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """A group of this one process.  Raises DeviceError where there are to be more, StateError if there is a group."""
    global _backend
    world = world_size if world_size != -1 else int(os.environ.get("WORLD_SIZE", "1"))
    place = rank if rank != -1 else int(os.environ.get("RANK", "0"))
    if world != 1:
        raise DeviceError(
            f"init_process_group: world_size {world}, but processes exchange nothing here, and each would train a network "
            "of its own; start one process (WORLD_SIZE=1, or leave torchrun out)"
        )
    if place != 0:
        raise ArgumentError(f"init_process_group: the rank must be 0 to {world - 1}, got {place}")
    if _backend:
        raise StateError("init_process_group: there is a group already; call destroy_process_group() first")
    _backend = (backend or "gloo").lower()


def destroy_process_group(group: Any = None) -> None:
    """There is no group any more."""
    global _backend
    _check("destroy_process_group")
    _backend = ""


def get_rank(group: Any = None) -> int:
    """0.  Raises StateError without a group."""
    _check("get_rank")
    return 0


def get_world_size(group: Any = None) -> int:
    """1.  Raises StateError without a group."""
    _check("get_world_size")
    return 1


def get_backend(group: Any = None) -> str:
    """The name that `init_process_group` was given.  Raises StateError without a group."""
    _check("get_backend")
    return _backend


def get_default_backend_for_device(device: Any) -> str:
    """PyTorch's choice for a device, or for its name: "gloo" for "cpu".  Raises ArgumentError if it has none."""
    kind = (device if isinstance(device, Device) else Device(device)).type
    if kind not in DEFAULT_BACKENDS:
        raise ArgumentError(f"get_default_backend_for_device: no backend is the default one of {device}")
    return DEFAULT_BACKENDS[kind]


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """LOCAL_RANK of the environment, else `fallback_rank`.  Raises StateError where neither is given."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise StateError("get_node_local_rank: LOCAL_RANK is not in the environment; give a fallback_rank")
    return int(fallback_rank)


def new_group(ranks: Any = None, *args: Any, **options: Any) -> str:
    """The group of process 0.  Raises ArgumentError for any other process's number."""
    _check("new_group")
    if ranks is not None and list(ranks) not in ([], [0]):
        raise ArgumentError(f"new_group: there is one process, 0; got {list(ranks)}")
    return "group"


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Any:
    """There is no one to wait for."""
    _check("barrier")
    return _Done() if async_op else None


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """There is no one to wait for."""
    _check("monitored_barrier")


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Any:
    """The sum, mean, product, minimum or maximum over one process: `tensor` stays as it is."""
    _check("all_reduce")
    return _Done() if async_op else None


def reduce(tensor: Any, dst: int = 0, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Any:
    """As `all_reduce`."""
    _only("reduce", "dst", dst)
    return _Done() if async_op else None


def broadcast(tensor: Any, src: int = 0, group: Any = None, async_op: bool = False) -> Any:
    """`tensor` stays as it is."""
    _only("broadcast", "src", src)
    return _Done() if async_op else None


def broadcast_object_list(object_list: Any, src: int = 0, group: Any = None, device: Any = None) -> None:
    """The objects stay as they are."""
    _only("broadcast_object_list", "src", src)


def all_gather(tensor_list: Any, tensor: Any, group: Any = None, async_op: bool = False) -> Any:
    """The one place of `tensor_list` becomes a copy of `tensor`."""
    _one("all_gather", tensor_list)
    _copy(tensor_list[0], tensor)
    return _Done() if async_op else None


def all_gather_object(object_list: Any, obj: Any, group: Any = None) -> None:
    """The one place of `object_list` becomes `obj`."""
    _one("all_gather_object", object_list)
    object_list[0] = obj


def gather(tensor: Any, gather_list: Any = None, dst: int = 0, group: Any = None, async_op: bool = False) -> Any:
    """As `all_gather`."""
    _only("gather", "dst", dst)
    return all_gather(gather_list, tensor, group, async_op)


def scatter(tensor: Any, scatter_list: Any = None, src: int = 0, group: Any = None, async_op: bool = False) -> Any:
    """`tensor` becomes a copy of the one in the list."""
    _only("scatter", "src", src)
    _one("scatter", scatter_list)
    _copy(tensor, scatter_list[0])
    return _Done() if async_op else None


class _Done:
    """An exchange that is over."""

    def wait(self, timeout: Any = None) -> bool:
        """True at once."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True


def _check(name: str) -> None:
    if not _backend:
        raise StateError(f"{name}: there is no group of processes; call init_process_group() first")


def _only(name: str, what: str, rank: int) -> None:
    _check(name)
    if rank != 0:
        raise ArgumentError(f"{name}: {what} must be 0, the only process; got {rank}")


def _one(name: str, places: Any) -> None:
    _check(name)
    if places is None or len(places) != 1:
        raise ArgumentError(f"{name}: a list of one place is needed, one for each process; got {places!r:.60}")


def _copy(target: Any, source: Any) -> None:
    from cutaway.core.autograd import no_grad

    with no_grad():
        target.copy_(source)


def __getattr__(name: str) -> Any:
    raise absent("torch.distributed", name, __all__)
