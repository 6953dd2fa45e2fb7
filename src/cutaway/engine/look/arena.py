"""The arena: which value lies where in a program's one block of memory, and from which kernel to which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cutaway.core.aval import Aval
from cutaway.engine.look.drawing import bar, explored, linear, plot
from cutaway.engine.look.html import notebook, size, table
from cutaway.engine.program import ALIGN, Program


class Place(NamedTuple):
    """A value `name` of shape and dtype `aval` lies at bytes [offset, offset + nbytes) from kernel `first` to `last`."""

    name: str
    aval: Aval
    nbytes: int
    offset: int
    first: int
    last: int


class Arena:
    """All Places, by the kernel that fills them: iterate, print.

    nbytes    of the arena        alone     of all values, had each a place of its own
    outside   of arguments, parameters and results, which lie where the caller has them
    scratch   of the threads' own working memory, behind the arena
    """

    def __init__(self, program: Program) -> None:
        s, memory = program.schedule, program.memory
        numbers = s.graph.numbers()
        self.kernels = [k.name for k in s.kernels]
        self.places = []
        for v, slot in memory.slots.items():
            if slot.offset is not None:
                assert v.op is not None
                name = f"%{numbers[v]} {v.op.name}"
                self.places.append(Place(name, v.aval, slot.nbytes, slot.offset, slot.first, slot.last))
        self.places.sort(key=lambda p: (p.first, p.offset))
        self.nbytes = memory.arena
        self.alone = sum(-(-max(p.nbytes, 1) // ALIGN) * ALIGN for p in self.places)
        given = {x.number: x.nbytes for x in memory.slots.values() if x.offset is None and x.private < 0}
        self.outside = sum(given.values())
        self.scratch = program.arena.nbytes - memory.arena - ALIGN

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def saved(self) -> int:
        """Bytes that using places again saves."""
        return self.alone - self.nbytes

    def summary(self) -> str:
        """The whole, in a line."""
        share = f" ({100 * self.saved / self.alone:.0f} %)" if self.alone else ""
        scratch = f"; {size(self.scratch)} of scratch for the threads" if self.scratch > 0 else ""
        return (
            f"{len(self)} values of {size(self.alone)} in an arena of {size(self.nbytes)}: {size(self.saved)}{share} saved "
            f"by using memory again{scratch}; {size(self.outside)} outside (arguments, parameters, results)"
        )

    def __str__(self) -> str:
        lines = [f"{'value':<24}{'shape':<30}{'KiB':>9}{'offset':>12}{'first':>7}{'last':>7}"]
        lines += [
            f"{p.name:<24}{p.aval!s:<30}{p.nbytes / 1024:9.1f}{p.offset:12d}{p.first:7d}{p.last:7d}" for p in self
        ]
        return "\n".join([*lines, self.summary()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notebook(self.picture() + self.html())

    def html(self) -> str:
        """The table."""
        rows = [[p.name, str(p.aval), f"{p.nbytes / 1024:.1f}", str(p.offset), str(p.first), str(p.last)] for p in self]
        head = ["value", "shape", "#KiB", "#offset", "#first kernel", "#last kernel"]
        return table(head, rows) + f'<p class="note">{self.summary()}</p>'

    def picture(self) -> str:
        """Time (kernels) to the right, addresses upwards; a box is a value."""
        if not self.places:
            return '<p class="note">The arena is empty: every value is an argument or a result.</p>'
        count, total = len(self.kernels), max(self.nbytes, 1)
        boxes = []
        for p in self.places:
            story = (
                f"{p.name}: {p.aval}, {size(p.nbytes)} at {p.offset}, from kernel {p.first} {self.kernels[p.first]} to "
                f"{p.last} {self.kernels[p.last] if p.last < count else 'the end'}"
            )
            end = min(p.last + 1, count)
            top, tall = 100 * (1 - (p.offset + p.nbytes) / total), 100 * p.nbytes / total
            left, wide = 100 * p.first / count, 100 * (end - p.first) / count
            text = p.name if tall > 6 and wide > 12 else ""
            boxes.append(bar(left, wide, f"{top:.4f}%", f"{tall:.4f}%", "value", p.first, story, text))
        unit, word = (1024**2, "MiB") if total > 2 * 1024**2 else (1024, "KiB")
        y = [(100 * (1 - t * unit / total), f"{t:g}") for t in linear(total / unit, 5)]
        step = max(1, round(linear(count, 6)[1])) if count > 1 else 1
        x = [(100 * n / count, str(n)) for n in range(0, count, step)]
        chart = plot("memory", "".join(boxes), x, y, "kernel", f"offset ({word})", 320)
        return explored("The arena: values by time and address", chart, "A box is a value, as wide as it lives.")
