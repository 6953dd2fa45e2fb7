"""What a kernel must do at least: floating-point operations, and bytes in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import llvmlite.ir as ir
import numpy as np

from cutaway.core.dtypes import FLOATING
from cutaway.engine.contract import Problem
from cutaway.engine.graph import Value
from cutaway.engine.llvm.emit import Function
from cutaway.engine.scalar import VOCABULARY, Scalar, register_type
from cutaway.engine.schedule import Kernel, has_memory
from cutaway.engine.tiles import Contraction, labels

ONE = frozenset(["fadd", "fsub", "fmul", "fdiv", "frem", "fneg", "fcmp"])
INTRINSICS = {"llvm.fma": 2, "llvm.fmuladd": 2} | dict.fromkeys(["llvm.sqrt", "llvm.minnum", "llvm.maxnum"], 1)


class Cost(NamedTuple):
    """`flops`: floating-point additions, multiplications, divisions, comparisons; a multiply-add is two.

    read, written   bytes, each counted once however often it is touched
    values          what is computed inside, in order of execution
    """

    flops: int
    read: int
    written: int
    values: tuple[Value, ...]


def cost(k: Kernel, tiled: Contraction | None, in_memory: Mapping[Value, Any]) -> Cost:
    """The cost of a kernel; `tiled` is its contraction, if the generator of contractions writes it."""
    found: dict[Value, None] = {}
    touched: dict[Value, int] = {}
    stack = list(k.outputs)
    while stack:
        v = stack.pop()
        if v in found:
            continue
        found[v] = None
        for i in v.inputs:
            if i in in_memory and i not in k.outputs:
                if i.op is not None or has_memory(i):  # constants of one element stand in the code
                    touched[i] = touched.get(i, 0) + _touched(v, i)
            elif i.op is not None:
                stack.append(i)
    inside = tuple(_in_order(found, k.outputs))
    flops = sum(_flops(v, tiled is not None) for v in inside)
    if tiled is not None:
        flops += sum(2 * terms(p) for p in tiled.problems)
    read = sum(min(n, v.aval.size) * v.aval.dtype.itemsize for v, n in touched.items())
    return Cost(flops, read, sum(v.aval.size * v.aval.dtype.itemsize for v in k.outputs), inside)


def _touched(v: Value, i: Value) -> int:
    """How many elements of its input `i` the value `v` looks at, at most."""
    assert v.op is not None
    chosen = v.op.kind in ("movement", "index") and v.op.name not in ("pad", "concatenate")
    return min(v.aval.size, i.aval.size) if chosen else i.aval.size


def _in_order(found: Mapping[Value, None], outputs: Sequence[Value]) -> list[Value]:
    order: dict[Value, None] = {}

    def visit(root: Value) -> None:
        stack = [(root, False)]
        while stack:
            v, ready = stack.pop()
            if ready:
                order[v] = None
            elif v in found and v not in order:
                stack.append((v, True))
                stack.extend((i, False) for i in v.inputs)

    for o in outputs:
        visit(o)
    return list(order)


def _flops(v: Value, tiled: bool) -> int:
    """Of one value by itself; contractions of a `tiled` kernel are counted by their problem."""
    op = v.op
    assert op is not None
    if op.kind == "elementwise":
        return v.aval.size * operations(op, tuple(i.aval.dtype for i in v.inputs), v.attrs)
    if not any(x.aval.dtype.kind in FLOATING for x in (v, *v.inputs)):
        return 0
    if op.kind == "contract":
        return 0 if tiled else 2 * math.prod(_sizes(v).values())
    if op.kind == "reduce":
        return v.inputs[0].aval.size
    if op.kind == "window":
        if op.name == "fold":
            return 0 if tiled else v.inputs[0].aval.size
        taps = math.prod(v.attrs["kernel"]) if op.name == "window_argmax" else 1
        return max(v.aval.size * taps, *(i.aval.size for i in v.inputs)) if op.name != "windows" else 0
    return v.inputs[-1].aval.size if op.name == "scatter_add" else 0


def _sizes(v: Value) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for names, i in zip(labels(v), (*v.inputs, v), strict=True):
        for name, n in zip(names, i.aval.shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), n) if n else 0
    return sizes


def terms(p: Problem) -> int:
    """How many products a contraction sums in all; what a clip leaves out does not count."""
    letters = {label: chr(97 + n) for n, label in enumerate({label for clip in p.clips for label in clip.steps})}
    rest = math.prod(n for label, n in p.sizes.items() if label not in letters)
    if not p.clips:
        return rest
    masks = []
    for clip in p.clips:
        out, tap = (np.arange(p.sizes[label]) * step for label, step in clip.steps.items())
        place = out[:, None] + tap + clip.start
        masks.append(((place >= 0) & (place < clip.size)).astype(np.int64))
    spec = ",".join("".join(letters[label] for label in clip.steps) for clip in p.clips)
    return rest * int(np.einsum(spec + "->", *masks))


def operations(op: Any, dtypes: tuple[np.dtype, ...], attrs: Mapping[str, Any]) -> int:
    """Floating-point instructions that one element of an elementwise op takes, counted in the op's own IR."""
    return _operations(op, dtypes, tuple(sorted(attrs)), _Held(attrs))


class _Held:
    """Attributes as a cache's key."""

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self.attrs, self.text = attrs, repr(sorted(attrs.items()))

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self.text == other.text


@lru_cache(512)
def _operations(op: Any, dtypes: tuple[np.dtype, ...], names: tuple[str, ...], held: _Held) -> int:
    if op.scalar is None:
        return 0
    f = Function(ir.Module("count"), "f", [register_type(d) for d in dtypes])
    op.scalar(VOCABULARY, *(Scalar(f, a, d) for a, d in zip(f.args, dtypes, strict=True)), **held.attrs)
    total = 0
    for block in f.fn.blocks:
        for i in block.instructions:
            name = i.callee.name.rsplit(".", 1)[0] if i.opname == "call" else ""
            total += INTRINSICS.get(name, 0) + (i.opname in ONE)
    return total
