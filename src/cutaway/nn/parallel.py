"""PyTorch's wrappers for several devices. There is one device here: they call the module, and keep PyTorch's keys."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cutaway.core.dtypes import check_device
from cutaway.core.errors import ArgumentTypeError, DeviceError
from cutaway.nn.module import Module


class DataParallel(Module):
    """Calls `module`; its state_dict keys begin with "module.", as in PyTorch.  Raises DeviceError for a GPU's name."""

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"{type(self).__name__}: expected a Module, got {type(module).__name__}")
        for d in (*(device_ids or ()), output_device):
            check_device(f"cuda:{d}" if isinstance(d, int) else d)
        self.dim = dim
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


class DistributedDataParallel(DataParallel):
    """Calls `module` in a run of one process. Other options of PyTorch's class are accepted.

    Raises DeviceError where the environment (WORLD_SIZE) says that there are more processes: their gradients would
    silently not be averaged.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
        **options: Any,
    ) -> None:
        world = os.environ.get("WORLD_SIZE", "1")
        if world != "1":
            raise DeviceError(
                f"DistributedDataParallel: WORLD_SIZE={world}, but gradients are not exchanged between processes here; "
                "start a single process"
            )
        super().__init__(module, device_ids, output_device, dim)

    def no_sync(self) -> Any:
        """A context in which gradients are not exchanged: they never are in one process."""
        from contextlib import nullcontext

        return nullcontext()
