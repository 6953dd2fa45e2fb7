"""What a compiled program has looked at says so when it may have become another: one count, and what adds to it.

A program knows addresses. At each call it must know that modules hold the parameters they held, in the same mode, and that
these lie where they lay. Instead of asking every one of them it asks a number: as long as `CHANGES.count` stays, none has
been replaced, moved, frozen or put in another mode. Where it has grown, they are asked one by one, as before.

A learning rate is another matter: a schedule sets it at every step, and all a program has to do is to read it again. So
an optimiser's group counts those elsewhere, in `CHANGES.numbers`.

Who changes such a thing adds to the count afterwards, so that who has seen the count has seen the change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Changes:
    """The counts: they only ever grow, and by how much says nothing."""

    __slots__ = ("count", "numbers")

    def __init__(self) -> None:
        self.count = self.numbers = 0


CHANGES = Changes()


def _telling(write: Callable[..., Any]) -> Callable[..., Any]:
    """A method of dict or list that writes, and tells."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(self, *args, **kwargs)
        finally:  # `update` may have stopped halfway
            CHANGES.count += 1

    method.__name__, method.__qualname__ = write.__name__, write.__qualname__
    return method


DICT = "__setitem__ __delitem__ __ior__ clear pop popitem setdefault update".split()
LIST = "__setitem__ __delitem__ __iadd__ __imul__ append extend insert pop remove clear sort reverse".split()
DICT_WRITERS = [_telling(getattr(dict, name)) for name in DICT]
LIST_WRITERS = [_telling(getattr(list, name)) for name in LIST]


class Watched(dict[Any, Any]):
    """A dict that tells of each change: a module's parameters, what an optimiser remembers of one of them."""

    __setitem__, __delitem__, __ior__, clear, pop, popitem, setdefault, update = DICT_WRITERS


class WatchedGroup(Watched):
    """An optimiser's group; what schedules set in it is read anew by programs, and does not make them look around."""

    READ_ANEW = frozenset(["lr", "betas", "initial_lr"])

    def __setitem__(self, name: Any, value: Any) -> None:
        if name in self.READ_ANEW and name in self:
            dict.__setitem__(self, name, value)
            CHANGES.numbers += 1
        else:
            super().__setitem__(name, value)


class WatchedList(list[Any]):
    """A list that tells of each change: an optimiser's groups, a group's parameters."""

    __setitem__, __delitem__, __iadd__, __imul__, append, extend, insert, pop, remove, clear, sort, reverse = LIST_WRITERS


class WatchedMemories(defaultdict[Any, Any]):
    """A dict of Watched ones, each made when it is first asked for: an optimiser's state."""

    __setitem__, __delitem__, __ior__, clear, pop, popitem, setdefault, update = DICT_WRITERS

    def __init__(self, *_: Any) -> None:
        super().__init__(Watched)
