"""The public names of Cutaway, found by looking at the imported package: what the reference has an entry for.

A name that is made while the package loads (`cutaway.exp` of `Tensor.exp`) is found like any other. A name stands in a
*group*: the part of a file, between two comments `# --- like this ---`, in which it is defined, or else that file.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

# The packages of the reference, from the machine upwards: their order in the navigation.
HEADINGS = {
    "The machine": "cutaway Tensor autograd autograd.functional autograd.graph func linalg fft signal signal.windows "
    "special sparse random amp overrides",
    "Networks": "nn nn.functional nn.init nn.attention nn.grad nn.parallel nn.utils nn.utils.rnn nn.utils.parametrize "
    "nn.utils.parametrizations nn.utils.prune nn.utils.stateless optim optim.lr_scheduler optim.swa_utils data "
    "distributions distributions.constraints gradcheck",
    "Looking in": "engine inspect plug profiler",
    "Images": "vision vision.datasets vision.io vision.models vision.ops vision.transforms vision.transforms.functional "
    "vision.transforms.v2 vision.transforms.v2.functional vision.utils",
    "Runs, agents, course": "train rl course",
    "Files and programs of others": "interop onnx serialization jit futures utils utils.data.distributed backends "
    "cpu cuda mps xpu accelerator testing",
}
PACKAGES = tuple("cutaway" if p == "cutaway" else f"cutaway.{p}" for ps in HEADINGS.values() for p in ps.split())
# Of a package that is no shelf of names itself: these modules in this order, and of some of them these names.
MODULES = {
    "cutaway.engine": "compiled:compile engine.compile:Compiled engine.look.kernels:Kernels engine.look.passes:Passes "
    "engine.look.timeline:Timeline engine.look.arena:Arena engine.look.listing:Listing engine.machine:Machine,machine "
    "engine.threads:get_num_threads,set_num_threads",
    "cutaway.interop": "interop.checkpoint:load,save interop.safetensors interop.onnx interop.pytorch",
    "cutaway.utils": "utils.data utils.checkpoint utils.benchmark utils.tensorboard",
    "cutaway.backends": "backends.cuda backends.cudnn backends.mkl backends.mkldnn backends.mps backends.openmp",
    "cutaway.train": "train.recipe train.settings train.task train.trainer train.run train.checkpoint train.folder",
    "cutaway.rl": "rl.bandits rl.policies rl.grids rl.planning rl.tabular rl.environment rl.networks rl.arithmetic "
    "rl.replay rl.rollout rl.settings rl.learner rl.evaluate rl.run rl.watch rl.agents.q_learning rl.agents.sarsa "
    "rl.agents.dqn rl.agents.reinforce rl.agents.a2c rl.agents.ppo rl.agents.sac",
    "cutaway.course": "course.chapters course.exercise course.judge course.slopes course.notebook course.figures",
}
# Files of many topics: here the comments between the parts make the groups.
DIVIDED = ("cutaway.core.methods", "cutaway.core.tensor", "cutaway.core.derived", "cutaway.core.creation")


class Name:
    """A public name: where it is found, where it is defined, and among what it stands."""

    def __init__(self, package: str, name: str, value: Any) -> None:
        self.package, self.name, self.value = package, name, value
        self.path = f"{package}.{name}"

    @cached_property
    def bare(self) -> Any:
        """The object under its wrappers; of a property, what gets it."""
        value = self.value.fget if isinstance(self.value, property) else self.value
        return inspect.unwrap(value) if callable(value) else value

    @cached_property
    def home(self) -> str:
        """The path of the definition, or "" for values: numbers, dtypes."""
        if not (inspect.isclass(self.bare) or inspect.isroutine(self.bare)):
            return ""
        module = getattr(self.bare, "__module__", None)
        return f"{module}.{self.bare.__qualname__}" if str(module).startswith("cutaway") else ""

    @cached_property
    def line(self) -> tuple[str, int]:
        """The module that defines it, and the line; 0 where it is not written down but made."""
        module = getattr(self.bare, "__module__", None) or ""
        try:
            return module, inspect.getsourcelines(self.bare)[1]
        except (TypeError, OSError):
            return module, 0

    @cached_property
    def about(self) -> str:
        """The first sentence of its docstring."""
        return sentence(inspect.getdoc(self.value) or "") if self.home or isinstance(self.value, property) else ""

    @cached_property
    def is_value(self) -> bool:
        """True for what has no docstring of its own: a number, a dtype, a table."""
        return not self.home and not isinstance(self.value, property)

    @cached_property
    def group(self) -> str:
        """The title of what it stands among."""
        if self.package.removeprefix("cutaway.") in _parts():
            return self.package.removeprefix("cutaway.")
        if self.is_value:
            return "Values"
        module, line = self.line
        within = [title for start, title in sections(module) if start < line] if module in DIVIDED else []
        return within[-1] if within else title(module)


def sentence(text: str) -> str:
    """The first sentence of a text, on one line."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`(])|\s\s+(?=\w+\[)|\n\n|:\n", text, maxsplit=1)[0].replace("\n", " ").strip()


