"""What is to be contracted: extents, an index map per operand, and the terms that do not count.

    C[.., m, n] (+)= sum_k A[.., m, k] * B[.., k, n]

A label is a loop. Labels that C has are kept, the others are summed. An operand's map gives, for each label, how many
elements further its next value lies; a label that is absent (or has step 0) does not move it. Matrix products in any
transposition, batched ones, and the three directions of convolution differ in nothing but their maps (`maps`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Operand:
    """An array in memory: element (i, j, ..) lies at `offset + i * strides["i"] + j * strides["j"] + ..` (in elements)."""

    strides: Mapping[str, int]
    offset: int = 0

    def step(self, label: str) -> int:
        """How far apart two neighbours along `label` are; 0 if it does not depend on it."""
        return self.strides.get(label, 0)


@dataclass(frozen=True)
class Clip:
    """A term counts only where `0 <= out_step * out + tap_step * tap + start < size`; elsewhere nothing is read.

    This is a convolution's padding without a padded copy: `out` and `tap` are labels, one of which (at least) is summed.
    """

    out: str
    tap: str
    out_step: int
    tap_step: int
    start: int
    size: int

    @property
    def steps(self) -> dict[str, int]:
        """Label -> step."""
        return {self.out: self.out_step, self.tap: self.tap_step}


@dataclass(frozen=True)
class Problem:
    """One contraction, everything static.  `accumulate` adds to what is in C."""

    sizes: Mapping[str, int]
    a: Operand
    b: Operand
    c: Operand
    dtype: np.dtype
    clips: tuple[Clip, ...] = ()
    accumulate: bool = False
    parts: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # fused label -> the labels in it, outermost first

    def __post_init__(self) -> None:
        assert self.dtype in (np.dtype("float32"), np.dtype("float64")), f"a contraction of {self.dtype}"
        for o in (self.a, self.b, self.c):
            assert all(label in self.sizes for label in o.strides), f"a map names a label without a size: {o.strides}"
        empty = any(self.sizes[label] == 0 for label in self.c.strides)
        for label, step in self.c.strides.items():
            assert step or empty or self.sizes[label] == 1, f"two results in one place: {label} has step 0 in C"
        for clip in self.clips:
            assert any(label not in self.c.strides for label in clip.steps), "a clip must have a summed label"
            assert clip.out_step and clip.tap_step and clip.out != clip.tap, "a clip relates two labels"

    @cached_property
    def summed(self) -> list[str]:
        """Labels that C does not have."""
        return [label for label in self.sizes if label not in self.c.strides]

    @cached_property
    def kept(self) -> list[str]:
        """Labels of C."""
        return [label for label in self.sizes if label in self.c.strides]

    @cached_property
    def terms(self) -> int:
        """How many products each element of C sums, clipped ones included."""
        return math.prod(self.sizes[label] for label in self.summed)

    @property
    def flops(self) -> int:
        """Additions and multiplications, clipped ones included."""
        return 2 * math.prod(self.sizes.values())

    @property
    def key(self) -> str:
        """For caches: equal keys, equal code."""
        return repr(self)


def swap(p: Problem) -> Problem:
    """The same sums with the factors exchanged."""
    return replace(p, a=p.b, b=p.a)


def reduce(p: Problem) -> Problem:
    """The same problem without labels of extent 1 or clips that never clip; an empty sum is marked by extent 0."""
    clips = []
    empty = p.terms == 0
    for clip in () if empty else p.clips:
        low = high = clip.start
        for label, step in clip.steps.items():
            reach = step * (p.sizes[label] - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        if high < 0 or low >= clip.size:
            empty = True
        elif low < 0 or high >= clip.size:
            clips.append(clip)
    clipped = {label for clip in clips for label in clip.steps}
    sizes = {label: n for label, n in p.sizes.items() if n != 1 or label in clipped}
    if empty:
        sizes = {label: n for label, n in sizes.items() if label in p.c.strides} | {"none": 0}
        clips = []

    def keep(o: Operand) -> Operand:
        return Operand({label: step for label, step in o.strides.items() if label in sizes and step}, o.offset)

    # A label of C must stay C's, whatever its step is.
    c = Operand({label: step for label, step in p.c.strides.items() if label in sizes}, p.c.offset)
    return replace(p, sizes=sizes, a=keep(p.a), b=keep(p.b), c=c, clips=tuple(clips))


def fuse(p: Problem, keep_columns: bool) -> Problem:
    """The same problem with neighbouring labels made one, where all three maps allow it.

    [batch, time] of a dense layer becomes rows.
    `keep_columns`: leave a label along which C has step 1 alone (an epilogue wants to know which vector lane is what).
    """
    clipped = {label for clip in p.clips for label in clip.steps}

    def find() -> tuple[str, str] | None:
        for outer in p.sizes:
            for inner in p.sizes:
                if outer == inner or outer in clipped or inner in clipped or 0 in (p.sizes[outer], p.sizes[inner]):
                    continue
                if (outer in p.c.strides) != (inner in p.c.strides) or (keep_columns and p.c.step(inner) == 1):
                    continue
                if all(o.step(outer) == o.step(inner) * p.sizes[inner] for o in (p.a, p.b, p.c)):
                    return outer, inner
        return None

    while (pair := find()) is not None:
        outer, inner = pair
        name = f"{outer}.{inner}"
        sizes = {
            (name if label == inner else label): n * (p.sizes[outer] if label == inner else 1)
            for label, n in p.sizes.items()
            if label != outer
        }

        def rename(o: Operand, outer: str = outer, inner: str = inner, name: str = name) -> Operand:
            strides = {(name if label == inner else label): s for label, s in o.strides.items() if label != outer}
            return Operand(strides, o.offset)

        parts = {label: which for label, which in p.parts.items() if label not in pair}
        parts[name] = (*p.parts.get(outer, (outer,)), *p.parts.get(inner, (inner,)))
        p = replace(p, sizes=sizes, a=rename(p.a), b=rename(p.b), c=rename(p.c), parts=parts)
    return p
