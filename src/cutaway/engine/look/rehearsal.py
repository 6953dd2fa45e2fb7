"""A rehearsal: a program's kernels run on memory of their own, with the time noted before and after each, on each thread.

What runs is the program's own machine code, kernel by kernel, with the same barriers, on the same threads. Around it is a
small program that reads a clock (`steps` below), so that nothing has to be compiled anew. The memory is made up: parameters
and buffers are copies of what they are now, arguments and numbers stand for any (floats between 0 and 1, integers 0, which
is a valid index everywhere). A rehearsal changes nothing outside itself, and holds no one's arguments.
"""

from __future__ import annotations

import ctypes
from time import perf_counter, perf_counter_ns, sleep
from typing import Any, NamedTuple

import llvmlite.ir as ir
import numpy as np

from cutaway.core.dtypes import FLOATING
from cutaway.engine import threads as pools
from cutaway.engine.graph import Value
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import I64, PTR, VOID
from cutaway.engine.program import ALIGN, Program
from cutaway.engine.segments import barriers
from cutaway.engine.threads.words import Words, i64, word_function

VERSION = 2  # raise it when the emitted code changes
SECONDS, MOST, LEAST = 0.25, 40, 4  # how long to repeat, and how often


class Step(NamedTuple):
    """What all threads do next: run a kernel (by number), or wait for each other before it."""

    kernel: int
    wait: bool


class Times(NamedTuple):
    """`ticks[R, T, S, 2]`: nanoseconds at which thread t of run r began and ended step s, from the run's first moment."""

    steps: list[Step]
    ticks: np.ndarray

    @property
    def threads(self) -> int:
        """T."""
        return self.ticks.shape[1]

    def seconds(self) -> dict[int, float]:
        """Of each kernel, of its slowest thread, in the best of all runs."""
        lasted = (self.ticks[..., 1] - self.ticks[..., 0]).max(1).min(0)
        return {s.kernel: max(float(lasted[n]), 1.0) * 1e-9 for n, s in enumerate(self.steps) if not s.wait}

    def best(self) -> np.ndarray:
        """`ticks[T, S, 2]` of the run that was over first."""
        return self.ticks[self.ticks.max((1, 2, 3)).argmin()] if len(self.steps) else self.ticks[0]


def emit_clock(f: Words, arm: bool) -> Any:
    """The processor's counter of time, an i64, read once all that stands before it is done."""
    if arm:
        return f.b.asm(ir.FunctionType(I64, []), "isb\nmrs $0, cntvct_el0", "=r", [], True)
    f.intrinsic("x86.sse2.lfence", VOID, [])
    return f.intrinsic("readcyclecounter", I64, [])


def generate(arm: bool) -> ir.Module:
    """`i64 now()`, and the program `steps(job, arena, tid, nth, barrier, control)`.

    job   i64[4]: the table; a list of addresses, 0 for a barrier; its length S; where to note times, i64[nth, S, 2]
    """
    module = ir.Module("rehearsal")
    f = word_function(module, "now", "", [], I64)
    f.b.ret(emit_clock(f, arm))
    f = word_function(module, "steps", "job arena tid nth barrier control", [PTR, PTR, I64, I64, PTR, PTR])
    job, arena, tid, nth, barrier, control = f.args
    table, plan, notes = (f.read(job, 8 * n, PTR) for n in (0, 1, 3))
    count = f.read(job, 16)
    mine = f.place(notes, f.mul(f.mul(tid, count), 16))

    def one(n: Any, _: Any) -> None:
        note = f.place(mine, f.mul(n, 16))
        address = f.read(plan, f.mul(n, 8))
        f.write(emit_clock(f, arm), note, 0)
        with f.b.if_else(f.b.icmp_unsigned("==", address, i64(0))) as (wait, work):
            with wait:
                f.through(barrier, VOID, control, nth)
            with work:
                f.through(f.b.inttoptr(address, PTR), VOID, table, arena, tid, nth)
        f.write(emit_clock(f, arm), note, 8)

    f.loop(0, count, body=one, name="step")
    f.b.ret_void()
    return module


def rehearse(program: Program, threads: int = 0) -> Times:
    """Run the program some times on `threads` threads (0: as many as it uses)."""
    nth = threads or program.threads
    steps = []
    for n, crosses in enumerate(barriers(program.schedule.kernels)):
        if crosses and nth > 1:
            steps.append(Step(n, True))
        steps.append(Step(n, False))
    arm = program.target.isa == "neon"
    code = jit.build(f"rehearsal {VERSION}", lambda: generate(arm), program.target, optimise=False)
    now = ctypes.PYFUNCTYPE(ctypes.c_int64)(code.address("now"))
    plan = np.array([0 if s.wait else program.code.address(f"step{s.kernel}") for s in steps], np.int64)
    table, held = make_up(program)
    notes = np.zeros((nth, len(steps), 2), np.int64)
    scratch = program.arena.nbytes - program.memory.arena  # of all threads that the program uses
    arena = np.zeros(program.memory.arena + scratch * nth + ALIGN, np.uint8)
    job = np.array([table.ctypes.data, plan.ctypes.data, len(steps), notes.ctypes.data], np.int64)
    address, start = code.address("steps"), -(-arena.ctypes.data // ALIGN) * ALIGN
    pool = pools.pool()
    runs: list[np.ndarray] = []
    begun, clock = perf_counter_ns(), now()
    end = perf_counter() + SECONDS
    for turn in range(MOST):
        if turn >= LEAST and perf_counter() > end and runs:
            break
        ran = pool.run(address, job.ctypes.data, start, nth, exactly=True)
        if turn and ran == nth:  # the first run wakes threads and fills caches; one beside another run has one thread
            runs.append(notes.copy())
    if not runs:
        del held
        return rehearse(program, 1) if nth > 1 else Times(steps, np.zeros((1, 1, len(steps), 2)))
    while perf_counter_ns() - begun < 5_000_000:
        sleep(0.001)
    rate = (perf_counter_ns() - begun) / max(now() - clock, 1)
    ticks = np.stack(runs)
    first = ticks.min((1, 2, 3), keepdims=True) if len(steps) else 0
    return Times(steps, (ticks - first) * rate)


def make_up(program: Program) -> tuple[np.ndarray, list[np.ndarray]]:
    """A table of addresses for every value outside the arena, and the arrays that lie there."""
    slots = program.memory.slots
    table = np.zeros(max((s.number for s in slots.values()), default=0) + 1, np.int64)
    held = []
    for v, slot in slots.items():
        if slot.offset is None and not table[slot.number]:
            held.append(_array(v))
            table[slot.number] = held[-1].ctypes.data
    return table, held


def _array(v: Value) -> np.ndarray:
    """Memory for one value, with something in it."""
    if v.source is not None and v.source.kind == "tensor":
        assert v.source.tensor is not None
        return np.array(v.source.tensor._settle()._data, order="C")
    if v.source is not None and v.source.value is not None:
        return np.array(v.source.value, order="C")
    if v.op is None and v.aval.dtype.kind in FLOATING:
        return np.random.default_rng(0).random(v.aval.shape).astype(v.aval.dtype)
    return np.zeros(v.aval.shape, v.aval.dtype)
