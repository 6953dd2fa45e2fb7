"""The chapters: found by number, folder or name; each with its notebook, its stubs and its exercises."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path

from cutaway.core.errors import ArgumentError
from cutaway.course.exercise import Exercise, Plug

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Chapter:
    """One chapter; `folder` is its name, such as ch01_perceptron."""

    folder: str

    @property
    def number(self) -> int:
        """1, 2, ..."""
        return int(self.folder[2:4])

    @property
    def path(self) -> Path:
        """Where its files lie."""
        return HERE / self.folder

    @cached_property
    def title(self) -> str:
        """From the first line of exercises.py: 'Chapter 1, Perceptron: ...'."""
        return self.about.partition(": ")[0].partition(", ")[2]

    @cached_property
    def about(self) -> str:
        """The first line of exercises.py."""
        return (ast.get_docstring(ast.parse(self.stubs)) or "").partition("\n")[0]

    @cached_property
    def stubs(self) -> str:
        """The text of exercises.py."""
        return (self.path / "exercises.py").read_text(encoding="utf-8")

    @property
    def exercises(self) -> dict[str, Exercise]:
        """By name, in the order of the chapter."""
        return {e.name: e for e in import_module(f"cutaway.course.{self.folder}.check").EXERCISES}

    @property
    def plugs(self) -> tuple[Plug, ...]:
        """The library's parts that answers of this chapter can replace."""
        return tuple(getattr(import_module(f"cutaway.course.{self.folder}.check"), "PLUGS", ()))

    def exercise(self, name: str) -> Exercise:
        """Raises ArgumentError for an unknown name."""
        if name not in self.exercises:
            raise ArgumentError(f"chapter {self.number} has no exercise {name!r}; it has {', '.join(self.exercises)}")
        return self.exercises[name]

    def stub(self, name: str) -> str:
        """The text of one stub."""
        return source_of(self.stubs, name)


def chapters() -> list[Chapter]:
    """All chapters, in order."""
    return [Chapter(p.name) for p in sorted(HERE.glob("ch[0-9][0-9]_*")) if (p / "check.py").exists()]


def find(name: str) -> Chapter:
    """The chapter of a number (4, 04), folder (ch04_backprop) or name (backprop).  Raises ArgumentError if there is none."""
    known = chapters()
    wanted = name.strip().lower().removesuffix(".py")
    for c in known:
        if wanted in (str(c.number), f"{c.number:02}", f"ch{c.number}", f"ch{c.number:02}", c.folder, c.folder[5:]):
            return c
    listed = ", ".join(f"{c.number} {c.folder[5:]}" for c in known)
    raise ArgumentError(f"course: there is no chapter {name!r}; there are {listed}")


def source_of(text: str, name: str) -> str:
    """The source of the function or class `name` in a program; "" if it is not there."""
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return ast.get_source_segment(text, node) or ""
    return ""
