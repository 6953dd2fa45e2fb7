"""Recipes: one readable file each, found by name among Cutaway's own or by path among the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.train import task
from cutaway.train.program import Program, module_at
from cutaway.train.settings import Settings, unknown
from cutaway.train.task import Task

DEFAULT = "mnist-deep"
_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe(Program):
    """A module with `Config`, its defaults, and `model(shape, classes, config)`.

    It may define `data(config) -> Task` where images by name do not do, and `plates(model) -> [(title, picture[H, W])]`
    with pictures in 0..1 for the report.
    """

    @property
    def config(self) -> type[Settings]:
        """The class of settings with this recipe's defaults."""
        return self.module.Config

    def model(self, shape: tuple[int, ...], classes: int, s: Settings) -> nn.Module:
        """A new network, its weights not yet set.  Raises ArgumentError if the recipe gives something else."""
        model = self.module.model(shape, classes, s)
        if not isinstance(model, nn.Module):
            raise ArgumentError(f"recipe: model() in {self.path} must return an nn.Module, got {type(model).__name__}")
        return model

    def data(self, s: Settings) -> Task:
        """What it learns from."""
        return getattr(self.module, "data", task.images)(s)

    @property
    def plates(self) -> Callable[[nn.Module], list[tuple[str, Any]]]:
        """Pictures of a model, for the report."""
        return getattr(self.module, "plates", lambda model: [])


def names() -> list[str]:
    """Cutaway's own recipes, from the simplest to the deepest."""
    order = ["gates", "mnist-mlp", "mnist-cnn", "mnist-deep"]
    found = [p.stem.replace("_", "-") for p in sorted(_FOLDER.glob("[a-z]*.py"))]
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def find(name: str) -> Recipe:
    """The recipe of this name, or in this .py file.  Raises ArgumentError if there is none, or if it lacks a part."""
    if name in names():
        path = _FOLDER / f"{name.replace('-', '_')}.py"
    elif name.endswith(".py") or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise ArgumentError(f"recipe: there is no file {name}; `cutaway recipes copy mnist-mlp {name}` makes one")
        name = path.stem.replace("_", "-")
    else:
        raise unknown("recipe", name, names())
    return load(name, path)


def load(name: str, path: Path) -> Recipe:
    """The recipe in the file `path`, under the name `name`.  Raises ArgumentError if a part is missing."""
    module = module_at(path, "recipe")
    if hasattr(module, "Agent"):
        raise ArgumentError(f"recipe: {path} is an agent; it is `cutaway rl train` that trains and resumes it")
    if not callable(getattr(module, "model", None)):
        raise ArgumentError(f"recipe: {path} defines no model(shape, classes, config) that returns an nn.Module")
    config = getattr(module, "Config", None)
    if not (isinstance(config, type) and issubclass(config, Settings)):
        raise ArgumentError(f"recipe: {path} defines no class Config(Settings) with its defaults")
    if "__dataclass_fields__" not in vars(config):  # Python would take the parent's defaults, without a word
        raise ArgumentError(f"recipe: Config in {path} is no dataclass; write @dataclass(frozen=True) above it")
    return Recipe(name, path, module)


def copy(name: str, target: Path) -> Path:
    """Write the recipe `name` to the new file `target`.  Raises ArgumentError if it exists or is no .py file."""
    recipe = find(name)
    if target.is_dir():
        target = target / recipe.path.name
    if target.suffix != ".py":
        raise ArgumentError(f"recipes copy: {target} must end in .py, so that `cutaway train {target}.py` finds it")
    if target.exists():
        raise ArgumentError(f"recipes copy: {target} exists already; choose another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(recipe.source, encoding="utf-8")
    return target
