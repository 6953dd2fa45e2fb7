"""The machine that code is made for: its vector width and registers, read from the host or forced for a test.

`CUTAWAY_ISA=avx2` (or sse, avx512, neon) makes code for that instruction set; it must be one that the host can run.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import NamedTuple

import llvmlite
import llvmlite.binding as llvm

from cutaway.core.errors import ArgumentError
from cutaway.engine.llvm import beside
from cutaway.engine.llvm.beside import OPTIONS

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
llvm.initialize_native_asmparser()
# Keep the order in which kernels are written: the generic scheduler hoists loads and spills registers.
llvm.set_option(*OPTIONS)

_FORCED = {"sse": ("x86-64", ""), "avx2": ("haswell", ""), "avx512": ("skylake-avx512", "")}


class Target(NamedTuple):
    """`isa` is one of avx512, avx2, sse, neon; `bits` a vector register's width, `registers` how many there are."""

    isa: str
    cpu: str
    features: str
    bits: int
    registers: int
    fma: bool

    def lanes(self, itemsize: int) -> int:
        """How many numbers of `itemsize` bytes a vector register holds."""
        return self.bits // (8 * itemsize)

    @property
    def key(self) -> str:
        """What object code depends on, besides the program."""
        return f"{llvm.get_process_triple()}|{self.cpu}|{self.features}|{llvmlite.__version__}|{llvm.llvm_version_info}"


def describe(isa: str, cpu: str, features: str) -> Target:
    """Width and registers of an instruction set."""
    bits, registers = {"avx512": (512, 32), "avx2": (256, 16), "sse": (128, 16), "neon": (128, 32)}[isa]
    return Target(isa, cpu, features, bits, registers, isa != "sse")


@lru_cache(8)
def target(forced: str = "") -> Target:
    """The host, or the instruction set that CUTAWAY_ISA or `forced` names.  Raises ArgumentError for one it cannot run."""
    name = forced or os.environ.get("CUTAWAY_ISA", "")
    arm = "aarch64" in llvm.get_process_triple() or "arm64" in llvm.get_process_triple()
    has = llvm.get_host_cpu_features()
    if arm:
        can = ["neon"]
    else:
        can = [isa for isa, feature in (("avx512", "avx512f"), ("avx2", "avx2"), ("sse", "sse2")) if has.get(feature)]
        if "avx2" in can and not has.get("fma"):
            can.remove("avx2")
    if not name or name == can[0]:
        return describe(can[0], llvm.get_host_cpu_name(), has.flatten())
    if name not in can:
        raise ArgumentError(f"CUTAWAY_ISA={name!r}: this machine runs {', '.join(can)}")
    return describe(name, *_FORCED[name])


class Effort:
    """How much LLVM does: the levels of its passes over the IR, and of code generation."""

    passes, code = 3, 2


def hurry() -> None:
    """From now on, in this process: code in little more than half of the time, which runs some percent slower."""
    Effort.passes = Effort.code = 1
    llvm.set_option("cutaway", "--disable-lsr")  # rewriting addresses in loops takes half of the time of straight-line tiles
    beside.alone()


def machine(t: Target) -> llvm.TargetMachine:
    """A fresh target machine; an engine takes ownership of the one it is given."""
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=t.cpu, features=t.features, opt=Effort.code, jit=True
    )
