"""How a contraction is carried out: the label along vectors, the register tile, the order of the loops, what is packed.

The usual shape, outermost first:

    for each batch:                        `order`; each label in steps of its tile
      for each panel of columns:
        pack the panel of B                `pack_at`: before order[pack_at]
        for each block of rows:
          the register tile: rows x vectors accumulators, all terms of the sum
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import itemgetter

from cutaway.engine.contract.problem import Problem, fuse, reduce, swap
from cutaway.engine.contract.tiling import Tiles, borders, dot_label, may_pack, rows_of
from cutaway.engine.llvm.target import Target

BLOCK = 1024  # terms that a pass over the sum takes at most, so that a panel of B stays in the second cache
FEW = 16  # a sum as short as this is worth code of its own for the borders of an image
PACKED = 1 << 19  # bytes of B that may be packed at once

PLANNED: dict[tuple[str, Target, bool], Schedule] = {}


@dataclass(frozen=True)
class Schedule:
    """A plan for `problem`, which is the given one reduced, fused, and with A and B exchanged if `swapped`.

    vector   the label along vectors ("" if C is a single element);  lanes  numbers in a vector
    tile     label -> how many of it a register tile takes; the vector label takes whole vectors
    blocks   summed label -> how many of it one pass takes; C is added to from pass to pass
    order    labels outside the tile, outermost first;  pack_at  position in `order`, None for no packing
    sums     summed labels inside the tile, outermost first
    share    the label, or two neighbours in `order`, whose tiles are divided among threads
    dot      with few rows, the summed label that vectors lie along instead: products are added up across lanes at the end
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
    share: tuple[str, ...]
    dot: str = ""

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


def order_of_sums(p: Problem, vector: str) -> list[str]:
    """Summed labels as they lie in memory, outermost first."""
    across = {x for c in p.clips if vector in c.steps for x in c.steps}  # these decide which lanes count: asked rarely
    taps = {x for c in p.clips for x, o in ((c.tap, c.out), (c.out, c.tap)) if o in p.kept and p.sizes[x] <= p.sizes[o]}
    return sorted(p.summed, key=lambda s: (s not in across, s not in taps, -abs(p.a.step(s)), -abs(p.b.step(s))))


def plan(problem: Problem, target: Target, epilogue: bool = False) -> Schedule:
    """The schedule that the model finds best.  `epilogue`: whether the code will have one."""
    key = problem.key, target, epilogue
    if key not in PLANNED:
        best = math.inf
        for price, s in plans(problem, target, epilogue):
            if price >= best:
                break
            uneven = price * (
                1.4 - 0.4 * evenness(s, s.share)
            )  # a little more work, well divided, may be less to wait for
            if uneven < best:
                best, PLANNED[key] = uneven, s
    return PLANNED[key]


def plans(problem: Problem, target: Target, epilogue: bool = False) -> Iterator[tuple[float, Schedule]]:
    """Schedules and their price in cycles, the cheapest first by the model.

    With an epilogue, the lanes of a vector are neighbours along one of the problem's labels.
    """
    reduced = reduce(problem)
    p = fuse(reduced, epilogue)
    candidates = [label for label in p.kept if not (epilogue and label in p.parts)]
    if not candidates and p.kept:
        p = reduced
        candidates = p.kept
    lanes = target.lanes(p.dtype.itemsize)
    found: list[tuple[float, Problem, bool, str, dict[str, int]]] = []
    for swapped in (False, True):
        q = swap(p) if swapped else p
        for vector in candidates or [""]:
            tiles = Tiles(q, vector, target)
            found += [(tiles.cost(tile), q, swapped, vector, tile) for tile in tiles]
    found.sort(key=itemgetter(0))
    for price, q, swapped, vector, tile in found:
        yield price, arrange(Schedule(q, swapped, lanes, vector, tile, {}, (), (), None, ()), target)


