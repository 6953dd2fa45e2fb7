"""The thread runtime: threads meet at every barrier, and the pool outlives forks, signals, exits and crowding."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
import pytest

from cutaway.core.errors import ArgumentError
from cutaway.engine import threads
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import F32, I32, I64, PTR, VOID
from cutaway.engine.llvm.target import target
from cutaway.engine.threads import layout, runtime, workers
from cutaway.engine.threads import system as systems
from cutaway.engine.threads.words import Words, i32, i64, word_function

CORES = len(systems.usable_cpus())
LINE = 16  # int64s between two threads' slots
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
futex = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in systems.FUTEX, reason="this asks for a Linux futex"
)


# --- programs of the tests: program(table, arena, tid, nth, barrier, control) ------------------------------------------


def begin(module: ir.Module, name: str) -> Words:
    return word_function(module, name, "table arena tid nth barrier control", [PTR, PTR, I64, I64, PTR, PTR])


def meet(module: ir.Module) -> None:
    """table = [rounds, errors]; in each round all write their slot, meet, and read everyone's. Two sets of slots in turn."""
    f = begin(module, "meet")
    table, arena, tid, nth, barrier, control = f.args

    def slot(i, thread):
        half = f.mul(f.rem(i, 2), layout.MOST_THREADS)
        return f.at(arena, f.mul(f.add(half, thread), LINE), I64)

    def turn(i, _):
        f.b.store(f.add(f.mul(i, 1000), tid), slot(i, tid))
        f.through(barrier, VOID, control, nth)

        def compare(j, _):
            with f.when(f.differs(f.b.load(slot(i, j), typ=I64), f.add(f.mul(i, 1000), j))):
                f.b.atomic_rmw("add", f.at(table, 1, I64), i64(1), "seq_cst")

        f.loop(0, nth, body=compare, name="j")

    f.loop(0, f.read(table, 0), body=turn)
    f.b.ret_void()


def visit(module: ir.Module) -> None:
    """table[tid] += 1; arena[tid] = nth."""
    f = begin(module, "visit")
    table, arena, tid, nth, _, _ = f.args
    f.b.store(f.add(f.load(table, tid, I64), 1), f.at(table, tid, I64))
    f.b.store(nth, f.at(arena, tid, I64))
    f.b.ret_void()


def linger(module: ir.Module) -> None:
    """Thread 0 says table[0] = 1 and stays until table[1] is not 0 (an i32 in the lower half)."""
    f = begin(module, "linger")
    table, _, tid, _, _, _ = f.args
    with f.when(f.b.icmp_signed("==", tid, i64(0))):
        f.bump(f.at(table, 0, I64))
        more, end = f.block("more"), f.block("end")
        f.b.branch(more)
        f.b.position_at_end(more)
        f.relax(target().isa == "neon")
        f.b.cbranch(f.differs(f.peek(f.at(table, 1, I64)), i32(0)), end, more)
        f.b.position_at_end(end)
    f.b.ret_void()


def multiply(module: ir.Module) -> None:
    """arena[tid] = table[0] * table[1], in float32."""
    f = begin(module, "multiply")
    table, arena, tid = f.args[:3]
    f.b.store(f.b.fmul(f.load(table, 0, F32), f.load(table, 1, F32)), f.at(arena, tid, F32))
    f.b.ret_void()


def mode(module: ir.Module) -> None:
    """i64 mode(): the thread's floating-point control word."""
    f = word_function(module, "mode", "", [], I64)
    arm = target().isa == "neon"
    saved = f.flush_denormals(arm)
    f.restore_denormals(arm, saved)
    f.b.ret(saved if arm else f.b.zext(f.b.load(saved, typ=I32), I64))


@lru_cache(1)
def code() -> jit.Code:
    module = ir.Module("thread_tests")
    for emit in (meet, visit, linger, multiply, mode):
        emit(module)
    return jit.build(hashlib.sha256(str(module).encode()).hexdigest(), lambda: module, target(), optimise=False)


