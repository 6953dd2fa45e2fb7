"""Segments: kernels between two barriers, and how each is divided among the threads.

    rows    by the first dimension of its result; kernels of a segment that are divided so may read each other row by row,
            or so many rows of an image's by one row of a part's: then the images are divided in as many at a time
    each    every thread does all of it (one number), and reads its own result
    any     as suits it; no other kernel of the segment may read what it writes

Kernels keep their order as far as that spares barriers, or data would leave the caches meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

from cutaway.engine.contract import plan
from cutaway.engine.epilogue import dimensions, tiled
from cutaway.engine.graph import Value
from cutaway.engine.llvm.target import Target
from cutaway.engine.loops.kernels import EMIT
from cutaway.engine.rows import read_by_row
from cutaway.engine.schedule import Kernel, Schedule, has_memory
from cutaway.engine.streaks import streaks

FEWEST = 8  # rows: fewer are not worth dividing by
SMALL = 4096  # elements that a thread may read for one number that others compute too
WARM = 1 << 20  # bytes written since the last barrier after which a kernel's turn is not put off any more


class Division:
    """How one kernel could be divided. `local`: values of which it needs its own rows only, if it goes by rows."""

    def __init__(self, k: Kernel, s: Schedule, in_memory: Callable[[Value], bool], t: Target) -> None:
        self.local: dict[Value, int] = {}
        self.rows = self._rows(k, s, in_memory, t)
        v = k.outputs[0]
        simple = v.op is not None and (v.op.name not in EMIT or v.op.kind == "reduce")
        self.each = simple and all(o.aval.size == 1 and o not in s.direct for o in k.outputs)
        self.each = self.each and k.core is None and sum(r.aval.size for r in k.reads) <= SMALL

    def _rows(self, k: Kernel, s: Schedule, in_memory: Callable[[Value], bool], t: Target) -> int:
        first = k.outputs[0]
        if any(v in s.direct for v in k.outputs) or not first.aval.shape or first.aval.shape[0] < FEWEST:
            return 0
        found = read_by_row(k.outputs, in_memory)
        if found is None:
            return 0
        made = tiled(first, k.core, in_memory) if len(k.outputs) == 1 else None
        if made is not None:
            where = 0 if k.core is None else dimensions(first, k.core, in_memory).index(0)  # in the contraction
            shared = plan(made.problems[0], t, k.core is not None).share
            if len(made.problems) != 1 or shared != (made.labels[where],):
                return 0
        elif first.op is not None and first.op.kind == "contract":
            return 0
        self.local = found
        return int(first.aval.shape[0])


def divide(s: Schedule, t: Target) -> Schedule:
    """The same kernels, in an order and with divisions that need few barriers."""
    kernels = s.kernels
    written = {v for k in kernels for v in k.outputs}

    def in_memory(v: Value) -> bool:
        return v in written or has_memory(v)

    divisions = [Division(k, s, in_memory, t) for k in kernels]
    after, waits = _order(s)
    ready = [n for n in range(len(kernels)) if not waits[n]]
    heapify(ready)
    late: list[int] = []
    out: list[Kernel] = []
    local: list[dict[Value, int]] = []
    segment, now = 0, Segment(s)

    def finish() -> None:
        """Kernels of one number of rows are divided alike in the whole segment."""
        for m in range(len(out) - 1, -1, -1):
            if out[m].segment != segment:
                break
            out[m] = out[m]._replace(grain=now.grains.get(out[m].rows, 1))

    while ready or late:
        if not ready or (late and now.nbytes >= WARM and not now.continues(kernels[ready[0]], divisions[ready[0]])):
            finish()
            segment, now = segment + 1, Segment(s)
            ready += late
            heapify(ready)
            late = []
        n = heappop(ready)
        how = now.place(kernels[n], divisions[n])
        if how is None:
            late.append(n)
            continue
        rows = divisions[n].rows if how == "rows" else 0
        out.append(kernels[n]._replace(rows=rows, each=how == "each", segment=segment))
        local.append(divisions[n].local)
        for m in after[n]:
            waits[m] -= 1
            if not waits[m]:
                heappush(ready, m)
    finish()
    return streaks(s._replace(kernels=out), local, t)


def _order(s: Schedule) -> tuple[list[set[int]], list[int]]:
    """Which kernels come after each, and how many each waits for: for what it reads, for readers of what it overwrites."""
    writer = {v: n for n, k in enumerate(s.kernels) for v in k.outputs}
    after: list[set[int]] = [set() for _ in s.kernels]
    readers: dict[Value, list[int]] = {}
    for n, k in enumerate(s.kernels):
        for v in k.reads:
            readers.setdefault(v, []).append(n)
            if v in writer:
                after[writer[v]].add(n)
    for v, old in s.direct.items():
        for n in readers.get(old, ()):
            if n != writer[v]:
                after[n].add(writer[v])
    waits = [0] * len(s.kernels)
    for found in after:
        for n in found:
            waits[n] += 1
    return after, waits


class Segment:
    """What has been written and read since the last barrier."""

    def __init__(self, s: Schedule) -> None:
        self.direct = s.direct
        self.written: dict[Value, str | int] = {}  # "any", "each", or the number of rows
        self.read: set[Value] = set()
        self.grains: dict[int, int] = {}  # of kernels with so many rows
        self.nbytes = 0

    def place(self, k: Kernel, d: Division) -> str | None:
        """How `k` may run here: "rows", "each", "any"; None if a barrier must come first."""
        if any(self.direct[v] in self.read for v in k.outputs if v in self.direct):
            return None
        fresh = self.fresh(k)
        if not fresh:
            how = "each" if d.each else "rows" if d.rows else "any"
        elif self.continues(k, d):
            how = "rows"
            self.grains.update({d.rows * d.local[v]: d.local[v] for v in fresh if d.local[v] > 1})
        else:
            return None
        for v in k.outputs:
            self.written[v] = d.rows if how == "rows" else how
            self.nbytes += v.aval.size * v.aval.dtype.itemsize
        self.read.update(k.reads)
        return how


    def fresh(self, k: Kernel) -> list[Value]:
        """What the kernel reads of other threads' work since the last barrier."""
        return [v for v in k.reads if self.written.get(v, "each") != "each"]

    def continues(self, k: Kernel, d: Division) -> bool:
        """Whether the kernel reads what was written since the last barrier, by the rows by which it was written."""
        fresh = self.fresh(k)
        if not fresh or not d.rows or any(not d.local.get(v) or self.written[v] != d.rows * d.local[v] for v in fresh):
            return False
        if any(self.direct[v] in self.read for v in k.outputs if v in self.direct):
            return False
        grains = {d.rows * d.local[v]: d.local[v] for v in fresh if d.local[v] > 1}
        apart = any(self.grains.get(rows, n) != n for rows, n in grains.items())
        return not apart and (not grains or self.grains.get(d.rows, 1) == 1)


def barriers(kernels: Sequence[Kernel]) -> list[bool]:
    """Before which kernels all threads must have finished what went before."""
    return [n > 0 and k.segment != kernels[n - 1].segment for n, k in enumerate(kernels)]
