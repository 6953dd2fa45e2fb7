"""The process's pool of threads: Python threads that each stay inside one native call, where they need no interpreter."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import mmap
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.target import target
from cutaway.engine.threads import layout, runtime
from cutaway.engine.threads.system import System, this_system, usable_cpus

# How long to wait in which way, in nanoseconds of pauses and numbers of yields (0.3 us each on an idle machine).
IDLE = 20_000, 250  # a worker blocks after 100 us without work: waking it takes 50 us, keeping it costs a core
RUN = 50_000, 2000  # within a run the others are close: blocking is for a launcher that was taken off its core
CROWDED = 100, 20  # more threads than cores: whom we wait for cannot run while we spin
WAITED = 1_000_000  # nanoseconds beyond twice the usual, by which a worker was not given its CPU
FEWEST, MOST = 8, 1024  # runs alone after such a one
LAST_RUN = 0.5  # seconds that the interpreter's exit waits for a run under way


class Job:
    """A program with its table of `slots` addresses and its arena, for `pool().alone(job.pointer)`.

    That runs it on the caller's thread, which keeps the interpreter's lock meanwhile: right for some ten microseconds,
    beyond which other Python threads should get their turn.
    """

    def __init__(self, program: int, slots: int, arena: int = 0) -> None:
        self.table = (ctypes.c_int64 * max(slots, 1))()
        self.where = ctypes.addressof(self.table)
        self._words = (ctypes.c_int64 * 3)(program, self.where, arena)  # in the order of layout.py
        self.pointer = ctypes.c_void_p(ctypes.addressof(self._words))

    @property
    def arena(self) -> int:
        """The address of the memory that the program works in."""
        return self._words[2]

    @arena.setter
    def arena(self, address: int) -> None:
        self._words[2] = address


class Company:
    """Whether running together pays. A worker whose CPU someone else uses as well makes all others wait, for milliseconds.

    A run that took far longer than the same program has taken is followed by some on the caller's thread alone: by twice as
    many as the last one, by fewer again as runs go well. Results do not depend on the number of threads.
    """

    def __init__(self) -> None:
        self.shortest: dict[int, int] = {}  # nanoseconds, by a program's address
        self.span, self.left = 0.0, 0.0  # how many runs alone after the last that had to wait, and how many of them are left

    def wanted(self, nth: int) -> int:
        """How many threads to run on instead of `nth`."""
        if self.left >= 1:
            self.left -= 1
            return 1
        return nth if _beside is None or not _beside() else min(nth, max(1, len(usable_cpus()) - 1))

    def took(self, address: int, nanoseconds: int) -> None:
        """A run together is over."""
        shortest = self.shortest.get(address, nanoseconds)
        if nanoseconds <= shortest:
            self.shortest[address] = nanoseconds
        if nanoseconds > 2 * shortest + WAITED:
            self.left = self.span = min(max(2 * self.span, FEWEST), MOST)
        else:
            self.span *= 0.875


class Pool:
    """Threads 1 to n - 1; who calls `run` is thread 0."""

    def __init__(self, system: System | None = None) -> None:
        self.system = system or this_system()
        t = target()
        arm = t.isa == "neon"
        self.code = jit.build(runtime.key(self.system), lambda: runtime.generate(self.system, arm), t, optimise=False)
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        launch = ctypes.CFUNCTYPE(integer, pointer, pointer, pointer, pointer, integer)
        self._launch = launch(self.code.address("launch"))
        self.alone: Callable[[ctypes.c_void_p], None] = ctypes.PYFUNCTYPE(None, pointer)(self.code.address("alone"))
        self._worker = ctypes.CFUNCTYPE(None, pointer, integer)(self.code.address("worker"))
        self._halt = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, integer)(self.code.address("halt"))
        self._pauses = ctypes.CFUNCTYPE(None, integer)(self.code.address("pauses"))
        self.company = Company()
        self._kept: list[Any] = []  # what a thread might still look at: never freed
        self._begin()

    @property
    def size(self) -> int:
        """How many threads a run should use by default."""
        return get_num_threads()

    def run(self, address: int, table: int, arena: int, nth: int, exactly: bool = False) -> int:
        """Call the program at `address` on `nth` threads, return when all are done; how many there were.

        They are fewer where that pays on a busy machine, unless `exactly` so many are to be measured. It is one thread if
        another run is under way, or the interpreter is about to exit.
        """
        if not exactly:
            nth = self.company.wanted(nth)
        if nth > self.threads:
            nth = self._grow(nth)
        if nth == 1:
            return self._launch(self.control, address, table, arena, 1)
        start = time.perf_counter_ns()
        nth = self._launch(self.control, address, table, arena, nth)
        if nth > 1 and not exactly:
            self.company.took(address, time.perf_counter_ns() - start)
        return nth

    def stop(self) -> None:
        """End the workers; later runs use the caller's thread alone. A run that lasts longer than LAST_RUN goes on."""
        until = time.monotonic() + LAST_RUN
        with self._growing:
            self._stopped = True
            while self._halt(self.control, self.threads - 1):
                if time.monotonic() > until:
                    return
                time.sleep(0.001)
            for t in self._workers:
                t.join(LAST_RUN)

    def _begin(self) -> None:
        """A fresh control block, no workers."""
        # Private: a forked child must not write into its parent's. (Windows has neither the flags nor forks.)
        flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        memory = mmap.mmap(-1, layout.SIZE, **flags)
        self._kept.append((memory, ctypes.c_char.from_buffer(memory)))
        self.control = ctypes.addressof(self._kept[-1][1])
        self.threads = 1  # that can run: the caller and the workers that have come up
        self._workers: list[threading.Thread] = []
        self._growing = threading.Lock()
        self._stopped = False
        for where, function in self.system.functions.items():
            self._set(where, function)

    def _set(self, where: int, value: int) -> None:
        ctypes.c_int64.from_address(self.control + where).value = value

    def blocked(self) -> int:
        """How often a thread has blocked in the system so far."""
        return ctypes.c_int64.from_address(self.control + layout.BLOCKED).value

    def _grow(self, nth: int) -> int:
        """Start what is missing for `nth` threads. Returns how many there can be for this run."""
        if nth > layout.MOST_THREADS:
            raise ArgumentError(f"{nth} threads: at most {layout.MOST_THREADS} are possible")
        if not self._growing.acquire(blocking=False):  # another thread is at it, or we interrupted ourselves
            return 1
        try:
            if self._stopped:
                return 1
            if self.threads == 1:
                self._configure()
            while self.threads < nth:
                self._start(self.threads)
        except RuntimeError:  # the system gives no more threads
            return self.threads
        finally:
            self._growing.release()
        return nth

    def _start(self, tid: int) -> None:
        """One more worker. It counts once it is inside its native call: from then on it needs no interpreter.

        An exception in between (Ctrl-C) leaves a thread that no one counted; the next one for the same place finds it taken.
        """
        t = threading.Thread(target=self._work, args=(tid,), daemon=True, name=f"cutaway-{tid}")
        t.start()
        taken = ctypes.c_int32.from_address(self.control + layout.box(tid, layout.TAKEN))
        while not taken.value:
            time.sleep(0.0001)
        self._workers.append(t)
        self.threads = tid + 1

    def _work(self, tid: int) -> None:
        """A worker's whole life. Its frame holds the pool, so that code and memory stay while any worker is inside."""
        self._worker(self.control, tid)

    def _configure(self) -> None:
        """Patience, in pauses as long as this machine's are; the CPUs that workers may move to."""
        cpus = usable_cpus()
        self._set(layout.CORES, len(cpus))
        pause = min(self._pause() for _ in range(3))
        places = (layout.IDLE_SPINS, IDLE), (layout.RUN_SPINS, RUN), (layout.CROWDED_SPINS, CROWDED)
        for where, (nanoseconds, yields) in places:
            self._set(where, max(1, round(nanoseconds / pause)))
            self._set(where + 8, yields)
        if self.system.moves and len(cpus) > 1:
            masks = masks_without(cpus)
            self._kept.append(masks)
            self._set(layout.MASKS, masks.ctypes.data)

    def _pause(self, n: int = 2000) -> float:
        """Nanoseconds that a pause takes."""
        start = time.perf_counter_ns()
        self._pauses(n)
        return max(1, time.perf_counter_ns() - start) / n