class Meeting:
    """A run of `meet`, with its memory."""

    def __init__(self) -> None:
        self.table = np.zeros(2, np.int64)
        self.slots = np.zeros(2 * layout.MOST_THREADS * LINE, np.int64)
        self.address = code().address("meet")

    def run(self, p: threads.Pool, nth: int, rounds: int) -> int:
        """How many threads ran; raises if one of them missed what another wrote."""
        self.slots[:] = -1
        self.table[:] = rounds, 0
        ran = p.run(self.address, self.table.ctypes.data, self.slots.ctypes.data, nth)
        last = self.slots.reshape(2, layout.MOST_THREADS, LINE)[(rounds - 1) % 2, :, 0]
        np.testing.assert_array_equal(last[:ran], (rounds - 1) * 1000 + np.arange(ran))
        assert (last[ran:] == -1).all(), "a thread ran that was not asked"
        assert self.table[1] == 0
        return ran


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("CUTAWAY_OBJECT_CACHE", str(tmp_path_factory.mktemp("objects")))
        yield


@pytest.fixture
def p():
    return threads.pool()


@pytest.fixture
def fresh():
    """A pool of its own, without workers yet."""
    made = threads.Pool()
    yield made
    made.stop()


# --- running together --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", range(1, 9))
def test_every_thread_sees_what_the_others_wrote_before_the_barrier(p, nth):
    m, start = Meeting(), time.monotonic()
    for _ in range(20):  # 1e5 rounds; fewer where threads share cores that are busy with other things
        assert m.run(p, nth, 5000) == nth
        if time.monotonic() - start > 0.9:
            break


def test_launches_with_changing_numbers_of_threads(p):
    m, start = Meeting(), time.monotonic()
    for k in range(3000):
        nth = 1 + k * 7 % 5
        assert m.run(p, nth, 1 + k % 3) == nth
        if time.monotonic() - start > 1.5:
            break
    assert k > 20


def test_each_thread_runs_once_with_its_own_number(p):
    count, said = np.zeros(16, np.int64), np.zeros(16, np.int64)
    for nth in (3, 1, 2):
        p.run(code().address("visit"), count.ctypes.data, said.ctypes.data, nth)
    np.testing.assert_array_equal(count[:4], [3, 2, 1, 0])
    np.testing.assert_array_equal(said[:4], [2, 2, 3, 0])


def test_one_thread_needs_no_workers(fresh):
    assert Meeting().run(fresh, 1, 10) == 1
    assert fresh.threads == 1 and not fresh._workers
    assert Meeting().run(fresh, 2, 10) == 2
    assert fresh.threads == 2


def test_the_first_run_waits_for_its_workers():
    class Slow(threads.Pool):
        """Its workers need the interpreter for a while before they enter native code."""

        def _work(self, tid: int) -> None:
            time.sleep(0.02)
            super()._work(tid)

    p = Slow()
    try:
        assert Meeting().run(p, 3, 100) == 3
    finally:
        p.stop()


def test_a_second_thread_runs_alone_while_the_pool_is_busy(p):
    flags = np.zeros(2, np.int64)
    first = threading.Thread(target=p.run, args=(code().address("linger"), flags.ctypes.data, 0, 2))
    first.start()
    try:
        while not flags[0]:
            time.sleep(0.001)
        assert Meeting().run(p, 2, 50) == 1
    finally:
        flags[1] = 1
        first.join(10)
    assert not first.is_alive()
    assert Meeting().run(p, 2, 50) == 2


