"""PyTorch's module path `utils`; holds no code of its own.  A part is loaded when it is first named."""

from importlib import import_module
from typing import Any

_MODULES = ("data",)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
