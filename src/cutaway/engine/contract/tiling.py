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
    if dot_label(p, vector, lanes):
        return others * math.prod(size for size, _ in rows) * p.sizes[vector] * (terms / lanes + 6)
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
            loads_a = r if not a_vector else r * v * (2 if a_vector == 1 else lanes)
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
