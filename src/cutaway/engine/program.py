"""Program: a schedule as machine code. One SPMD function runs the kernels in order; barriers where data crosses threads."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.ir as ir
import numpy as np

from cutaway.core.package import named
from cutaway.engine import threads
from cutaway.engine.contract import emit as emit_contraction
from cutaway.engine.contract import scratch_bytes
from cutaway.engine.epilogue import epilogue, tiled
from cutaway.engine.graph import Value
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import I64, PTR, VOID, Function, Pointed
from cutaway.engine.llvm.half import define_conversions
from cutaway.engine.llvm.target import Target
from cutaway.engine.loops.kernels import EMIT, Frame, emit_flat, emit_map, flat_key
from cutaway.engine.schedule import Kernel, Schedule
from cutaway.engine.segments import barriers, divide
from cutaway.engine.tiles import Contraction

ALIGN = 64
ALONE_BELOW = 3_000_000  # operations: less is done before a second thread has heard of it
addressof = ctypes.addressof
first_byte: Any = ctypes.c_char.from_buffer
PER_ELEMENT = 4  # operations that an element of a loop is worth, roughly


class Slot(NamedTuple):
    """Where a value lies: in the arena at `offset`, or (offset None) wherever the caller says, by `number` in the table.

    With `private` >= 0 it is there, in each thread's own memory, and only the rows of one turn of its streak are.
    """

    number: int
    offset: int | None
    nbytes: int
    first: int  # kernel that writes it
    last: int  # kernel that reads it last
    private: int = -1


class Memory(NamedTuple):
    """The slots, the arena's size in bytes, and what each thread needs for private values."""

    slots: dict[Value, Slot]
    arena: int
    private: int


