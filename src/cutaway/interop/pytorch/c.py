"""`torch._C`: the few names of it that programs with tensor classes of their own use."""

from typing import Any

from cutaway.core.absent import absent
from cutaway.core.overriding.asked import DISABLED as _disabled_torch_function_impl
from cutaway.core.overriding.asked import DisableTorchFunction, DisableTorchFunctionSubclass
from cutaway.core.tensor import Tensor as TensorBase

_disabled_torch_dispatch_impl = _disabled_torch_function_impl
_TensorBase = TensorBase

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "TensorBase"]


def __getattr__(name: str) -> Any:
    raise absent("torch._C", name, [*globals()])
