"""What the parts of a contraction's code share while it is written: pointers, types, where in the problem we are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import llvmlite.ir as ir

from cutaway.engine.contract.problem import Problem
from cutaway.engine.contract.schedule import Schedule
from cutaway.engine.llvm.emit import I1, I32, I64, PTR, Function, Int, constant, mangle, memory_type
from cutaway.engine.llvm.target import Target

Epilogue = Callable[[Function, Any, "Place"], Any]


@dataclass(frozen=True)
class Here:
    """Where the loops outside are: `start` and `count` of each label, and the operands' offsets that follow from them.

    inside   labels whose clips cannot bite here
    first, last   of the passes over the sum: True, False, or an i1 in the IR
    """

    start: dict[str, Int]
    count: dict[str, int]
    a: Int
    b: Int
    c: Int
    inside: frozenset[str] = frozenset()
    first: Any = True
    last: Any = True


@dataclass
class Kernel:
    """The function under construction. `a`, `b`, `c`: pointers of the schedule's problem (A and B may be exchanged)."""

    f: Function
    schedule: Schedule
    target: Target
    given: Problem
    a: Any
    b: Any
    c: Any
    scratch: Any
    epilogue: Epilogue | None
    b_map: Mapping[str, int] = field(default_factory=dict)  # of B as the tile reads it: packed or not
    packed: bool = False
    shelf: list[Any] = field(default_factory=list)  # memory for vectors that wait, the same for all tiles

    @property
    def problem(self) -> Problem:
        """The schedule's problem."""
        return self.schedule.problem

    @property
    def number(self) -> ir.Type:
        """The type of one number."""
        return memory_type(self.problem.dtype)

    @property
    def vector(self) -> ir.VectorType:
        """The type of a vector of them."""
        return ir.VectorType(self.number, self.schedule.lanes)

    def memory(self, count: int) -> list[Any]:
        """Places for `count` vectors on the stack; who asks next gets the same."""
        with self.f.b.goto_entry_block():
            while len(self.shelf) < count:
                self.shelf.append(self.f.b.alloca(self.vector))
        return self.shelf[:count]

    def advance(self, here: Here, label: str, start: Int, count: int, inside: bool = False) -> Here:
        """`here` with the value of `label` fixed to `count` values from `start` on."""
        f, p = self.f, self.problem
        return replace(
            here,
            start={**here.start, label: start},
            count={**here.count, label: count},
            a=f.add(here.a, f.mul(start, p.a.step(label))),
            b=f.add(here.b, f.mul(start, self.b_map.get(label, 0))),
            c=f.add(here.c, f.mul(start, p.c.step(label))),
            inside=here.inside | {label} if inside else here.inside,
        )

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, by whatever the machine has."""
        if self.target.fma:
            return self.f.fma(a, b, c)
        return self.f.b.fadd(self.f.b.fmul(a, b), c)


def gather(f: Function, pointer: Any, offset: Int, step: int, count: int, t: ir.VectorType) -> Any:
    """`count` numbers `step` elements apart, as the first lanes of a vector of zeros."""
    out: Any = constant(t, 0)
    base = f.at(pointer, offset, t.element)
    for lane in range(count):
        out = f.b.insert_element(out, f.load(base, lane * step, t.element), ir.Constant(I32, lane))
    return out


def scatter(f: Function, value: Any, pointer: Any, offset: Int, step: int, count: int) -> None:
    """The first `count` lanes to places `step` elements apart."""
    base = f.at(pointer, offset, value.type.element)
    for lane in range(count):
        f.store(f.b.extract_element(value, ir.Constant(I32, lane)), base, lane * step)


def gather_where(f: Function, mask: Any, pointer: Any, offset: Int, step: int, t: ir.VectorType) -> Any:
    """Lanes `step` elements apart where `mask` says so, zeros elsewhere; what is masked out is not read."""
    n, many, size = t.count, ir.VectorType(PTR, t.count), 4 if isinstance(t.element, ir.FloatType) else 8
    base = f.b.ptrtoint(f.at(pointer, offset, t.element), I64)
    steps = ir.Constant(ir.VectorType(I64, n), [lane * step * size for lane in range(n)])
    places = f.b.inttoptr(f.b.add(f.splat(base, n), steps), many)
    flags = ir.VectorType(I1, n)
    name = f"masked.gather.{mangle(t)}.v{n}p0"
    return f.intrinsic(name, t, [many, I32, flags, t], places, ir.Constant(I32, size), mask, constant(t, 0))


def load_where(f: Function, mask: Any, pointer: Any, offset: Int, t: ir.VectorType) -> Any:
    """Neighbours where `mask` says so, zeros elsewhere; what is masked out is not read."""
    place = f.at(pointer, offset, t.element)
    flags = ir.VectorType(I1, t.count)
    return f.intrinsic(f"masked.load.{mangle(t)}.p0", t, [PTR, flags, t], place, mask, constant(t, 0))


def load_lanes(
    f: Function, pointer: Any, offset: Int, step: int, count: int, t: ir.VectorType, mask: Any = None
) -> Any:
    """A vector of which lane l lies `l * step` elements on; the first `count` lanes are read, those that `mask` allows."""
    if step == 0:
        value = f.splat(f.load(pointer, offset, t.element), t.count)
        return value if mask is None else f.b.select(mask, value, constant(t, 0))
    if mask is not None:
        return load_where(f, mask, pointer, offset, t) if step == 1 else gather_where(f, mask, pointer, offset, step, t)
    return f.load_first(count, pointer, offset, t) if step == 1 else gather(f, pointer, offset, step, count, t)


class Place:
    """Which elements of C an epilogue's vector holds.

    `label` changes from lane to lane, `count` of the lanes are meant, `extra` are the function's other pointers.
    """

    def __init__(self, kernel: Kernel, start: Mapping[str, Int], count: int) -> None:
        self._kernel, self._start, self.count = kernel, start, count
        self.label = kernel.schedule.vector
        self.extra: tuple[Any, ...] = ()

    def index(self, label: str) -> Int:
        """The value of one of the problem's labels, in the first lane."""
        f, p = self._kernel.f, self._kernel.problem
        if label in self._start:
            return self._start[label]
        for fused, parts in p.parts.items():
            if label in parts and fused in self._start:
                place = parts.index(label)
                inner = 1
                for x in parts[place + 1 :]:
                    inner *= self._kernel.given.sizes[x]
                return f.rem(f.div(self._start[fused], inner), self._kernel.given.sizes[label])
        return 0  # of extent 1

    def offset(self, strides: Mapping[str, int]) -> Int:
        """Where the first lane's element lies in an array with this map."""
        f, total = self._kernel.f, 0
        for label, step in strides.items():
            total = f.add(total, f.mul(self.index(label), step))
        return total

    def load(self, pointer: Any, strides: Mapping[str, int], t: ir.Type | None = None, start: int = 0) -> Any:
        """The elements of another array with this map that belong to the vector's lanes."""
        f, v = self._kernel.f, self._kernel.vector
        t = ir.VectorType(t, v.count) if t is not None else v
        at = f.add(self.offset(strides), start)
        return load_lanes(f, pointer, at, strides.get(self.label, 0), self.count, t)
