"""Where an operand lies, if only movement stands between it and memory: a base, a step per dimension, an offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cutaway.core.aval import row_major
from cutaway.engine.graph import Value
from cutaway.engine.loops.read import unit_reshape


class Access(NamedTuple):
    """Element (i, j, ..) of a value is element `offset + i * strides[0] + j * strides[1] + ..` of the memory of `base`."""

    base: Value
    strides: tuple[int, ...]
    offset: int


def access(v: Value, in_memory: Callable[[Value], bool]) -> Access:
    """How `v` is read. The base is the nearest value that is in memory, or else must be put there."""
    op = v.op
    if in_memory(v) or op is None:
        return Access(v, row_major(v.aval.shape), 0)
    if op.name in ("permute", "layout"):
        a = access(v.inputs[0], in_memory)
        return a._replace(strides=tuple(a.strides[d] for d in v.attrs["dims"]))
    if op.name == "expand":
        a = access(v.inputs[0], in_memory)
        shape = v.inputs[0].aval.shape
        kept = tuple(0 if n == 1 else s for n, s in zip(shape, a.strides, strict=True))
        return a._replace(strides=(0,) * (v.aval.ndim - len(shape)) + kept)
    if op.name == "slice":
        a = access(v.inputs[0], in_memory)
        start, step = v.attrs["start"], v.attrs["step"]
        offset = a.offset + sum(i * s for i, s in zip(start, a.strides, strict=True))
        return Access(a.base, tuple(s * k for s, k in zip(a.strides, step, strict=True)), offset)
    if op.name == "windows":
        a = access(v.inputs[0], in_memory)
        dims = v.attrs["dims"]
        first, last = dims[0], dims[-1] + 1
        places = tuple(a.strides[d] * s for d, s in zip(dims, v.attrs["stride"], strict=True))
        taps = tuple(a.strides[d] * s for d, s in zip(dims, v.attrs["dilation"], strict=True))
        return a._replace(strides=(*a.strides[:first], *places, *taps, *a.strides[last:]))
    if op.name == "reshape":
        source = v.inputs[0]
        a = access(source, in_memory)
        if a.strides == row_major(source.aval.shape):
            return a._replace(strides=row_major(v.aval.shape))
        if unit_reshape(source.aval.shape, v.aval.shape):
            wide = iter([s for n, s in zip(source.aval.shape, a.strides, strict=True) if n != 1])
            return a._replace(strides=tuple(0 if n == 1 else next(wide) for n in v.aval.shape))
    return Access(v, row_major(v.aval.shape), 0)
