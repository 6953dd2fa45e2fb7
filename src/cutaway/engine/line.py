"""Line: where in the user's program a value was made."""

from __future__ import annotations

import linecache
import os
from functools import lru_cache
from types import FrameType


class Line(str):
    """`file.py:12`. `path` is the whole file name, "" where the text came from no file; `number` counts from 1."""

    path: str
    number: int

    @classmethod
    def of(cls, frame: FrameType) -> Line:
        """The line that a frame is at."""
        name = frame.f_code.co_filename
        made = cls(f"{os.path.basename(name)}:{frame.f_lineno}")
        made.path, made.number = _path(name, frame.f_globals.get("__file__") or ""), frame.f_lineno
        return made


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
