"""What a compiled program has looked at says so when it may have become another: one count, and dicts that add to it.

A program knows addresses. At each call it must know that modules hold the parameters they held, in the same mode, and that
these lie where they lay. Instead of asking every one of them it asks a number: as long as `CHANGES.count` stays, none has
been replaced, moved, frozen or put in another mode. Where it has grown, they are asked one by one, as before.

Who changes such a thing adds to the count afterwards, so that who has seen the count has seen the change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Changes:
    """The count: it only ever grows, and by how much says nothing."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


CHANGES = Changes()


WRITERS = ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update")


def _telling(name: str) -> Callable[..., Any]:
    """A method of dict that writes, and tells."""
    write = getattr(dict, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(self, *args, **kwargs)
        finally:  # `update` may have stopped halfway
            CHANGES.count += 1

    method.__name__ = method.__qualname__ = name
    return method


class Watched(dict[Any, Any]):
    """A dict that tells of each change: a module's parameters, what an optimiser remembers of one of them."""

    __setitem__, __delitem__, __ior__, clear, pop, popitem, setdefault, update = map(_telling, WRITERS)


class WatchedMemories(defaultdict[Any, Any]):
    """A dict of Watched ones, each made when it is first asked for: an optimiser's state."""

    __setitem__, __delitem__, __ior__, clear, pop, popitem, setdefault, update = map(_telling, WRITERS)

    def __init__(self, *_: Any) -> None:
        super().__init__(Watched)
