"""What the machine can do at most, measured: multiply-adds a second, and bytes a second from each level of its memory.

    machine(threads).peak["float32"]        FLOP/s
    machine(threads).bandwidth(nbytes)      bytes/s of a kernel that touches so many bytes

Two small programs of our own, on the threads that programs run on: independent multiply-adds in registers, and `y += a * x`
over arrays of growing size. The best of a few runs counts. It takes a fifth of a second, once for each number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

import llvmlite.ir as ir
import numpy as np

from cutaway.engine import threads as pools
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import F32, F64, I64, PTR, Function, constant
from cutaway.engine.llvm.target import Target, target

VERSION = 1  # raise it when the emitted code changes
KIB = 1024
LEVELS = (
    24 * KIB,
    384 * KIB,
    3072 * KIB,
    12288 * KIB,
    49152 * KIB,
)  # bytes a thread touches: from the first cache to none
SIGNATURE = [PTR, PTR, I64, I64, PTR, PTR]  # of a program, as the threads call it
TURN_SECONDS = 0.0015


class Machine(NamedTuple):
    """Measured on `threads` threads together.

    peak     FLOP/s by dtype ("float32", "float64"); a multiply-add counts as two
    levels   (bytes a thread touches, bytes/s), from the nearest memory to the farthest
    """

    name: str
    threads: int
    peak: dict[str, float]
    levels: tuple[tuple[int, float], ...]

    def bandwidth(self, nbytes: float) -> float:
        """Bytes a second of a kernel that touches `nbytes`, shared among the threads, again and again.

        Between the sizes that were measured it is interpolated, on logarithmic scales.
        """
        sizes, rates = np.log(np.array(self.levels)).T
        return float(np.exp(np.interp(np.log(max(nbytes / self.threads, 1.0)), sizes, rates)))

    def seconds(self, flops: float, nbytes: float, dtype: str = "float32") -> float:
        """The least time by the roofline: the longer of computing and of moving the bytes."""
        return max(flops / self.peak.get(dtype, self.peak["float32"]), nbytes / self.bandwidth(nbytes))

    def __str__(self) -> str:
        peaks = ", ".join(f"{rate / 1e9:.0f} GF/s {dtype}" for dtype, rate in self.peak.items())
        rates = ", ".join(f"{rate / 1e9:.0f} GB/s at {_size(most)}" for most, rate in self.levels)
        return f"{self.name}, {self.threads} thread{'s' * (self.threads > 1)}: {peaks}; y += a x: {rates} a thread"


def _size(nbytes: int) -> str:
    return f"{nbytes // KIB} KiB" if nbytes < 1024 * KIB else f"{nbytes // KIB // KIB} MiB"


def emit_peak(module: ir.Module, name: str, t: ir.Type, lanes: int, chains: int, fma: bool) -> None:
    """`name(job, out, tid, nth, ..)`: job[0] turns of `chains` independent multiply-adds of vectors; they tend to 1."""
    f = Function(module, name, SIGNATURE)
    job, out, tid = f.args[:3]
    v = ir.VectorType(t, lanes)
    a, b = constant(v, 0.5), constant(v, 0.5)

    def turn(_: Any, sums: list[Any]) -> list[Any]:
        return [f.fma(s, a, b) if fma else f.b.fadd(f.b.fmul(s, a), b) for s in sums]

    start = [constant(v, 1 + n / chains) for n in range(chains)]
    total, *rest = f.loop(0, f.load(job, 0, I64), carry=start, body=turn)
    for s in rest:
        total = f.b.fadd(total, s)
    f.store(total, f.at(out, f.mul(tid, 64), ir.IntType(8)), 0)
    f.b.ret_void()


def emit_stream(module: ir.Module, lanes: int) -> None:
    """`stream(job, out, tid, nth, ..)`: job[0] turns of y += a x over job[1] numbers a thread, at job[2] and job[3]."""
    f = Function(module, "stream", SIGNATURE)
    job, tid = f.args[0], f.args[2]
    turns, count = (f.load(job, n, I64) for n in (0, 1))
    x, y = (f.at(f.load(job, n, PTR), f.mul(tid, count), F32) for n in (2, 3))
    v = ir.VectorType(F32, lanes)
    a = constant(v, 0.5)

    def block(i: Any, _: Any) -> None:
        for n in range(4):
            at = f.add(i, n * lanes)
            f.store(f.b.fadd(f.b.fmul(f.load(x, at, v), a), f.load(y, at, v)), y, at)

    f.loop(0, turns, body=lambda _, __: f.loop(0, count, 4 * lanes, body=block) and None, name="turn")
    f.b.ret_void()


def generate(t: Target) -> ir.Module:
    """The module of `peak_float32`, `peak_float64` and `stream`."""
    module = ir.Module("machine")
    # Enough chains to hide the latency of two pipes, few enough to stay in the registers.
    chains = min(t.registers - 4, 24)
    for name, number, size in (("float32", F32, 4), ("float64", F64, 8)):
        emit_peak(module, f"peak_{name}", number, t.lanes(size), chains, t.fma)
    emit_stream(module, t.lanes(4))
    return module


def machine(threads: int = 0) -> Machine:
    """What `threads` threads (0: as many as programs use by default) can do together; measured once a process."""
    return _remembered(target(), threads or pools.get_num_threads())


@lru_cache(16)
def _remembered(t: Target, threads: int) -> Machine:
    return measure(t, threads)


def measure(t: Target, threads: int) -> Machine:
    """As `machine`, measured now."""
    code = jit.build(f"machine {VERSION} {t.bits}", lambda: generate(t), t, optimise=False)
    pool = pools.pool()
    out = np.zeros(64 * (threads + 1), np.uint8)

    def best(name: str, job: np.ndarray, repeats: int) -> float:
        """Seconds of a turn."""
        address = code.address(name)

        def run(turns: int, threads: int) -> float:
            job[0] = turns
            start = perf_counter()
            pool.run(address, job.ctypes.data, out.ctypes.data, threads, exactly=True)
            return perf_counter() - start

        turns = 1  # found on one thread: others may take long to come, which is not what is asked
        while (taken := min(run(turns, 1) for _ in range(3))) < TURN_SECONDS / 4:
            turns *= 4
        turns = max(1, round(turns * TURN_SECONDS / taken))
        least, since = run(turns, threads), 0
        while since < repeats:  # until no better one has come for a while: other programs may be busy, too
            seconds = run(turns, threads)
            since = 0 if seconds < 0.98 * least else since + 1
            least = min(least, seconds)
        return least / turns

    chains = min(t.registers - 4, 24)
    peak = {
        name: 2 * chains * t.lanes(size) * threads / best(f"peak_{name}", np.zeros(1, np.int64), 8)
        for name, size in (("float32", 4), ("float64", 8))
    }
    block = 4 * t.lanes(4)
    levels = []
    most = max(LEVELS[-1], LEVELS[-2] * threads) // 8
    x, y = np.ones(most, np.float32), np.ones(most, np.float32)  # written, so that they are memory
    for nbytes in LEVELS:
        count = min(nbytes // 8, most // threads) // block * block
        job = np.array([0, count, x.ctypes.data, y.ctypes.data], np.int64)
        levels.append((nbytes, 12 * count * threads / best("stream", job, 6)))
    return Machine(f"{t.cpu} ({t.isa})", threads, peak, tuple(levels))
