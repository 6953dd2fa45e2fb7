"""PyTorch's module path `utils`; holds no code of its own.  A part is loaded when it is first named."""

from importlib import import_module
from typing import Any

from cutaway.core.absent import absent

_MODULES = ("benchmark", "checkpoint", "data", "tensorboard")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise absent("cutaway.utils", name, _MODULES)
