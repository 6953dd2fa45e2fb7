"""The machine's side: how many multiply-adds a second it does where nothing else is to be done, on all threads at once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import llvmlite.ir as ir
import numpy as np

from cutaway.engine import threads as pool
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.emit import F32, I64, PTR, Function, constant
from cutaway.engine.llvm.target import Target, target

CHAINS, UNROLL, TURNS = 12, 4, 20_000  # independent sums in registers, of so many terms a turn


def multiply_add_program(t: Target) -> ir.Module:
    """`program(table, arena, tid, nth, barrier, control)`: TURNS turns; the sums go to the thread's 512 bytes of `table`."""
    module = ir.Module("peak")
    f = Function(module, "program", [PTR, PTR, I64, I64, PTR, PTR], wide=t.bits)
    v = ir.VectorType(F32, t.lanes(4))
    place = f.at(f.args[0], f.mul(f.args[2], 128), F32)
    x = f.load(place, 0, v)

    def turn(i: Any, sums: list[Any]) -> list[Any]:
        for _ in range(UNROLL):
            sums = [f.fma(a, x, x) if t.fma else f.b.fadd(f.b.fmul(a, x), x) for a in sums]
        return sums

    sums = f.loop(0, TURNS, 1, [constant(v, 0)] * CHAINS, turn)
    total = sums[0]
    for a in sums[1:]:
        total = f.b.fadd(total, a)
    f.store(total, place, 0)
    f.b.ret_void()
    return module


class Machine:
    """Its "step" is a run of the program; `about` says how many FLOP that is."""

    def __init__(self, threads: int) -> None:
        t = target()
        self.threads = threads
        self.code = jit.build("multiply-add peak", lambda: multiply_add_program(t), t, optimise=False)
        self.memory = np.zeros(128 * threads, np.float32)
        self.flops = 2 * t.lanes(4) * CHAINS * UNROLL * TURNS * threads

    def step(self) -> None:
        """Run it."""
        pool.pool().run(self.code.address("program"), self.memory.ctypes.data, 0, self.threads)

    def wait(self, result: None) -> None:
        """Nothing to wait for."""

    def about(self) -> dict[str, Any]:
        """FLOP of a step, and what the machine is."""
        t = target()
        return {"flops": self.flops, "isa": t.isa, "cpu": t.cpu}


def make(variant: str, workload: ModuleType, threads: int) -> Machine:
    """The side; the workload does not matter."""
    return Machine(threads)
