"""The runtime in IR: waiting, the barrier, the worker's life, the launch.

    i64 launch(control, program, table, arena, nth)    run on nth threads, the caller being thread 0; returns how many ran
    void alone(job)                                    run the job's program on the caller's thread, whoever else runs one
    void barrier(control, nth)                         all nth threads of a run meet here
    void worker(control, tid)                          waits for jobs until it is handed none
    i32 halt(control, workers)                         hand them none; 1 if a run is under way
    void pauses(n)                                     to measure what a pause takes
"""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir

from cutaway.engine.llvm.emit import I32, I64, PTR, VOID
from cutaway.engine.threads import layout as at
from cutaway.engine.threads.system import System
from cutaway.engine.threads.words import Words, i32, i64, word_function

VERSION = 2  # raise it when the emitted code changes


def key(system: System) -> str:
    """What the runtime's object code depends on besides the target."""
    return f"threads {VERSION} {system.name}"


def generate(system: System, arm: bool) -> ir.Module:
    """The module of all six functions."""
    module = ir.Module("threads")
    waiting = emit_wait(module, system, arm)
    barrier = emit_barrier(module, system, waiting)
    emit_worker(module, system, waiting, barrier, arm)
    emit_launch(module, system, waiting, barrier, arm)
    emit_alone(module, barrier, arm)
    emit_halt(module, system)
    f = word_function(module, "pauses", "n", [I64])
    f.loop(0, f.args[0], body=lambda i, _: f.relax(arm))
    f.b.ret_void()
    return module


def emit_wait(module: ir.Module, system: System, arm: bool) -> ir.Function:
    """i32 wait(word, old, sleepers, spins, yields, control): return the word's value once it is not `old`."""
    takes = [PTR, I32, PTR, I64, I64, PTR]
    f = word_function(module, "wait", "word old sleepers spins yields control", takes, I32, internal=True)
    word, old, sleepers, spins, yields, control = f.args
    again = f.block("again")
    f.b.branch(again)
    f.b.position_at_end(again)

    def look() -> None:
        now = f.peek(word)
        with f.when(f.differs(now, old)):
            f.b.ret(now)

    def spin(i: Any, _: Any) -> None:
        look()
        f.relax(arm)

    def give_way(i: Any, _: Any) -> None:
        look()
        f.through(f.read(control, at.YIELD, PTR), I32)

    f.loop(0, spins, body=spin, name="spin")
    f.loop(0, yields, body=give_way, name="yield")
    # Say so first, then compare and block in the kernel; who changes the word looks at `sleepers` afterwards. Whichever
    # of the two comes first, the sleeper is seen or the change is.
    f.bump(sleepers, 1)
    system.wait(f, control, word, old)
    f.bump(sleepers, -1)
    f.b.atomic_rmw("add", f.place(control, at.BLOCKED), i64(1), "monotonic")
    look()
    f.b.branch(again)
    return f.fn


def wake(f: Words, system: System, control: Any, word: Any, sleepers: Any) -> None:
    """Wake those that block on a word, which has just been changed by a sequentially consistent instruction."""
    with f.b.if_then(f.differs(f.peek(sleepers, "seq_cst"), i32(0)), likely=False):
        system.wake(f, control, word)


def patience(f: Words, control: Any, nth: Any) -> tuple[Any, Any]:
    """Spins and yields of a thread that waits inside a run."""
    crowded = f.b.icmp_signed(">", nth, f.read(control, at.CORES))
    pairs = (at.CROWDED_SPINS, at.RUN_SPINS), (at.CROWDED_YIELDS, at.RUN_YIELDS)
    spins, yields = (f.b.select(crowded, f.read(control, c), f.read(control, r)) for c, r in pairs)
    return spins, yields


