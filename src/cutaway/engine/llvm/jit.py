"""From IR to functions that can be called: LLVM's passes, object code, the cache on disk, the loader."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache

import llvmlite.binding as llvm
import llvmlite.ir as ir

from cutaway.engine.llvm import beside, cache
from cutaway.engine.llvm.target import Effort, Target, machine, target


@lru_cache(1)
def loader() -> llvm.LLJIT:
    """The loader of this process: each piece of object code is a library of its own there, whose names no other sees."""
    return llvm.create_lljit_compiler(machine(target()))


class Code:
    """Loaded object code; it stays valid as long as this object lives."""

    count = itertools.count()  # a library's name is never used again

    def __init__(self, *blobs: bytes) -> None:
        self.size = sum(map(len, blobs))
        self.name = f"code{next(Code.count)}"
        library = llvm.JITLibraryBuilder().add_current_process()
        for blob in blobs:
            library.add_object_img(blob)
        self._held = [library.link(loader(), self.name)]

    def address(self, name: str) -> int:
        """Where the function `name` starts."""
        found = loader().lookup(self.name, name)
        self._held.append(found)
        return int(found[name])


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
