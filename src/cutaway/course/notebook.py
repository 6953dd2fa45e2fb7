"""What the chapters call: an exercise as a card, the learner's own answer, figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from html import escape
from typing import Any

from cutaway.course import figures
from cutaway.course.chapters import Chapter, find
from cutaway.course.draw import draw
from cutaway.course.figures import Figure
from cutaway.course.folder import Folder
from cutaway.course.process import findings

__all__ = ["card", "figures", "yours"]


def card(name: str, folder: str = ".") -> Figure:
    """An exercise, "1.and_weights": the stub and the target; or the learner's answer beside the target, and how it was
    judged (in a process of its own, as by `cutaway check`).
    """
    chapter, e = _split(name)
    place = Folder(folder)
    head = f"<h3>{escape(e.title)} <small>exercise {chapter.number}.{e.name}</small></h3>"
    stub = f"<pre>{escape(chapter.stub(e.name))}</pre>"
    found: dict[str, Any] = {"status": "missing"}
    if place.file(chapter).is_file():
        found = _judged(str(place.path.resolve()), chapter.folder, place.file(chapter).stat().st_mtime_ns)[e.name]
    status = found["status"]
    if status in ("passed", "failed"):
        body = found.get("html") or ""
        body += "<p>Passed.</p>" if status == "passed" else _failure(found)
        return Figure(f'<div class="exercise {status}">{head}{body}</div>')
    if status == "broken":
        body = f"<p>Your file cannot be run:</p><pre>{escape(found['got'])}</pre>"
        return Figure(f'<div class="exercise failed">{head}{body}</div>')
    todo = f"<p>Write it in <code>{chapter.folder}.py</code>, then: <code>cutaway check {chapter.number}.{e.name}</code></p>"
    if not place.file(chapter).is_file():
        todo = f"<p><code>cutaway learn --here</code> puts <code>{chapter.folder}.py</code> into your folder. {todo[3:]}"
    return Figure(f'<div class="exercise">{head}{stub}{draw(e, None).html}{todo}</div>')


@lru_cache(4)
def _judged(folder: str, chapter: str, changed: int) -> dict[str, dict[str, Any]]:
    """What was found of all answers to a chapter, in one process; again when the file has changed."""
    place, c = Folder(folder), Chapter(chapter)
    held = {found["name"]: found for found in findings(place, c, list(c.exercises))}
    for name, found in held.items():
        place.record(c, name, found["status"] == "passed")
    return held


def _failure(found: dict[str, Any]) -> str:
    rows = {"why": "why", "call": "input", "expected": "expected", "got": "got"}
    indent = "\n" + 10 * " "
    lines = "".join(f"{n:<9} {found[k]}".replace("\n", indent) + "\n" for k, n in rows.items() if found.get(k))
    hint = f'<p class="hint">{escape(found["hint"])}</p>' if found.get("hint") else ""
    return f"<pre>{escape(lines)}</pre>{hint}"


def yours(name: str, folder: str = ".") -> tuple[Callable[..., Any], bool]:
    """The learner's answer to "1.learn" and True if it has passed; else the course's own and False."""
    chapter, e = _split(name)
    place = Folder(folder)
    if place.state(chapter, e.name) == "passed":
        return getattr(place.load(chapter), e.name), True
    return e.reference, False


def whose(passed: bool) -> str:
    """A few words for a caption."""
    return "with your own answer" if passed else "with the course's answer; pass the exercise and it is yours"


def _split(name: str) -> tuple[Chapter, Any]:
    number, _, one = name.partition(".")
    chapter = find(number)
    return chapter, chapter.exercise(one)
