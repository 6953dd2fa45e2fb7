"""Ready-made problems: matrix products, and the three directions of convolution for any layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from cutaway.engine.contract.problem import Clip, Operand, Problem

F32 = np.dtype("float32")


def matmul(
    m: int, n: int, k: int, *, ta: bool = False, tb: bool = False, batch: int = 1, dtype: np.dtype = F32,
    accumulate: bool = False,
) -> Problem:  # fmt: skip
    """C[batch, m, n] = A[batch, m, k] B[batch, k, n], row-major; `ta`: A is stored [k, m]; `tb`: B is stored [n, k]."""
    return Problem(
        {"batch": batch, "m": m, "n": n, "k": k},
        Operand({"batch": m * k, "m": 1, "k": m} if ta else {"batch": m * k, "m": k, "k": 1}),
        Operand({"batch": k * n, "k": 1, "n": k} if tb else {"batch": k * n, "k": n, "n": 1}),
        Operand({"batch": m * n, "m": n, "n": 1}),
        dtype,
        accumulate=accumulate,
    )


@dataclass(frozen=True)
class Convolution:
    """A convolution over any number of spatial axes, in any layout.

    x[n, g, ic, i..] * w[g, oc, ic, k..] -> y[n, g, oc, o..]; `ic`, `oc` count channels of one group. `x`, `w`, `y` give the
    elements per step of the labels n, g, ic, oc, and i0, i1 .., k0, k1 .., o0, o1 .. of the spatial axes.
    """

    n: int
    groups: int
    ic: int
    oc: int
    inputs: tuple[int, ...]  # extents, without padding
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]  # before the first element
    dilation: tuple[int, ...]
    outputs: tuple[int, ...]
    x: Mapping[str, int]
    w: Mapping[str, int]
    y: Mapping[str, int]
    dtype: np.dtype = F32

    @property
    def _axes(self) -> range:
        return range(len(self.kernel))

    @property
    def _channels(self) -> dict[str, int]:
        return {"n": self.n, "g": self.groups, "ic": self.ic, "oc": self.oc}

    def _at_taps(self) -> Operand:
        """x at the place that output o and tap k look at: i = o * stride + k * dilation - padding."""
        steps = {label: self.x[label] for label in ("n", "g", "ic")}
        offset = 0
        for d in self._axes:
            step = self.x[f"i{d}"]
            steps[f"o{d}"], steps[f"k{d}"] = self.stride[d] * step, self.dilation[d] * step
            offset -= self.padding[d] * step
        return Operand(steps, offset)

    def _sizes(self) -> dict[str, int]:
        spatial = {f"o{d}": self.outputs[d] for d in self._axes} | {f"k{d}": self.kernel[d] for d in self._axes}
        return self._channels | spatial

    def _clips(self) -> tuple[Clip, ...]:
        return tuple(
            Clip(f"o{d}", f"k{d}", self.stride[d], self.dilation[d], -self.padding[d], self.inputs[d])
            for d in self._axes
        )

    def forward(self) -> Problem:
        """y = x * w."""
        return Problem(self._sizes(), self._at_taps(), Operand(self.w), Operand(self.y), self.dtype, self._clips())

    def grad_weight(self, accumulate: bool = False) -> Problem:
        """dw from x and dy."""
        return Problem(
            self._sizes(), self._at_taps(), Operand(self.y), Operand(self.w), self.dtype, self._clips(), accumulate
        )

    def grad_input(self) -> list[Problem]:
        """dx from dy and w: one problem per phase of the stride, each for the inputs i = stride * t + phase.

        An input that no tap reaches gets a problem with an empty sum, which writes zeros.
        """
        channels = self._channels
        start = Problem(
            channels,
            Operand({label: self.y[label] for label in ("n", "g", "oc")}),
            Operand({label: self.w[label] for label in ("g", "ic", "oc")}),
            Operand({label: self.x[label] for label in ("n", "g", "ic")}),
            self.dtype,
        )
        problems = [start]
        for d in self._axes:
            problems = [q for p in problems for q in self._phases(p, d)]
        return problems

    def _phases(self, p: Problem, d: int) -> list[Problem]:
        """`p` extended by spatial axis d, one problem per phase.

        o * stride = i + padding - k * dilation must have a solution: for i = stride * t + phase the taps that do are
        k = first + u * (stride / g), g = gcd(stride, dilation), and then o = t + shift - u * (dilation / g).
        """
        s, dil, pad, taps = self.stride[d], self.dilation[d], self.padding[d], self.kernel[d]
        g = gcd(s, dil)
        out = []
        for phase in range(min(s, self.inputs[d])):
            rows = -(-(self.inputs[d] - phase) // s)
            first = next((k for k in range(min(taps, s // g)) if (phase + pad - k * dil) % s == 0), None)
            count = 0 if first is None else -(-(taps - first) // (s // g))
            shift = 0 if first is None else (phase + pad - first * dil) // s
            back = -(dil // g)
            t, u = f"i{d}", f"k{d}"
            y, w, x = self.y[f"o{d}"], self.w[f"k{d}"], self.x[f"i{d}"]
            out.append(
                replace(
                    p,
                    sizes={**p.sizes, t: rows, u: count},
                    a=Operand({**p.a.strides, t: y, u: back * y}, p.a.offset + shift * y),
                    b=Operand({**p.b.strides, u: w * (s // g)}, p.b.offset + (first or 0) * w),
                    c=Operand({**p.c.strides, t: x * s}, p.c.offset + phase * x),
                    clips=(*p.clips, Clip(t, u, 1, back, shift, self.outputs[d])),
                )
            )
        return out


def split(p: Problem, label: str, parts: int) -> Problem:
    """`p` with a summed, unclipped label cut into `parts` equal pieces, the sum of each in its own copy of C.

    The extent must be a multiple of `parts`. The copies lie one after another; they let threads share a sum, and adding
    them up is left to the caller.
    """
    n = p.sizes[label]
    assert label in p.summed and n % parts == 0 and all(label not in c.steps for c in p.clips)
    size = 1 + sum(abs(step) * (p.sizes[x] - 1) for x, step in p.c.strides.items())
    each = n // parts
    part = f"{label}_part"
    return replace(
        p,
        sizes={part: parts, **p.sizes, label: each},
        a=Operand({**p.a.strides, part: each * p.a.step(label)}, p.a.offset),
        b=Operand({**p.b.strides, part: each * p.b.step(label)}, p.b.offset),
        c=Operand({**p.c.strides, part: size}, p.c.offset),
    )
