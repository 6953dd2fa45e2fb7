"""`cutaway learn`: the list of chapters, a chapter in the browser, the stubs in the learner's folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cutaway.core.errors import MissingLibrary
from cutaway.course.chapters import chapters, find
from cutaway.course.folder import Folder


def contents(console: Console) -> None:
    """The chapters, and the commands that one begins with."""
    for c in chapters():
        about = escape(c.about.partition(", ")[2])
        console.print(f"[bold]{c.number:>2}[/] {about}  [dim]{len(c.exercises)} exercises[/]", soft_wrap=True)
    console.print(
        "\nopen a chapter        cutaway learn 1\n"
        "get the exercises     cutaway learn --here\n"
        "judge your answers    cutaway check 1\n"
        "see how far you are   cutaway learn --progress"
    )


def here(folder: Folder, console: Console) -> None:
    """Copy the stubs, and say what to do with them."""
    new, old = folder.fill()
    for path in new:
        console.print(f"wrote {path}")
    for path in old:
        console.print(f"[dim]kept  {path}: it was there[/]")
    first = chapters()[0]
    name = next(iter(first.exercises))
    go = "" if folder.path.resolve() == Path.cwd() else f"cd {folder.path}\n"
    where = "put your answer in the place of its `raise NotImplementedError`"
    console.print(f"\nNow open {folder.file(first)}, find the function {name}, {where}, and run:", soft_wrap=True)
    console.print(f"{go}cutaway check {first.number}.{name}", soft_wrap=True)


def open_chapter(name: str, folder: Folder, *, edit: bool, browser: bool, port: int | None) -> int:
    """Show a chapter on this machine's loopback; with `edit`, a copy of it that may be changed.  The exit code.

    Raises ArgumentError for an unknown chapter, MissingLibrary without marimo.
    """
    chapter = find(name)
    notebook = chapter.path / "chapter.py"
    if importlib.util.find_spec("marimo") is None:
        raise MissingLibrary(
            "learn: chapters are marimo notebooks, and marimo is not installed: pip install marimo\n"
            f"The exercises need nothing more: cutaway learn --here, then cutaway check {chapter.number}.\n"
            f"To read the chapter as text: {notebook}"
        )
    if edit:
        copy = folder.path / f"{chapter.folder}_notebook.py"
        if not copy.exists():
            shutil.copy(notebook, copy)
        notebook = copy
    command = [sys.executable, "-m", "marimo", "edit" if edit else "run", str(notebook), "--host", "127.0.0.1"]
    command += [] if browser else ["--headless"]
    command += ["--port", str(port)] if port else []
    command += [] if edit else ["--include-code"]
    if os.name == "posix":  # marimo takes this process's place, and with it Ctrl-C and every other signal
        os.chdir(folder.path)
        os.execv(sys.executable, command)
    return subprocess.run(command, cwd=folder.path).returncode
