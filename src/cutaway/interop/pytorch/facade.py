"""The module `torch`: every name is Cutaway's, but for what a program asks PyTorch about itself."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import cutaway
from cutaway.core.absent import absent
from cutaway.core.errors import MissingAttribute
from cutaway.interop.pytorch import itself
from cutaway.interop.pytorch.aliases import PARENTS
from cutaway.interop.pytorch.names import INSTEAD, OURS, why_absent
from cutaway.interop.pytorch.places import move
from cutaway.interop.pytorch.version import __version__


class Facade(ModuleType):
    """`torch`. What is set on it is kept here; what is not found is asked of `cutaway`, once: the next look finds it here.

    `cutaway.use` puts a user's part in its place here as well.
    """

    def __init__(self) -> None:
        super().__init__("torch", cutaway.__doc__)
        self.__dict__.update(__version__=__version__, __path__=[], __file__=cutaway.__file__)

    def __getattr__(self, name: str) -> Any:
        if name in MODULES or name in ABOVE:  # by the finder, which lets them find what lies elsewhere
            return import_module(f"torch.{name}")
        if name in OURS and name not in cutaway._METHODS:  # torch.dist is a function
            raise absent("torch", name, dir(self))
        if f"torch.{name}" in INSTEAD:
            raise MissingAttribute(why_absent(f"torch.{name}"))
        if name in itself.__all__:
            return getattr(itself, name)
        value = getattr(cutaway.cuda if name == "OutOfMemoryError" else cutaway, name)
        if isinstance(value, ModuleType):
            return import_module(f"torch.{name}")
        if isinstance(value, type):
            move()  # its module may have been loaded just now
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *MODULES, *itself.__all__, *(n for n in dir(cutaway) if n not in OURS)})


# Elsewhere, or of no use in `cutaway`.
MODULES = frozenset("_C compiler distributed functional hub multiprocessing return_types types version".split())
ABOVE = frozenset(name.split(".")[1] for name in PARENTS if name.startswith("torch."))
