"""The package's name in what dtypes and shapes print of themselves: "cutaway", or "torch" while a PyTorch program runs.

Programs compare `str(x.dtype)` with "torch.float32", and `x.type()` with "torch.FloatTensor". Classes say then that they
lie where PyTorch's do; `is_ours` knows them all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_name = "cutaway"
_homes: dict[type, str] = {}  # of classes that say another module's name: their own


def package() -> str:
    """The name."""
    return _name


def set_package(name: str) -> None:
    """Print this name from now on."""
    global _name
    _name = name


@contextmanager
def named(name: str) -> Iterator[None]:
    """Inside, it is this one."""
    before = _name
    set_package(name)
    try:
        yield
    finally:
        set_package(before)


def is_ours(cls: type) -> bool:
    """True for a class of Cutaway's own, and not for one that a program derives from it."""
    return getattr(cls, "__module__", "").startswith("cutaway.") or cls in _homes  # a class that exec made may have none


def home_of(what: object) -> str | None:
    """The module in which a class, or a function, lies, whatever a class says; None if it does not say."""
    return (_homes.get(what) if isinstance(what, type) else None) or getattr(what, "__module__", None)


def say_where(cls: type, module: str) -> None:
    """From now on the class says that it lies in this module."""
    _homes.setdefault(cls, cls.__module__)
    cls.__module__ = module


def forget_where() -> None:
    """Each class says again where it lies."""
    for cls, home in _homes.items():
        cls.__module__ = home
    _homes.clear()
