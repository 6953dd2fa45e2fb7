"""One run, thread by thread: when each kernel began and ended, and who waited for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cutaway.engine.look.drawing import bar, explored, key, linear
from cutaway.engine.look.html import duration, notebook, table
from cutaway.engine.look.kernels import Kernels, Record

HATCH = (
    '<defs><pattern id="cutaway-wait" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path class="hatch" d="M0 0V6"/></pattern></defs>'
)


class Event(NamedTuple):
    """On `thread`, from `start` to `end` (nanoseconds): kernel `number` ran, or (`wait`) the thread waited to begin it."""

    thread: int
    number: int
    name: str
    wait: bool
    start: float
    end: float


def said(e: Event) -> str:
    """What a thread does, in words."""
    return f"{'waits before ' if e.wait else ''}{e.number} {e.name}"


class Timeline:
    """The events of the quickest of some rehearsals: iterate, print. `threads` and `nanoseconds` are the run's."""

    def __init__(self, kernels: Kernels) -> None:
        times = kernels.times
        self.records: list[Record] = kernels.records
        self.threads = times.threads
        ticks = times.best()
        self.events = [
            Event(t, s.kernel, self.records[s.kernel].name, s.wait, float(ticks[t, n, 0]), float(ticks[t, n, 1]))
            for t in range(self.threads)
            for n, s in enumerate(times.steps)
        ]
        start = min((e.start for e in self.events), default=0.0)
        self.events = [e._replace(start=e.start - start, end=e.end - start) for e in self.events]
        self.nanoseconds = max((e.end for e in self.events), default=0.0)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def busy(self, thread: int) -> float:
        """Nanoseconds that a thread spent in kernels."""
        return sum(e.end - e.start for e in self.events if e.thread == thread and not e.wait)

    def waiting(self, thread: int) -> float:
        """Nanoseconds that a thread spent at barriers."""
        return sum(e.end - e.start for e in self.events if e.thread == thread and e.wait)

    def rows(self) -> list[list[str]]:
        """Of each thread: busy, waiting, and the rest (not yet begun, already done, between kernels), with shares."""
        whole, out = self.nanoseconds or 1.0, []
        for t in range(self.threads):
            parts = self.busy(t), self.waiting(t)
            shares = [f"{duration(x * 1e-9)} ({100 * x / whole:.0f} %)" for x in parts]
            out.append([f"thread {t}", *shares, f"{100 * (whole - sum(parts)) / whole:.0f} %"])
        return out

    def __str__(self) -> str:
        lines = [f"{'one run':<12}{'in kernels':>20}{'at barriers':>20}{'neither':>20}"]
        lines += [f"{name:<12}{a:>20}{b:>20}{c:>20}" for name, a, b, c in self.rows()]
        longest = sorted((e for e in self.events if e.wait), key=lambda e: e.start - e.end)[:5]
        whole = duration(self.nanoseconds * 1e-9)
        lines.append(f"{whole} in all; {'the longest waits:' if longest else 'no barriers'}")
        lines += [f"{duration((e.end - e.start) * 1e-9):>10}  thread {e.thread} {said(e)}" for e in longest]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notebook(self.picture() + self.html())

    def html(self) -> str:
        """The shares of each thread."""
        return table(["one run", "#in kernels", "#at barriers", "#neither"], self.rows())

    def picture(self) -> str:
        """A row of boxes a thread, in a strip that can be made wider than its window."""
        whole, row = self.nanoseconds or 1.0, 46
        boxes = []
        for e in self.events:
            r = self.records[e.number]
            what = said(e) if e.wait else f"{e.number} {e.name} {r.result}"
            story = (
                f"thread {e.thread}: {what}, {duration((e.end - e.start) * 1e-9)} from {duration(e.start * 1e-9)} on"
            )
            at, wide = 100 * e.start / whole, 100 * (e.end - e.start) / whole
            kind = "wait" if e.wait else r.kind
            boxes.append(
                bar(at, wide, str(6 + e.thread * row), str(row - 8), kind, e.number, story, "" if e.wait else what)
            )
        ticks = [(100 * t / whole, duration(t * 1e-9)) for t in linear(whole, 8)]
        marks = "".join(f'<line class="grid" x1="{at:.3f}%" x2="{at:.3f}%" y1="0" y2="100%"/>' for at, _ in ticks)
        below = "".join(f'<span style="left:{at:.3f}%">{text}</span>' for at, text in ticks[:-1] or ticks)
        names = "".join(f'<span style="top:{6 + t * row}px">{t}</span>' for t in range(self.threads))
        tall = 12 + self.threads * row
        buttons = "".join(
            f'<button type="button" data-zoom="{by}" aria-label="{label}">{text}</button>'
            for by, label, text in (("4", "zoom in", "+"), ("0.25", "zoom out", "−"), ("0", "show all", "all"))
        )
        chart = (
            f'<div class="zoom"><p class="tools" hidden>{buttons}</p><div class="threads" aria-hidden="true" '
            f'style="height:{tall}px"><p>thread</p>{names}</div>'
            f'<div class="strip" tabindex="0" role="region" aria-label="timeline; scrolls sideways">'
            f'<div class="wide" data-nanoseconds="{self.nanoseconds!r}">'
            f'<svg class="area" role="group" aria-label="timeline" height="{tall}">{HATCH}{marks}{"".join(boxes)}</svg>'
            f'<div class="below" aria-hidden="true">{below}</div></div></div></div>'
        )
        kinds = [
            k for k in ("contraction", "elementwise", "reduction", "other") if any(r.kind == k for r in self.records)
        ]
        waits = [("wait", "waiting at a barrier")] if self.threads > 1 else []
        return key(kinds, waits) + explored("Timeline", chart, "A box is a kernel on a thread, as wide as it took.")
