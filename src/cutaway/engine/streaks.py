"""Streaks: neighbours in the order that take turns, some rows at a time: what one leaves for the next stays in the cache.

An image that is convolved and pooled at once is never written to memory as a whole: its rows lie in a buffer of the thread's
own, a few at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from cutaway.engine.contract import scratch_bytes
from cutaway.engine.epilogue import tiled
from cutaway.engine.graph import Value
from cutaway.engine.llvm.target import Target
from cutaway.engine.schedule import Kernel, Schedule, has_memory

LARGE = 1 << 19  # bytes: what is smaller stays in the cache as it is
TURN = 3 << 16  # bytes that one turn may leave for the next kernel
REPEATED = 1 << 14  # bytes that a contraction may have to rearrange anew at each turn
LONGEST = 8  # kernels


def streaks(s: Schedule, local: Sequence[dict[Value, int]], t: Target) -> Schedule:
    """The schedule with streaks found. `local`: for each kernel, of which values it needs its own rows only."""
    readers: dict[Value, list[int]] = {}
    for n, k in enumerate(s.kernels):
        for v in k.reads:
            readers.setdefault(v, []).append(n)
    written = {v for k in s.kernels for v in k.outputs}
    kept = {*s.graph.outputs, *s.direct, *(w.value for w in s.graph.writes)}
    cheap: dict[int, bool] = {}

    def fits(n: int, like: Kernel) -> bool:
        k = s.kernels[n]
        if n not in cheap:
            made = tiled(k.outputs[0], k.core, lambda v: v in written or has_memory(v)) if len(k.outputs) == 1 else None
            problems = made.problems if made else []
            cheap[n] = all(scratch_bytes(p, t, k.core is not None) <= REPEATED for p in problems)
        return k.rows * images(n) == like.rows and k.segment == like.segment and cheap[n]

    def images(n: int) -> int:
        """How many rows of what it reads a row of kernel n stands for."""
        return max([1, *(r for v, r in local[n].items() if v in written)]) if s.kernels[n].rows else 1

    ends: dict[int, int] = {}  # first kernel -> last kernel
    private: dict[Value, int] = {}  # value -> the kernel that writes it
    for n, k in enumerate(s.kernels):
        for v in k.outputs if k.rows else ():
            those = readers.get(v, [])
            if v in kept or not those or v.aval.size * v.aval.dtype.itemsize < LARGE:
                continue
            last = max(those)
            near = last - n < LONGEST and all(local[m].get(v) for m in those)
            if near and all(fits(m, k) for m in range(n, last + 1)):
                private[v] = n
                ends[n] = max(ends.get(n, n), last)
    if not private:
        return s
    kernels = list(s.kernels)
    for number, (first, last) in enumerate(_merged(ends), 1):
        own = [v for v, n in private.items() if first <= n <= last]
        row = sum(v.aval.size // v.aval.shape[0] * v.aval.dtype.itemsize for v in own)
        for m in range(first, last + 1):
            chunk = -(-max(1, TURN // row) // kernels[first].grain) * kernels[first].grain
            kernels[m] = kernels[m]._replace(streak=number, chunk=chunk * kernels[m].rows // kernels[first].rows)
    return s._replace(kernels=kernels, private=frozenset(private))


def _merged(ends: dict[int, int]) -> list[tuple[int, int]]:
    """Ranges that overlap made one."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(ends.items()):
        if out and first <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], last)
        else:
            out.append((first, last))
    return out
