"""Which elements of its inputs an element of a value is made of, where that is an affine matter.

A coordinate is a start and, for each label of the loops around, a step: (3, {"n": 2}) is 3 + 2 n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cutaway.core.aval import row_major
from cutaway.engine.graph import Value
from cutaway.engine.loops.read import unit_reshape


class Coordinate(NamedTuple):
    """start + sum of step * label."""

    start: int
    steps: tuple[tuple[str, int], ...] = ()

    def scaled(self, by: int, plus: int) -> Coordinate:
        """by * self + plus."""
        return Coordinate(self.start * by + plus, tuple((label, step * by) for label, step in self.steps))


ZERO = Coordinate(0)
Place = tuple[Coordinate, ...]


def place_of(labels: Sequence[str]) -> Place:
    """The element whose index along each dimension is the value of a label."""
    return tuple(Coordinate(0, ((label, 1),)) for label in labels)


def offset(place: Place, strides: Sequence[int]) -> tuple[int, dict[str, int]]:
    """Where an element lies in memory with these strides: a start, and a step for each label."""
    start, steps = 0, dict[str, int]()
    for at, stride in zip(place, strides, strict=True):
        start += at.start * stride
        for label, step in at.steps:
            steps[label] = steps.get(label, 0) + step * stride
    return start, steps


def broadcast(place: Place, shape: Sequence[int]) -> Place:
    """The place in an input of an elementwise op."""
    tail = place[len(place) - len(shape) :]
    return tuple(ZERO if n == 1 else at for at, n in zip(tail, shape, strict=True))


def follow(v: Value, place: Place) -> list[tuple[Value, Place]] | None:
    """The elements of its inputs that element `place` of `v` is computed from; None if they do not follow from it."""
    op = v.op
    if op is None:
        return None
    if op.kind == "elementwise" or op.name == "copy":
        return [(i, broadcast(place, i.aval.shape)) for i in v.inputs]
    source = v.inputs[0] if v.inputs else None
    if op.name == "full":
        return []
    if source is None:
        return None
    if op.name in ("permute", "layout"):
        back = list(place)
        for at, d in zip(place, v.attrs["dims"], strict=True):
            back[d] = at
        return [(source, tuple(back))]
    if op.name == "expand":
        return [(source, broadcast(place, source.aval.shape))]
    if op.name == "slice":
        moved = (at.scaled(k, s) for at, s, k in zip(place, v.attrs["start"], v.attrs["step"], strict=True))
        return [(source, tuple(moved))]
    if op.name == "reshape" and unit_reshape(source.aval.shape, v.aval.shape):
        wide = iter([at for at, n in zip(place, v.aval.shape, strict=True) if n != 1])
        return [(source, tuple(ZERO if n == 1 else next(wide) for n in source.aval.shape))]
    return None


def memory_of(v: Value, in_memory: Callable[[Value], bool]) -> tuple[Value, tuple[int, ...]] | None:
    """In which memory `v` lies as it is, and its strides there; None if it must be computed."""
    if in_memory(v):
        return v, row_major(v.aval.shape)
    if v.op is not None and v.op.name == "reshape" and in_memory(v.inputs[0]):
        return v.inputs[0], row_major(v.aval.shape)
    return None


def ends(parts: Iterable[tuple[Value, Place]], known: Callable[[Value], bool]) -> Iterator[tuple[Value, Place] | None]:
    """The elements of `known` values that these elements are computed from; None for one that does not follow from any."""
    seen: set[tuple[Value, Place]] = set()
    stack = list(parts)
    while stack:
        here = stack.pop()
        if here in seen:
            continue
        seen.add(here)
        if known(here[0]):
            yield here
            continue
        found = follow(*here)
        if found is None:
            yield None
            return
        stack += found


def find(v: Value, place: Place, core: Value, in_memory: Callable[[Value], bool]) -> Place | None:
    """Where in `core` the elements lie that element `place` of `v` reads, if it reads one only and all else follows."""
    found: Place | None = None

    def known(x: Value) -> bool:
        return x is core or memory_of(x, in_memory) is not None or _immediate(x)

    for end in ends(follow(v, place) or (), known):
        if end is None or (end[0] is core and found not in (None, end[1])):
            return None
        if end[0] is core:
            found = end[1]
    return found


def _immediate(v: Value) -> bool:
    return v.op is None and v.source is not None and v.source.kind == "constant" and v.aval.size == 1


def bijection(found: Place, shape: Sequence[int]) -> Mapping[str, int] | None:
    """Label -> dimension, if `found` names each dimension of more than one element by a label of its own; else None."""
    out: dict[str, int] = {}
    for d, (at, n) in enumerate(zip(found, shape, strict=True)):
        if n == 1:
            continue
        if at.start or len(at.steps) != 1 or at.steps[0][1] != 1 or at.steps[0][0] in out:
            return None
        out[at.steps[0][0]] = d
    return out
