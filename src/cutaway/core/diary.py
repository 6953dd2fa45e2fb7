"""Diary: the last things that were done to gradients, and where in the program. `cutaway.inspect.why` reads it.

A note costs under a microsecond and is made only where a person's line does something rare to the graph (detach, no_grad,
backward, zero_grad, freezing); what Cutaway does inside for its own ends is left out. Nothing is kept alive by a note.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from itertools import count
from types import CodeType, FrameType
from typing import Any, NamedTuple
from weakref import ref

SEQ = count()  # the age of nodes and of notes
INSIDE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
CHAPTER = os.sep + "chapter.py"  # the course's notebooks: programs that a person reads and runs, as any outside the package
# Wrappers that lie between a method and who called it.
GUARDS = frozenset(
    os.path.join(INSIDE, "core", *path.split("/"))
    for path in "refusal.py overriding/asked.py overriding/entries.py overriding/subclass.py".split()
)

Place = tuple[CodeType, int, str]  # code, line, the module's file


class Note(NamedTuple):
    """One entry.

    seq     when, on the clock of nodes
    kind    backward, detach, no_grad, zero_grad, freeze, freed, assign (to the place of a parameter or a layer)
    place   the user's line
    about   weak references: of the loss's node, of the tensor's array, of the tensor, of the module and its lost parameters
    detail  what the kind needs besides
    """

    seq: int
    kind: str
    place: Place
    about: tuple[ref[Any], ...]
    detail: Any = None


# How many notes of one line are kept, the latest: a training loop must not drive out what was done once before it.
KEPT = {"backward": 4, "detach": 8, "no_grad": 2, "zero_grad": 2, "freed": 2, "assign": 64, "freeze": 512}
MOST = 256  # lines
_NOTES: dict[tuple[str, int, int], deque[Note]] = {}


def ours(name: str) -> bool:
    """Whether a file of code is Cutaway's own."""
    return name.startswith(INSIDE) and not name.endswith(CHAPTER)


def notes() -> list[Note]:
    """All that are kept, the oldest first."""
    return sorted(n for held in list(_NOTES.values()) for n in list(held))


def forget() -> None:
    """Begin anew."""
    _NOTES.clear()


def note(kind: str, *about: Any, detail: Any = None, through: bool = False) -> None:
    """Write down that the caller of the function that calls this did `kind`.

    Nothing is written if that caller is part of Cutaway; `through`: the nearest line outside of it counts.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if not ours(name):
            break
        if not through and name not in GUARDS:
            return
        frame = frame.f_back
    if frame is None:
        return
    code, line = frame.f_code, frame.f_lineno
    held = _NOTES.get((kind, id(code), line))  # the id of a code object that a note keeps
    if held is None:
        held = _NOTES[kind, id(code), line] = deque(maxlen=KEPT[kind])
        while len(_NOTES) > MOST:
            _NOTES.pop(next(iter(_NOTES)), None)
    place = code, line, frame.f_globals.get("__file__") or ""
    held.append(Note(next(SEQ), kind, place, tuple([ref(x) for x in about]), detail))
