"""The register tile: rows x vectors of C are kept in registers while the sum runs.

For each term, the vectors of B are loaded once; each element of A is spread over the lanes and multiplied with all of them.
An empty piece of assembly after B's loads keeps LLVM from moving loads between terms, which would spill the accumulators.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import llvmlite.ir as ir

from cutaway.engine.contract.kernel import Here, Kernel, Place, gather, load_lanes, scatter
from cutaway.engine.contract.pack import transpose
from cutaway.engine.contract.problem import Clip
from cutaway.engine.contract.tiling import rows_of
from cutaway.engine.llvm.emit import I1, I32, VOID, Int, constant

WHOLE = 256  # a short sum of at most this many multiply-adds is written out without a loop
CHAIN = 256  # terms that are summed in a row, roughly: the rounding error of a longer chain grows with its length
UNROLL = 32  # multiply-adds that one turn of the innermost loop should have


@dataclass(frozen=True)
class Row:
    """One row of the tile: its labels' values counted from the tile's start, and its distance in A and C."""

    index: dict[str, int]
    a: int
    c: int


@dataclass(frozen=True)
class Cursor:
    """Where in the sum we are: addresses, each as a pointer and a constant distance, and the values of the labels so far."""

    a: Any
    b: Any
    a_far: int
    b_far: int
    values: dict[str, Int]
    masks: tuple[Any, ...] | None  # of each vector, the lanes whose terms count (None: all); None until it is known


class Tile:
    """Writes one tile at `here`."""

    def __init__(self, k: Kernel, here: Here) -> None:
        self.k, self.f, self.p, self.s, self.here = k, k.f, k.problem, k.schedule, here
        labels = rows_of(self.p, self.s.vector)
        self.rows = [
            Row(
                dict(zip(labels, index)),
                sum(i * self.p.a.step(x) for i, x in zip(index, labels)),
                sum(i * self.p.c.step(x) for i, x in zip(index, labels)),
            )
            for index in itertools.product(*(range(here.count[x]) for x in labels))
        ]
        size, lanes = here.count.get(self.s.vector, 1), self.s.lanes
        self.counts = [min(lanes, size - j) for j in range(0, size, lanes)]
        self.c = self.f.at(k.c, here.c, k.number)

    @property
    def vectors(self) -> int:
        """Vectors a row has."""
        return len(self.counts)

    def write(self) -> None:
        """Sum from zero, add what earlier passes left in C, store."""
        k, f, here = self.k, self.f, self.here
        zero = [constant(self.k.vector, 0)] * (len(self.rows) * self.vectors)
        if self.s.dot:
            found = self.dots(zero)
        else:
            cursor = Cursor(f.at(k.a, here.a, k.number), f.at(k.b, here.b, k.number), 0, 0, {}, None)
            sums = [x for x in self.s.sums if self.size(x) != 1 or self.clips_of(x)]
            found = self.sum(sums, cursor, zero, tuple(range(len(self.rows))))
        self.store(self.with_earlier(found))

    def size(self, label: str) -> int:
        """How many values of a summed label this tile takes."""
        return self.here.count.get(label, self.p.sizes[label])

    # --- C ----------------------------------------------------------------------------------------------------------

    def with_earlier(self, found: list[Any]) -> list[Any]:
        """The sums of all passes so far. Added last, not summed on from: the fewer roundings the smaller the numbers are."""
        first = False if self.p.accumulate else self.here.first
        if first is True:
            return found
        f = self.f

        def together() -> list[Any]:
            return [f.b.fadd(x, y) for x, y in zip(self.load(), found)]

        if first is False:
            return together()
        before, add, go = f.b.block, f.block("add"), f.block("go")
        f.b.cbranch(first, go, add)
        f.b.position_at_end(add)
        sums, end = together(), f.b.block
        f.b.branch(go)
        f.b.position_at_end(go)
        out = []
        for x, y in zip(found, sums):
            phi = f.b.phi(self.k.vector)
            phi.add_incoming(x, before)
            phi.add_incoming(y, end)
            out.append(phi)
        return out

    def load(self) -> list[Any]:
        """What is in C."""
        step, lanes, t = self.p.c.step(self.s.vector), self.s.lanes, self.k.vector
        out = []
        for row in self.rows:
            for j, count in enumerate(self.counts):
                at = row.c + j * lanes * step
                if step > 1 or step < 0:
                    out.append(gather(self.f, self.c, at, step, count, t))
                else:
                    out.append(self.f.load_first(count, self.c, at, t))
        return out

    def store(self, values: list[Any]) -> None:
        """The accumulators into C, through the epilogue if these are the last terms."""
        f, last = self.f, self.here.last
        if self.k.epilogue is None or last is False:
            self.put(values)
        elif last is True:
            self.put(self.finish(values))
        else:
            with f.b.if_else(last) as (then, otherwise):
                with then:
                    self.put(self.finish(values))
                with otherwise:
                    self.put(values)

    def finish(self, values: list[Any]) -> list[Any]:
        """The epilogue's values."""
        k, f, out = self.k, self.f, []
        assert k.epilogue is not None
        for r, row in enumerate(self.rows):
            for j, count in enumerate(self.counts):
                start = {x: f.add(self.here.start[x], row.index.get(x, 0)) for x in self.p.kept if x in self.here.start}
                if self.s.vector:
                    start[self.s.vector] = f.add(start[self.s.vector], j * self.s.lanes)
                place = Place(k, start, count)
                out.append(k.epilogue(f, values[r * self.vectors + j], place))
        return out

    def put(self, values: list[Any]) -> None:
        """Values into C."""
        step = self.p.c.step(self.s.vector)
        for r, row in enumerate(self.rows):
            for j, count in enumerate(self.counts):
                value, at = values[r * self.vectors + j], row.c + j * self.s.lanes * step
                if step > 1 or step < 0:
                    scatter(self.f, value, self.c, at, step, count)
                else:
                    self.f.store_first(count, value, self.c, at)

    # --- the sum across lanes ----------------------------------------------------------------------------------------

    def dots(self, acc: list[Any]) -> list[Any]:
        """Vectors lie along a summed label: an accumulator for each element of C, whose lanes are added up at the end."""
        k, lanes = self.k, self.s.lanes
        zero = constant(k.vector, 0)
        a, b = self.f.at(k.a, self.here.a, k.number), self.f.at(k.b, self.here.b, k.number)
        out = []
        for r, row in enumerate(self.rows):
            found = self.products(self.s.sums, self.f.at(a, row.a, k.number), b, [zero] * sum(self.counts))
            for j in range(self.vectors):
                lines = found[j * lanes : (j + 1) * lanes]
                lines = transpose(k, lines + [zero] * (lanes - len(lines)))
                while len(lines) > 1:
                    lines = [self.f.b.fadd(x, y) for x, y in zip(lines[::2], lines[1::2])]
                out.append(self.f.b.fadd(acc[r * self.vectors + j], lines[0]))
        return out

    def products(self, labels: tuple[str, ...], a: Any, b: Any, acc: list[Any]) -> list[Any]:
        """All terms of `labels`, the last of which lies along vectors, for the columns of one row."""
        f, k, label, size = self.f, self.k, labels[0], self.p.sizes[labels[0]]
        a_step, b_step = self.p.a.step(label), self.p.b.step(label)
        if len(labels) > 1:

            def turn(i: Any, acc: list[Any]) -> list[Any]:
                there = f.at(a, f.mul(i, a_step), k.number), f.at(b, f.mul(i, b_step), k.number)
                return self.products(labels[1:], *there, acc)

            return f.loop(0, size, 1, acc, turn, name=label)
        column = self.p.b.step(self.s.vector)

        def terms(i: Any, acc: list[Any], count: int) -> list[Any]:
            x = f.load_first(count, a, i, k.vector)
            base = f.at(b, i, k.number)
            return [k.multiply_add(x, f.load_first(count, base, c * column, k.vector), v) for c, v in enumerate(acc)]

        whole = size // self.s.lanes * self.s.lanes
        acc = f.loop(0, whole, self.s.lanes, acc, lambda i, acc: terms(i, acc, self.s.lanes), name=label)
        return terms(whole, acc, size - whole) if size > whole else acc

    # --- the sum ----------------------------------------------------------------------------------------------------

    def clips_of(self, label: str) -> list[Clip]:
        """Clips that may bite here and that name `label`."""
        return [c for c in self.p.clips if label in c.steps and not any(x in self.here.inside for x in c.steps)]

    def sum(self, labels: list[str], at: Cursor, acc: list[Any], rows: tuple[int, ...]) -> list[Any]:
        """All terms of the summed `labels`, for `rows`; returns the accumulators."""
        if not labels:
            return self.term(at, acc, rows)
        label, rest = labels[0], labels[1:]
        size = self.here.count.get(label, self.p.sizes[label])
        low: Int = 0
        high: Int = size
        by_row: list[Clip] = []
        for clip in self.clips_of(label):
            other = clip.tap if clip.out == label else clip.out
            if other in at.values:
                base = at.values[other]
            elif other in rest or other == self.s.vector:
                continue  # seen to by the inner one of two summed labels; by a mask
            elif self.here.count[other] > 1:
                by_row.append(clip)
                continue
            else:
                base = self.here.start[other]
            lo, hi = self.limits(clip, label, other, base)
            low, high = self.f.max(low, lo), self.f.min(high, hi)
        if not by_row:
            return self.span(label, rest, low, high, size, at, acc, rows)
        assert isinstance(low, int) and isinstance(high, int)
        # Which rows a value of the label is for is known here: equal neighbours share a loop.
        runs: list[tuple[int, int, tuple[int, ...]]] = []
        for v in range(low, high):
            those = tuple(r for r in rows if all(self.counts_for(clip, label, v, self.rows[r]) for clip in by_row))
            if runs and runs[-1][2] == those:
                runs[-1] = (runs[-1][0], v + 1, those)
            else:
                runs.append((v, v + 1, those))
        for lo, hi, those in runs:
            if those:
                acc = self.span(label, rest, lo, hi, size, at, acc, those)
        return acc

    def counts_for(self, clip: Clip, label: str, value: int, row: Row) -> bool:
        """Whether a term with `label` = `value` counts for a row."""
        other = clip.tap if clip.out == label else clip.out
        start = self.here.start[other]
        assert isinstance(start, int)
        where = clip.start + clip.steps[label] * value + clip.steps[other] * (start + row.index.get(other, 0))
        return 0 <= where < clip.size

    def limits(self, clip: Clip, label: str, other: str, value: Int) -> tuple[Int, Int]:
        """The values of `label`, from, to (exclusive), that count where `other` is `value`."""
        f, step = self.f, clip.steps[label]
        base = f.add(f.mul(value, clip.steps[other]), clip.start)  # 0 <= base + step * v < size
        if step > 0:
            low, high = f.sub(0, base), f.sub(clip.size - 1, base)
        else:
            low, high = f.sub(base, clip.size - 1), base
        step = abs(step)
        return f.div(f.max(f.add(low, step - 1), 0), step), f.div(f.max(f.add(high, step), 0), step)

    def span(
        self,
        label: str,
        rest: list[str],
        low: Int,
        high: Int,
        size: int,
        at: Cursor,
        acc: list[Any],
        rows: tuple[int, ...],
    ) -> list[Any]:
        """The terms with `label` from `low` to `high`."""
        f, k = self.f, self.k
        a_step, b_step = self.p.a.step(label), k.b_map.get(label, 0)

        def turns(acc: list[Any], i: Int, base: Cursor, values: range) -> list[Any]:
            """The terms for the values i + v."""
            for v in values:
                a_far, b_far = base.a_far + v * a_step, base.b_far + v * b_step
                there = Cursor(base.a, base.b, a_far, b_far, {**base.values, label: f.add(i, v)}, base.masks)
                acc = self.sum(rest, self.masked(there), acc, rows)
            return acc

        piece = self.piece(label, rest)
        if piece < size and low == 0 and high == size:
            return self.in_pieces(label, rest, piece, size, at, acc, rows)
        each = len(rows) * self.vectors
        for x in rest:
            each *= self.size(x)
        decides = any(label in c.steps for c in self.clips_of(self.s.vector))  # which lanes count: constants, if we can
        if isinstance(low, int) and isinstance(high, int):
            few = high - low <= 12
            if (few and (high - low) * each <= WHOLE) or (
                decides and isinstance(self.here.start[self.s.vector], int) and size <= 8
            ):
                return turns(acc, 0, at, range(low, high))
            unroll = max(1, min(8, UNROLL // each, high - low))
            unroll = next((u for u in range(unroll, max(1, unroll // 2) - 1, -1) if (high - low) % u == 0), unroll)
            stop = low + (high - low) // unroll * unroll
            if stop - low == unroll:
                return turns(acc, 0, at, range(low, high))
        else:
            unroll, stop = 1, high

        def turn(i: Any, acc: list[Any]) -> list[Any]:
            a, b = f.at(at.a, f.mul(i, a_step), k.number), f.at(at.b, f.mul(i, b_step), k.number)
            return turns(acc, i, Cursor(a, b, at.a_far, at.b_far, at.values, at.masks), range(unroll))

        acc = f.loop(low, stop, unroll, acc, turn, name=label)
        return turns(acc, 0, at, range(stop, high)) if isinstance(stop, int) else acc

    def piece(self, label: str, rest: list[str]) -> int:
        """How many values of `label` to sum at a time, so that no chain of additions is much longer than CHAIN."""
        size, inner = self.size(label), math.prod(self.size(x) for x in rest)
        if inner * size < 2 * CHAIN or inner > CHAIN or self.clips_of(label):
            return size
        count = round(inner * size / CHAIN)
        return next((size // n for n in range(count, min(2 * count, size) + 1) if size % n == 0), -(-size // count))

    def in_pieces(
        self, label: str, rest: list[str], piece: int, size: int, at: Cursor, acc: list[Any], rows: tuple[int, ...]
    ) -> list[Any]:
        """All values of `label`, so many at a time; the sums so far wait in memory, as registers are all taken."""
        f, k = self.f, self.k
        waiting = k.memory(len(acc))
        zero = [constant(k.vector, 0)] * len(acc)
        a_step, b_step = self.p.a.step(label), k.b_map.get(label, 0)

        def add(i: Int, n: int) -> None:
            """The terms for n values from i on."""
            a, b = f.at(at.a, f.mul(i, a_step), k.number), f.at(at.b, f.mul(i, b_step), k.number)
            found = self.span(label, rest, 0, n, n, replace(at, a=a, b=b), zero, rows)
            for place, x in zip(waiting, found):
                f.b.store(f.b.fadd(f.b.load(place, typ=k.vector), x), place)

        for place, x in zip(waiting, acc):
            f.b.store(x, place)
        whole = size // piece * piece
        f.loop(0, whole, piece, [], lambda i, _: add(i, piece), name="piece")
        if size > whole:
            add(whole, size - whole)
        return [f.b.load(place, typ=k.vector) for place in waiting]

    def term(self, at: Cursor, acc: list[Any], rows: tuple[int, ...]) -> list[Any]:
        """One term of the sum, for each accumulator of `rows`."""
        f, k, t, lanes, vector = self.f, self.k, self.k.vector, self.s.lanes, self.s.vector
        masks = at.masks or (None,) * self.vectors
        a_step = self.p.a.step(vector)
        if k.packed:
            b = [f.load(at.b, at.b_far + j * lanes, t) for j in range(self.vectors)]
        else:
            step = self.p.b.step(vector)
            b = [
                load_lanes(f, at.b, at.b_far + j * lanes * step, step, n, t, masks[j])
                for j, n in enumerate(self.counts)
            ]
            if step == 0 and not any(m is not None for m in masks):
                b = b[:1] * self.vectors
        f.b.asm(ir.FunctionType(VOID, []), "", "~{memory}", [], True)
        out = list(acc)
        for r in rows:
            far = at.a_far + self.rows[r].a
            if a_step == 0:
                a = [f.splat(f.load(at.a, far, k.number), lanes)] * self.vectors
            else:
                a = [
                    load_lanes(f, at.a, far + j * lanes * a_step, a_step, n, t, masks[j])
                    for j, n in enumerate(self.counts)
                ]
            for j in range(self.vectors):
                n = r * self.vectors + j
                out[n] = k.multiply_add(a[j], b[j], out[n])
        return out

    def masked(self, at: Cursor) -> Cursor:
        """`at` with its masks, as soon as what decides them is known: constants, if that is."""
        f, vector, lanes = self.f, self.s.vector, self.s.lanes
        clips = self.clips_of(vector)
        others = [c.tap if c.out == vector else c.out for c in clips]
        if at.masks is not None or not clips or not all(x in at.values for x in others):
            return at
        out: list[Any] = []
        many, flags = ir.VectorType(I32, lanes), ir.VectorType(I1, lanes)
        for j, count in enumerate(self.counts):
            first = f.add(self.here.start[vector], j * lanes)
            known = [lane < count for lane in range(lanes)]
            mask: Any = None
            for clip, other in zip(clips, others):
                step = clip.steps[vector]
                base = f.add(f.add(f.mul(first, step), f.mul(at.values[other], clip.steps[other])), clip.start)
                if isinstance(base, int):
                    known = [ok and 0 <= base + lane * step < clip.size for lane, ok in enumerate(known)]
                    continue
                spread = f.splat(f.b.trunc(base, I32), lanes)
                where = f.b.add(spread, ir.Constant(many, [lane * step for lane in range(lanes)]))
                inside = f.b.icmp_unsigned("<", where, constant(many, clip.size))
                mask = inside if mask is None else f.b.and_(mask, inside)
            if mask is None:
                out.append(None if all(known[:count]) else ir.Constant(flags, known))
            else:
                out.append(f.b.and_(mask, ir.Constant(flags, known)))
        return replace(at, masks=tuple(out))
