"""A contraction as one LLVM function: the loops around the register tile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import llvmlite.ir as ir

from cutaway.engine.contract.kernel import Epilogue, Here, Kernel
from cutaway.engine.contract.pack import pack
from cutaway.engine.contract.problem import Problem
from cutaway.engine.contract.schedule import Schedule, apart, plan
from cutaway.engine.contract.tile import Tile
from cutaway.engine.llvm.emit import I64, PTR, Function, Int
from cutaway.engine.llvm.target import Target


def scratch_bytes(problem: Problem, target: Target, epilogue: bool = False) -> int:
    """Bytes of scratch memory that each thread needs (a multiple of 64; may be 0).  `epilogue`: whether there is one."""
    return scratch_of(plan(problem, target, epilogue))


def scratch_of(s: Schedule) -> int:
    """Bytes of scratch memory for each thread."""
    return -(-s.scratch * s.problem.dtype.itemsize // 64) * 64


def emit(
    module: ir.Module,
    name: str,
    problem: Problem,
    target: Target,
    epilogue: Epilogue | None = None,
    extra: int = 0,
    schedule: Schedule | None = None,
    by_rows: bool = False,
) -> ir.Function:
    """Add `void name(ptr a, ptr b, ptr c, ptr scratch, ptr extra.., i64 thread, i64 threads)` to the module.

    It does the part of `thread` out of `threads`; parts write disjoint elements of C, and which thread does an element makes
    no difference to its value. With `by_rows`, the last two numbers are instead a range of the label that the schedule
    shares: what is in the range is written, and nothing else. `scratch` is `scratch_bytes` for each thread (for this one,
    with `by_rows`), shared by none, at 64-byte boundaries.
    `epilogue(f, vector, place)` makes of the finished sums what is stored; `place.extra` are the extra pointers.
    `schedule` is one of `plans`, the model's favourite if None; scratch memory is then `scratch_of` it.
    """
    s = schedule or plan(problem, target, epilogue is not None)
    names = ["a", "b", "c", "scratch", *(f"extra{i}" for i in range(extra)), "thread", "threads"]
    f = Function(module, name, [PTR] * (4 + extra) + [I64] * 2, names=names, wide=target.bits)
    a, b, c, scratch = f.args[:4]
    thread, threads = f.args[-2:]
    if s.swapped:
        a, b = b, a
    pointers = f.args[4:-2]

    def finish(f: Function, value: Any, place: Any) -> Any:
        assert epilogue is not None
        place.extra = tuple(pointers)
        return epilogue(f, value, place)

    if not by_rows:
        scratch = f.at(scratch, f.mul(thread, scratch_of(s) // s.problem.dtype.itemsize), _number(s))
    k = Kernel(f, s, target, problem, a, b, c, scratch, finish if epilogue else None, dict(s.problem.b.strides))
    if all(problem.sizes[label] for label in problem.kept):
        Nest(k, thread, threads, by_rows).write(0, Here({}, {}, s.problem.a.offset, s.problem.b.offset, s.problem.c.offset))
    f.b.ret_void()
    return f.fn


def _number(s: Schedule) -> ir.Type:
    return ir.FloatType() if s.problem.dtype.itemsize == 4 else ir.DoubleType()


class Nest:
    """Writes the loops outside the tile."""

    def __init__(self, k: Kernel, thread: Any, threads: Any, by_rows: bool) -> None:
        self.k, self.f, self.s, self.p, self.by_rows = k, k.f, k.schedule, k.problem, by_rows
        share = self.s.share
        self.low: Int = 0
        self.high: Int = 0
        if by_rows:
            assert len(share) == 1
            self.low, self.high = thread, threads
        elif share:
            units = math.prod(-(-self.p.sizes[x] // self.s.step(x)) for x in share)
            self.low = self.f.div(self.f.mul(thread, units), threads)
            self.high = self.f.div(self.f.mul(self.f.add(thread, 1), units), threads)
        self.alone = None if share else self.f.b.icmp_signed("==", thread, self.f.int(0))

    def write(self, level: int, here: Here) -> None:
        """The loops from `order[level]` inwards."""
        if level == 0 and self.alone is not None:
            with self.f.when(self.alone):
                self.alone = None
                self.write(0, here)
            return
        if level == self.s.pack_at and not self.k.packed:
            self.packed(level, here)
            return
        if level == len(self.s.order):
            Tile(self.k, here).write()
            return
        label = self.s.order[level]
        if label in self.p.summed:
            self.passes(level, label, here)
        elif len(self.s.share) == 2 and label == self.s.share[0]:
            self.both(level, here)
        else:
            self.turns(
                label,
                lambda start, count, inside: self.write(level + 1, self.k.advance(here, label, start, count, inside)),
            )

    def packed(self, level: int, here: Here) -> None:
        """What is inside, with B read from a copy."""
        k = self.k
        b, b_map = k.b, k.b_map
        copy = pack(k, here)
        k.b, k.b_map, k.packed = k.scratch, copy, True
        self.write(level, replace(here, b=0))
        k.b, k.b_map, k.packed = b, b_map, False

    def turns(self, label: str, body: Callable[[Int, int, bool], None]) -> None:
        """`body(start, count, inside)` for each tile along a kept label; only this thread's, if the label is shared.

        Where clips bite, tiles at the borders have code of their own, so that those inside need not ask.
        """
        f, s, p = self.f, self.s, self.p
        size, step = p.sizes[label], s.step(label)
        units, whole = -(-size // step), size // step
        shared = s.share == (label,)
        if shared and self.by_rows and step > 1:
            self.ranged(step, body)
            return
        own = apart(s, label)
        clipped, own = own is not None, own or []
        first = next((t for t in range(units) if t not in own), units)
        last = next((t for t in range(first, units) if t in own), units) if clipped else whole

        def alone(t: int) -> None:
            count = min(step, size - t * step)
            if shared:
                with f.when(f.b.and_(f.less(self.low, t + 1), f.less(t, self.high))):
                    body(t * step, count, False)
            else:
                body(t * step, count, False)

        for t in range(first):
            alone(t)
        if last - first == 1 and not shared:
            body(first * step, step, clipped)
        elif last - first == 1:
            with f.when(f.b.and_(f.less(self.low, first + 1), f.less(first, self.high))):
                body(first * step, step, clipped)
        elif last > first:
            low = f.max(self.low, first) if shared else first
            high = f.min(self.high, last) if shared else last
            f.loop(low, high, 1, [], lambda t, _: body(f.mul(t, step), step, clipped), name=label)
        for t in range(last, units):
            alone(t)

    def ranged(self, step: int, body: Callable[[Int, int, bool], None]) -> None:
        """Tiles in a range that knows nothing of tiles: the last one overlaps the one before, or single rows are left."""
        f = self.f
        count = f.sub(self.high, self.low)
        if self.s.blocks or self.p.accumulate:  # sums are added to: no element may be met twice
            whole = f.add(self.low, f.mul(f.div(count, step), step))
            f.loop(self.low, whole, step, [], lambda i, _: body(i, step, False), name="tile")
            f.loop(whole, self.high, 1, [], lambda i, _: body(i, 1, False), name="row")
            return
        enough = f.b.icmp_signed(">=", f.int(count), f.int(step))
        last = f.sub(self.high, step)
        tiles = f.b.select(enough, f.int(f.div(f.add(count, step - 1), step)), f.int(0))
        f.loop(
            0, tiles, 1, [], lambda t, _: body(f.min(f.add(self.low, f.mul(t, step)), last), step, False), name="tile"
        )
        rest = f.b.select(enough, f.int(self.high), f.int(self.low))
        f.loop(rest, self.high, 1, [], lambda i, _: body(i, 1, False), name="row")

    def both(self, level: int, here: Here) -> None:
        """Two labels whose tiles are numbered through; this thread's."""
        f, s, p = self.f, self.s, self.p
        outer, inner = s.share
        many = p.sizes[inner] // s.step(inner)

        def turn(t: Any, _: list[Any]) -> None:
            there = self.k.advance(here, outer, f.mul(f.div(t, many), s.step(outer)), s.step(outer))
            there = self.k.advance(there, inner, f.mul(f.rem(t, many), s.step(inner)), s.step(inner))
            self.write(level + 2, there)

        f.loop(self.low, self.high, 1, [], turn, name=outer)

    def passes(self, level: int, label: str, here: Here) -> None:
        """A summed label in blocks: the first pass clears C, the last one runs the epilogue."""
        f, k = self.f, self.k
        size, step = self.p.sizes[label], self.s.step(label)
        whole, rest = divmod(size, step)

        def both(x: Any, y: Any) -> Any:
            if x is True or y is True:
                return y if x is True else x
            return False if x is False or y is False else f.b.and_(x, y)

        def one(start: Int, count: int, first: Any, last: Any) -> None:
            there = k.advance(here, label, start, count)
            self.write(level + 1, replace(there, first=both(here.first, first), last=both(here.last, last)))

        def turn(i: Any, _: list[Any]) -> None:
            last = False if rest else f.b.icmp_signed("==", i, f.int((whole - 1) * step))
            one(i, step, f.b.icmp_signed("==", i, f.int(0)), last)

        f.loop(0, whole * step, step, [], turn, name=label)
        if rest:
            one(whole * step, rest, False, True)
