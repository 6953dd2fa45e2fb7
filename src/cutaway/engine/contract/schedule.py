"""How a contraction is carried out: the label along vectors, the register tile, the order of the loops, what is packed.

    for each batch:                        `order`, outermost first; each label in steps of its tile
      for each panel of columns:
        pack the panel of B                `pack_at`: before order[pack_at]
        for each block of rows:
          the register tile: rows x vectors accumulators, all terms of the sum

Tiles are priced with a model of the machine's ports: two multiply-adds and two loads a cycle, a latency of four.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from cutaway.engine.contract.problem import Problem, fuse, reduce, swap
from cutaway.engine.llvm.target import Target

BLOCK = 1024  # terms that a pass over the sum takes at most, so that a panel of B stays in the second cache
CODE = 100  # rows times separate sums that one tile may have
PACKED = 1 << 19  # bytes of B that may be packed at once


@dataclass(frozen=True)
class Schedule:
    """A plan for `problem`, which is the given one reduced, fused, and with A and B exchanged if `swapped`.

    vector   the label along vectors ("" if C is a single element);  lanes  numbers in a vector
    tile     label -> how many of it a register tile takes; the vector label takes whole vectors
    blocks   summed label -> how many of it one pass takes; C is added to from pass to pass
    order    labels outside the tile, outermost first;  pack_at  position in `order`, None for no packing
    sums     summed labels inside the tile, outermost first
    share    the label that is divided among threads
    """

    problem: Problem
    swapped: bool
    lanes: int
    vector: str
    tile: dict[str, int]
    blocks: dict[str, int]
    order: tuple[str, ...]
    sums: tuple[str, ...]
    pack_at: int | None
    share: str

    def step(self, label: str) -> int:
        """How far one turn of the loop over `label` goes."""
        return self.blocks.get(label) or self.tile.get(label, 1)

    @property
    def scratch(self) -> int:
        """Elements of packed B that a thread keeps."""
        if self.pack_at is None:
            return 0
        p, outside = self.problem, self.order[: self.pack_at]
        size = 1
        for label in p.sizes:
            if p.b.step(label):
                extent = self.step(label) if label in outside else p.sizes[label]
                size *= -(-extent // self.tile[label]) * self.tile[label] if label == self.vector else extent
        return size


def rows_of(p: Problem, vector: str) -> list[str]:
    """Labels of C along which B does not move, outermost first: one vector of B serves all of them."""
    rows = [label for label in p.kept if label != vector and not p.b.step(label)]
    return sorted(rows, key=lambda label: -abs(p.c.step(label)))


def order_of_sums(p: Problem, vector: str) -> list[str]:
    """Summed labels as they lie in memory, outermost first."""
    across = {x for c in p.clips if vector in c.steps for x in c.steps}  # these decide which lanes count: asked rarely
    return sorted(p.summed, key=lambda s: (s not in across, -abs(p.a.step(s)), -abs(p.b.step(s))))


def plan(problem: Problem, target: Target, epilogue: bool = False) -> Schedule:
    """The schedule that the model finds best.  `epilogue`: whether the code will have one."""
    # Of those that are nearly as good as the cheapest, the one whose tiles divide most evenly among threads.
    found = plans(problem, target, epilogue)
    near = [(price, s) for price, s in found[:8] if price <= 1.1 * found[0][0]]
    return min(near, key=lambda x: x[0] * (1.2 - 0.2 * evenness(x[1], x[1].share)))[1]


def plans(problem: Problem, target: Target, epilogue: bool = False, most: int = 8) -> list[tuple[float, Schedule]]:
    """The cheapest `most` schedules by the model, and their price in cycles.

    With an epilogue, the lanes of a vector are neighbours along one of the problem's labels.
    """
    reduced = reduce(problem)
    p = fuse(reduced, epilogue)
    candidates = [label for label in p.kept if not (epilogue and label in p.parts)]
    if not candidates and p.kept:
        p = reduced
        candidates = p.kept
    lanes = target.lanes(p.dtype.itemsize)
    found: list[tuple[float, Schedule]] = []
    for swapped in (False, True):
        q = swap(p) if swapped else p
        for vector in candidates or [""]:
            for tile in tiles(q, vector, target):
                found.append(
                    (cost(q, vector, tile, lanes), Schedule(q, swapped, lanes, vector, tile, {}, (), (), None, ""))
                )
    found.sort(key=lambda x: x[0])
    return [(price, arrange(s)) for price, s in found[:most]]


# --- the register tile ------------------------------------------------------------------------------------------------


def fits(rows: int, vectors: int, target: Target, a_is_vector: bool) -> bool:
    """Whether rows x vectors accumulators, the vectors of B and what an element of A needs find registers."""
    folds = target.isa == "avx512" and (vectors == 1 or a_is_vector)  # A is read by the multiply-add itself
    spare = (0 if folds else 1) + (0 if target.fma else 2)
    if vectors == 1 and not folds:
        spare += 3  # LLVM lets the sum take the register of A's element: the accumulators rotate, and need room for it
    return rows * vectors + vectors + spare <= target.registers


def tiles(p: Problem, vector: str, target: Target) -> Iterator[dict[str, int]]:
    """Candidates: whole inner labels of the rows, some of the next, one of the outer ones; times 1 to 4 vectors."""
    lanes = target.lanes(p.dtype.itemsize)
    size = p.sizes.get(vector, 1)
    a_is_vector = p.a.step(vector) != 0
    rows = rows_of(p, vector)
    for vectors in range(1, min(4, max(1, -(-size // lanes))) + 1):
        inner: dict[str, int] = {}
        yield {vector: vectors * lanes, **dict.fromkeys(rows, 1)}
        for label in reversed(rows[-3:]):
            whole = math.prod(inner.values())
            for take in range(1, max(1, p.sizes[label]) + 1):
                if not fits(whole * take, vectors, target, a_is_vector):
                    break
                tile = {vector: vectors * lanes, **dict.fromkeys(rows, 1), **inner, label: take}
                if take > 1 and peels(p, tile, vector):
                    yield tile
            inner[label] = max(1, p.sizes[label])
            if not fits(math.prod(inner.values()), vectors, target, a_is_vector):
                break


def clipped_alone(p: Problem, label: str) -> bool:
    """Whether every clip of `label` is with a summed label that no other clip names."""
    for clip in p.clips:
        if label in clip.steps:
            other = clip.tap if clip.out == label else clip.out
            if other in p.kept or sum(other in c.steps for c in p.clips) > 1:
                return False
    return True


def peels(p: Problem, tile: dict[str, int], vector: str) -> bool:
    """Whether a tile may be used with the clips: few border tiles, and not too much code for them."""
    rows_of_tile = [x for x in tile if x != vector]
    cut = [x for x in rows_of_tile if tile[x] > 1 and any(x in c.steps for c in p.clips)]
    if any(not clipped_alone(p, label) for label in cut):
        return False
    code = math.prod(tile[x] for x in rows_of_tile)  # how much there is to write: rows times sums of their own
    for label in cut:
        apart = len(borders(p, label, tile[label])) if tile[label] < p.sizes[label] else 0
        if apart > 4:
            return False
        code *= 3 if not apart else 1 + 2 * apart
    return code <= CODE


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


def cost(p: Problem, vector: str, tile: dict[str, int], lanes: int) -> float:
    """Cycles, roughly: per tile, the port that is busiest at each term, and the accumulators' coming and going."""
    width = tile[vector] // lanes
    vectors = -(-p.sizes.get(vector, 1) // lanes)
    rows = [(p.sizes[label], tile[label]) for label in rows_of(p, vector)]
    others = math.prod(n for label, n in p.sizes.items() if label in p.kept and label != vector and p.b.step(label))
    blocks: list[tuple[int, int]] = [(1, 1)]  # (how many, rows in each)
    for size, step in rows:
        whole, rest = divmod(size, step)
        blocks = [(n * k, r * s) for n, r in blocks for k, s in ((whole, step), (1, rest)) if k and s]
    panels = [(vectors // width, width), (1, vectors % width)]
    a_vector, b_step, c_step = p.a.step(vector), p.b.step(vector), p.c.step(vector)
    terms = p.terms
    count = sum(n for n, _ in blocks)
    packs = b_step not in (0, 1) and may_pack(p, vector)
    # Rows of A a multiple of 2 KiB apart share few sets of the first cache: more than a dozen throw each other out.
    crowded = any(
        step > 1 and p.a.step(x) * p.dtype.itemsize % 2048 == 0 != p.a.step(x)
        for x, step in tile.items()
        if x != vector
    )
    total = 0.0
    for n, r in blocks:
        for m, v in panels:
            if not m or not v:
                continue
            loads_a = r if not a_vector else r * v * (1 if a_vector == 1 else lanes)
            loads_b = 1 if b_step == 0 else v * (1 if b_step == 1 or packs else lanes)
            if crowded and r > 12:
                loads_a *= 3
            each = max(r * v / 2, (loads_a + loads_b) / 2, 4.0) + 0.5
            coming = r * v * (1.5 if c_step in (0, 1) else 2.0 * lanes) + 12
            total += n * m * (each * terms + coming)
    if packs:
        total += terms * vectors * 4
    uneven = sum(1 for size, step in rows if size % step)
    return others * total * (1 + 0.004 * uneven + 0.001 * sum(1 for _, step in rows if step > 1)) + 1e-3 * count


# --- around the tile --------------------------------------------------------------------------------------------------


def may_pack(p: Problem, vector: str) -> bool:
    """Whether all of B may be read: not if a clip keeps some of it from being touched."""
    return p.b.step(vector) != 0 and not any(
        vector in clip.steps or all(p.b.step(label) for label in clip.steps) for clip in p.clips
    )


def arrange(s: Schedule) -> Schedule:
    """Blocks, loop order, packing and division among threads for a tile that was chosen."""
    p = s.problem
    sums = order_of_sums(p, s.vector)
    rows = rows_of(p, s.vector)
    row_tiles = math.prod(-(-p.sizes[label] // s.tile[label]) for label in rows)
    panels = -(-p.sizes.get(s.vector, 1) // s.tile[s.vector])
    blocks = blocks_of(p, sums) if row_tiles * panels > 2 else {}
    others = sorted(
        (label for label in p.kept if label != s.vector and label not in rows), key=lambda label: -abs(p.c.step(label))
    )
    images = rows[:1] if len(rows) > 1 and s.tile[rows[0]] == 1 and not blocks else []
    columns = [s.vector] if s.vector else []
    rows = [label for label in rows if label not in images]
    outer = list(blocks)
    pack_at = None
    s = replace(s, blocks=blocks, sums=tuple(label for label in sums))
    if packs(s, row_tiles):
        whole = replace(s, order=tuple(others), pack_at=len(others))
        if images and whole.scratch * p.dtype.itemsize <= PACKED:
            order = [*others, *images, *outer, *columns, *rows]
            pack_at = len(others)
        else:
            order = [*others, *columns, *outer, *images, *rows]
            pack_at = len(others) + len(columns) + len(outer)
    elif len(p.summed) == 1:
        order = [*others, *images, *columns, *outer, *rows]
    else:
        order = [*others, *images, *outer, *columns, *rows]
    s = replace(s, order=tuple(order), pack_at=pack_at)
    return replace(s, share=share_of(s))


def blocks_of(p: Problem, sums: list[str]) -> dict[str, int]:
    """The summed label that is taken in blocks, if the sum is long, and the size of a block."""
    terms = p.terms
    if terms <= BLOCK:
        return {}
    clipped = {label for clip in p.clips for label in clip.steps}
    for label in sums:
        rest = terms // p.sizes[label]
        target = BLOCK if len(sums) == 1 else BLOCK // 4
        if label not in clipped and rest <= BLOCK and p.sizes[label] > 1:
            size = p.sizes[label]
            most = max(1, target // rest)
            divisor = next((d for d in range(most, max(most // 2, 1) - 1, -1) if size % d == 0), None)
            return {label: divisor or most} if most < size else {}
    return {}


def packs(s: Schedule, row_tiles: int) -> bool:
    """Whether B is copied into panels: when its columns are not neighbours, or its rows lie on many pages."""
    p = s.problem
    step = p.b.step(s.vector)
    if not step or not may_pack(p, s.vector):
        return False
    if step != 1:
        return True
    far = max((abs(p.b.step(label)) for label in s.sums), default=0) * p.dtype.itemsize
    return len(s.sums) == 1 and row_tiles >= 3 and far >= 1024 and p.terms >= 32


def share_of(s: Schedule) -> str:
    """The label whose tiles divide best among two and four threads; the outermost of equals, "" if there is none."""
    labels = [label for label in s.order if label not in s.problem.summed and s.problem.sizes[label]]
    return max(labels, key=lambda label: round(evenness(s, label), 6), default="")


def evenness(s: Schedule, label: str) -> float:
    """1 if two and four threads get equal parts of `label`; less if not, or if each must pack what the others do."""
    if not label:
        return 0.0
    size, step = s.problem.sizes[label], s.step(label)
    units = -(-size // step)
    even = 1.0
    for n in (2, 4):
        ends = [min(t * units // n * step, size) for t in range(n + 1)]
        even *= size / (n * max(high - low for low, high in pairwise(ends)))
    repeated = s.pack_at is not None and label not in s.order[: s.pack_at]
    return even * (0.9 if repeated else 1.0)
