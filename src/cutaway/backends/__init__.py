"""PyTorch's `torch.backends`: switches of libraries that are not used here. They can be set, and make no difference."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cutaway.core.absent import absent

_MODULES = ("cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise absent("cutaway.backends", name, _MODULES)
