"""Contractions of a graph as problems for the generator of `cutaway.engine.contract`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cutaway.core.aval import row_major
from cutaway.engine.contract import Operand, Problem
from cutaway.engine.graph import Value
from cutaway.engine.loops.affine import Access, access


class Contraction(NamedTuple):
    """What the generator is asked for, and the memories that the factors lie in."""

    problem: Problem
    a: Value
    b: Value


def labels(v: Value) -> tuple[list[str], list[str], list[str]]:
    """The loops of a matmul or einsum: labels of its factors' dimensions and of its own."""
    assert v.op is not None
    if v.op.name == "einsum":
        sides, _, out = v.attrs["spec"].partition("->")
        a, _, b = sides.partition(",")
        return list(a), list(b), list(out)
    batch = [f"b{d}" for d in range(v.aval.ndim - 2)]
    a = batch[len(batch) - v.inputs[0].aval.ndim + 2 :]
    b = batch[len(batch) - v.inputs[1].aval.ndim + 2 :]
    return [*a, "m", "k"], [*b, "k", "n"], [*batch, "m", "n"]


def contraction(v: Value, in_memory: Callable[[Value], bool]) -> Contraction | None:
    """The problem that `v` is; None if it is not one for the generator (integers, half, a factor without memory)."""
    if v.op is None or v.op.kind != "contract" or v.aval.dtype.name not in ("float32", "float64"):
        return None
    reads = [access(i, in_memory) for i in v.inputs]
    if not all(in_memory(r.base) for r in reads):
        return None
    la, lb, lc = labels(v)
    sizes: dict[str, int] = {}
    for names, shape in ((la, v.inputs[0].aval.shape), (lb, v.inputs[1].aval.shape), (lc, v.aval.shape)):
        for name, n in zip(names, shape, strict=True):
            if sizes.get(name, 1) == 1:
                sizes[name] = n
    return Contraction(
        Problem(
            sizes,
            _operand(la, v.inputs[0], reads[0]),
            _operand(lb, v.inputs[1], reads[1]),
            Operand(dict(zip(lc, row_major(v.aval.shape), strict=True))),
            v.aval.dtype,
        ),
        reads[0].base,
        reads[1].base,
    )


def _operand(names: Sequence[str], v: Value, read: Access) -> Operand:
    steps = {name: 0 if n == 1 else s for name, n, s in zip(names, v.aval.shape, read.strides, strict=True)}
    return Operand(steps, read.offset)