def test_many_python_threads_at_once(p):
    ran: list[int] = []

    def work() -> None:
        m = Meeting()
        ran.extend(m.run(p, 2, 20) for _ in range(100))

    all_of_them = [threading.Thread(target=work) for _ in range(4)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join(30)
    assert len(ran) == 400 and set(ran) <= {1, 2} and 2 in ran


# --- denormals ---------------------------------------------------------------------------------------------------------


def test_denormals_count_as_zero_inside_and_nowhere_else(p):
    tiny = np.float32(2.0**-120)
    after = ctypes.CFUNCTYPE(ctypes.c_int64)(code().address("mode"))
    before = after()
    for a, b, exact in ((tiny, np.float32(2.0**-20), 2.0**-140), (np.float32(2.0**-140), np.float32(2.0**20), 2.0**-120)):
        pair, out = np.array([a, b]), np.ones(4, np.float32)
        for nth in (1, 3):
            out[:] = 1
            p.run(code().address("multiply"), pair.ctypes.data, out.ctypes.data, nth)
            np.testing.assert_array_equal(out, [0] * nth + [1] * (4 - nth))
        out[:] = 1
        job = threads.Job(code().address("multiply"), 1, out.ctypes.data)
        job.table[0] = pair.view(np.int64)[0]  # the program reads its numbers from the table
        p.alone(job.pointer)
        np.testing.assert_array_equal(out, [0, 1, 1, 1])
        assert float(pair[0] * pair[1]) == exact  # NumPy, on this thread, still has them
    assert after() == before


# --- forks, signals, exits ---------------------------------------------------------------------------------------------


def child_of(work) -> int:
    """Fork; the child's exit status after `work()`."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_makes_its_own_threads(p):
    m = Meeting()
    m.run(p, 3, 10)
    control = p.control

    def work() -> None:
        assert p.threads == 1 and p.control != control
        assert m.run(p, 3, 100) == 3
        assert child_of(lambda: m.run(p, 2, 100)) == 0

    assert child_of(work) == 0
    assert m.run(p, 3, 100) == 3


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_run(p):
    flags = np.zeros(2, np.int64)
    first = threading.Thread(target=p.run, args=(code().address("linger"), flags.ctypes.data, 0, 2))
    first.start()
    while not flags[0]:
        time.sleep(0.001)
    try:
        assert child_of(lambda: Meeting().run(p, 2, 100) == 2 or os._exit(2)) == 0
    finally:
        flags[1] = 1
        first.join(10)
    assert Meeting().run(p, 2, 50) == 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_an_interrupt_during_a_run_comes_after_it(p):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    m, old = Meeting(), signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                while True:
                    m.run(p, 2, 20_000)
            assert m.run(p, 3, 100) == 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("", id="workers-wait"),
        pytest.param("""
def forever():
    while True:
        m.run(p, 2, 500)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
""", id="runs-come-and-go"),
        pytest.param("""
flags = np.zeros(2, np.int64)
threading.Thread(target=p.run, args=(t.code().address("linger"), flags.ctypes.data, 0, 2), daemon=True).start()
while not flags[0]:
    time.sleep(0.001)
""", id="a-run-never-ends"),
    ],
)  # fmt: skip
def test_the_interpreter_exits_cleanly(ending):
    script = f"""
import sys, threading, time, atexit
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
import test_threads as t
from cutaway.engine import threads
atexit.register(lambda: print("last", threads.pool().run(t.code().address("visit"), seen.ctypes.data, seen.ctypes.data, 3)))
p, m, seen = threads.pool(), t.Meeting(), np.zeros(8, np.int64)
print("first", m.run(p, 3, 100), flush=True)
{ending}
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180, env=environment)
    # the pool was made after the script's own exit handler was registered, and so has stopped before that runs
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["first", "3", "last", "1"], "")


def test_after_stop_a_run_uses_the_callers_thread():
    p = threads.Pool()
    assert Meeting().run(p, 3, 10) == 3
    mine = list(p._workers)
    p.stop()
    assert len(mine) == 2 and not any(w.is_alive() for w in mine)
    assert Meeting().run(p, 3, 10) == 1
    assert Meeting().run(p, 5, 10) == 1


def test_fewer_threads_if_the_system_gives_no_more(fresh, monkeypatch):
    assert Meeting().run(fresh, 2, 10) == 2

    def refuse(self) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Meeting().run(fresh, 4, 10) == 2


def test_a_worker_whose_start_was_interrupted_is_no_second_one(fresh, monkeypatch):
    def interrupted(self) -> None:
        start(self)
        raise KeyboardInterrupt

    start = threading.Thread.start
    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(threading.Thread, "start", interrupted)
        Meeting().run(fresh, 2, 10)
    assert fresh.threads == 1
    for _ in range(20):
        assert Meeting().run(fresh, 2, 100) == 2


