"""The table of kernels: what each must do, how long that would take at best on this machine, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cutaway.core.aval import Aval
from cutaway.engine.graph import Value
from cutaway.engine.line import source
from cutaway.engine.look.cost import cost
from cutaway.engine.look.html import duration, notebook, table
from cutaway.engine.look.rehearsal import Times, rehearse
from cutaway.engine.machine import Machine, machine
from cutaway.engine.program import Program, contractions

KINDS = {"contract": "contraction", "reduce": "reduction", "elementwise": "elementwise"}


class Record(NamedTuple):
    """One kernel.

    kind        contraction, elementwise, reduction, or other (it moves, picks or draws elements)
    flops       floating-point operations, a multiply-add as two
    read, written   bytes, each counted once
    predicted   seconds by the roofline: the longer of computing at the machine's peak and of moving the bytes
    seconds     measured: of the slowest thread, in the best of some rehearsals
    peak        the machine's measured FLOP/s for this dtype, on as many threads
    line, source    where in the user's program it comes from, and that line's text
    values      what it computes, the last of them into memory
    """

    number: int
    name: str
    kind: str
    result: Aval
    flops: int
    read: int
    written: int
    predicted: float
    seconds: float
    peak: float
    line: str
    source: str
    values: tuple[Value, ...]

    @property
    def nbytes(self) -> int:
        """Bytes read and written."""
        return self.read + self.written

    @property
    def flop_rate(self) -> float:
        """FLOP/s."""
        return self.flops / self.seconds

    @property
    def byte_rate(self) -> float:
        """Bytes/s."""
        return self.nbytes / self.seconds

    @property
    def peak_fraction(self) -> float:
        """The share of the machine's peak FLOP/s that was reached."""
        return self.flop_rate / self.peak

    @property
    def roof_fraction(self) -> float:
        """The share of what the roofline allows: predicted over measured time."""
        return self.predicted / self.seconds


class Kernels:
    """A table of Records: iterate, index, print. `machine` is what they are measured against, `times` all that was noted."""

    def __init__(self, program: Program, threads: int = 0) -> None:
        s, memory = program.schedule, program.memory
        self.times: Times = rehearse(program, threads)
        self.machine: Machine = machine(self.times.threads)
        seconds, tiled = self.times.seconds(), contractions(s, memory)
        self.records = []
        for n, k in enumerate(s.kernels):
            c = cost(k, tiled.get(n), memory.slots)
            first = k.outputs[0]
            assert first.op is not None
            kind = "contraction" if n in tiled else KINDS.get(first.op.kind, "other")
            dtype = first.aval.dtype.name
            self.records.append(
                Record(
                    n, k.name, kind, first.aval, c.flops, c.read, c.written,
                    self.machine.seconds(c.flops, c.read + c.written, dtype), seconds[n],
                    self.machine.peak.get(dtype, self.machine.peak["float32"]), k.line, source(k.line), c.values,
                )
            )  # fmt: skip

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, n: int) -> Record:
        return self.records[n]

    @property
    def flops(self) -> int:
        """Floating-point operations of all kernels."""
        return sum(r.flops for r in self.records)

    @property
    def seconds(self) -> float:
        """The sum of the kernels' measured times; waiting at barriers is not in it."""
        return sum(r.seconds for r in self.records)

    @property
    def predicted(self) -> float:
        """The sum of the kernels' predicted times."""
        return sum(r.predicted for r in self.records)

    @property
    def peak_fraction(self) -> float:
        """The share of the machine's peak that the kernels reached together."""
        return sum(r.flops / r.peak for r in self.records) / (self.seconds or 1.0)

    def summary(self) -> str:
        """All kernels together, in a line."""
        n, count = self.machine.threads, len(self)
        return (
            f"{count} kernel{'s' * (count != 1)} on {n} thread{'s' * (n > 1)}: {self.flops / 1e6:.2f} MFLOP in "
            f"{duration(self.seconds)}, {100 * self.peak_fraction:.0f} % of the machine's peak; "
            f"at best {duration(self.predicted)}"
        )

    def __str__(self) -> str:
        names = [f"{r.number} {r.name}" for r in self]
        wide = max([26, *map(len, names)]) + 2
        shapes = [str(r.result) for r in self]
        broad = max([24, *map(len, shapes)]) + 2
        lines = [
            f"{'kernel':<{wide}}{'result':<{broad}}{'MFLOP':>9}{'KiB':>9}{'us':>9}{'best us':>9}{'GF/s':>8}{'GB/s':>8}"
            f"{'% peak':>8}{'% best':>8}  line"
        ]
        for r, name, shape in zip(self, names, shapes, strict=True):
            lines.append(
                f"{name:<{wide}}{shape:<{broad}}{r.flops / 1e6:9.2f}{r.nbytes / 1024:9.0f}{r.seconds * 1e6:9.1f}"
                f"{r.predicted * 1e6:9.1f}{r.flop_rate / 1e9:8.1f}{r.byte_rate / 1e9:8.1f}{100 * r.peak_fraction:8.0f}"
                f"{100 * r.roof_fraction:8.0f}  {r.line}".rstrip()
            )
        return "\n".join([*lines, self.summary(), str(self.machine)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notebook(self.html())

    def html(self) -> str:
        """The table, without links."""
        head = ["kernel", "result", "#MFLOP", "#KiB", "#µs", "#best µs", "#GF/s", "#GB/s", "#% peak", "#% best", "line"]
        return table(head, [cells(r) for r in self]) + f'<p class="note">{self.summary()}<br>{self.machine}</p>'


def cells(r: Record) -> list[str]:
    """A record as text, in the order of the table's columns."""
    return [
        f"{r.number} {r.name}", str(r.result), f"{r.flops / 1e6:.2f}", f"{r.nbytes / 1024:.0f}", f"{r.seconds * 1e6:.1f}",
        f"{r.predicted * 1e6:.1f}", f"{r.flop_rate / 1e9:.1f}", f"{r.byte_rate / 1e9:.1f}", f"{100 * r.peak_fraction:.0f}",
        f"{100 * r.roof_fraction:.0f}", r.line,
    ]  # fmt: skip
