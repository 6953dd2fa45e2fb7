"""`torch.nn.modules`: the names of `torch.nn`, and its modules, some of which have other names here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cutaway import nn
from cutaway.interop.pytorch.names import home


def __getattr__(name: str) -> Any:
    if name[:2] != "__" and home(f"torch.nn.modules.{name}") is not None:
        return import_module(f"torch.nn.modules.{name}")
    return getattr(nn, name)


def __dir__() -> list[str]:
    return dir(nn)
