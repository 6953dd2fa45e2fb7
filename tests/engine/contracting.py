"""For the tests of contractions: a slow reference, and running a batch of problems in one module."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llvmlite.ir as ir
import numpy as np

from cutaway.engine.contract import Operand, Problem, emit, scratch_bytes
from cutaway.engine.llvm.jit import Code, compile_object
from cutaway.engine.llvm.target import Target, target


def places(p: Problem, o: Operand, grid: Sequence[np.ndarray]) -> np.ndarray:
    """Offset of the operand's element at each point of the loops' grid."""
    at = np.full(np.broadcast_shapes(*(g.shape for g in grid)) if grid else (), o.offset)
    for g, label in zip(grid, p.sizes):
        at = at + g * o.step(label)
    return at


def counting(p: Problem, grid: Sequence[np.ndarray], o: Operand | None = None) -> np.ndarray:
    """Where no clip bites; of an operand: none that both labels of move it."""
    by_label = dict(zip(p.sizes, grid))
    ok = np.ones(np.broadcast_shapes(*(g.shape for g in grid)) if grid else (), bool)
    for c in p.clips:
        if o is not None and not (o.step(c.out) and o.step(c.tap)):
            continue
        where = c.start + c.out_step * by_label[c.out] + c.tap_step * by_label[c.tap]
        ok = ok & (where >= 0) & (where < c.size)
    return ok


def reference(p: Problem, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """C as flat memory after the contraction, summed in float64, straight from the definition."""
    grid = np.ix_(*(np.arange(n) for n in p.sizes.values()))
    shape = tuple(p.sizes.values())
    ok = np.broadcast_to(counting(p, grid), shape)
    at_a, at_b = (np.where(ok, np.broadcast_to(places(p, o, grid), shape), 0) for o in (p.a, p.b))
    at_c = np.broadcast_to(places(p, p.c, grid), shape)
    out = c.astype(np.float64)
    kept = tuple(slice(None) if label in p.c.strides else slice(0, 1) for label in p.sizes)
    if not p.accumulate:
        once = np.ix_(*(np.arange(n if label in p.c.strides else 1) for label, n in p.sizes.items()))
        all_c = np.broadcast_to(places(p, p.c, once), tuple(len(g.ravel()) for g in once))
        out[all_c.ravel()] = 0
    if ok.any():
        terms = np.where(ok, a.astype(np.float64)[at_a] * b.astype(np.float64)[at_b], 0)
        axes = tuple(i for i, label in enumerate(p.sizes) if label not in p.c.strides)
        np.add.at(out, at_c[kept].ravel(), terms.sum(axes, keepdims=True).ravel())
    return out


def reach(p: Problem, o: Operand) -> tuple[int, int]:
    """Lowest and highest offset that an operand reads or writes; (0, -1) if none."""
    labels = p.sizes if o is not p.c else {x: n for x, n in p.sizes.items() if x in p.c.strides}
    if any(n == 0 for n in labels.values()):
        return 0, -1
    shape = tuple(p.sizes.values())
    grid = np.ix_(*(np.arange(n) for n in shape))
    at = np.broadcast_to(places(p, o, grid), shape)
    if o is not p.c:
        at = at[np.broadcast_to(counting(p, grid, o), shape)]
    elif at.size == 0:
        at = np.array([o.offset + sum(step * (p.sizes[x] - 1) for x, step in o.strides.items() if step > 0)])
    return (int(at.min()), int(at.max())) if at.size else (0, -1)


WALL = 64  # elements around an array that must not matter


def walled(p: Problem, o: Operand, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random numbers where the operand reads (its offset 0 first), and the whole memory, NaN around them."""
    low, high = reach(p, o)
    assert low >= 0
    whole = np.full(high + 1 + 2 * WALL, np.nan, p.dtype)
    inside = whole[WALL : WALL + high + 1]
    inside[:] = rng.standard_normal(high + 1)
    return inside, whole


class Batch:
    """Problems compiled into one module."""

    def __init__(self, problems: Sequence[Problem], t: Target | None = None) -> None:
        self.problems, self.target = problems, t or target()
        module = ir.Module()
        for i, p in enumerate(problems):
            emit(module, f"f{i}", p, self.target)
        self.code = Code(compile_object(module, self.target, optimise=False))

    def run(self, i: int, a: np.ndarray, b: np.ndarray, c: np.ndarray, threads: int = 1) -> None:
        """Problem number i on arrays (flat or not), each thread's part after the other."""
        p = self.problems[i]
        run(self.code, f"f{i}", (a, b, c), scratch_bytes(p, self.target), threads)


def run(code: Code, name: str, arrays: Sequence[np.ndarray], scratch: int, threads: int) -> None:
    """Call a contraction; scratch memory ends where an inaccessible value would show."""
    memory = np.full(scratch * threads + 128, 0x7F, np.uint8)
    start = -memory.ctypes.data % 64
    pointers = [x.ctypes.data for x in arrays[:3]] + [memory.ctypes.data + start] + [x.ctypes.data for x in arrays[3:]]
    f = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers), ctypes.c_int64, ctypes.c_int64)(code.address(name))
    for thread in range(threads):
        f(*pointers, thread, threads)
    assert (memory[:start] == 0x7F).all() and (memory[start + scratch * threads :] == 0x7F).all(), "scratch overrun"


def isas() -> list[str]:
    """Instruction sets that this machine runs."""
    out = []
    for isa in ("avx512", "avx2", "sse", "neon"):
        try:
            target(isa)
        except Exception:
            continue
        out.append(isa)
    return out