def plan_memory(s: Schedule) -> Memory:
    """A slot for each materialised value; arena places are used again after the segment that reads them last (first fit)."""
    slots: dict[Value, Slot] = {}
    for v in s.graph.inputs:
        slots[v] = Slot(len(slots), None, v.aval.size * v.aval.dtype.itemsize, -1, len(s.kernels))
    last: dict[Value, int] = {}
    for n, k in enumerate(s.kernels):
        for v in k.reads:
            last[v] = n
    outside = {*s.graph.outputs}
    for w in s.copies:
        last[w.value] = len(s.kernels)
    segment = [*(k.segment for k in s.kernels), len(s.kernels)]
    live: list[tuple[int, int, int]] = []  # (start, end, last segment)
    top = own = most = 0
    for n, k in enumerate(s.kernels):
        if n and k.streak != s.kernels[n - 1].streak:
            own = 0
        for v in k.outputs:
            nbytes = v.aval.size * v.aval.dtype.itemsize
            if v in s.private:
                nbytes = nbytes // v.aval.shape[0] * k.chunk  # k goes by the rows of v
                slots[v] = Slot(len(slots), None, nbytes, n, last.get(v, n), own)
                own += -(-nbytes // ALIGN) * ALIGN
                most = max(most, own)
                continue
            if v in outside or v in s.direct:
                slots[v] = slots[s.direct[v]] if v in s.direct else Slot(len(slots), None, nbytes, n, len(s.kernels))
                continue
            size = -(-max(nbytes, 1) // ALIGN) * ALIGN
            live = sorted(b for b in live if b[2] >= k.segment)
            start = 0
            for b in live:
                if start + size <= b[0]:
                    break
                start = max(start, b[1])
            live.append((start, start + size, segment[last.get(v, n)]))
            top = max(top, start + size)
            slots[v] = Slot(len(slots), start, nbytes, n, last.get(v, n))
    return Memory(slots, top, most)


def contractions(s: Schedule, memory: Memory) -> dict[int, Contraction]:
    """The kernels that the contraction generator writes, by number."""
    found = {}
    for n, k in enumerate(s.kernels):
        if len(k.outputs) != 1:
            continue
        c = tiled(k.outputs[0], k.core, lambda v: v in memory.slots)
        if c is not None:
            found[n] = c
    return found


def most_scratch(s: Schedule, found: dict[int, Contraction], t: Target) -> int:
    """Bytes of scratch memory that a thread needs, for the kernel that needs most."""
    kernels = ((c, s.kernels[n].core is not None) for n, c in found.items())
    return max((scratch_bytes(p, t, finished) for c, finished in kernels for p in c.problems), default=0)


class Body(NamedTuple):
    """A kernel's functions, each with the scratch memory that a thread needs (None: it takes none), and their arguments.

    `numbers` come between the pointers and what says which part is to be done.
    """

    functions: list[tuple[ir.Function, int | None]]
    values: list[Value]
    numbers: tuple[int, ...] = ()


def _loops(module: ir.Module, memory: Memory, t: Target, n: int, k: Kernel, alike: dict[str, ir.Function]) -> Body:
    """A kernel of loops."""
    values = list(dict.fromkeys([*k.outputs, *k.reads]))
    shared: dict[int, int] = {}  # values that lie at one place share one pointer
    where = [shared.setdefault(memory.slots[v].number, len(shared)) for v in values]
    order = {i: v for v, i in zip(values, where, strict=True)}
    arguments = [order[i] for i in range(len(shared))]
    first = k.outputs[0]
    assert first.op is not None
    loops = first.op.name in EMIT
    key = "" if loops or k.rows else flat_key(dict(zip(values, where, strict=True)), k.outputs)
    numbers = (first.aval.size,) if key else ()
    if key in alike:
        return Body([(alike[key], None)], arguments, numbers)
    types = [PTR] * len(shared) + [I64] * (len(numbers) + 2)
    f = Function(module, f"k{n}_{k.name}", types, internal=True, wide=t.bits)
    f.fn.attributes.add("noinline")
    for a in f.args[: len(shared)]:
        a.attributes.add("noalias")
    pointers = {v: f.args[i] for v, i in zip(values, where, strict=True)}
    frame = Frame(f, pointers, f.args[-2], f.args[-1], t.bits, k.rows)
    if loops:
        EMIT[first.op.name](frame, *k.outputs)
    elif key:
        emit_flat(frame, k.outputs, f.args[-3])
        alike[key] = f.fn
    else:
        emit_map(frame, k.outputs)
    f.b.ret_void()
    return Body([(f.fn, None)], arguments, numbers)


def generate(s: Schedule, memory: Memory, t: Target) -> tuple[ir.Module, ir.Module]:
    """Two modules: loops, with `program(table, arena, tid, nth, barrier, control)`, and hand-tiled contractions."""
    module, tiles = ir.Module("program"), ir.Module("tiles")
    define_conversions(module, t)
    bodies: list[Body] = []
    found = contractions(s, memory)
    packs = most_scratch(s, found, t)
    alike: dict[str, ir.Function] = {}  # kernels that differ only in how many elements they have share a function
    for n, k in enumerate(s.kernels):
        if n in found:
            c = found[n]
            parts: list[tuple[ir.Function, int | None]] = []
            extra = list(k.reads) if k.core is not None else []
            finish = epilogue(k.outputs[0], k.core, c.labels, extra) if k.core is not None else None
            for i, p in enumerate(c.problems):
                name = f"k{n}_{k.name}" + (f"_{i}" if i else "")
                made = emit_contraction(tiles, name, p, t, finish, len(extra), by_rows=k.rows > 0)
                own = scratch_bytes(p, t, k.core is not None)
                parts.append((ir.Function(module, made.function_type, made.name), own))
            bodies.append(Body(parts, [c.a, c.b, k.outputs[0], *extra]))
            continue
        bodies.append(_loops(module, memory, t, n, k, alike))
    steps = [_step(module, memory, packs, n, s.kernels[n], body) for n, body in enumerate(bodies)]
    main = Function(
        module, "program", [PTR, PTR, I64, I64, PTR, PTR], names=("table", "arena", "tid", "nth", "barrier", "control")
    )
    table, arena, tid, nth, barrier, control = main.args
    b = main.b
    wait = ir.FunctionType(VOID, [PTR, I64])
    crosses = barriers(s.kernels)
    for start, stop in _turns(s.kernels):
        if crosses[start]:
            with b.if_then(b.icmp_signed(">", nth, ir.Constant(I64, 1))):
                b.call(Pointed(barrier, wait), [control, nth])
        if not s.kernels[start].streak:
            b.call(steps[start][0], [table, arena, tid, nth])
            continue
        turns = [(s.kernels[n], fn) for n in range(start, stop) if (fn := steps[n][1]) is not None]
        _in_turns(main, turns, table, arena, tid, nth)
    b.ret_void()
    return module, tiles


def _turns(kernels: list[Kernel]) -> list[tuple[int, int]]:
    """Ranges of kernels that run together: streaks, and single ones."""
    out: list[tuple[int, int]] = []
    for n, k in enumerate(kernels):
        if n and k.streak and k.streak == kernels[n - 1].streak:
            out[-1] = out[-1][0], n + 1
        else:
            out.append((n, n + 1))
    return out


def _range(f: Function, k: Kernel, tid: Any, nth: Any) -> list[Any]:
    """From which row to which a thread works."""
    blocks = k.rows // k.grain
    return [f.mul(f.div(f.mul(f.add(tid, i), blocks), nth), k.grain) for i in (0, 1)]


def _in_turns(
    f: Function, turns: list[tuple[Kernel, ir.Function]], table: Any, arena: Any, tid: Any, nth: Any
) -> None:
    """A thread's rows, some at a time, through all of `turns`; a kernel over parts does one where others do its images."""
    first = turns[0][0]
    low, high = _range(f, first, tid, nth)

    def turn(row: Any, _: Any) -> None:
        end = f.min(f.add(row, first.chunk), high)
        for k, fn in turns:
            each = first.rows // k.rows
            f.b.call(fn, [table, arena, tid, f.int(f.div(row, each)), f.int(f.div(end, each))])

    f.loop(low, high, first.chunk, (), turn, "row")


def _step(
    module: ir.Module,
    memory: Memory,
    packs: int,
    n: int,
    kernel: Kernel,
    code: Body,
) -> tuple[ir.Function, ir.Function | None]:
    """`step<n>(table, arena, tid, nth)`: a kernel with its memory looked up; of one in a streak, also for some rows.

    `packs`: bytes that a thread needs for rearranged factors; its private values lie behind them.
    """
    byte, block = ir.IntType(8), packs + memory.private

    def body(f: Function, table: Any, arena: Any, tid: Any, mine: Sequence[Any]) -> None:
        own = f.add(memory.arena, f.mul(tid, block))
        pointers = []
        for v in code.values:
            slot = memory.slots[v]
            if slot.private >= 0:  # as if all rows were there
                before = f.mul(mine[0], v.aval.size // kernel.rows * v.aval.dtype.itemsize)
                pointers.append(f.at(arena, f.sub(f.add(own, packs + slot.private), before), byte))
            elif slot.offset is None:
                pointers.append(f.b.load(f.at(table, slot.number, I64), typ=PTR))
            else:
                pointers.append(f.at(arena, slot.offset, byte))
        for fn, needs in code.functions:
            scratch = []
            if needs is not None:  # each thread's place is the same in every kernel: no barrier guards it
                place = own if kernel.rows else f.sub(own, f.mul(tid, needs))
                scratch = [f.at(arena, place, byte)]
            given = [*pointers[:3], *scratch, *pointers[3:]] if scratch else pointers
            f.b.call(fn, [*given, *map(f.int, code.numbers), *mine])
        f.b.ret_void()

    turn = None
    if kernel.streak:
        names = ("table", "arena", "tid", "low", "high")
        inner = Function(module, f"turn{n}", [PTR, PTR, I64, I64, I64], names=names, internal=True)
        body(inner, inner.args[0], inner.args[1], inner.args[2], inner.args[3:])
        turn = inner.fn
    f = Function(module, f"step{n}", [PTR, PTR, I64, I64], names=("table", "arena", "tid", "nth"))
    table, arena, tid, nth = f.args
    if turn is not None:
        _in_turns(f, [(kernel, turn)], table, arena, tid, nth)
        f.b.ret_void()
        return f.fn, turn
    mine = [tid, nth]
    if kernel.each:
        mine = [f.int(0), f.int(1)]
    elif kernel.rows:
        mine = _range(f, kernel, tid, nth)
    body(f, table, arena, tid, mine)
    return f.fn, None


def generator(*more: str) -> str:
    """Which compiler this is: names, sizes and times of its files, so that no code of another one is taken for ours.

    more: packages beside it that something depends on.
    """
    return "|".join([_files(part) for part in sorted({"engine", "core", *more})])


@lru_cache
def _files(part: str) -> str:
    """A digest of the files of one of our packages, as they are when it is asked for first."""
    package = str(Path(__file__).parents[1])
    stats = [(f.path.removeprefix(package), f.stat()) for f in _sources(os.path.join(package, part))]
    return hashlib.sha256(repr([(name, s.st_size, s.st_mtime_ns) for name, s in stats]).encode()).hexdigest()


def _sources(folder: str) -> Iterator[os.DirEntry[str]]:
    """The Python files of a folder and of those in it, in one order (a walk by Path takes ten times as long)."""
    with os.scandir(folder) as entries:
        for f in sorted(entries, key=lambda f: f.name):
            if f.is_dir():
                yield from _sources(f.path)
            elif f.name.endswith(".py"):
                yield f


def key(s: Schedule, memory: Memory) -> str:
    """All that the object code depends on besides the target."""
    number = s.graph.numbers()
    kernels = [
        [[number[v] for v in values] for values in (k.outputs, k.reads, (k.core,) if k.core else ())]
        + [[k.segment, k.rows, k.grain, k.each, k.streak, k.chunk]]
        for k in s.kernels
    ]
    places = "\n".join(f"{v.aval} {slot}" for v, slot in memory.slots.items())
    with named("cutaway"):  # also in a program of PyTorch's: the code is the same
        text = f"{generator()}\n{s.graph.text(where=False)}\n{kernels}\n{places}"
    constants = [
        v.source.value.tobytes()
        for v in s.graph.inputs
        if v.source is not None and v.source.value is not None and v.aval.size == 1
    ]
    return hashlib.sha256(text.encode() + b"".join(constants)).hexdigest()


def address_of(array: np.ndarray) -> int:
    """Where an array's memory begins."""
    try:
        return addressof(first_byte(array))
    except (TypeError, ValueError):  # read-only, or empty
        return int(array.__array_interface__["data"][0])


class Program:
    """A loaded program. `run(arrays)` with the memory of each graph input and output, in the order of `addresses`."""

    def __init__(self, s: Schedule, t: Target) -> None:
        s = divide(s, t)
        self.schedule, self.target = s, t
        self.memory = plan_memory(s)
        self.key = key(s, self.memory)
        self.code = jit.build_linked(self.key, lambda: generate(s, self.memory, t), t)
        found = contractions(s, self.memory)
        self.flops = sum(c.flops for c in found.values()) + sum(
            PER_ELEMENT * v.aval.size for k in s.kernels for v in (*k.outputs, *k.reads)
        )
        self.alone = self.flops < ALONE_BELOW
        self.own = most_scratch(s, found, t) + self.memory.private  # bytes of the arena that each thread adds
        self.address = self.code.address("program")
        self.job = threads.Job(self.address, 1 + max((x.number for x in self.memory.slots.values()), default=0))
        self.table = self.job.table
        self.pool = threads.pool()
        self._settle(1 if self.alone else threads.get_num_threads())

    def _settle(self, nth: int) -> None:
        """Memory for a run on `nth` threads."""
        self.threads = nth
        self.arena_bytes = self.memory.arena + self.own * nth
        self.arena = np.empty(self.arena_bytes + ALIGN, np.uint8)
        self.job.arena = -(-self.arena.ctypes.data // ALIGN) * ALIGN

    def point(self, v: Value, array: np.ndarray) -> None:
        """Say where a graph input or output lies for the next run."""
        self.table[self.memory.slots[v].number] = address_of(array)

    def result(self, v: Value) -> np.ndarray:
        """A view of a value in the arena."""
        slot = self.memory.slots[v]
        assert slot.offset is not None
        start = self.job.arena - self.arena.ctypes.data + slot.offset
        return self.arena[start : start + slot.nbytes].view(v.aval.dtype).reshape(v.aval.shape)

    def run(self) -> None:
        """Run it, on as many threads as `set_num_threads` says now, or on one if there is little to do."""
        if self.alone:
            self.pool.alone(self.job.pointer)
            return
        if self.threads != threads.get_num_threads():
            self._settle(threads.get_num_threads())
        self.pool.run(self.address, self.job.where, self.job.arena, self.threads)
