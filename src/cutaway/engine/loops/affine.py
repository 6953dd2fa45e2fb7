"""Where an operand lies, if only movement stands between it and memory: a base, a step per dimension, an offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cutaway.core.aval import row_major
from cutaway.engine.graph import Value
from cutaway.engine.loops.read import unit_reshape


class Bound(NamedTuple):
    """An element counts only where 0 <= start + sum of step * index < size, over (dimension, step); it is 0 elsewhere."""

    steps: tuple[tuple[int, int], ...]
    start: int
    size: int

    def moved(self, to: Callable[[int], int]) -> Bound:
        """With the dimensions numbered anew."""
        return self._replace(steps=tuple((to(d), step) for d, step in self.steps))


class Access(NamedTuple):
    """Element (i, j, ..) of a value is element `offset + i * strides[0] + j * strides[1] + ..` of the memory of `base`.

    It is 0 outside the `bounds`, where nothing is read.
    """

    base: Value
    strides: tuple[int, ...]
    offset: int
    bounds: tuple[Bound, ...] = ()


def access(v: Value, in_memory: Callable[[Value], bool]) -> Access:
    """How `v` is read. The base is the nearest value that is in memory, or else must be put there."""
    op = v.op
    if in_memory(v) or op is None:
        return Access(v, row_major(v.aval.shape), 0)
    if op.name in ("permute", "layout"):
        a, dims = access(v.inputs[0], in_memory), tuple(v.attrs["dims"])
        return a._replace(strides=tuple(a.strides[d] for d in dims), bounds=tuple(b.moved(dims.index) for b in a.bounds))
    if op.name == "pad" and is_border(v):
        a = access(v.inputs[0], in_memory)
        if not a.bounds:
            low, shape = v.attrs["low"], v.inputs[0].aval.shape
            start = a.offset - sum(n * s for n, s in zip(low, a.strides, strict=True))
            cut = [d for d, n in enumerate(v.aval.shape) if n != shape[d]]
            return a._replace(offset=start, bounds=tuple(Bound(((d, 1),), -low[d], shape[d]) for d in cut))
    if splits_first(v):
        a, each = access(v.inputs[0], in_memory), v.aval.shape[1]
        if all(b.steps[0][0] > 0 for b in a.bounds):
            behind = tuple(b.moved(lambda d: d + 1) for b in a.bounds)
            return a._replace(strides=(each * a.strides[0], *a.strides), bounds=behind)
    if op.name in ("expand", "slice", "reshape") and access(v.inputs[0], in_memory).bounds:
        return Access(v, row_major(v.aval.shape), 0)
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
        if any(len(b.steps) > 1 or b.steps[0][0] not in dims for b in a.bounds):
            return Access(v, row_major(v.aval.shape), 0)
        places = tuple(a.strides[d] * s for d, s in zip(dims, v.attrs["stride"], strict=True))
        taps = tuple(a.strides[d] * s for d, s in zip(dims, v.attrs["dilation"], strict=True))
        bounds = []
        for b in a.bounds:
            ((d, _),) = b.steps
            at = d - first
            taken = ((d, v.attrs["stride"][at]), (d + len(dims), v.attrs["dilation"][at]))
            bounds.append(b._replace(steps=taken))
        return Access(a.base, (*a.strides[:first], *places, *taps, *a.strides[last:]), a.offset, tuple(bounds))
    if op.name == "reshape":
        source = v.inputs[0]
        a = access(source, in_memory)
        if a.strides == row_major(source.aval.shape):
            return a._replace(strides=row_major(v.aval.shape))
        if unit_reshape(source.aval.shape, v.aval.shape):
            wide = iter([s for n, s in zip(source.aval.shape, a.strides, strict=True) if n != 1])
            return a._replace(strides=tuple(0 if n == 1 else next(wide) for n in v.aval.shape))
    return Access(v, row_major(v.aval.shape), 0)


def is_border(v: Value) -> bool:
    """True for a pad that puts zeros around its input, none between its elements."""
    if v.op is None or v.op.name != "pad" or v.attrs["value"] != 0 or any(n != 1 for n in v.attrs["step"]):
        return False
    sizes = zip(v.attrs["low"], v.inputs[0].aval.shape, v.aval.shape, strict=True)
    return v.aval.size > 0 and all(low >= 0 and low + n <= whole for low, n, whole in sizes)


def splits_first(v: Value) -> bool:
    """True for a reshape that makes two of the first dimension and leaves the others."""
    if v.op is None or v.op.name != "reshape" or v.aval.ndim < 2:
        return False
    parts, each, *rest = v.aval.shape
    return v.inputs[0].aval.shape == (parts * each, *rest)
