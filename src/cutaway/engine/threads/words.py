"""Instructions that a thread runtime needs beyond arithmetic: atomic words, calls through pointers, pauses, denormals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.ir as ir
from llvmlite.ir import instructions

from cutaway.engine.llvm.emit import I8, I32, I64, PTR, VOID, Function, Pointed

FLUSH_X86 = 0x8040  # MXCSR: flush results to zero (bit 15), read denormals as zero (bit 6)
FLUSH_ARM = 1 << 24  # FPCR.FZ


class Words(Function):
    """A function that reads and writes a control block."""

    def place(self, block: Any, offset: Any) -> Any:
        """The address `offset` bytes behind `block`."""
        return self.at(block, offset, I8)

    def read(self, block: Any, offset: Any, t: ir.Type = I64) -> Any:
        """A plain load."""
        return self.b.load(self.place(block, offset), typ=t)

    def write(self, value: Any, block: Any, offset: Any) -> None:
        """A plain store."""
        self.b.store(value, self.place(block, offset))

    def peek(self, word: Any, order: str = "acquire") -> Any:
        """Load an i32 that other threads write."""
        return self.b.load_atomic(word, order, 4, typ=I32)

    def put(self, value: int, word: Any, order: str = "release") -> None:
        """Store an i32 that other threads read."""
        # IRBuilder.store_atomic asks for the pointee's type, which an opaque pointer has not
        self.b._insert(instructions.StoreAtomicInstr(self.b.block, ir.Constant(I32, value), word, order, 4))

    def bump(self, word: Any, by: int = 1) -> Any:
        """Add to an i32, in one order that all threads agree on; the value before."""
        return self.b.atomic_rmw("add", word, ir.Constant(I32, by), "seq_cst")

    def through(self, pointer: Any, returns: ir.Type, *values: Any) -> Any:
        """Call the function at `pointer` with these values."""
        return self.b.call(Pointed(pointer, ir.FunctionType(returns, [v.type for v in values])), values)

    def differs(self, a: Any, b: Any) -> Any:
        """a != b."""
        return self.b.icmp_signed("!=", a, b)

    def relax(self, arm: bool) -> None:
        """A pause between two looks at a word, kind to the core's other half and to its power."""
        if arm:
            self.intrinsic("aarch64.isb", VOID, [I32], ir.Constant(I32, 15))
        else:
            self.intrinsic("x86.sse2.pause", VOID, [])

    def flush_denormals(self, arm: bool) -> Any:
        """From here on, denormal numbers count as zero on this thread. Returns what `restore_denormals` takes."""
        if arm:
            old = self.intrinsic("aarch64.get.fpcr", I64, [])
            self.intrinsic("aarch64.set.fpcr", VOID, [I64], self.b.or_(old, ir.Constant(I64, FLUSH_ARM)))
            return old
        slot = self.b.alloca(I32)
        self.intrinsic("x86.sse.stmxcsr", VOID, [PTR], slot)
        old = self.b.load(slot, typ=I32)
        self.b.store(self.b.or_(old, ir.Constant(I32, FLUSH_X86)), slot)
        self.intrinsic("x86.sse.ldmxcsr", VOID, [PTR], slot)
        self.b.store(old, slot)
        return slot

    def restore_denormals(self, arm: bool, saved: Any) -> None:
        """The floating-point mode as it was, exception flags included."""
        if arm:
            self.intrinsic("aarch64.set.fpcr", VOID, [I64], saved)
        else:
            self.intrinsic("x86.sse.ldmxcsr", VOID, [PTR], saved)


def i32(value: int) -> ir.Constant:
    """A 32-bit constant."""
    return ir.Constant(I32, value)


def i64(value: int) -> ir.Constant:
    """A 64-bit constant."""
    return ir.Constant(I64, value)


def word_function(
    module: ir.Module, name: str, takes: str, types: Sequence[ir.Type], returns: ir.Type = VOID, internal: bool = False
) -> Words:
    """A new function; `takes` names its parameters."""
    return Words(module, name, types, returns, names=takes.split(), internal=internal)
