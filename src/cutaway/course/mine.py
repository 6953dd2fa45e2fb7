"""`cutaway train --mine`: the parts of the library that the learner's passed answers can take the place of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cutaway
from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.course.chapters import Chapter, chapters
from cutaway.course.exercise import Plug
from cutaway.course.folder import Folder, digest

Plugged = dict[str, tuple[Chapter, Plug]]  # by the name of the library's part
Record = dict[str, Any]  # {"folder": path, "parts": {part: {"chapter": folder, "answers": {name: digest}}}}, as JSON has it


@contextmanager
def mine(folder: Folder, say: Callable[[str], None], recipe: str = "", agents: bool = False) -> Iterator[Record]:
    """Inside, the learner's passed parts are in use; gives what a run keeps to know them again, and says which are whose.

    recipe  what is trained: some parts are for few only;  agents: with those that are parts of agents
    Of two answers for one part the later chapter's is taken.  Raises ArgumentError if none has passed.
    """
    plugged: Plugged = {}
    for chapter in folder.begun():
        for plug in chapter.plugs:
            if plug.agents and not agents:
                continue
            states = {n: folder.state(chapter, n) for n in plug.names}
            if all(s == "passed" for s in states.values()):
                if plug.recipes and recipe not in plug.recipes:
                    say(f"{_called(folder, chapter, plug)}: for {' and '.join(plug.recipes)} only, as it is slow")
                    continue
                plugged |= dict.fromkeys(plug.parts, (chapter, plug))
            elif "changed" in states.values() and "open" not in states.values():
                what = _called(folder, chapter, plug)
                say(f"{what}: changed since it passed, so it is not used; cutaway check {chapter.number}")
    if "autograd" in plugged:  # a tape of numbers does not see into functions of arrays
        aside = [part for part in plugged if part != "autograd" and not hasattr(cutaway.optim, part)]
        for part in aside:
            say(f"{part} stands aside for your autograd, {_called(folder, *plugged.pop(part))}")
    if not plugged:
        for_these = [(c, p) for c in chapters() for p in c.plugs if (agents or not p.agents) and not p.recipes]
        first, plug = for_these[0]
        raise ArgumentError(
            f"--mine finds no passed part in {folder.path.resolve()} that the library could use. The first that can be "
            f"part of it is {first.number}.{plug.names[0]} (`cutaway check {first.number}.{plug.names[0]}` judges it); "
            "the chapters say which others do"
        )
    with _in_use(folder, plugged, say):
        yield recorded(folder, plugged)


@contextmanager
def again(record: Record, say: Callable[[str], None]) -> Iterator[Record]:
    """Inside, the parts are in use that a run was begun with.

    Raises ArgumentError, naming them, if an answer has changed since or is gone; FileFormatError for a damaged record.
    """
    folder, plugged, lost = *_found(record), []
    for part, (chapter, _) in plugged.items():
        file = folder.file(chapter)
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        for name, known in record["parts"][part]["answers"].items():
            now = digest(text, name) if text else ""
            if now != known:
                how = f"has changed since (in {file})" if now else f"is gone (it was in {file})"
                lost.append(f"your {name}, which is its {part}, {how}")
    if lost:
        raise ArgumentError(
            f"--resume: this run was begun with parts of yours: {'; '.join(lost)}. To go on with your passed parts as they "
            "are in this folder now, add --mine; with the library's, --no-mine; either changes the numbers"
        )
    with _in_use(folder, plugged, say):
        yield record


def recorded(folder: Folder, plugged: Plugged) -> Record:
    """What a run keeps: where the answers are, and digests, so that a change is seen."""
    parts = {
        part: {"chapter": c.folder, "answers": {n: digest(folder.text(c), n) for n in plug.names}}
        for part, (c, plug) in plugged.items()
    }
    return {"folder": str(folder.path.resolve()), "parts": parts}


def _found(record: Record) -> tuple[Folder, Plugged]:
    known = {c.folder: c for c in chapters()}
    plugged: Plugged = {}
    try:
        folder = Folder(Path(record["folder"]))
        for part, held in record["parts"].items():
            chapter = known[held["chapter"]]
            names = tuple(held["answers"])
            plugged[part] = chapter, next(p for p in chapter.plugs if part in p.parts and p.names == names)
    except (KeyError, TypeError, AttributeError, StopIteration):
        raise FileFormatError(
            "--resume: what the run's config.json says of your parts is damaged, or of another version; "
            "--mine goes on with your passed parts as they are in this folder, --no-mine with the library's"
        ) from None
    return folder, plugged


@contextmanager
def _in_use(folder: Folder, plugged: Plugged, say: Callable[[str], None]) -> Iterator[None]:
    modules: dict[str, Any] = {}
    parts = {}
    for part, (chapter, plug) in plugged.items():
        module = modules.get(chapter.folder) or modules.setdefault(chapter.folder, folder.load(chapter))
        parts[part] = plug.make(*(getattr(module, n) for n in plug.names))[part]
    with cutaway.use(**parts) as used:
        for name in used.names:
            say(f"{name} is yours, {_called(folder, *plugged[name])}")
        yield
        for name, calls in used.calls.items():
            if not calls:
                say(f"{name}: this run had no use for it")


def _called(folder: Folder, chapter: Chapter, plug: Plug) -> str:
    return f"{folder.file(chapter).name}: {', '.join(plug.names)}"
