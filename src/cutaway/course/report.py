"""What `cutaway check` and `cutaway learn --progress` print."""

from __future__ import annotations

import textwrap
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from cutaway.core.errors import ArgumentError
from cutaway.course.chapters import Chapter, chapters, find
from cutaway.course.folder import Folder
from cutaway.course.process import findings

WIDEST = 100


def check(what: str | None, folder: Folder, console: Console, seconds: float | None = None) -> int:
    """Judge the answers in a folder: of all chapters, of CHAPTER, or CHAPTER.EXERCISE.  0 if all that was asked for passed.

    Raises ArgumentError for an unknown name, or if there is no file of that chapter.
    """
    jobs: list[tuple[Chapter, list[str]]]
    if what is None:
        jobs = [(c, list(c.exercises)) for c in folder.begun()]
        if not jobs:
            raise ArgumentError(
                f"check: no chapter's file is in {folder.path.resolve()}; `cutaway learn --here` puts them there"
            )
    else:
        name, _, one = what.removesuffix(".py").partition(".")
        chapter = find(name)
        jobs = [(chapter, [chapter.exercise(one).name] if one else list(chapter.exercises))]
    passed = failed = asleep = 0
    for chapter, names in jobs:
        folder.text(chapter)
        console.print(f"[bold]Chapter {chapter.number} · {escape(chapter.title)}[/]  [dim]{folder.file(chapter)}[/]")
        open_ = []
        width = min(console.width, WIDEST) - 4
        found_all = findings(folder, chapter, names, width=width, colour=console.is_terminal, seconds=seconds)
        for found in found_all:
            folder.record(chapter, found["name"], found["status"] == "passed")
            if found["status"] in ("stub", "missing") and len(names) > 1:
                open_.append(found["name"])
            elif found["status"] == "broken":
                _broken(found, console)
                failed += len(names)
                break
            else:
                _one(chapter, found, folder, console)
            passed += found["status"] == "passed"
            failed += found["status"] == "failed"
        asleep += len(open_) if what is not None else 0
        asleep += sum(1 for n in names if len(names) == 1 and folder.state(chapter, n) != "passed")
        if open_:
            console.print(Padding(f"[dim]not begun: {', '.join(open_)}[/]", (0, 0, 0, 2)))
    done, every = count(folder)
    console.print(f"{passed} passed, {failed} failed; {done} of the course's {every} exercises are done")
    following = _next(folder, jobs[0][0])
    if following and passed and not failed and not asleep and what is not None:
        console.print(f"next: cutaway check {following}", soft_wrap=True)
    return int(failed > 0 or asleep > 0)


def _one(chapter: Chapter, found: dict[str, Any], folder: Folder, console: Console) -> None:
    e = chapter.exercise(found["name"])
    mark, style = {"passed": ("✓", "green"), "failed": ("✗", "red")}.get(found["status"], ("·", "dim"))
    console.print(f"\n[{style}]{mark}[/] [bold]{e.name}[/] · {escape(e.title)}")
    if found["status"] == "stub":
        console.print(Padding(Text(_wrapped(chapter.stub(e.name), min(console.width, WIDEST) - 4), "dim"), (0, 0, 0, 4)))
    if found.get("terminal"):
        console.print(Padding(Text.from_ansi(found["terminal"]), (0, 0, 0, 4)))
    if found["status"] == "passed":
        console.print(f"    [green]passed[/] [dim]{found['cases']} inputs[/]")
    elif found["status"] == "failed":
        rows = [("why", found["why"]), ("input", _inputs(found)), ("expected", found.get("expected", "")),
                ("got", found.get("got", "")), ("hint", found["hint"])]  # fmt: skip
        for name, text in rows:
            if text:
                _row(name, text, console, "bold yellow" if name == "hint" else "")
        if not found["hint"] and not found["why"].startswith("it raised"):
            _row("hint", "nothing that is known explains it; compute the smallest input by hand and compare", console)
    else:
        _row("", f"not begun: in {folder.file(chapter)}, write it in the place of `raise NotImplementedError`", console)
    if found.get("printed"):
        _row("it printed", found["printed"].rstrip(), console, "dim")


def _next(folder: Folder, chapter: Chapter) -> str:
    """The first exercise that is left in a chapter, or else in the chapters after it; "" if none is."""
    after = [c for c in chapters() if c.number >= chapter.number]
    return next((f"{c.number}.{n}" for c in after for n in c.exercises if folder.state(c, n) != "passed"), "")


def _wrapped(text: str, width: int) -> str:
    """Lines that are too long, broken, their parts as deep as they are."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False) or [line]
    return "\n".join(lines)


def _inputs(found: dict[str, Any]) -> str:
    if "\n" in "".join(found.get("inputs", [])) or len(found["call"]) > WIDEST - 20:
        return "\n".join(found.get("inputs", [])) or found["call"]
    return found["call"]


def _row(name: str, text: str, console: Console, style: str = "") -> None:
    body = Text(text, style)
    head = Text(f"    {name:<10} ", "dim")
    for line in body.split("\n"):
        console.print(head + line, soft_wrap=True)
        head = Text(" " * 15)


def _broken(found: dict[str, Any], console: Console) -> None:
    console.print("  [red]the file cannot be run:[/]")
    _row("", found["got"], console)
    if found.get("printed"):
        _row("it printed", found["printed"].rstrip(), console, "dim")


def count(folder: Folder) -> tuple[int, int]:
    """How many exercises have passed, and how many there are."""
    states = [folder.state(c, n) for c in chapters() for n in c.exercises]
    return states.count("passed"), len(states)


def progress(folder: Folder, console: Console) -> None:
    """Every chapter with its exercises: passed, changed since, open."""
    for c in chapters():
        states = {n: folder.state(c, n) for n in c.exercises}
        done = list(states.values()).count("passed")
        full = round(12 * done / max(len(states), 1))
        bar = f"[green]{'█' * full}[/][dim]{'░' * (12 - full)}[/]"
        console.print(f"[bold]{c.number:>2} {escape(c.title):<18}[/] {bar} {done} of {len(states)}")
        for mark, state, style in (("✓", "passed", "green"), ("~", "changed", "yellow"), ("·", "open", "dim")):
            names = [n for n in states if states[n] == state]
            if names:
                more = " (changed since it passed; check it again)" if state == "changed" else ""
                console.print(Padding(f"[{style}]{mark} {', '.join(names)}{more}[/]", (0, 0, 0, 4)))
    done, every = count(folder)
    console.print(f"{done} of {every} exercises are done in {escape(str(folder.path.resolve()))}")

