"""Register tiles: which are possible, and what the work costs with them.

Tiles are priced with a model of the machine's ports: two multiply-adds and two loads a cycle, a latency of four.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cutaway.engine.contract.problem import Problem
from cutaway.engine.llvm.target import Target

CODE = 100  # rows times separate sums that one tile may have


def rows_of(p: Problem, vector: str) -> list[str]:
    """Labels of C along which B does not move, outermost first: one vector of B serves all of them."""
    rows = [label for label in p.kept if label != vector and not p.b.step(label)]
    return sorted(rows, key=lambda label: -abs(p.c.step(label)))


def fits(rows: int, vectors: int, target: Target, a_is_vector: bool) -> bool:
    """Whether rows x vectors accumulators, the vectors of B and what an element of A needs find registers."""
    folds = target.isa == "avx512" and (vectors == 1 or a_is_vector)  # A is read by the multiply-add itself
    spare = (0 if folds else 1) + (0 if target.fma else 2)
    if vectors == 1 and not folds:
        spare += 3  # LLVM lets the sum take the register of A's element: the accumulators rotate, and need room for it
    return rows * vectors + vectors + spare <= target.registers


class Tiles:
    """The register tiles that are possible with vectors along one label, and what the work costs with each."""

    def __init__(self, p: Problem, vector: str, target: Target) -> None:
        self.p, self.vector, self.target = p, vector, target
        self.lanes = lanes = target.lanes(p.dtype.itemsize)
        self.size = p.sizes.get(vector, 1)
        self.rows = rows_of(p, vector)
        self.others = math.prod(p.sizes[x] for x in p.kept if x != vector and p.b.step(x))
        self.a, self.b, self.c = p.a.step(vector), p.b.step(vector), p.c.step(vector)
        self.dot = bool(dot_label(p, vector, lanes))
        self.packs = self.b not in (0, 1) and may_pack(p, vector)
        # Rows of A a multiple of 2 KiB apart share few sets of the first cache: more than a dozen throw each other out.
        self.crowd = [x for x in self.rows if p.a.step(x) * p.dtype.itemsize % 2048 == 0 != p.a.step(x)]
        self.clipped = {x for clip in p.clips for x in clip.steps}

    def __iter__(self) -> Iterator[dict[str, int]]:
        """Candidates: whole inner labels of the rows, some of the next, one of the outer ones; times 1 to 4 vectors."""
        sizes, vector = self.p.sizes, self.vector
        for vectors in range(1, min(4, max(1, -(-self.size // self.lanes))) + 1):
            least = {vector: vectors * self.lanes, **dict.fromkeys(self.rows, 1)}
            inner: dict[str, int] = {}
            yield least
            for label in reversed(self.rows[-3:]):
                whole = math.prod(inner.values())
                for take in range(1, max(1, sizes[label]) + 1):
                    if not fits(whole * take, vectors, self.target, self.a != 0):
                        break
                    tile = {**least, **inner, label: take}
                    if take > 1 and self.peels(tile):
                        yield tile
                inner[label] = max(1, sizes[label])
                if not fits(math.prod(inner.values()), vectors, self.target, self.a != 0):
                    break

    def peels(self, tile: dict[str, int]) -> bool:
        """Whether a tile may be used with the clips: few border tiles, and not too much code for them."""
        p = self.p
        code = 1  # how much there is to write: rows times sums of their own
        for label in self.rows:
            code *= tile[label]
        for label in self.rows if self.clipped else ():
            if tile[label] == 1 or label not in self.clipped:
                continue
            if not clipped_alone(p, label):
                return False
            apart = len(borders(p, label, tile[label])) if tile[label] < p.sizes[label] else 0
            if apart > 4:
                return False
            code *= 3 if not apart else 1 + 2 * apart
        return code <= CODE

    def cost(self, tile: dict[str, int]) -> float:
        """Cycles, roughly: per tile, the port that is busiest at each term, and the accumulators' coming and going."""
        p, lanes, terms = self.p, self.lanes, self.p.terms
        rows = [(p.sizes[label], tile[label]) for label in self.rows]
        if self.dot:
            return self.others * math.prod(size for size, _ in rows) * self.size * (terms / lanes + 6)
        width, vectors = tile[self.vector] // lanes, -(-self.size // lanes)
        blocks = [(1, 1)]  # (how many, rows in each)
        for size, step in rows:
            whole, rest = divmod(size, step)
            blocks = [(n * k, r * s) for n, r in blocks for k, s in ((whole, step), (1, rest)) if k and s]
        crowded = any(tile[x] > 1 for x in self.crowd)
        total = 0.0
        for m, v in ((vectors // width, width), (1, vectors % width)):
            if not m or not v:
                continue
            loads_b = 1 if self.b == 0 else v * (1 if self.b == 1 or self.packs else lanes)
            for n, r in blocks:
                loads_a = r if not self.a else r * v * (2 if self.a == 1 else lanes)
                if crowded and r > 12:
                    loads_a *= 3
                each = max(r * v / 2, (loads_a + loads_b) / 2, 4.0) + 0.5
                coming = r * v * (1.5 if self.c in (0, 1) else 2.0 * lanes) + 12
                total += n * m * (each * terms + coming)
        if self.packs:
            total += terms * vectors * 4
        uneven, several = sum(1 for size, step in rows if size % step), sum(1 for _, step in rows if step > 1)
        return self.others * total * (1 + 0.004 * uneven + 0.001 * several) + 1e-3 * sum(n for n, _ in blocks)


def clipped_alone(p: Problem, label: str) -> bool:
    """Whether every clip of `label` is with a summed label that no other clip names."""
    for clip in p.clips:
        if label in clip.steps:
            other = clip.tap if clip.out == label else clip.out
            if other in p.kept or sum(other in c.steps for c in p.clips) > 1:
                return False
    return True


def borders(p: Problem, label: str, step: int) -> list[int]:
    """Numbers of the tiles along `label` in which some term is clipped; a last, smaller tile always counts."""
    size = p.sizes[label]
    return [
        t
        for t in range(-(-size // step))
        if t * step + step > size or not inside(p, label, t * step, min(step, size - t * step))
    ]


def inside(p: Problem, label: str, start: int, count: int) -> bool:
    """Whether no clip of `label` bites for its values start .. start + count - 1."""
    for clip in p.clips:
        if label in clip.steps:
            other = clip.tap if clip.out == label else clip.out
            ends = [
                clip.start + clip.steps[label] * i + clip.steps[other] * j
                for i in (start, start + count - 1)
                for j in (0, p.sizes[other] - 1)
            ]
            if min(ends) < 0 or max(ends) >= clip.size:
                return False
    return True


def dot_label(p: Problem, vector: str, lanes: int) -> str:
    """The summed label along which A and B have neighbours, if B's columns have none and too few rows for packing B."""
    rows = math.prod(p.sizes[label] for label in rows_of(p, vector))
    if p.clips or rows > 4 or p.b.step(vector) in (0, 1) or p.a.step(vector):
        return ""
    near = [x for x in p.summed if p.a.step(x) == 1 == p.b.step(x) and p.sizes[x] >= 2 * lanes]
    return near[0] if near else ""


def may_pack(p: Problem, vector: str) -> bool:
    """Whether all of B may be read: not if a clip keeps some of it from being touched."""
    return p.b.step(vector) != 0 and not any(
        vector in clip.steps or all(p.b.step(label) for label in clip.steps) for clip in p.clips
    )
