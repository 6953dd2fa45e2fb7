"""Movements: reshape, permute, expand, slice, pad, flip, concatenate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cutaway.interop.onnx.graph import Term
from cutaway.interop.onnx.sizes import Size, same
from cutaway.interop.onnx.write import Writer

END = np.iinfo(np.int64).max


def reshape(w: Writer, t: Term) -> str:
    """Reshape; where only dimensions of size 1 come or go at one place, Unsqueeze or Squeeze."""
    (a,) = t.inputs
    x = w.name(a)
    if len(a.shape) == len(t.shape) and all(map(same, a.shape, t.shape)):
        return x
    flat = t.ndim == 2 and same(a.shape[0] if a.shape else 0, t.shape[0]) and 0 not in [int(n) for n in t.shape]
    if flat and a.ndim > 3:
        return w.node("Flatten", x, axis=1)
    added = _inserted(a.shape, t.shape)
    if added:
        return w.node("Unsqueeze", x, w.ints(added))
    gone = _inserted(t.shape, a.shape)
    if gone:
        return w.node("Squeeze", x, w.ints(gone))
    if flat and a.ndim > 2:
        return w.node("Flatten", x, axis=1)
    return w.reshape(x, a.shape, t.shape)


def _inserted(short: Sequence[int], long: Sequence[int]) -> list[int] | None:
    """The dimensions of size 1 that `long` has more than `short`; None if that is not the difference."""
    if len(long) <= len(short):
        return None
    found, i = [], 0
    for d, n in enumerate(long):
        if i < len(short) and same(n, short[i]):
            i += 1
        elif not isinstance(n, Size) and n == 1:
            found.append(d)
        else:
            return None
    return found if i == len(short) else None


def permute(w: Writer, t: Term) -> str:
    """Transpose."""
    dims = [int(d) % t.ndim for d in t.attrs["dims"]] if t.ndim else []
    x = w.name(t.inputs[0])
    return x if dims == list(range(t.ndim)) else w.node("Transpose", x, perm=dims)


def expand(w: Writer, t: Term) -> str:
    """Expand. A 1 leaves a dimension as it is, so only what is stretched must be known."""
    (a,) = t.inputs
    x = w.name(a)
    behind = t.ndim - a.ndim
    if not behind and all(map(same, a.shape, t.shape)):
        return x
    target = [1 if d >= behind and same(a.shape[d - behind], n) else n for d, n in enumerate(t.shape)]
    return w.node("Expand", x, w.ints(target))


def cut(w: Writer, x: str, shape: Sequence[int], start: Sequence[int], step: Sequence[int], size: Sequence[int]) -> str:
    """`size` elements from `start` by `step` of each dimension."""
    axes, starts, ends, steps = [], [], [], []
    for d, (n, s, k, m) in enumerate(zip(shape, start, step, size)):
        if same(s, 0) and k == 1 and same(m, n):
            continue
        to_end = int(m) > 0 and same(m, (n - s + k - 1) // k)
        if isinstance(s, Size) and not isinstance(n - s, Size):
            s = -(n - s)  # counted from the end
        last = s + (m - 1) * k + 1 if int(m) else s
        axes.append(d)
        starts.append(s)
        ends.append(END if to_end else last)
        steps.append(int(k))
    if not axes:
        return x
    usual = all(k == 1 for k in steps)
    return w.node("Slice", x, w.ints(starts), w.ints(ends), w.ints(axes), "" if usual else w.ints(steps))


def slice_(w: Writer, t: Term) -> str:
    """Slice of the dimensions that are cut."""
    (a,) = t.inputs
    return cut(w, w.name(a), a.shape, t.attrs["start"], t.attrs["step"], t.attrs["size"])


def pad(w: Writer, t: Term) -> str:
    """Pad; where elements are pulled apart, too, each is padded to a group of `step` first."""
    (a,) = t.inputs
    low, step, shape, value = (t.attrs[k] for k in ("low", "step", "shape", "value"))
    x, size = w.name(a), list(a.shape)
    fill = w.scalar(value, t)
    for d, k in enumerate(step):
        if k > 1 and int(size[d]) > 1:
            wide = [*size[: d + 1], 1, *size[d + 1 :]]
            y = w.reshape(x, size, wide)
            pads = [0] * (d + 1) + [0] + [0] * (t.ndim - d - 1)
            more = [*pads[: d + 1], int(k) - 1, *pads[d + 2 :]]
            y = w.node("Pad", y, w.ints([*pads, *more]), fill)
            wide[d + 1] = int(k)
            size[d] = size[d] * int(k)
            y = w.reshape(y, wide, size)
            most = [*size[:d], size[d] - (int(k) - 1), *size[d + 1 :]]
            x, size = cut(w, y, size, [0] * t.ndim, [1] * t.ndim, most), most
    high = [n - s - m for n, s, m in zip(shape, low, size)]
    if all(same(n, 0) for n in [*low, *high]):
        return x
    return w.node("Pad", x, w.ints([*low, *high]), fill)


def flip(w: Writer, t: Term) -> str:
    """A slice that walks backwards."""
    dims = sorted(int(d) % t.ndim for d in t.attrs["dims"]) if t.ndim else []
    x = w.name(t.inputs[0])
    if not dims:
        return x
    n = len(dims)
    return w.node("Slice", x, w.ints([-1] * n), w.ints([-END] * n), w.ints(dims), w.ints([-1] * n))


def concatenate(w: Writer, t: Term) -> str:
    """Concat."""
    parts = [w.name(i) for i in t.inputs]
    return parts[0] if len(parts) == 1 else w.node("Concat", *parts, axis=int(t.attrs["dim"]) % t.ndim)


TABLE: dict[str, Callable[[Writer, Term], str]] = {
    "reshape": reshape, "permute": permute, "layout": permute, "expand": expand, "slice": slice_, "pad": pad, "flip": flip,
    "concatenate": concatenate,
}  # fmt: skip
