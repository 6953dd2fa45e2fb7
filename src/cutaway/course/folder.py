"""The learner's folder: a file for each chapter, copied once and never overwritten, and what has been passed."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.core.replace import replacing
from cutaway.course.chapters import Chapter, chapters, source_of

PROGRESS = "progress.json"


class Folder:
    """A folder with answers; the present one by default."""

    def __init__(self, path: Path | str = ".") -> None:
        self.path = Path(path)

    def file(self, chapter: Chapter) -> Path:
        """Where the answers to a chapter are written."""
        return self.path / f"{chapter.folder}.py"

    def begun(self) -> list[Chapter]:
        """The chapters whose file is here."""
        return [c for c in chapters() if self.file(c).is_file()]

    def fill(self) -> tuple[list[Path], list[Path]]:
        """Copy the stubs of all chapters here: (files that were written, files that were there and stay as they are)."""
        self.path.mkdir(parents=True, exist_ok=True)
        new, old = [], []
        for c in chapters():
            target = self.file(c)
            try:
                with open(target, "x", encoding="utf-8") as f:  # never over what a learner wrote
                    f.write(c.stubs)
                new.append(target)
            except FileExistsError:
                old.append(target)
        return new, old

    def text(self, chapter: Chapter) -> str:
        """What the learner wrote.  Raises ArgumentError if the file is missing."""
        file = self.file(chapter)
        if not file.is_file():
            raise ArgumentError(
                f"course: there is no {file.name} in {self.path.resolve()}; `cutaway learn --here` puts it there"
            )
        return file.read_text(encoding="utf-8")

    def load(self, chapter: Chapter) -> Any:
        """The learner's file as a module.  Raises whatever it raises."""
        file = self.file(chapter)
        self.text(chapter)
        place = str(self.path.resolve())
        if place not in sys.path:
            sys.path.insert(0, place)  # a chapter may import what was written for another
        spec = importlib.util.spec_from_file_location(chapter.folder, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[chapter.folder] = module
        spec.loader.exec_module(module)
        return module

    # --- what has been passed -------------------------------------------------------------------------------------------

    def progress(self) -> dict[str, dict[str, str]]:
        """{chapter's folder: {exercise: digest of the answer that passed}}.  Raises FileFormatError if it is damaged."""
        file = self.path / PROGRESS
        if not file.exists():
            return {}
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
            return {str(c): {str(n): str(d) for n, d in names.items()} for c, names in held.items()}
        except (ValueError, AttributeError):
            raise FileFormatError(
                f"course: {file} is damaged; delete it, and `cutaway check` writes it anew from your answers"
            ) from None

    def record(self, chapter: Chapter, name: str, passed: bool) -> None:
        """Note that an exercise passed, or does not any more."""
        held = self.progress()
        names = held.setdefault(chapter.folder, {})
        now = digest(self.text(chapter), name) if passed else None
        if names.get(name) == now:
            return
        if now is None:
            names.pop(name, None)
        else:
            names[name] = now
        with replacing(self.path / PROGRESS, "check") as f:
            f.write((json.dumps(held, indent=1, sort_keys=True) + "\n").encode())

    def state(self, chapter: Chapter, name: str) -> str:
        """passed, changed (since it passed), or open."""
        known = self.progress().get(chapter.folder, {}).get(name)
        if known is None or not self.file(chapter).is_file():
            return "open"
        return "passed" if digest(self.text(chapter), name) == known else "changed"


def digest(text: str, name: str) -> str:
    """Of one answer: the same as long as only its layout and comments change."""
    try:
        tree = ast.parse(source_of(text, name))
    except SyntaxError:
        return ""
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
