"""Index ops: gather, scatter, advanced indexing, order, constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from cutaway.core.aval import broadcast_shapes
from cutaway.core.ops.movement import inverse
from cutaway.interop.onnx.graph import Term
from cutaway.interop.onnx.nodes.movement import cut
from cutaway.interop.onnx.sizes import Size, same
from cutaway.interop.onnx.write import INT64, Declined, Writer


def full(w: Writer, t: Term) -> str:
    """ConstantOfShape."""
    return w.node("ConstantOfShape", w.ints(t.shape), value=np.array([t.attrs["value"]], t.dtype))


def gather(w: Writer, t: Term) -> str:
    """GatherElements."""
    a, index = t.inputs
    if not a.ndim:
        return w.name(a)
    return w.node("GatherElements", w.name(a), w.name(index), axis=int(t.attrs["dim"]) % a.ndim)


def added(w: Writer, dtype: np.dtype, op_type: str, x: str, index: str, src: str, **options: int) -> str:
    """A scatter that adds up; float16 in float32, as sums are here."""
    w.need(16, f"{op_type} that adds up")
    if dtype == np.float16:
        x, src = w.cast(x, np.float32), w.cast(src, np.float32)
    y: str = w.node(op_type, x, index, src, reduction="add", **options)
    return w.cast(y, dtype) if dtype == np.float16 else y


def scattered(add: bool) -> Callable[[Writer, Term], str]:
    """ScatterElements, setting or adding up."""

    def convert(w: Writer, t: Term) -> str:
        a, index, src = t.inputs
        parts = [w.name(i) for i in (a, index, src)]
        if not all(map(same, index.shape, src.shape)):
            parts[2] = cut(w, parts[2], src.shape, (0,) * a.ndim, (1,) * a.ndim, index.shape)
        if not a.ndim:
            parts = [w.node("Unsqueeze", p, w.ints([0])) for p in parts]
        axis = int(t.attrs["dim"]) % max(a.ndim, 1)
        y = added(w, t.dtype, "ScatterElements", *parts, axis=axis) if add else w.node("ScatterElements", *parts, axis=axis)
        return y if a.ndim else w.node("Squeeze", y, w.ints([0]))

    return convert


def _wide(shapes: Sequence[Sequence[int]]) -> list[int]:
    """The shape that index arrays stretch to, Sizes kept."""
    whole = broadcast_shapes(*(tuple(map(int, s)) for s in shapes))
    out: list[int] = list(whole)
    for s in shapes:
        for d in range(1, len(s) + 1):
            if isinstance(s[-d], Size):
                out[-d] = s[-d]
    return out


def _places(w: Writer, indices: Sequence[Term]) -> tuple[str, list[int]]:
    """The index arrays as one int64 [*wide, how many]."""
    wide = _wide([i.shape for i in indices])
    columns = []
    for i in indices:
        x = w.name(i) if i.dtype == INT64 else w.cast(w.name(i), INT64)
        if len(i.shape) != len(wide) or not all(map(same, i.shape, wide)):
            x = w.node("Expand", x, w.ints(wide))
        columns.append(w.node("Unsqueeze", x, w.ints([len(wide)])))
    return (columns[0] if len(columns) == 1 else w.node("Concat", *columns, axis=len(wide))), wide


def _front(ndim: int, dims: Sequence[int]) -> tuple[int, ...]:
    """The permutation that brings `dims` to the front."""
    return (*dims, *(d for d in range(ndim) if d not in dims))


def _turned(w: Writer, x: str, perm: Sequence[int]) -> str:
    return x if list(perm) == sorted(perm) else w.node("Transpose", x, perm=list(perm))


def _behind(dims: Sequence[int], wide: int, ndim: int) -> tuple[int, ...]:
    """The permutation from [*wide, *rest] to where the indexed part stands in the result."""
    adjacent = all(q - p == 1 for p, q in pairwise(dims))
    at, rest = (dims[0] if adjacent else 0), ndim - len(dims)
    return (*range(wide, wide + at), *range(wide), *range(wide + at, wide + rest))


def index(w: Writer, t: Term) -> str:
    """Gather along one dimension, GatherND along several."""
    a, *indices = t.inputs
    dims = [int(d) for d in t.attrs["dims"]]
    if len(dims) == 1:
        (i,) = indices
        at = w.name(i) if i.dtype in (INT64, np.dtype(np.int32)) else w.cast(w.name(i), INT64)
        return w.node("Gather", w.name(a), at, axis=dims[0])
    places, wide = _places(w, indices)
    y = w.node("GatherND", _turned(w, w.name(a), _front(a.ndim, dims)), places)
    return _turned(w, y, _behind(dims, len(wide), a.ndim))


def index_put(w: Writer, t: Term) -> str:
    """ScatterND, with the indexed dimensions in front."""
    a, v, *indices = t.inputs
    dims = [int(d) for d in t.attrs["dims"]]
    places, wide = _places(w, indices)
    front = _front(a.ndim, dims)
    back = _behind(dims, len(wide), a.ndim)
    source = [*wide, *(a.shape[d] for d in front[len(dims) :])]
    region = [source[d] for d in back]
    x = w.name(v)
    if v.ndim != len(region) or not all(map(same, v.shape, region)):
        x = w.node("Expand", x, w.ints(region))
    x = _turned(w, x, inverse(back))
    parts = _turned(w, w.name(a), front), places, x
    y = added(w, t.dtype, "ScatterND", *parts) if t.attrs["accumulate"] else w.node("ScatterND", *parts)
    return _turned(w, y, inverse(front))


def argsort(w: Writer, t: Term) -> str:
    """TopK of all; of equals the first comes first there, too."""
    (a,) = t.inputs
    if not a.ndim:
        return w.constant(0, INT64)
    d = int(t.attrs["dim"]) % a.ndim
    largest = int(t.attrs["descending"])
    return w.node("TopK", w.name(a), w.ints([a.shape[d]]), outputs=2, axis=d, largest=largest, sorted=1)[1]


def random(w: Writer, t: Term) -> str:
    """Never: the numbers would be others there, and a file that is run twice would differ from itself."""
    raise Declined("random numbers, such as dropout's, cannot be in the file; call model.eval(), or pass them as an input")


TABLE: dict[str, Callable[[Writer, Term], str]] = {
    "full": full, "gather": gather, "scatter": scattered(False), "scatter_add": scattered(True), "index": index,
    "index_put": index_put, "argsort": argsort, "philox_uniform": random,
}  # fmt: skip