# --- waiting -----------------------------------------------------------------------------------------------------------


def all_asleep(p: threads.Pool) -> None:
    """Return once every worker blocks; on a machine with nothing else to do that takes 0.1 ms."""
    words = [ctypes.c_int32.from_address(p.control + layout.box(tid, layout.SLEEPING)) for tid in range(1, p.threads)]
    until = time.monotonic() + 10
    while not all(w.value for w in words):
        assert time.monotonic() < until, "a worker without work does not block"
        time.sleep(0.001)


@futex
def test_an_idle_second_costs_no_cpu(p):
    Meeting().run(p, max(2, CORES), 100)
    all_asleep(p)
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.005


def test_workers_that_blocked_come_back(p):
    m = Meeting()
    m.run(p, 3, 10)
    for _ in range(20):
        all_asleep(p)
        blocked = p.blocked()
        assert m.run(p, 3, 10) == 3
        assert p.blocked() >= blocked + 2


def emulated(name: str, libc) -> systems.System:
    """Another system's calls, answered by a futex; each checks the arguments that its manual asks for."""
    wrong: list[str] = []
    wait, wake, number = systems.FUTEX_WAIT_PRIVATE, systems.FUTEX_WAKE_PRIVATE, systems.FUTEX[platform.machine()]

    def call(word, operation, value):
        zero = ctypes.c_long(0)
        libc.syscall(ctypes.c_long(number), ctypes.c_void_p(word), ctypes.c_long(operation), ctypes.c_long(value), *[zero] * 3)
        return 1

    def wait_on_address(word, compare, size, milliseconds):
        if (size, milliseconds) != (4, 0xFFFFFFFF):
            wrong.append(f"WaitOnAddress size {size}, milliseconds {milliseconds}")
        return call(word, wait, ctypes.c_uint32.from_address(compare).value)

    def os_sync_wait(word, value, size, flags):
        if (size, flags) != (4, 0) or value >> 32:
            wrong.append(f"os_sync_wait_on_address value {value}, size {size}, flags {flags}")
        return call(word, wait, value)

    def os_sync_wake(word, size, flags):
        if (size, flags) != (4, 0):
            wrong.append(f"os_sync_wake_by_address_all size {size}, flags {flags}")
        return call(word, wake, systems.EVERYONE)

    pointer, size, u32, u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint64
    if name == "WaitOnAddress":
        made = (
            ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, size, u32)(wait_on_address),
            ctypes.CFUNCTYPE(None, pointer)(lambda word: call(word, wake, systems.EVERYONE) and None),
        )
        emit = systems.address_wait, systems.address_wake
    else:
        made = (
            ctypes.CFUNCTYPE(ctypes.c_int, pointer, u64, size, u32)(os_sync_wait),
            ctypes.CFUNCTYPE(ctypes.c_int, pointer, size, u32)(os_sync_wake),
        )
        emit = systems.sync_wait, systems.sync_wake
    addresses = [ctypes.cast(f, pointer).value for f in made]
    functions = {layout.YIELD: systems.entry(libc, "sched_yield"), layout.WAIT: addresses[0], layout.WAKE: addresses[1]}
    s = systems.System(name, functions, *emit)
    emulated.kept = (made, wrong)
    return s


@futex
@pytest.mark.parametrize("name", ["WaitOnAddress", "os_sync", "naps"])
def test_other_ways_to_block(name):
    s = systems.naps() if name == "naps" else emulated(name, ctypes.CDLL(None))
    p, m = threads.Pool(s), Meeting()
    try:
        for _ in range(3):
            assert m.run(p, 4, 200) == 4
            all_asleep(p)
        assert p.blocked() >= 6
    finally:
        mine = list(p._workers)
        p.stop()
    assert not any(w.is_alive() for w in mine)
    if name != "naps":
        assert emulated.kept[1] == []


