"""Record a rule once, on symbols; replay it on memory, in place.

A rule is a pure expression: evaluated on arrays, each operation makes a new one, and most of the time goes into getting
memory for them. But as it is pure, it can be recorded: p - lr * g is the program

    multiply lr g -> scratch;  subtract p scratch -> p

Values that are not needed any more lend their place to later ones, results go straight to the memory that they replace,
and a large parameter is worked through a tile at a time, so that the scratch stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

TILE = 32768  # elements

Rule = Callable[[Any, Any, dict[str, Any], int, dict[str, Any]], tuple[Any, dict[str, Any]]]
Instruction = tuple[np.ufunc, int, int, int]  # ufunc, first and second operand (NONE for a function of one), result
NONE = -1 << 30


class NotRecordable(Exception):
    """The rule does something with its arguments that is not a ufunc of one or two."""


class Program(NamedTuple):
    """Instructions over registers: the memory of p, g, what is remembered (old names, then new), constants, scratch."""

    code: list[Instruction]
    constants: list[np.ndarray]
    scratch: int
    fresh: list[str]  # names that are remembered from now on
    numbers: dict[str, float]  # what is remembered as one number

    def run(self, memory: Sequence[np.ndarray], scratch: list[np.ndarray]) -> None:
        """Replay on flat arrays of one length and dtype; `scratch` is kept by the caller for the next run."""
        n = memory[0].size
        if not scratch or scratch[0].size < min(n, TILE):
            scratch[:] = [np.empty(min(n, TILE), memory[0].dtype) for _ in range(self.scratch)]
        for start in range(0, n, TILE):
            stop = min(start + TILE, n)
            tiles = [m[start:stop] for m in memory] if n > TILE else memory
            x = [*tiles, *self.constants, *[b[: stop - start] for b in scratch]]
            for f, i, j, k in self.code:
                if j == NONE:
                    f(x[i], out=x[k])
                else:
                    f(x[i], x[j], out=x[k])


class Symbol:
    """A value of the program that is being recorded. Understands + - * / **, and NumPy's ufuncs."""

    __slots__ = ("index", "tape")

    def __init__(self, tape: Tape, index: int) -> None:
        self.tape, self.index = tape, index

    def __array_ufunc__(self, f: np.ufunc, method: str, *operands: Any, **options: Any) -> Symbol:
        if method != "__call__" or options or f.nout != 1 or f.nin > 2:
            raise NotRecordable
        return self.tape.emit(f, *operands)

    def __add__(self, other: Any) -> Symbol:
        return self.tape.emit(np.add, self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self.tape.emit(np.add, other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self.tape.emit(np.subtract, self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.tape.emit(np.subtract, other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self.tape.emit(np.multiply, self, other)

    def __rmul__(self, other: Any) -> Symbol:
        one = isinstance(other, (int, float)) and other == 1  # as without dampening, or weight decay of 1
        return self if one else self.tape.emit(np.multiply, other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self.tape.emit(np.divide, self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.tape.emit(np.divide, other, self)

    def __pow__(self, other: Any) -> Symbol:
        if isinstance(other, (int, float)) and other in (0.5, 2):
            return self.tape.emit(np.sqrt if other == 0.5 else np.square, self)
        return self.tape.emit(np.power, self, other)

    def __neg__(self) -> Symbol:
        return self.tape.emit(np.negative, self)

    def __abs__(self) -> Symbol:
        return self.tape.emit(np.abs, self)

    def __bool__(self) -> bool:
        raise NotRecordable


class Tape:
    """The instructions so far. Value i < inputs is an input, later ones are results; constant k is -1 - k."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.code: list[tuple[np.ufunc, int, int]] = []
        self.constants: dict[float, int] = {}

    def emit(self, f: np.ufunc, a: Any, b: Any = None) -> Symbol:
        """Append an instruction."""
        self.code.append((f, self._place(a), NONE if b is None else self._place(b)))
        return Symbol(self, self.inputs + len(self.code) - 1)

    def _place(self, x: Any) -> int:
        if isinstance(x, Symbol):
            return x.index
        if not isinstance(x, (int, float, np.number)):
            raise NotRecordable
        return self.constants.setdefault(x, -1 - len(self.constants))  # type: ignore[arg-type]


def record(
    rule: Rule, names: Sequence[str], numbers: dict[str, float], t: int, h: dict[str, Any], dtype: np.dtype[Any]
) -> Program:
    """The program, for arrays of a dtype, of a rule that remembers `names` of each element and `numbers`.

    Raises NotRecordable for a rule that is more than ufuncs.
    """
    tape = Tape(2 + len(names))
    p, g, *olds = [Symbol(tape, i) for i in range(tape.inputs)]
    try:
        new_p, new_s = rule(p, g, {**dict(zip(names, olds)), **numbers}, t, h)
    except (TypeError, AttributeError) as error:
        raise NotRecordable from error
    fresh = [name for name in new_s if name not in names and name not in numbers]
    home: dict[int, int] = {}  # of each result: the memory that it replaces
    places = {name: 2 + i for i, name in enumerate((*names, *fresh))}
    for place, value in ((0, new_p), *((places[name], new_s[name]) for name in new_s if name in places)):
        if not isinstance(value, Symbol):
            raise NotRecordable
        if value.index == place < tape.inputs:
            continue  # stays as it is
        if value.index < tape.inputs or value.index in home:
            value = tape.emit(np.positive, value)  # a copy: one value cannot live in two places
        home[value.index] = place
    code, scratch = _assign_registers(tape, home, memories=tape.inputs + len(fresh))
    constants = [np.array(c, dtype) for c in tape.constants]
    return Program(code, constants, scratch, fresh, {name: new_s[name] for name in numbers})


def _assign_registers(tape: Tape, home: dict[int, int], memories: int) -> tuple[list[Instruction], int]:
    """A register for each value, by when it is read last; and how many scratch registers that takes."""
    inputs, first = tape.inputs, memories + len(tape.constants)
    last_read = {value: k for k, (_, a, b) in enumerate(tape.code) for value in (a, b)}
    # A result goes to its memory at once if the old value there is not read later; else it waits in scratch.
    waiting = {
        value: place for value, place in home.items() if last_read.get(place, -1) > value - inputs and place < inputs
    }
    register = {i: i for i in range(inputs)} | {c: memories - 1 - c for c in tape.constants.values()} | {NONE: NONE}
    free: list[int] = []
    count = 0
    code: list[Instruction] = []
    for k, (f, a, b) in enumerate(tape.code):
        for x in {a, b}:
            if register[x] >= first and last_read[x] == k and x not in waiting:
                free.append(register[x])
        value = inputs + k
        if value in home and value not in waiting:
            register[value] = home[value]
        elif free:
            register[value] = free.pop()
        else:
            register[value] = first + count
            count += 1
        code.append((f, register[a], register[b], register[value]))
    code += [(np.positive, register[value], NONE, place) for value, place in waiting.items()]
    return code, count
