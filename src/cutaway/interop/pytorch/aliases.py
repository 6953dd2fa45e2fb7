"""Modules as attributes: `torch.nn.modules.conv.Conv2d` without an import, where the module lies elsewhere here.

What is a file or a package of Cutaway's is found by Python as ever. The packages above modules that lie elsewhere get,
while a PyTorch program runs, a `__getattr__` that asks the finder first.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from cutaway.core.absent import absent
from cutaway.interop.pytorch.names import ELSEWHERE, home
from cutaway.interop.pytorch.places import move

PARENTS = frozenset(name.rpartition(".")[0] for name in ELSEWHERE if name.count(".") > 1) | {
    "torch.utils", "torchvision", "torchvision.datasets", "torchvision.models", "torchvision.transforms",
}  # fmt: skip
_before: dict[ModuleType, Callable[[str], Any] | None] = {}
_answers: dict[str, ModuleType] = {}  # by PyTorch's name
_reached: set[str] = set()


def answer(name: str, module: ModuleType) -> None:
    """Let `module`, which stands for PyTorch's `name`, find by attribute what can be imported below that name."""
    if name in PARENTS and module not in _before:
        _ask_first(name, module)
    for below in PARENTS - _reached:  # those that were imported by their own name
        parent, _, last = below.rpartition(".")
        if parent in _answers and last in vars(_answers[parent]):
            _reached.add(below)
            import_module(below)


def _ask_first(name: str, module: ModuleType) -> None:
    own: Callable[[str], Any] | None = module.__dict__.get("__getattr__")
    _before[module] = own

    def find(attribute: str) -> Any:
        if attribute[:2] != "__" and home(f"{name}.{attribute}") is not None:
            return import_module(f"{name}.{attribute}")
        if own is None:
            raise absent(name, attribute, dir(module))
        value = own(attribute)
        if isinstance(value, type):
            move()  # its module may have been loaded just now
        return value

    module.__dict__["__getattr__"] = find
    _answers[name] = module


def forget() -> None:
    """All as it was."""
    for module, own in _before.items():
        if own is None:
            module.__dict__.pop("__getattr__", None)
        else:
            module.__dict__["__getattr__"] = own
    _before.clear()
    _answers.clear()
    _reached.clear()