@pytest.mark.parametrize("arm", [False, True])
def test_the_runtime_is_valid_ir_for_every_system(arm):
    s = systems.this_system()
    pairs = [
        (s.wait, s.wake), (systems.address_wait, systems.address_wake), (systems.sync_wait, systems.sync_wake),
        (systems.nap_wait, systems.nap_wake),
    ]  # fmt: skip
    for wait, wake in pairs:
        module = llvm.parse_assembly(str(runtime.generate(s._replace(wait=wait, wake=wake), arm)))
        module.verify()
        assert {f.name for f in module.functions} >= {"launch", "barrier", "worker", "halt", "pauses"}


# --- settings ----------------------------------------------------------------------------------------------------------


def test_set_num_threads(p, monkeypatch):
    monkeypatch.setattr(workers, "_count", None)
    monkeypatch.delenv("CUTAWAY_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.get_num_threads() == min(CORES, layout.MOST_THREADS)
    for n in (3, 1, 2):
        threads.set_num_threads(n)
        assert threads.get_num_threads() == p.size == n
        assert Meeting().run(p, p.size, 10) == n
    for n in (0, -1, 257):
        with pytest.raises(ArgumentError, match="1 to 256"):
            threads.set_num_threads(n)
    with pytest.raises(ArgumentError, match="at most 256"):
        p.run(code().address("meet"), 0, 0, 257)


def test_the_environment_says_how_many(monkeypatch):
    monkeypatch.setattr(workers, "_count", None)
    monkeypatch.setenv("CUTAWAY_NUM_THREADS", "5")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.get_num_threads() == 5
    for setting, n in [("3", 3), ("4,2", min(CORES, layout.MOST_THREADS)), ("0", min(CORES, layout.MOST_THREADS))]:
        monkeypatch.setattr(workers, "_count", None)
        monkeypatch.delenv("CUTAWAY_NUM_THREADS", raising=False)
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
        assert threads.get_num_threads() == n
    for text in ("many", "0", "1.5"):
        monkeypatch.setattr(workers, "_count", None)
        monkeypatch.setenv("CUTAWAY_NUM_THREADS", text)
        with pytest.raises(ArgumentError, match=f"CUTAWAY_NUM_THREADS='{text}'"):
            threads.get_num_threads()


def test_runs_that_had_to_wait_are_followed_by_some_alone(monkeypatch):
    monkeypatch.setattr(workers, "WAITED", 1_000_000)
    company, usual, stalled = workers.Company(), 2_000_000, 2 * 2_000_000 + workers.WAITED + 1
    company.took(7, 50 * usual)  # the first run is no measure
    company.took(7, usual)
    for _ in range(3):
        company.took(7, stalled - 1)
        assert company.wanted(2) == 2
    alone = []
    for _ in range(3):
        company.took(7, stalled)
        alone.append(next(n for n in range(1, 100) if company.wanted(2) == 2) - 1)
    assert alone == [workers.FEWEST, 2 * workers.FEWEST, 4 * workers.FEWEST]
    for _ in range(40):
        company.took(7, usual)
    company.took(7, stalled)
    assert [company.wanted(2) for _ in range(workers.FEWEST + 1)] == [1] * workers.FEWEST + [2]


def test_cpu_sets():
    bits = np.unpackbits(workers.masks_without([0, 3, 9]), axis=1, bitorder="little")
    assert [list(np.flatnonzero(bits[c])) for c in (0, 1, 3, 9)] == [[3, 9], [], [0, 9], [0, 3]]


@pytest.mark.skipif(platform.system() != "Linux" or CORES < 2, reason="two CPUs of Linux")
def test_a_run_leaves_the_callers_affinity_alone(p):
    before = os.sched_getaffinity(0)
    Meeting().run(p, 2, 100)
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(platform.system() != "Linux" or CORES < 2, reason="two CPUs of Linux")
def test_a_worker_on_the_callers_cpu_moves_away(fresh):
    Meeting().run(fresh, 2, 10)
    worker, here = fresh._workers[0].native_id, next(iter(os.sched_getaffinity(0)))
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {here})
        os.sched_setaffinity(worker, {here})
        assert Meeting().run(fresh, 2, 10) == 2
        assert os.sched_getaffinity(worker) == before - {here}
    finally:
        os.sched_setaffinity(0, before)
