"""PyTorch's `torch.autograd`: the names of `cutaway.core.autograd`, and gradcheck."""

from __future__ import annotations

from typing import Any

from cutaway.core.autograd import (
    Function, backward, enable_grad, grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled,
)  # fmt: skip

__all__ = [
    "Function", "backward", "enable_grad", "grad", "gradcheck", "gradgradcheck", "inference_mode", "is_grad_enabled",
    "no_grad", "set_grad_enabled",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("gradcheck", "gradgradcheck"):
        from cutaway import gradcheck as module

        return getattr(module, name)
    raise AttributeError(f"module 'cutaway.autograd' has no attribute {name!r}")
