"""From IR to functions that can be called: LLVM's passes, object code, the cache on disk, the loader."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from threading import Lock
from typing import ClassVar

import llvmlite.binding as llvm
import llvmlite.ir as ir

from cutaway.engine.llvm import beside, cache
from cutaway.engine.llvm.target import Effort, Target, machine, target

RENEWED = 512  # libraries after which a loader is left, as it keeps nine kilobytes of each that is gone


class Engine:
    """Object code loaded by an MCJIT engine of its own: half a millisecond, on every system."""

    def __init__(self, blobs: tuple[bytes, ...]) -> None:
        self.objects = [llvm.ObjectFileRef.from_data(b) for b in blobs]
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine(target()))
        for one in self.objects:
            self.engine.add_object_file(one)
        self.engine.finalize_object()

    def find(self, name: str) -> int:
        """The address of a function, 0 if there is none."""
        return int(self.engine.get_function_address(name))


class Library:
    """Object code as a library of an ORC loader, which others share: a tenth of a millisecond."""

    tried = sys.platform == "linux" and platform.machine() == "x86_64"  # where LLVM's own tests of it are run, and ours
    shared: ClassVar[list[llvm.LLJIT]] = []  # the loader in use
    count, lock = 0, Lock()

    def __init__(self, blobs: tuple[bytes, ...]) -> None:
        with self.lock:
            if Library.count % RENEWED == 0:
                self.shared[:] = [llvm.create_lljit_compiler(machine(target()))]
            Library.count += 1  # so a name is never used again
            (self.loader,), self.name = self.shared, f"code{Library.count}"
        builder = llvm.JITLibraryBuilder().add_current_process()
        for blob in blobs:
            builder.add_object_img(blob)
        self.held = [builder.link(self.loader, self.name)]

    def find(self, name: str) -> int:
        """The address of a function.  Raises RuntimeError if there is none."""
        found = self.loader.lookup(self.name, name)
        self.held.append(found)
        return int(found[name])


class Code:
    """Loaded object code; it stays valid as long as this object lives."""

    def __init__(self, *blobs: bytes) -> None:
        self.size = sum(map(len, blobs))
        self.loaded = Library(blobs) if Library.tried else Engine(blobs)

    def address(self, name: str) -> int:
        """Where the function `name` starts."""
        found = self.loaded.find(name)
        assert found, f"the object code holds no {name}"
        return found


def parse(text: str) -> llvm.ModuleRef:
    """IR as LLVM holds it, verified."""
    parsed = llvm.parse_assembly(text)
    parsed.verify()
    return parsed


def assemble(module: ir.Module, t: Target, optimise: bool) -> llvm.ModuleRef:
    """The IR as LLVM holds it, verified; `optimise` runs LLVM's pipeline with its loop vectoriser."""
    parsed = parse(str(module))
    if optimise:
        tuning = llvm.create_pipeline_tuning_options(speed_level=Effort.passes)
        tuning.loop_vectorization = True
        tuning.slp_vectorization = False
        tuning.loop_unrolling = False  # the vectoriser interleaves; more is time spent, not won
        tuning.loop_interleaving = True
        builder = llvm.create_pass_builder(machine(t), tuning)
        builder.getModulePassManager().run(parsed, builder)
    return parsed


def compile_object(module: ir.Module, t: Target, optimise: bool) -> bytes:
    """IR to relocatable object code."""
    return bytes(machine(t).emit_object(assemble(module, t, optimise)))


def linked(loops: ir.Module, tiles: ir.Module, t: Target) -> llvm.ModuleRef:
    """One module of two, to be read: `loops` went through LLVM's pipeline, `tiles` are written as they should stay."""
    whole = assemble(loops, t, True)
    whole.link_in(assemble(tiles, t, False))
    return whole


def objects(loops: ir.Module, tiles: ir.Module, t: Target) -> tuple[bytes, bytes]:
    """The object code of both; much of it is made by two processes at the same time."""
    text = str(tiles)
    other = beside.start(text, t.cpu, t.features, Effort.code)
    mine = compile_object(loops, t, True)
    theirs = other.result() if other else None
    return mine, theirs or bytes(machine(t).emit_object(parse(text)))


def join(first: bytes, second: bytes) -> bytes:
    """Two as one, for the cache."""
    return len(first).to_bytes(8, "little") + first + second


def part(blob: bytes) -> tuple[bytes, bytes]:
    """The two of `join`."""
    end = 8 + int.from_bytes(blob[:8], "little")
    return blob[8:end], blob[end:]


def build(key: str, make: Callable[[], ir.Module], t: Target, optimise: bool) -> Code:
    """The code for `key` (which must say all that it depends on besides the target): from the cache, or made anew."""
    blob = cache.get_or_make(f"{t.key}|{optimise}|{key}", lambda: compile_object(make(), t, optimise))
    return Code(blob)


def build_linked(key: str, make: Callable[[], tuple[ir.Module, ir.Module]], t: Target) -> Code:
    """As `build`, for the two modules of `objects`."""
    return Code(*part(cache.get_or_make(_linked_key(key, t), lambda: join(*objects(*make(), t)))))


def find_linked(key: str, t: Target) -> Code | None:
    """What `build_linked` has left in the cache."""
    blob = cache.find(_linked_key(key, t))
    return None if blob is None else Code(*part(blob))


def _linked_key(key: str, t: Target) -> str:
    return f"{t.key}|two|{key}"
