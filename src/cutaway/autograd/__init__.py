"""PyTorch's `torch.autograd`: the names of `cutaway.core.autograd`, gradcheck, and anomaly detection."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cutaway.core.absent import absent

from cutaway.core.tensor import Tensor
from cutaway.core.autograd import (
    Function, backward, enable_grad, grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled,
)  # fmt: skip

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "is_grad_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


MODULES = {
    "function": "cutaway.autograd.function", "functional": "cutaway.autograd.functional",
    "graph": "cutaway.autograd.graph", "profiler": "cutaway.profiler",
}  # fmt: skip


class _Tensors(type):
    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)

    def __call__(cls, data: Tensor | None = None, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        """The tensor, on the same memory, without history."""
        t = Tensor() if data is None else data.detach()
        return t.requires_grad_() if requires_grad else t


class Variable(metaclass=_Tensors):
    """PyTorch's name, before 0.4, of a tensor with a gradient: `Variable(x, requires_grad=True)` is a Tensor."""


def __getattr__(name: str) -> Any:
    if name in ("gradcheck", "gradgradcheck"):
        from cutaway import gradcheck as module

        return getattr(module, name)
    if name in ("detect_anomaly", "set_detect_anomaly"):
        return getattr(import_module("cutaway.inspect"), name)  # by name: it stands beside this module
    if name in MODULES:
        return import_module(MODULES[name])
    raise absent("cutaway.autograd", name, __all__)
