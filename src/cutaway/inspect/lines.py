"""Places in the user's program: found on the stack while it runs, shown as a Line with its text."""

from __future__ import annotations

import sys
from linecache import getline
from types import CodeType, FrameType
from typing import Any

from cutaway.core.autograd import FunctionNode, Node
from cutaway.core.diary import Place
from cutaway.engine.line import Line, inside, outside, source

GRADIENTS: frozenset[CodeType] = frozenset(c.gradients.__code__ for c in (Node, FunctionNode))


def here(depth: int = 2) -> tuple[Place | None, Any]:
    """The user's line that is running, and the Node whose gradient rule is at work, if one is."""
    frame: FrameType | None = sys._getframe(depth)
    node = None
    while frame is not None:
        code = frame.f_code
        if code in GRADIENTS:
            node = frame.f_locals["self"] if node is None else node
        elif not inside(code.co_filename):
            return place_of(frame), node
        frame = frame.f_back
    return None, node


def users_frame(depth: int = 2) -> FrameType | None:
    """The innermost frame outside the package and NumPy."""
    return outside(sys._getframe(depth))


def place_of(frame: FrameType) -> Place:
    """The line that a frame is at."""
    return frame.f_code, frame.f_lineno, frame.f_globals.get("__file__") or ""


def backward_of(node: FunctionNode) -> Place | None:
    """Where the backward of a user's Function is written."""
    code = getattr(node.function.backward, "__code__", None)
    if code is None:
        return None
    line = code.co_firstlineno
    while getline(code.co_filename, line).lstrip().startswith("@"):
        line += 1
    return code, line, ""


def line_at(place: Place | None) -> Line:
    """The Line of a place; an empty one for none."""
    if place is None:
        line = Line("")
        line.path, line.number = "", 0
        return line
    code, number, file = place
    return Line.at(code.co_filename, number, file)


def quoted(place: Place | None) -> str:
    """`train.py:12: loss = f(x)`, or as much of it as is known; "" for no place."""
    line = line_at(place)
    text = source(line).rstrip(":")
    return f"{line}: {text}" if text else str(line)
