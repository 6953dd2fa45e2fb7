"""A Python file that says what is trained: a recipe, or an agent."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cutaway.core.errors import ArgumentError


@dataclass(frozen=True)
class Program:
    """The file as a module, under a name."""

    name: str
    path: Path
    module: ModuleType

    @property
    def summary(self) -> str:
        """The first line of the file's docstring."""
        return (inspect.getdoc(self.module) or "").partition("\n")[0]

    @property
    def source(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")


def module_at(path: Path, kind: str) -> ModuleType:
    """The file run as a module.  Raises ArgumentError, which calls it a `kind`, for what is no Python."""
    name = f"_cutaway_{kind}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        article = "an" if kind[0] in "aeiou" else "a"
        raise ArgumentError(f"{kind}: {path} is no Python file; {article} {kind}'s name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up here
    try:
        spec.loader.exec_module(module)
    except SyntaxError as e:
        raise ArgumentError(f"{kind}: {path} is no Python that can be read: {e.msg} in line {e.lineno}") from None
    return module
