"""Line: where in the user's program a value was made."""

from __future__ import annotations

import linecache
import os
from functools import lru_cache
from pathlib import Path
from types import FrameType

import numpy as np

from cutaway.core.diary import ours
from cutaway.engine.cells import named

NUMPY = str(Path(np.__file__).parent)


class Line(str):
    """`file.py:12`, or `cell 3:12` in a notebook. `path` is the whole file name, "" where the text came from no file;
    `number` counts from 1.
    """

    path: str
    number: int

    @classmethod
    def of(cls, frame: FrameType) -> Line:
        """The line that a frame is at."""
        return cls.at(frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__file__") or "")

    @classmethod
    def at(cls, name: str, number: int, file: str) -> Line:
        """A line of the code that was compiled under `name`, in the module whose file is `file`."""
        made = cls(f"{named(name, file)}:{number}")
        made.path, made.number = _path(name, file), number
        return made


def outside(frame: FrameType | None) -> FrameType | None:
    """The innermost frame from here outward that is neither in the package nor in NumPy."""
    while frame is not None and inside(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def inside(name: str) -> bool:
    """Whether a file of code is the package's, or NumPy's."""
    return ours(name) or name.startswith(NUMPY)


@lru_cache(256)
def _path(name: str, file: str) -> str:
    """Where the text of a code object is, by the name that it bears and the file of its module.

    Text run by `exec` may bear the name of a file that holds something else; notebooks register their cells.
    """
    if name not in linecache.cache and os.path.basename(file) != os.path.basename(name):
        return ""
    return os.path.abspath(name) if os.path.exists(name) else name


def source(line: str) -> str:
    """The text of a line of the user's program, without indentation; "" if it cannot be known."""
    if not isinstance(line, Line) or not line.path:
        return ""
    return linecache.getline(line.path, line.number).strip()
