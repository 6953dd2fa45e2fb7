"""The import hook: a finder, asked before all others, under which PyTorch's module names stand for Cutaway's modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from cutaway.core.package import set_package
from cutaway.core.strict import is_lenient, set_lenient
from cutaway.interop.pytorch.aliases import answer, forget
from cutaway.interop.pytorch.names import home, why_absent
from cutaway.interop.pytorch.places import complete, move, move_back

PACKAGES = ("torch", "torchvision")
# Processes that Python's multiprocessing starts anew get our sys.path, and find there a `torch` that installs this finder.
SHIM = str(Path(__file__).parent / "shim")


class Finder(MetaPathFinder):
    """Answers for `torch` and `torchvision` and all below them: no part of a real one is ever loaded beside ours."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """The module's place.  Raises ModuleNotFoundError, naming the nearest thing, for a module that is not here."""
        if name.partition(".")[0] not in PACKAGES:
            return None
        if name != "torch" and home(name) is None:
            raise ModuleNotFoundError(why_absent(name))  # with a name=, `from torch import fft` would lose the text
        return ModuleSpec(name, Alias(name), is_package=True)  # all: PyTorch's packages may be files here


class Alias(Loader):
    """Gives Cutaway's module under PyTorch's name, and leaves it as it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module, imported under its own name."""
        if self.name == "torch":
            from cutaway.interop.pytorch.facade import Facade

            return Facade()
        ours = home(self.name)
        assert ours is not None
        module = import_module(ours)
        self._spec = module.__spec__
        answer(self.name, module)
        complete(self.name, module)
        move()
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run already; the import system has just put another spec on it, which is taken off again."""
        if self._spec is not None:
            module.__spec__ = self._spec


_finder = Finder()
_before: dict[str, ModuleType] = {}  # modules of a real PyTorch that were loaded when the finder was installed
_was_lenient = False


def install() -> None:
    """From now on `import torch` is Cutaway, here and in processes that multiprocessing starts; again is harmless.

    Where Cutaway refuses on purpose what PyTorch computes, it warns from now on and goes on as PyTorch does; dtypes and
    shapes print as torch.float32 and torch.Size([2]).
    """
    global _was_lenient
    if is_installed():
        return
    set_package("torch")
    move()
    _was_lenient = is_lenient()
    set_lenient(True)
    _before.update(_taken_out())
    sys.meta_path.insert(0, _finder)
    sys.path.insert(1, SHIM)


def uninstall() -> None:
    """`import torch` finds what it found before; again is harmless."""
    if not is_installed():
        return
    set_lenient(_was_lenient)
    set_package("cutaway")
    forget()
    move_back()
    sys.meta_path.remove(_finder)
    if SHIM in sys.path:
        sys.path.remove(SHIM)
    _taken_out()
    sys.modules.update(_before)
    _before.clear()


def is_installed() -> bool:
    """True if `import torch` is Cutaway."""
    return _finder in sys.meta_path


@contextmanager
def installed() -> Iterator[None]:
    """`import torch` is Cutaway inside the `with` block."""
    before = is_installed()
    install()
    try:
        yield
    finally:
        if not before:
            uninstall()


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in PACKAGES]
    return {name: sys.modules.pop(name) for name in names}