@cache
def sections(module: str) -> list[tuple[int, str]]:
    """The lines and titles of the comments that divide a module's file."""
    text = Path(import_module(module).__file__ or "").read_text(encoding="utf-8")
    found = [(n, re.fullmatch(r"\s*# --- (.*?) -+", line)) for n, line in enumerate(text.splitlines(), 1)]
    return [(n, (match[1][:1].upper() + match[1][1:]).partition(":")[0]) for n, match in found if match]


@cache
def title(module: str) -> str:
    """A heading for a module: the head of its docstring if that is short, else its name."""
    head, colon, _ = (import_module(module).__doc__ or "").partition("\n")[0].partition(":")
    stem = module.rpartition(".")[2].replace("_", " ")
    return head if colon and len(head) < 40 and "`" not in head else stem[:1].upper() + stem[1:]


@cache
def _parts() -> dict[str, list[str]]:
    """The modules of `MODULES`, and the names that are taken of each; none: all."""
    told = [part.partition(":") for parts in MODULES.values() for part in parts.split()]
    return {module: chosen.split(",") if chosen else [] for module, _, chosen in told}


@cache
def names(package: str) -> list[Name]:
    """The public names of a package."""
    if package in MODULES:
        return [name for part in MODULES[package].split() for name in names(f"cutaway.{part.partition(':')[0]}")]
    if package == "cutaway.Tensor":
        import cutaway

        there = [n for n in dir(cutaway.Tensor) if n[0] != "_" and hasattr(cutaway.Tensor, n)]
        return [Name(package, n, inspect.getattr_static(cutaway.Tensor, n)) for n in there]
    module, chosen = import_module(package), _parts().get(package.removeprefix("cutaway."))
    found = [Name(package, n, getattr(module, n)) for n in chosen or listed(module)]
    return [name for name in found if not isinstance(name.value, ModuleType)]


def listed(module: ModuleType) -> Iterator[str]:
    """A module's own list, or what it defines; for the package itself all that is in it, but modules."""
    if hasattr(module, "__all__"):
        yield from sorted(set(module.__all__))
        return
    below = "cutaway" if module.__name__ in ("cutaway", "cutaway.nn.functional") else module.__name__
    for name in sorted(n for n in dir(module) if n[0] != "_"):
        value = getattr(module, name)
        of = str(getattr(inspect.unwrap(value) if callable(value) else type(value), "__module__", ""))
        if of.startswith(below) or (below == "cutaway" and isinstance(value, float)):
            yield name


@cache
def groups(package: str) -> dict[str, list[Name]]:
    """The names of a package by the titles of what they stand among."""
    found: dict[str, list[Name]] = {}
    for name in names(package):
        found.setdefault(name.group, []).append(name)
    return found if package in MODULES else dict(sorted(found.items()))


def walk() -> list[str]:
    """Every importable module of Cutaway, by its dotted name."""
    import cutaway

    return ["cutaway", *(m.name for m in pkgutil.walk_packages(cutaway.__path__, "cutaway."))]