def emit_barrier(module: ir.Module, system: System, waiting: ir.Function) -> ir.Function:
    """Void barrier(control, nth). The generation's number stands for the sense, so threads keep no state of their own."""
    f = word_function(module, "barrier", "control nth", [PTR, I64])
    control, nth = f.args
    with f.when(f.b.icmp_signed("<=", nth, i64(1))):
        f.b.ret_void()
    generation, sleepers = f.place(control, at.GENERATION), f.place(control, at.GENERATION_SLEEPERS)
    now = f.peek(generation, "monotonic")  # it cannot move before we have arrived
    before = f.bump(f.place(control, at.ARRIVED))
    with f.b.if_else(f.b.icmp_signed("==", f.b.zext(before, I64), f.b.sub(nth, i64(1)))) as (last, others):
        with last:
            f.put(0, f.place(control, at.ARRIVED), "monotonic")
            f.bump(generation)
            wake(f, system, control, generation, sleepers)
        with others:
            f.b.call(waiting, [generation, now, sleepers, *patience(f, control, nth), control])
    f.b.ret_void()
    return f.fn


def emit_worker(module: ir.Module, system: System, waiting: ir.Function, barrier: ir.Function, arm: bool) -> None:
    """Void worker(control, tid). The first worker to come moves into the mailbox, a second one leaves at once."""
    f = word_function(module, "worker", "control tid", [PTR, I64])
    control, tid = f.args
    mode = f.flush_denormals(arm)
    box = f.place(control, f.add(f.mul(tid, at.LINE), at.BOXES))
    sequence, sleeping = f.place(box, at.SEQUENCE), f.place(box, at.SLEEPING)
    with f.when(f.differs(f.b.atomic_rmw("xchg", f.place(box, at.TAKEN), i32(1), "seq_cst"), i32(0))):
        f.restore_denormals(arm, mode)
        f.b.ret_void()
    before, idle = f.b.block, f.block("idle")
    f.b.branch(idle)
    f.b.position_at_end(idle)
    seen = f.b.phi(I32, "seen")
    seen.add_incoming(i32(0), before)
    patient = f.read(control, at.IDLE_SPINS), f.read(control, at.IDLE_YIELDS)
    now = f.b.call(waiting, [sequence, seen, sleeping, *patient, control])
    program = f.read(control, at.PROGRAM, PTR)
    with f.when(f.b.icmp_unsigned("==", f.b.ptrtoint(program, I64), i64(0))):
        f.restore_denormals(arm, mode)
        f.b.ret_void()
    if system.moves:
        move_away(f, control)
    job = f.read(control, at.TABLE, PTR), f.read(control, at.ARENA, PTR), tid, f.read(control, at.COUNT)
    f.through(program, VOID, *job, barrier, control)
    f.bump(f.place(control, at.DONE))
    wake(f, system, control, f.place(control, at.DONE), f.place(control, at.DONE_SLEEPERS))
    seen.add_incoming(now, f.b.block)
    f.b.branch(idle)


def move_away(f: Words, control: Any) -> None:
    """A worker on the launcher's CPU goes to another: left alone, the kernel may keep both there for seconds."""
    launcher = f.read(control, at.LAUNCHER_CPU)
    mine = f.b.sext(f.through(f.read(control, at.GET_CPU, PTR), I32), I64)
    with f.b.if_then(f.b.icmp_signed("==", mine, launcher), likely=False):
        mask = f.place(f.read(control, at.MASKS, PTR), f.mul(launcher, at.MASK_BYTES))
        f.through(f.read(control, at.SET_AFFINITY, PTR), I32, i32(0), i64(at.MASK_BYTES), mask)