def masks_without(cpus: list[int]) -> np.ndarray:
    """CPU sets as the kernel reads them, masks[MASK_ROWS, MASK_BYTES]: row c has a bit for each of `cpus` except c."""
    bits = np.zeros((layout.MASK_ROWS, 8 * layout.MASK_BYTES), np.uint8)
    known = [c for c in cpus if c < layout.MASK_ROWS]
    for c in known:
        bits[c, known] = 1
        bits[c, c] = 0
    return np.packbits(bits, axis=1, bitorder="little")


# Whether another process of ours computes beside this one. Then a CPU is left to it: a worker that shares its CPU makes all
# others wait for some milliseconds, however low that process's priority.
_beside: Callable[[], bool] | None = None
_pool: Pool | None = None
_count: int | None = None
_making = threading.Lock()


def pool() -> Pool:
    """The process's pool, made on first use; its threads start when a run first needs them."""
    global _pool
    if _pool is None:
        with _making:
            if _pool is None:
                p = Pool()
                # A daemon thread may be inside a run while the interpreter clears its modules: the code must stay.
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(p))
                atexit.register(p.stop)
                _pool = p
    return _pool


def beside(busy: Callable[[], bool] | None) -> None:
    """Ask `busy` before each run whether a CPU must be left free; None: there is no need to."""
    global _beside
    _beside = busy


def get_num_threads() -> int:
    """How many threads a run uses by default.

    It is what set_num_threads said, else CUTAWAY_NUM_THREADS, else OMP_NUM_THREADS, else one for each usable CPU.
    """
    global _count
    if _count is None:
        text = os.environ.get("CUTAWAY_NUM_THREADS", "")
        if text:
            with contextlib.suppress(ValueError):
                _count = _checked(int(text))
            if _count is None:
                raise ArgumentError(f"CUTAWAY_NUM_THREADS={text!r}: a number from 1 to {layout.MOST_THREADS}, please")
        else:
            with contextlib.suppress(ValueError):  # what others make of OMP_NUM_THREADS is no error of ours
                _count = _checked(int(os.environ.get("OMP_NUM_THREADS", "")))
            _count = _count or min(len(usable_cpus()), layout.MOST_THREADS)
    return _count


def set_num_threads(n: int) -> None:
    """Use `n` threads from the next run on. Raises ArgumentError unless 1 <= n <= 256, ArgumentTypeError for no int."""
    global _count
    _count = _checked(n)


def _checked(n: int) -> int:
    if not isinstance(n, int) or isinstance(n, bool):
        raise ArgumentTypeError(f"set_num_threads: expected an int, got {type(n).__name__}; write set_num_threads(2)")
    if not 1 <= n <= layout.MOST_THREADS:
        raise ArgumentError(f"{n} threads: a number from 1 to {layout.MOST_THREADS}, please")
    return n


def _after_fork() -> None:
    """In the child no worker lives: a new control block, new locks."""
    global _making
    _making = threading.Lock()
    if _pool is not None:
        _pool._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
