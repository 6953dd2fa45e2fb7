"""Packing: B's columns side by side, panel after panel, so that the tile reads whole vectors one after another:
`scratch[panel][other columns..][summed..][width]`, with zeros behind the last column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.engine.contract.kernel import Here, Kernel, gather
from cutaway.engine.llvm.emit import I32, Int, constant, each_lane


def pack(k: Kernel, here: Here) -> dict[str, int]:
    """Copy what of B lies within `here` into the scratch memory.  Returns the copy's map.

    The vector label's step in the map is per column, from one panel's start to the next.
    """
    s, p = k.schedule, k.problem
    vector, width = s.vector, s.tile[s.vector]
    size = {label: here.count.get(label, p.sizes[label]) for label in p.sizes if p.b.step(label)}
    labels = [x for x in size if x not in s.sums and x != vector and x not in here.start] + [
        x for x in s.sums if x in size
    ]
    strides, step = {}, width
    for label in reversed(labels):
        strides[label] = step
        step *= size[label]
    strides[vector] = step // width
    near = next((x for x in labels if p.b.step(x) == 1), None)
    if near is not None and (p.b.step(vector) == 1 or size[near] == 1):
        near = None
    outside = [x for x in labels if x != near]

    def panel(start: Int, count: int) -> None:
        source = k.f.add(here.b, k.f.mul(start, p.b.step(vector)))
        each(k, outside, size, strides, source, k.f.mul(start, strides[vector]), lambda so, to: copy(so, to, count))

    def copy(source: Int, to: Int, count: int) -> None:
        if near is None:
            columns(k, source, to, count)
        else:
            turned(k, source, to, count, size[near], strides[near])

    total = size[vector]
    whole = total // width * width
    if whole == width:
        panel(0, width)
    elif whole:
        k.f.loop(0, whole, width, [], lambda i, _: panel(i, width), name="panel")
    if total > whole:
        panel(whole, total - whole)
    return strides


def each(
    k: Kernel, labels: list[str], size: dict[str, int], strides: dict[str, int], source: Int, to: Int,
    body: Callable[[Int, Int], None],
) -> None:  # fmt: skip
    """`body(source offset, target offset)` for every combination of the labels' values."""
    if not labels:
        body(source, to)
        return
    label, rest = labels[0], labels[1:]
    f, step = k.f, k.problem.b.step(label)

    def turn(i: Any, _: list[Any]) -> None:
        each(k, rest, size, strides, f.add(source, f.mul(i, step)), f.add(to, f.mul(i, strides[label])), body)

    f.loop(0, size[label], 1, [], turn, name=label)


def columns(k: Kernel, source: Int, to: Int, count: int) -> None:
    """One row of the panel: `count` columns, zeros up to whole vectors."""
    f, lanes, step = k.f, k.schedule.lanes, k.problem.b.step(k.schedule.vector)
    for j in range(0, count, lanes):
        n = min(lanes, count - j)
        if step == 1:
            value = f.load_first(n, k.b, f.add(source, j), k.vector)
        else:
            value = gather(f, k.b, f.add(source, j * step), step, n, k.vector)
        f.store(value, k.scratch, f.add(to, j))


def turned(k: Kernel, source: Int, to: Int, count: int, length: int, row: int) -> None:
    """`length` rows of the panel whose elements are neighbours in B's rows: blocks of lanes x lanes are transposed."""
    f, lanes, step, t = k.f, k.schedule.lanes, k.problem.b.step(k.schedule.vector), k.vector

    def block(first: Int, n: int) -> None:
        for j in range(0, count, lanes):
            base = f.at(k.b, f.add(f.add(source, first), j * step), k.number)
            lines = [
                f.load_first(n, base, i * step, t) if j + i < count else constant(t, 0) for i in range(lanes)
            ]  # fmt: skip
            target = f.at(k.scratch, f.add(f.add(to, j), f.mul(first, row)), k.number)
            for i, line in enumerate(transpose(k, lines)[:n]):
                f.store(line, target, i * row)

    whole = length // lanes * lanes
    if whole == lanes:
        block(0, lanes)
    elif whole:
        f.loop(0, whole, lanes, [], lambda i, _: block(i, lanes), name="turn")
    if length > whole:
        block(whole, length - whole)


def transpose(k: Kernel, lines: list[Any]) -> list[Any]:
    """A square of vectors, transposed in log2(lanes) rounds: round d exchanges bit d of the line with bit d of the lane."""
    n = len(lines)
    d = 1
    while d < n:
        out = list(lines)
        for i in range(n):
            if not i & d:
                low = [c if not c & d else (c ^ d) + n for c in range(n)]
                high = [c ^ d if not c & d else c + n for c in range(n)]
                out[i] = shuffle(k, lines[i], lines[i | d], low)
                out[i | d] = shuffle(k, lines[i], lines[i | d], high)
        lines = out
        d *= 2
    return lines


def shuffle(k: Kernel, x: Any, y: Any, which: list[int]) -> Any:
    """Lanes of x and y, by number."""
    return k.f.b.shuffle_vector(x, y, each_lane(tuple(which), I32))