def emit_launch(module: ir.Module, system: System, waiting: ir.Function, barrier: ir.Function, arm: bool) -> None:
    """i64 launch(control, program, table, arena, nth); one thread if nth is 1 or a run is under way."""
    f = word_function(module, "launch", "control program table arena nth", [PTR, PTR, PTR, PTR, I64], I64)
    control, program, table, arena, nth = f.args
    mode = f.flush_denormals(arm)

    def alone() -> None:
        f.through(program, VOID, table, arena, i64(0), i64(1), barrier, control)
        f.restore_denormals(arm, mode)
        f.b.ret(i64(1))

    with f.when(f.b.icmp_signed("<=", nth, i64(1))):
        alone()
    with f.when(is_busy(f, control)):
        alone()
    f.write(program, control, at.PROGRAM)
    f.write(table, control, at.TABLE)
    f.write(arena, control, at.ARENA)
    f.write(nth, control, at.COUNT)
    if system.moves:
        f.write(launcher_cpu(f, control, nth), control, at.LAUNCHER_CPU)
    post(f, system, control, nth)
    f.through(program, VOID, table, arena, i64(0), nth, barrier, control)
    done, all_of_them = f.place(control, at.DONE), f.b.trunc(f.b.sub(nth, i64(1)), I32)
    join, more, end = f.block("join"), f.block("more"), f.block("end")
    f.b.branch(join)
    f.b.position_at_end(join)
    now = f.peek(done)
    f.b.cbranch(f.differs(now, all_of_them), more, end)
    f.b.position_at_end(more)
    f.b.call(waiting, [done, now, f.place(control, at.DONE_SLEEPERS), *patience(f, control, nth), control])
    f.b.branch(join)
    f.b.position_at_end(end)
    f.put(0, f.place(control, at.BUSY))
    f.restore_denormals(arm, mode)
    f.b.ret(nth)


def emit_alone(module: ir.Module, barrier: ir.Function, arm: bool) -> None:
    """Void alone(job): one argument, since each costs the caller a conversion. A single thread never meets the barrier."""
    f = word_function(module, "alone", "job", [PTR])
    (job,) = f.args
    mode = f.flush_denormals(arm)
    program, table, arena = (f.read(job, word, PTR) for word in (at.PROGRAM, at.TABLE, at.ARENA))
    f.through(program, VOID, table, arena, i64(0), i64(1), barrier, ir.Constant(PTR, None))
    f.restore_denormals(arm, mode)
    f.b.ret_void()


def launcher_cpu(f: Words, control: Any, nth: Any) -> Any:
    """The CPU that workers must leave free, or -1 when there are too few for that."""
    crowded = f.b.icmp_signed(">", nth, f.read(control, at.CORES))
    cpu = f.b.sext(f.through(f.read(control, at.GET_CPU, PTR), I32), I64)
    known = f.b.icmp_unsigned("<", cpu, i64(at.MASK_ROWS))
    moves = f.b.and_(known, f.differs(f.read(control, at.MASKS), i64(0)))
    return f.b.select(f.b.and_(moves, f.b.not_(crowded)), cpu, i64(-1))


def emit_halt(module: ir.Module, system: System) -> None:
    """i32 halt(control, workers). The pool then stays busy for ever: later launches run alone."""
    f = word_function(module, "halt", "control workers", [PTR, I64], I32)
    control, workers = f.args
    with f.when(is_busy(f, control)):
        f.b.ret(i32(1))
    f.write(i64(0), control, at.PROGRAM)
    post(f, system, control, f.add(workers, 1))
    f.b.ret(i32(0))


def is_busy(f: Words, control: Any) -> Any:
    """Take the pool; true if someone else has it."""
    return f.b.not_(f.b.extract_value(f.b.cmpxchg(f.place(control, at.BUSY), i32(0), i32(1), "acquire", "monotonic"), 1))


def post(f: Words, system: System, control: Any, nth: Any) -> None:
    """Tell workers 1 to nth - 1 that a job is there; the others sleep on."""
    f.put(0, f.place(control, at.DONE))

    def one(tid: Any, _: Any) -> None:
        box = f.place(control, f.add(f.mul(tid, at.LINE), at.BOXES))
        f.bump(f.place(box, at.SEQUENCE))
        wake(f, system, control, f.place(box, at.SEQUENCE), f.place(box, at.SLEEPING))

    f.loop(1, nth, body=one, name="tid")