def arrange(s: Schedule, target: Target) -> Schedule:
    """Blocks, loop order, packing and division among threads for a tile that was chosen."""
    p = s.problem
    sums = order_of_sums(p, s.vector)
    rows = rows_of(p, s.vector)
    dot = dot_label(p, s.vector, s.lanes)
    if dot:
        take = max(1, target.registers // 2 // s.lanes) * s.lanes  # so many accumulators
        s = replace(s, dot=dot, tile={**dict.fromkeys(rows, 1), s.vector: take})
        sums = [*(label for label in sums if label != dot), dot]
    row_tiles = math.prod(-(-p.sizes[label] // s.tile[label]) for label in rows)
    panels = -(-p.sizes.get(s.vector, 1) // s.tile[s.vector])
    blocks = blocks_of(p, sums) if row_tiles * panels > 2 and not dot else {}
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
    elif len(p.summed) == 1 and not outer and small_columns(p):
        order = [*others, *images, *rows, *columns]
    elif len(p.summed) == 1:
        order = [*others, *images, *columns, *outer, *rows]
    else:
        order = [*others, *images, *outer, *columns, *rows]
    s = replace(s, order=tuple(order), pack_at=pack_at)
    return replace(s, share=share_of(s))


def small_columns(p: Problem) -> bool:
    """Whether B stays in cache beside a tile's rows and A does not stay there at all: then A is better read once."""
    a, b = (p.dtype.itemsize * math.prod(p.sizes[label] for label in o.strides) for o in (p.a, p.b))
    return a > PACKED >= 4 * b


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
    if s.dot or not step or not may_pack(p, s.vector):
        return False
    if step != 1:
        return True
    far = max((abs(p.b.step(label)) for label in s.sums), default=0) * p.dtype.itemsize
    return len(s.sums) == 1 and row_tiles >= 3 and far >= 1024 and p.terms >= 32


def share_of(s: Schedule) -> tuple[str, ...]:
    """The label, or two neighbours in the order, whose tiles divide best among threads; the outermost of equals."""
    labels = [label for label in s.order if label not in s.problem.summed and s.problem.sizes[label]]
    inside = None if s.pack_at in (None, len(s.order)) else s.order[s.pack_at or 0]  # B is packed just before its loop
    pairs = [
        (x, y)
        for x, y in pairwise(s.order)
        if x in labels and y in labels and y != inside and regular(s, x) and regular(s, y)
    ]
    return max([*((x,) for x in labels), *pairs], key=lambda share: round(evenness(s, share), 6), default=())


def regular(s: Schedule, label: str) -> bool:
    """Whether all tiles along a label are the same, so that they can be numbered together with those of another."""
    return s.problem.sizes[label] % s.step(label) == 0 and apart(s, label) is None


def evenness(s: Schedule, share: tuple[str, ...]) -> float:
    """1 if two and four threads get equal parts of `share`; less if not, or if each must pack what the others do."""
    if not share:
        return 0.0
    size, step = math.prod(s.problem.sizes[x] for x in share), math.prod(s.step(x) for x in share)
    units = -(-size // step)
    even = 1.0
    for n in (2, 4):
        ends = [min(t * units // n * step, size) for t in range(n + 1)]
        even *= size / (n * max(high - low for low, high in pairwise(ends)))
    repeated = s.pack_at is not None and any(label not in s.order[: s.pack_at] for label in share)
    return even * (0.9 if repeated else 1.0)


def apart(s: Schedule, label: str) -> list[int] | None:
    """Tiles along a label that have code of their own because clips bite there; None if all share theirs.

    Limits of the sums, or masks, are then computed while the code runs.
    """
    p, step = s.problem, s.step(label)
    if not any(label in clip.steps for clip in p.clips):
        return None
    units, found = -(-p.sizes[label] // step), borders(p, label, step)
    worth = len(found) <= 2 < units and p.terms <= FEW if step == 1 else len(found) <= 4
    return found if worth else None
