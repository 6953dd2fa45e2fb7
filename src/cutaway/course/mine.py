"""`cutaway train --mine`: the parts of the library that the learner's passed answers can take the place of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cutaway
from cutaway.core.errors import ArgumentError
from cutaway.course.folder import Folder


@contextmanager
def mine(folder: Folder, say: Callable[[str], None]) -> Iterator[list[str]]:
    """Inside, the learner's passed parts are in use; gives their names in the library, and says which are whose.

    Of two answers for one part the later chapter's is taken.  Raises ArgumentError if none has passed.
    """
    parts: dict[str, object] = {}
    origin: dict[str, str] = {}
    left = []
    for chapter in folder.begun():
        module = None
        for plug in chapter.plugs:
            states = {n: folder.state(chapter, n) for n in plug.names}
            what = f"{folder.file(chapter).name}: {', '.join(plug.names)}"
            if any(s != "passed" for s in states.values()):
                left += [f"{what}: changed since it passed, so it is not used; cutaway check {chapter.number}"] * (
                    "changed" in states.values() and "open" not in states.values()
                )
                continue
            module = module or folder.load(chapter)
            for name, part in plug.make(*(getattr(module, n) for n in plug.names)).items():
                parts[name], origin[name] = part, what
    for line in left:
        say(line)
    if not parts:
        raise ArgumentError(
            "train: --mine finds no passed part here that the library could use; `cutaway check` judges your answers, "
            "and the chapters say which of them can be plugged in"
        )
    with cutaway.use(**parts) as used:
        for name in used.names:
            say(f"{name} is yours, {origin[name]}")
        yield used.names
        for name, calls in used.calls.items():
            if not calls:
                say(f"{name}: this network had no use for it")
