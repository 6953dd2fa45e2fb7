"""Agents: one readable file each, found by name among Cutaway's own or by path among the user's."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from cutaway.core.errors import ArgumentError
from cutaway.rl.learner import Learner
from cutaway.rl.settings import Settings
from cutaway.train import program
from cutaway.train.settings import unknown

NAMES = ("q-learning", "sarsa", "dqn", "reinforce", "a2c", "ppo", "sac")
_FOLDER = Path(__file__).parent / "agents"


@dataclass(frozen=True)
class Program(program.Program):
    """A module with `Config`, a dataclass of settings, and `Agent(settings)`."""

    @property
    def config(self) -> type[Settings]:
        """The class of its settings."""
        return self.module.Config

    def agent(self, s: Settings) -> Learner:
        """A new agent, before its first step."""
        return self.module.Agent(s)


def find(name: str) -> Program:
    """The agent of this name, or in this .py file.  Raises ArgumentError if there is none, or if it lacks a part."""
    if name in NAMES:
        module = importlib.import_module(f"cutaway.rl.agents.{name.replace('-', '_')}")
        return Program(name, _FOLDER / f"{name.replace('-', '_')}.py", module)
    if not (name.endswith(".py") or os.sep in name):
        raise unknown("agent", name, NAMES)
    if not Path(name).is_file():
        raise ArgumentError(f"agent: there is no file {name}; the agents that come with Cutaway are {', '.join(NAMES)}")
    return load(Path(name).stem.replace("_", "-"), Path(name))


def load(name: str, path: Path) -> Program:
    """The agent in the file `path`, under the name `name`.  Raises ArgumentError if a part is missing."""
    module = program.module_at(path, "agent")
    if not hasattr(module, "Agent") and hasattr(module, "model"):
        raise ArgumentError(f"agent: {path} is a recipe; it is `cutaway train` that trains and resumes it")
    for part, kind in (("Config", Settings), ("Agent", Learner)):
        if not (isinstance(found := getattr(module, part, None), type) and issubclass(found, kind)):
            raise ArgumentError(f"agent: {path} defines no class {part} that inherits from cutaway.rl's {kind.__name__}")
    return Program(name, path, module)
