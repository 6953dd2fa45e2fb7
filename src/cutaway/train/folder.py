"""The run folder: config.json, recipe.py, metrics.jsonl, the checkpoint and report.html."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import cutaway
from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.train import recipe as recipes

CONFIG, RECIPE, METRICS, REPORT = "config.json", "recipe.py", "metrics.jsonl", "report.html"


def default_path(recipe_name: str) -> Path:
    """runs/RECIPE-DATE-TIME, with a number after it if that is taken."""
    base = Path("runs") / f"{recipe_name}-{datetime.now():%Y%m%d-%H%M%S}"
    path, n = base, 1
    while path.exists():
        n += 1
        path = base.with_name(f"{base.name}-{n}")
    return path


class Program(Protocol):
    """What a run is a run of: a recipe, an agent."""

    @property
    def name(self) -> str:
        """As it was asked for."""
        ...

    @property
    def source(self) -> str:
        """Its text."""
        ...


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report = path / REPORT

    @classmethod
    def create(cls, path: Path, recipe: Program, s: Any, mine: Any = None) -> RunFolder:
        """A new run at `path`, with its recipe and settings on record, and `mine`, what it knows its user's parts by.

        Raises ArgumentError if a run is there.
        """
        if (path / CONFIG).exists():
            raise ArgumentError(
                f"--out {path}: holds a run already; continue it with --resume {path}, or choose another"
            )
        if path.exists() and not path.is_dir():
            raise ArgumentError(f"--out {path}: is a file; give the name of a folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ArgumentError(f"--out {path}: cannot be made ({e.strerror}); choose another folder") from None
        folder = cls(path)
        _write_whole(path / RECIPE, recipe.source)
        config = {"cutaway": cutaway.__version__, "recipe": recipe.name, "settings": dataclasses.asdict(s)}
        config |= {} if mine is None else {"mine": mine}
        _write_whole(path / CONFIG, json.dumps(config, indent=2) + "\n")
        return folder

    @classmethod
    def open(
        cls, path: Path, asked: str = "--resume", load: Callable[[str, Path], Any] = recipes.load
    ) -> tuple[RunFolder, Any, Any]:
        """(the run at `path`, the recipe as it was when the run began, its settings).  `load` reads the recipe's file.

        Raises ArgumentError if there is no run, FileFormatError if its config.json is damaged.
        """
        config_path = path / CONFIG
        if not config_path.is_file():
            raise ArgumentError(f"{asked} {path}: no {CONFIG} there; give the folder of a run, such as runs/NAME")
        try:
            config = json.loads(config_path.read_text(encoding="utf-8"))
            recipe = load(config["recipe"], path / RECIPE)
            return cls(path), recipe, recipe.config(**config["settings"])
        except (ValueError, KeyError, TypeError, FileNotFoundError) as e:
            if isinstance(e, ArgumentError):
                raise
            raise FileFormatError(f"{config_path}: damaged, or of another version ({e}); start a new run") from None

    @staticmethod
    def begun(path: Path) -> tuple[str, Any]:
        """The name of what the run at `path` is a run of, and what it knows its user's parts by (None: it has none).

        ("", None) where there is no run that can be read: `open` says so.
        """
        try:
            config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
            return str(config["recipe"]), config.get("mine")
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return "", None

    def note_mine(self, mine: Any) -> None:
        """From here on the run goes on with these parts, or (None) with none."""
        file = self.path / CONFIG
        config = json.loads(file.read_text(encoding="utf-8"))
        before = config.pop("mine", None)
        if mine != before:
            config |= {} if mine is None else {"mine": mine}
            _write_whole(file, json.dumps(config, indent=2) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The evaluations so far.  A line torn by a kill, and what follows it, does not count."""
        lines = []
        with contextlib.suppress(FileNotFoundError, ValueError):
            for line in (self.path / METRICS).read_text(encoding="utf-8").splitlines():
                lines.append(json.loads(line))
        return lines

    def add_metrics(self, record: dict[str, Any]) -> None:
        """One more line."""
        with open(self.path / METRICS, "a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")
            f.flush()
            os.fsync(f.fileno())

    def cut_metrics(self, evaluated: int) -> None:
        """Drop the evaluations after the step `evaluated`: a run that goes on from there makes them again."""
        kept = [m for m in self.metrics() if m["step"] <= evaluated]
        _write_whole(self.path / METRICS, "".join(json.dumps(m) + "\n" for m in kept))

    def write_report(self, page: str) -> None:
        """Put report.html in place, whole."""
        _write_whole(self.report, page)


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    with open(temporary, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)
