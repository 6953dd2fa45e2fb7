"""Window ops outside of convolutions and poolings: patches gathered by tables of positions, and added up again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core.ops.window import positions
from cutaway.interop.onnx.graph import Term
from cutaway.interop.onnx.nodes.index import added
from cutaway.interop.onnx.sizes import Size
from cutaway.interop.onnx.write import INT64, Declined, Writer


def _setting(t: Term) -> tuple[list[int], list[int], list[int], list[int]]:
    dims, kernel, stride, dilation = ([int(n) for n in t.attrs[k]] for k in ("dims", "kernel", "stride", "dilation"))
    return dims, kernel, stride, dilation


def _table(n: int, kernel: int, stride: int, dilation: int) -> np.ndarray:
    """Which element stands at each place of each window: [windows, kernel]."""
    if isinstance(n, Size):
        raise Declined("patches along a dynamic axis; make that axis a fixed one")
    first = np.arange(positions(int(n), kernel, stride, dilation)) * stride
    return np.asarray(first[:, None] + np.arange(kernel) * dilation, INT64)


def _patches(w: Writer, x: str, a: Term, setting: Any) -> str:
    """[..., *windows, *kernel, ...]."""
    dims, kernel, stride, dilation = setting
    for d, k, s, di in reversed(list(zip(dims, kernel, stride, dilation))):
        x = w.node("Gather", x, w.constant(_table(a.shape[d], k, s, di)), axis=d)
    first, n = dims[0], len(dims)
    pairs = range(first, first + 2 * n)
    perm = [*range(first), *pairs[::2], *pairs[1::2], *range(first + 2 * n, a.ndim + n)]
    return x if perm == sorted(perm) else w.node("Transpose", x, perm=perm)


def windows(w: Writer, t: Term) -> str:
    """Patches."""
    return _patches(w, w.name(t.inputs[0]), t.inputs[0], _setting(t))


def _kernel_last(w: Writer, x: str, a: Term, pooled: Sequence[int], setting: Any) -> str:
    """Patches with all places of a window in one last dimension."""
    dims, kernel, *_ = setting
    first, n = dims[0], len(dims)
    x = _patches(w, x, a, setting)
    at = list(range(first + n, first + 2 * n))
    perm = [d for d in range(a.ndim + n) if d not in at] + at
    x = x if perm == sorted(perm) else w.node("Transpose", x, perm=perm)
    return w.reshape(x, [*pooled, *kernel], [*pooled, int(np.prod(kernel))])


def window_argmax(w: Writer, t: Term) -> str:
    """The place of the largest in each window."""
    (a,) = t.inputs
    x = _kernel_last(w, w.name(a), a, t.shape, _setting(t))
    return w.cast(w.node("ArgMax", x, axis=t.ndim, keepdims=0), t.dtype)


def window_gather(w: Writer, t: Term) -> str:
    """The element at a place of each window."""
    a, code = t.inputs
    x = _kernel_last(w, w.name(a), a, t.shape, _setting(t))
    last = w.ints([t.ndim])
    at = w.node("Unsqueeze", w.cast(w.name(code), INT64), last)
    return w.node("Squeeze", w.node("GatherElements", x, at, axis=t.ndim), last)


def _fold(w: Writer, x: str, shape: Sequence[int], dtype: np.dtype, setting: Any) -> str:
    """x [..., *windows, *kernel, ...] added up in an image of `shape`; leading dimensions may be dynamic."""
    dims, kernel, stride, dilation = setting
    first, n = dims[0], len(dims)
    lead, inner = list(shape[:first]), list(shape[first:])
    if any(isinstance(m, Size) for m in inner):
        raise Declined("patches added up along a dynamic axis; make that axis a fixed one")
    place = np.arange(int(np.prod(inner))).reshape(inner)
    for j, (k, s, di) in reversed(list(enumerate(zip(kernel, stride, dilation)))):
        place = np.take(place, _table(inner[j], k, s, di), axis=j)
    pairs = range(2 * n)
    place = place.transpose([*pairs[::2], *pairs[1::2], *range(2 * n, place.ndim)])
    flat = place.reshape((1,) * first + (-1,))
    rows = w.reshape(x, [*lead, *place.shape], [*lead, place.size])
    at = w.constant(flat.astype(INT64))
    at = w.node("Expand", at, w.ints([*lead, place.size])) if lead else at
    nothing = w.node("ConstantOfShape", w.ints([*lead, int(np.prod(inner))]), value=np.zeros(1, dtype))
    y = added(w, dtype, "ScatterElements", nothing, at, rows, axis=first)
    return w.reshape(y, [*lead, int(np.prod(inner))], shape)


def fold(w: Writer, t: Term) -> str:
    """Windows added up."""
    return _fold(w, w.name(t.inputs[0]), t.shape, t.dtype, _setting(t))


def window_scatter(w: Writer, t: Term) -> str:
    """Each element put at a place of its window, zeros elsewhere, and the windows added up."""
    g, code = t.inputs
    dims, kernel, *_ = setting = _setting(t)
    first, n, count = dims[0], len(dims), int(np.prod(kernel))
    last = w.ints([g.ndim])
    chosen = w.node("Equal", w.node("Unsqueeze", w.cast(w.name(code), INT64), last), w.constant(np.arange(count), INT64))
    x = w.node("Where", chosen, w.node("Unsqueeze", w.name(g), last), w.scalar(0, t))
    x = w.reshape(x, [*g.shape, count], [*g.shape, *kernel])
    perm = [*range(first + n), *range(g.ndim, g.ndim + n), *range(first + n, g.ndim)]
    x = x if perm == sorted(perm) else w.node("Transpose", x, perm=perm)
    return _fold(w, x, t.shape, t.dtype, setting)


TABLE: dict[str, Callable[[Writer, Term], str]] = {
    "windows": windows, "window_argmax": window_argmax, "window_gather": window_gather, "fold": fold,
    "window_scatter": window_scatter,
}  # fmt: skip
