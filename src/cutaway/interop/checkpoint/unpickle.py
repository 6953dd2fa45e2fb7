"""The pickle machine of checkpoints: a stack, a memo, and the instructions that build plain values. It runs no code.

Where Python's own unpickler imports what the file names and calls it, this one looks names up in `known.py`, and ends with
an error at any other. What it may allocate is bounded by the length of the pickle.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from cutaway.core.errors import CutawayError, FileFormatError
from cutaway.interop.checkpoint import known
from cutaway.interop.checkpoint.known import hashable

_MARK = object()
_MAPPINGS = (dict, OrderedDict, Counter, defaultdict)


def unpickle(data: bytes, storage: Callable[[Any], Any]) -> Any:
    """The value that a pickle describes; `storage(id)` gives the storage that a persistent id names.

    Raises UnsafeFileError for what is not on the list of `known.py`, FileFormatError for a damaged pickle.
    """
    machine = Machine(data, storage)
    try:
        return machine.run()
    except CutawayError:
        raise
    except (
        IndexError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as e:
        raise FileFormatError(
            f"load: the pickle is damaged at byte {machine.place} of {len(data)} ({type(e).__name__}: {str(e)[:100]})"
        ) from None


class Machine:
    """One run over a pickle."""

    def __init__(self, data: bytes, storage: Callable[[Any], Any]) -> None:
        self.data, self.place = data, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storage = storage
        self.budget = 4 * len(data) + 4096  # elements and bytes that makers may copy, all in all

    def run(self) -> Any:
        """Execute instructions up to STOP."""
        data, table = self.data, INSTRUCTIONS
        while True:
            code = data[self.place]
            self.place += 1
            if code == 0x2E:  # STOP
                value = self.pop()
                if self.stack:
                    raise ValueError("values are left on the stack")
                return value
            do = table.get(code)
            if do is None:
                raise FileFormatError(
                    f"load: the pickle holds instruction {bytes([code])!r} at byte {self.place - 1}, which no checkpoint "
                    "needs; nothing was executed"
                )
            do(self)

    # --- reading ------------------------------------------------------------------------------------------------------

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        if n > len(self.data) - self.place:
            raise ValueError("it ends early")
        part = self.data[self.place : self.place + n]
        self.place += n
        return part

    def number(self, n: int) -> int:
        """The next n bytes, as an unsigned number."""
        return int.from_bytes(self.take(n), "little")

    def line(self) -> str:
        """Up to the next end of a line."""
        end = self.data.index(b"\n", self.place)
        text = self.data[self.place : end].decode("utf-8")
        self.place = end + 1
        return text

    # --- the stack ----------------------------------------------------------------------------------------------------

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the topmost value, which must not be a mark."""
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a value is missing")
        return value

    def top(self) -> Any:
        """The topmost value, which must not be a mark."""
        if self.stack[-1] is _MARK:
            raise ValueError("a value is missing")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """Take all values above the last mark, and the mark."""
        stack = self.stack
        at = len(stack) - 1
        while stack[at] is not _MARK:  # IndexError below the bottom
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        items = stack[at + 1 :]
        del stack[at:]
        return items

    # --- making -------------------------------------------------------------------------------------------------------

    def charge(self, values: Any) -> None:
        """Count what a maker copies, so that a short pickle cannot ask for much memory by copying one value often."""
        for v in values:
            if isinstance(v, (str, bytes, bytearray, list, tuple, dict, set, frozenset)):
                self.budget -= len(v)
                if type(v) is tuple:
                    self.budget -= sum(len(x) for x in v if type(x) is bytes)
        if self.budget < 0:
            raise FileFormatError("load: the pickle copies its values again and again; no checkpoint does that")

    def reduce(self) -> None:
        """REDUCE: a maker's result."""
        args, what = self.pop(), self.pop()
        if type(args) is not tuple:
            raise TypeError("arguments are no tuple")
        self.charge(args)
        self.push(known.call(what, args))

    def new(self) -> None:
        """NEWOBJ: an object of a class on the list."""
        args, what = self.pop(), self.pop()
        if type(args) is not tuple:
            raise TypeError("arguments are no tuple")
        self.charge(args)
        self.push(known.new(what, args))

    def build(self) -> None:
        """BUILD: give an object its state."""
        state = self.pop()
        self.charge((state,))
        known.give_state(self.top(), state)

    def load_global(self) -> None:
        """GLOBAL: look up a name."""
        module = self.line()
        self.push(known.find(module, self.line()))

    def stack_global(self) -> None:
        """STACK_GLOBAL: look up a name that lies on the stack."""
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("a name is no text")
        self.push(known.find(module, name))

    def persistent(self) -> None:
        """BINPERSID: a storage."""
        self.push(self.storage(self.pop()))

    def get(self, n: int) -> None:
        """Push what was remembered as number n."""
        self.push(self.memo[n])

    def put(self, n: int) -> None:
        """Remember the topmost value as number n."""
        self.memo[n] = self.top()

    # --- containers ---------------------------------------------------------------------------------------------------

    def tuple_of(self, n: int) -> None:
        """A tuple of the topmost n values."""
        items = [self.pop() for _ in range(n)]
        self.push(tuple(reversed(items)))

    def append(self, items: list[Any]) -> None:
        """Add to the list on top."""
        target = self.top()
        if not (type(target) is list or known.takes(target, list, deque)):
            raise TypeError("what is appended to is no list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Add (key, value, key, value ..) to the dict on top."""
        target = self.top()
        if not (type(target) in _MAPPINGS or known.takes(target, dict)) or len(items) % 2:
            raise TypeError("what is assigned to is no dict, or a value is missing")
        for key, value in zip(items[::2], items[1::2]):
            target[hashable(key)] = value

    def add(self, items: list[Any]) -> None:
        """Add to the set on top."""
        if type(self.top()) is not set:
            raise TypeError("what is added to is no set")
        self.top().update([hashable(x) for x in items])

    def pop_any(self) -> None:
        """POP: drop the topmost value, or mark."""
        self.stack.pop()


def _long(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _protocol(m: Machine) -> None:
    if m.number(1) > 5:
        raise FileFormatError("load: the pickle is of a protocol above 5")


def _pair(m: Machine) -> list[Any]:
    value, key = m.pop(), m.pop()
    return [key, value]


INSTRUCTIONS: dict[int, Callable[[Machine], None]] = {
    ord(code): do
    for code, do in {
        "\x80": _protocol,
        "\x95": lambda m: (m.take(8), None)[1],  # FRAME
        "(": lambda m: m.push(_MARK),
        "0": Machine.pop_any,
        "1": lambda m: (m.since_mark(), None)[1],
        "2": lambda m: m.push(m.top()),
        # constants
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "J": lambda m: m.push(_long(m.take(4))),
        "K": lambda m: m.push(m.number(1)),
        "M": lambda m: m.push(m.number(2)),
        "\x8a": lambda m: m.push(_long(m.take(m.number(1)))),
        "\x8b": lambda m: m.push(_long(m.take(m.number(4)))),
        "G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
        "X": lambda m: m.push(_text(m.take(m.number(4)))),
        "\x8c": lambda m: m.push(_text(m.take(m.number(1)))),
        "\x8d": lambda m: m.push(_text(m.take(m.number(8)))),
        "U": lambda m: m.push(m.take(m.number(1)).decode("ascii")),
        "B": lambda m: m.push(m.take(m.number(4))),
        "C": lambda m: m.push(m.take(m.number(1))),
        "\x8e": lambda m: m.push(m.take(m.number(8))),
        "\x96": lambda m: m.push(bytearray(m.take(m.number(8)))),
        # containers
        ")": lambda m: m.push(()),
        "]": lambda m: m.push([]),
        "}": lambda m: m.push({}),
        "\x8f": lambda m: m.push(set()),
        "t": lambda m: m.push(tuple(m.since_mark())),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "a": lambda m: m.append([m.pop()]),
        "e": lambda m: m.append(m.since_mark()),
        "s": lambda m: m.set_items(_pair(m)),
        "u": lambda m: m.set_items(m.since_mark()),
        "\x90": lambda m: m.add(m.since_mark()),
        "\x91": lambda m: m.push(frozenset([hashable(x) for x in m.since_mark()])),
        # the memo
        "h": lambda m: m.get(m.number(1)),
        "j": lambda m: m.get(m.number(4)),
        "q": lambda m: m.put(m.number(1)),
        "r": lambda m: m.put(m.number(4)),
        "\x94": lambda m: m.put(len(m.memo)),
        # what the list knows
        "c": Machine.load_global,
        "\x93": Machine.stack_global,
        "R": Machine.reduce,
        "\x81": Machine.new,
        "b": Machine.build,
        "Q": Machine.persistent,
    }.items()
}
