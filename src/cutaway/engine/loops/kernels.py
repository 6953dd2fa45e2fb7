"""Kernels: each fills the buffers of one value (or of several values of one shape) from other buffers.

Loops are written as plain scalar loops; LLVM's vectoriser widens the innermost one. Every kernel is SPMD: thread
`tid` of `nth` does its part, and the numbers do not depend on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core.aval import numel
from cutaway.core.dtypes import FLOATING, is_narrow
from cutaway.engine.graph import Value
from cutaway.engine.llvm.emit import I64, Function, Int, constant
from cutaway.engine.loops.read import Index, Reader, linear, load, store
from cutaway.engine.loops.vectors import (
    LONG_PART,
    PART,
    ROW,
    across_map,
    across_reduce,
    in_parts,
    vector_argmax,
    vector_map,
    vector_reduce,
    vector_scatter,
)
from cutaway.engine.scalar import BOOL, VOCABULARY, Scalar, register_type

SERIAL_BELOW = 4096  # elements: less work is done by thread 0 alone
GRAIN = 64  # elements of a flat loop that stay together: whole cache lines


class Frame:
    """A kernel under construction: its function, where its buffers are, which thread it is.

    `rows`, if not 0, is how many rows the result has; `tid` and `nth` are then the range of rows that is to be done.
    """

    def __init__(
        self, f: Function, pointers: dict[Value, Any], tid: Any, nth: Any, bits: int = 128, rows: int = 0
    ) -> None:
        self.f, self.pointers, self.tid, self.nth, self.bits, self.rows = f, pointers, tid, nth, bits, rows

    def inputs(self, outputs: Sequence[Value]) -> dict[Value, Any]:
        """Pointers to all that is read: what is written has another value before."""
        return {v: p for v, p in self.pointers.items() if v not in outputs}

    def reader(self) -> Reader:
        """Reads values in the block where we are."""
        return Reader(self.f, self.pointers)

    def share(self, extent: Int, grain: int = 1) -> tuple[Int, Int]:
        """This thread's part of range(extent), in multiples of `grain`."""
        f = self.f
        if self.rows:
            each, rest = divmod(extent, self.rows)
            assert not rest, f"{extent} elements are not {self.rows} rows"
            return f.mul(self.tid, each), f.mul(self.nth, each)
        blocks = f.div(f.add(extent, grain - 1), grain)
        low = f.mul(f.div(f.mul(blocks, self.tid), self.nth), grain)
        high = f.mul(f.div(f.mul(blocks, f.add(self.tid, 1)), self.nth), grain)
        return low, f.min(high, extent)

    def alone(self, body: Callable[[], None]) -> None:
        """Thread 0 does it, the others nothing; by rows, each does its own."""
        if self.rows:
            body()
            return
        f, tid, nth = self.f, self.tid, self.nth
        with f.when(f.b.icmp_signed("==", tid, constant(I64, 0))):
            self.tid, self.nth = constant(I64, 0), constant(I64, 1)
            body()
        self.tid, self.nth = tid, nth

    def shared_or_alone(self, work: int, body: Callable[[], None]) -> None:
        """By all threads if there is enough to do."""
        body() if work >= SERIAL_BELOW else self.alone(body)

    def nest(self, shape: Sequence[int], body: Callable[[Index], None], parallel: bool = True) -> None:
        """A loop for each dimension; the outermost of more than one turn is shared among the threads."""
        f = self.f

        def level(d: int, index: Index, shared: bool) -> None:
            if d == len(shape):
                body(index)
                return
            if shape[d] == 1:
                level(d + 1, (*index, 0), shared)
                return
            low, high = self.share(shape[d]) if shared else (0, shape[d])
            f.loop(low, high, 1, (), lambda i, _: level(d + 1, (*index, i), False), f"d{d}")

        level(0, (), parallel)


# --- maps: every element by itself ------------------------------------------------------------------------------------


def is_flat(v: Value, pointers: dict[Value, Any], shape: tuple[int, ...]) -> bool:
    """True if `v` can be computed offset by offset: no movement, no broadcasting but of single elements."""
    if v.aval.size != 1 and v.aval.shape != shape:
        return False
    if v in pointers or v.op is None or v.op.name == "full":
        return True
    if v.op.name == "philox_uniform":
        return v.aval.shape == shape
    if v.op.kind == "elementwise":
        return all(is_flat(i, pointers, shape) for i in v.inputs)
    if v.op.name == "reshape":
        source = v.inputs[0]
        return source in pointers or (v.aval.size == 1 and is_flat(source, pointers, source.aval.shape))
    return False


def flat_key(pointers: dict[Value, int], outputs: Sequence[Value]) -> str:
    """All that the code of an elementwise kernel depends on but the number of elements; "" for one that is not flat.

    `pointers`: which of the function's pointers leads to each value.
    """
    shape = outputs[0].aval.shape
    inner = {v: p for v, p in pointers.items() if v not in outputs}
    if not numel(shape) or not all(is_flat(v, inner, shape) for v in outputs):
        return ""
    number: dict[Value, int] = {}
    words: list[str] = []

    def visit(v: Value, root: bool) -> int:
        if v not in number:
            one = "1" if v.aval.size == 1 else "n"
            if v in inner and not root:
                text = f"at {inner[v]}"
            elif v.op is None:
                assert v.source is not None and v.source.value is not None
                text = v.source.value.tobytes().hex()
            else:
                attrs = sorted((k, repr(a)) for k, a in v.attrs.items() if k != "shape")
                text = f"{v.op.name}{[visit(i, False) for i in v.inputs]}{attrs}"
            number[v] = len(number)
            words.append(f"{one} {v.aval.dtype} {text}")
        return number[v]

    roots = [(visit(v, True), pointers[v]) for v in outputs]
    return f"{roots} {numel(shape) == 1} {numel(shape) >= SERIAL_BELOW} {words}"


def emit_flat(frame: Frame, outputs: Sequence[Value], n: Int) -> None:
    """Fill the buffers of values that are computed offset by offset; `n` may be known only when the code runs."""
    f, size = frame.f, outputs[0].aval.size
    inner = frame.inputs(outputs)

    def flat(i: Int) -> None:
        reader = Reader(f, inner)
        for v, x in [(v, reader.flat(v, i)) for v in outputs]:
            store(f, x.to(v.aval.dtype), frame.pointers[v], i)

    def body() -> None:
        if size == 1:
            flat(0)
            return
        low, high = frame.share(n, GRAIN)
        f.loop(low, high, 1, (), lambda i, _: flat(i))

    frame.shared_or_alone(size, body)


def emit_map(frame: Frame, outputs: Sequence[Value]) -> None:
    """Fill the buffers of values of one shape."""
    shape = outputs[0].aval.shape
    n = numel(shape)
    f = frame.f
    if n == 0:
        return
    inner = frame.inputs(outputs)
    if all(is_flat(v, inner, shape) for v in outputs):
        emit_flat(frame, outputs, n)
        return
    if vector_map(frame, outputs) or across_map(frame, outputs):
        return

    def element(index: Index) -> None:
        reader = Reader(f, inner)
        for v, x in [(v, reader.at(v, index)) for v in outputs]:
            store(f, x.to(v.aval.dtype), frame.pointers[v], linear(f, index, shape))

    frame.shared_or_alone(n, lambda: frame.nest(shape, element))


# --- reductions -------------------------------------------------------------------------------------------------------


def _accumulator(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32) if is_narrow(dtype) else dtype


def _identity(name: str, dtype: np.dtype) -> Any:
    if name in ("sum", "any"):
        return 0
    if name in ("prod", "all"):
        return 1
    low = name == "amax"
    if dtype.kind in FLOATING:
        return -np.inf if low else np.inf
    if dtype == BOOL:
        return 0 if low else 1
    return np.iinfo(dtype).min if low else np.iinfo(dtype).max


def _combine(name: str, a: Scalar, x: Scalar) -> Scalar:
    f, b = a.f, a.f.b
    if name == "sum":
        if a.dtype.kind in FLOATING:
            return Scalar(f, b.fadd(a.value, x.value, flags=("reassoc", "nsz")), a.dtype)
        return a + x
    if name == "prod":
        return a * x
    if name == "any":
        return a | x
    if name == "all":
        return a & x
    if a.dtype.kind in FLOATING:
        return Scalar(f, f.binary("maximum" if name == "amax" else "minimum", a.value, x.value), a.dtype)
    return VOCABULARY.maximum(a, x) if name == "amax" else VOCABULARY.minimum(a, x)


def reduced(v: Value) -> tuple[int, ...]:
    """The dimensions that a reduction sums or compares over."""
    dims = v.attrs["dim"]
    return (dims,) if isinstance(dims, int) else tuple(dims)


def emit_reduce(frame: Frame, v: Value) -> None:
    """sum, prod, amax, amin, any, all over some dimensions."""
    assert v.op is not None
    name, source = v.op.name, v.inputs[0]
    shape = source.aval.shape
    dims = reduced(v) if shape else ()
    dtype = BOOL if name in ("any", "all") else _accumulator(v.aval.dtype)
    start = constant(register_type(dtype), _identity(name, dtype))
    kept = [d for d in range(len(shape)) if d not in dims]
    f = frame.f
    out_shape = [shape[d] for d in kept]
    if numel(out_shape) == 0:
        return

    def place(outer: Sequence[Int], inner: Sequence[Int]) -> Index:
        index: list[Int] = [0] * len(shape)
        for d, i in zip(kept, outer, strict=True):
            index[d] = i
        for d, i in zip(dims, inner, strict=True):
            index[d] = i
        return tuple(index)

    def take(index: Index) -> Scalar:
        return frame.reader().at(source, index).to(dtype)

    row = not kept or not dims or dims[-1] > kept[-1] or shape[kept[-1]] == 1
    part = LONG_PART if row and numel(out_shape) > 1 else PART  # it ends with a sum over lanes, which short rows would feel

    def total(outer: Index) -> Scalar:
        """What a place of the result comes to."""

        def joined(a: list[Any], b: list[Any]) -> list[Any]:
            return [_combine(name, Scalar(f, a[0], dtype), Scalar(f, b[0], dtype)).value]

        def over(k: int, inner: Index) -> Any:
            if k == len(dims):
                return take(place(outer, inner)).value

            def turn(i: Any, acc: list[Any]) -> list[Any]:
                return joined(acc, [over(k + 1, (*inner, i))])

            return in_parts(f, shape[dims[k]], part, [start], turn, joined, f"r{k}")[0]

        return Scalar(f, over(0, ()), dtype)

    if row:
        if across_reduce(frame, v, dims, lambda a, x: _combine(name, a, x)):
            return

        def one(outer: Index) -> None:
            store(f, total(outer).to(v.aval.dtype), frame.pointers[v], linear(f, outer, out_shape))

        frame.shared_or_alone(source.aval.size, lambda: frame.nest(out_shape, one))
        return

    # The innermost dimension stays: whole rows are added up in the output's memory, which stays in the cache.
    width = out_shape[-1]
    count = numel(out_shape[:-1])
    pointer = frame.pointers[v]
    exact = dtype == v.aval.dtype
    narrow = width < ROW and numel([shape[d] for d in dims]) > 2 * PART
    if exact and dtype != BOOL and vector_reduce(
        frame, v, dims, _identity(name, dtype), lambda a, x: _combine(name, a, x.to(dtype))
    ):
        return

    def rows(outer: Index, low: Int, high: Int) -> None:
        base = f.mul(linear(f, outer, out_shape[:-1]), width)
        if narrow or not exact:  # many rows, a wider sum, or a truth: one column at a time, in a register
            f.loop(low, high, 1, (), lambda j, _: column(outer, base, j), "j")
            return
        f.loop(low, high, 1, (), lambda j, _: store(f, Scalar(f, start, dtype), pointer, f.add(base, j)), "clear")

        def over(k: int, inner: Index) -> None:
            if k < len(dims):
                f.loop(0, shape[dims[k]], 1, (), lambda i, _: over(k + 1, (*inner, i)), f"r{k}")
                return

            def add(j: Int, _: Any) -> None:
                at = f.add(base, j)
                held = load(f, pointer, at, dtype)
                store(f, _combine(name, held, take(place((*outer, j), inner))), pointer, at)

            f.loop(low, high, 1, (), add, "j")

        over(0, ())

    def column(outer: Index, base: Int, j: Int) -> None:
        store(f, total((*outer, j)).to(v.aval.dtype), pointer, f.add(base, j))

    def body() -> None:
        if count == 1:
            low, high = frame.share(width, 16)
            rows((0,) * (len(out_shape) - 1), low, high)
        else:
            frame.nest(out_shape[:-1], lambda outer: rows(outer, 0, width))

    frame.shared_or_alone(source.aval.size, body)


def emit_arg(frame: Frame, v: Value) -> None:
    """argmax, argmin: the first extreme element; NaN counts as extreme."""
    assert v.op is not None
    source, dim, f = v.inputs[0], v.attrs["dim"], frame.f
    shape = source.aval.shape
    if not shape:
        frame.alone(lambda: store(f, Scalar(f, constant(I64, 0), np.dtype(np.int64)), frame.pointers[v], 0))
        return
    outer_shape = shape[:dim] + shape[dim + 1 :]
    how = ">" if v.op.name == "argmax" else "<"

    def one(outer: Index) -> None:
        def at(k: Int) -> Scalar:
            return frame.reader().at(source, (*outer[:dim], k, *outer[dim:]))

        first = at(0)

        def turn(k: Any, carried: list[Any]) -> list[Any]:
            best, where = Scalar(f, carried[0], first.dtype), carried[1]
            x = at(k)
            better = x.compare(how, best)
            if x.dtype.kind in FLOATING:
                better = (better | (x != x)) & (best == best)
            return [f.b.select(better.value, x.value, best.value), f.b.select(better.value, k, where)]

        found = f.loop(1, shape[dim], 1, [first.value, constant(I64, 0)], turn, "k")[1]
        store(f, Scalar(f, found, np.dtype(np.int64)), frame.pointers[v], linear(f, outer, outer_shape))

    frame.shared_or_alone(source.aval.size, lambda: frame.nest(outer_shape, one))


def emit_cumsum(frame: Frame, v: Value) -> None:
    """Running sums along a dimension."""
    source, dim, f = v.inputs[0], v.attrs["dim"], frame.f
    shape = source.aval.shape
    if not shape:
        emit_copy(frame, v, source)
        return
    dtype = np.dtype(np.float64) if v.aval.dtype.kind in FLOATING else v.aval.dtype

    def one(outer: Index) -> None:
        def turn(k: Any, carried: list[Any]) -> list[Any]:
            index = (*outer[:dim], k, *outer[dim:])
            total = Scalar(f, carried[0], dtype) + frame.reader().at(source, index).to(dtype)
            store(f, total.to(v.aval.dtype), frame.pointers[v], linear(f, index, shape))
            return [total.value]

        f.loop(0, shape[dim], 1, [constant(register_type(dtype), 0)], turn, "k")

    frame.shared_or_alone(source.aval.size, lambda: frame.nest(shape[:dim] + shape[dim + 1 :], one))


# --- movement that needs memory of its own ----------------------------------------------------------------------------


def emit_copy(frame: Frame, v: Value, source: Value, start: Sequence[int] = (), step: Sequence[int] = ()) -> None:
    """Elements of `source`, to every step-th place of v's buffer from `start` on."""
    f = frame.f
    start, step = start or (0,) * len(source.aval.shape), step or (1,) * len(source.aval.shape)

    def one(index: Index) -> None:
        x = frame.reader().at(source, index)
        to = tuple(f.add(s, f.mul(i, k)) for i, s, k in zip(index, start, step, strict=True))
        store(f, x.to(v.aval.dtype), frame.pointers[v], linear(f, to, v.aval.shape))

    frame.nest(source.aval.shape, one)


def emit_pad(frame: Frame, v: Value) -> None:
    """The input among copies of a value. Both loops are cut the same way along the outermost dimension."""
    source, f = v.inputs[0], frame.f
    low, step, shape = v.attrs["low"], v.attrs["step"], v.aval.shape

    def fill(index: Index) -> None:
        store(f, frame.reader()._immediate(v.aval.dtype, v.attrs["value"]), frame.pointers[v], linear(f, index, shape))

    def fill_and_copy() -> None:
        frame.nest(shape, fill)
        emit_copy(frame, v, source, low, step)

    def body() -> None:
        whole = not shape or (shape[0] == source.aval.shape[0] > 1 and low[0] == 0)
        if source.aval.size == v.aval.size:
            emit_copy(frame, v, source, low, step)
        elif whole:  # each thread fills and copies its own part of the first dimension
            fill_and_copy()
        else:
            frame.alone(fill_and_copy)

    if v.aval.size:
        frame.shared_or_alone(v.aval.size, body)


def emit_concatenate(frame: Frame, v: Value) -> None:
    """Each input into its part."""
    dim = v.attrs["dim"] % len(v.aval.shape)

    def body() -> None:
        at = 0
        for part in v.inputs:
            start = tuple(at if d == dim else 0 for d in range(len(v.aval.shape)))
            if part.aval.size:
                emit_copy(frame, v, part, start)
            at += part.aval.shape[dim]

    frame.shared_or_alone(v.aval.size, body)


# --- scatter: thread 0, in order, so that repeated indices add up the same way every time -----------------------------


def emit_scatter(frame: Frame, v: Value) -> None:
    """scatter, scatter_add, index_put: a copy of the first input, then elements replaced or added."""
    assert v.op is not None
    f, name = frame.f, v.op.name
    base = v.inputs[0]
    adds = name == "scatter_add" or bool(v.attrs.get("accumulate"))

    def put(source: Value, from_index: Index, to: Index) -> None:
        x = frame.reader().at(source, from_index).to(v.aval.dtype)
        at = linear(f, to, v.aval.shape)
        if adds:
            x = load(f, frame.pointers[v], at, v.aval.dtype) + x
        store(f, x, frame.pointers[v], at)

    def along(index: Index) -> None:
        dim, where = v.attrs["dim"], v.inputs[1]
        reader = frame.reader()
        at = reader.position(reader.at(where, index), v.aval.shape[dim], False)
        put(v.inputs[2], index, (*index[:dim], at, *index[dim + 1 :]))

    def region(index: Index) -> None:
        source, indices = v.inputs[1], v.inputs[2:]
        to = frame.reader().index_targets(v, indices, v.attrs["dims"], v.aval.shape, index)
        put(source, Reader._broadcast(index, source.aval.shape), to)

    def body() -> None:
        emit_copy(frame, v, base)
        if name == "index_put":
            from cutaway.core.ops.index import _index_shape

            shape = _index_shape(base.aval, *(i.aval for i in v.inputs[2:]), dims=v.attrs["dims"]).shape
            frame.nest(shape, region)
        else:
            frame.nest(v.inputs[1].aval.shape, along)

    if v.aval.size:
        frame.alone(body)


def emit_argsort(frame: Frame, v: Value) -> None:
    """Each element's rank by counting (ties in order of position); a row of n costs n^2 comparisons."""
    source, dim, f = v.inputs[0], v.attrs["dim"], frame.f
    shape = source.aval.shape
    int64 = np.dtype(np.int64)
    if not shape:
        frame.alone(lambda: store(f, Scalar(f, constant(I64, 0), int64), frame.pointers[v], 0))
        return
    how = ">" if v.attrs["descending"] else "<"

    def one(index: Index) -> None:
        i, outer = f.int(index[dim]), (*index[:dim], *index[dim + 1 :])
        x = frame.reader().at(source, index)

        def turn(j: Any, carried: list[Any]) -> list[Any]:
            y = frame.reader().at(source, (*outer[:dim], j, *outer[dim:]))
            earlier = Scalar(f, f.b.icmp_signed("<", j, i), BOOL)
            before = y.compare(how, x) | ((y == x) & earlier)
            if x.dtype.kind in FLOATING:  # NaN is the largest
                nan_x, nan_y = x != x, y != y
                last = nan_y & ~nan_x if how == ">" else nan_x & ~nan_y
                before = before | last | (nan_x & nan_y & earlier)
            return [f.b.add(carried[0], f.b.zext(before.value, I64))]

        rank = f.loop(0, shape[dim], 1, [constant(I64, 0)], turn, "j")[0]
        to = (*index[:dim], rank, *index[dim + 1 :])
        store(f, Scalar(f, i, int64), frame.pointers[v], linear(f, to, shape))

    if v.aval.size:
        frame.shared_or_alone(v.aval.size * shape[dim], lambda: frame.nest(shape, one))


# --- windows ----------------------------------------------------------------------------------------------------------


def _spread(
    frame: Frame, v: Value, image: tuple[int, ...], source: Value, value_at: Callable[[Index, Index], Scalar]
) -> None:
    """Add value_at(place, tap) to v's buffer where each window's tap lies; threads share what lies before the windows."""
    f, a = frame.f, v.attrs
    first, n = a["dims"][0], len(a["dims"])
    places = source.aval.shape[first : first + n]
    lead, tail = image[:first], image[first + n :]
    dtype = v.aval.dtype

    def clear(index: Index) -> None:
        store(f, frame.reader()._immediate(dtype, 0), frame.pointers[v], linear(f, index, image))

    def spread(outer: Index) -> None:
        def tap(k: Index) -> None:
            def one(inner: Index) -> None:
                o, rest = inner[:n], inner[n:]
                spots = [
                    f.add(f.mul(i, s), f.mul(j, d)) for i, j, s, d in zip(o, k, a["stride"], a["dilation"], strict=True)
                ]
                at = linear(f, (*outer, *spots, *rest), image)
                held = load(f, frame.pointers[v], at, dtype)
                store(f, held + value_at((*outer, *o, *rest), k), frame.pointers[v], at)

            frame.nest((*places, *tail), one, False)

        frame.nest(a["kernel"], tap, False)

    def body() -> None:
        frame.nest(image, clear)
        frame.nest(lead, spread)

    if v.aval.size:
        # Both nests are shared along the first dimension with more than one entry: only `lead` may hold it.
        if numel(lead) > 1 and next(m for m in image if m > 1) == next(m for m in lead if m > 1):
            frame.shared_or_alone(v.aval.size, body)
        else:
            frame.alone(body)


def emit_fold(frame: Frame, v: Value) -> None:
    """Windows added up where they came from."""
    source = v.inputs[0]
    first, n = v.attrs["dims"][0], len(v.attrs["dims"])

    def value_at(place: Index, tap: Index) -> Scalar:
        return frame.reader().at(source, (*place[: first + n], *tap, *place[first + n :]))

    _spread(frame, v, tuple(v.attrs["shape"]), source, value_at)


def emit_window_scatter(frame: Frame, v: Value) -> None:
    """Each number to the place in its window that the code names."""
    source, code = v.inputs
    kernel = v.attrs["kernel"]
    if v.aval.size and vector_scatter(frame, v):
        return

    def value_at(place: Index, tap: Index) -> Scalar:
        reader = frame.reader()
        here = Scalar(frame.f, frame.f.int(linear(frame.f, tap, kernel)), np.dtype(np.int64))
        hit = reader.at(code, place).to(np.dtype(np.int64)) == here
        x = reader.at(source, place)
        return VOCABULARY.where(hit, x, x.lift(0))

    _spread(frame, v, tuple(v.attrs["shape"]), source, value_at)


def emit_window_argmax(frame: Frame, v: Value, *found: Value) -> None:
    """The place of the first largest element in each window, counted row by row; and beside it (`found`) the element."""
    source, f, a = v.inputs[0], frame.f, v.attrs
    if v.aval.size == 0 or vector_argmax(frame, (v, *found)):
        return
    first, n = a["dims"][0], len(a["dims"])

    def one(index: Index) -> None:
        best: Scalar | None = None
        code: Any = None
        for number, tap in enumerate(np.ndindex(*a["kernel"])):
            spots = [
                f.add(f.mul(i, s), int(k) * d)
                for i, k, s, d in zip(index[first : first + n], tap, a["stride"], a["dilation"], strict=True)
            ]
            x = frame.reader().at(source, (*index[:first], *spots, *index[first + n :]))
            here = constant(register_type(v.aval.dtype), number)
            if best is None:
                best, code = x, here
                continue
            won = x > best
            if x.dtype.kind in FLOATING:
                won = won | (x != x)
            best, code = VOCABULARY.where(won, x, best), f.b.select(won.value, here, code)
        store(f, Scalar(f, code, v.aval.dtype), frame.pointers[v], linear(f, index, v.aval.shape))
        for taken in found:
            assert best is not None
            store(f, best, frame.pointers[taken], linear(f, index, v.aval.shape))

    frame.shared_or_alone(source.aval.size, lambda: frame.nest(v.aval.shape, one))


# --- contractions -----------------------------------------------------------------------------------------------------


def emit_contract(frame: Frame, v: Value) -> None:
    """Sums of products, row by row in the output's memory."""
    assert v.op is not None
    a, b = v.inputs
    f = frame.f
    if v.op.name == "matmul":
        batch = len(v.aval.shape) - 2
        out_labels = [*range(batch), "m", "n"]
        labels_a = [*range(batch - len(a.aval.shape) + 2, batch), "m", "k"]
        labels_b = [*range(batch - len(b.aval.shape) + 2, batch), "k", "n"]
    else:
        sides, _, out = v.attrs["spec"].partition("->")
        left, _, right = sides.partition(",")
        out_labels, labels_a, labels_b = list(out), list(left), list(right)
    size: dict[Any, int] = {}
    for labels, shape in ((labels_a, a.aval.shape), (labels_b, b.aval.shape), (out_labels, v.aval.shape)):
        size.update({c: n for c, n in zip(labels, shape, strict=True) if n != 1 or c not in size})
    summed = [c for c in dict.fromkeys([*labels_a, *labels_b]) if c not in out_labels]
    if v.aval.size == 0:
        return
    dtype = v.aval.dtype
    width = v.aval.shape[-1] if v.aval.shape else 1
    rows = v.aval.shape[:-1]
    pointer = frame.pointers[v]

    def term(where: dict[Any, Int]) -> Scalar:
        def read(x: Value, labels: Sequence[Any]) -> Scalar:
            index = tuple(0 if n == 1 else where[c] for c, n in zip(labels, x.aval.shape, strict=True))
            return frame.reader().at(x, index)

        return read(a, labels_a).to(wide) * read(b, labels_b).to(wide)

    wide = _accumulator(dtype)

    def column(where: dict[Any, Int], at: Int) -> None:
        """One element, summed in a register of a wider type."""

        def over(k: int, acc: Any) -> Any:
            if k == len(summed):
                return (Scalar(f, acc, wide) + term(where).to(wide)).value

            def turn(i: Any, carried: list[Any]) -> list[Any]:
                where[summed[k]] = i
                return [over(k + 1, carried[0])]

            return f.loop(0, size[summed[k]], 1, [acc], turn, "k")[0]

        total = over(0, constant(register_type(wide), 0))
        store(f, Scalar(f, total, wide).to(dtype), pointer, at)

    def row(outer: Index) -> None:
        where: dict[Any, Int] = dict(zip(out_labels, outer, strict=False))
        base = f.mul(linear(f, outer, rows), width)
        if wide != dtype:
            for_each = out_labels[-1:]

            def one(j: Any, _: Any) -> None:
                column({**where, **dict.fromkeys(for_each, j)}, f.add(base, j))

            f.loop(0, width, 1, (), one, "j")
            return
        zero = Scalar(f, constant(register_type(dtype), 0), dtype)
        f.loop(0, width, 1, (), lambda j, _: store(f, zero, pointer, f.add(base, j)), "clear")

        def over(k: int) -> None:
            if k < len(summed):

                def turn(i: Any, _: Any) -> None:
                    where[summed[k]] = i
                    over(k + 1)

                f.loop(0, size[summed[k]], 1, (), turn, "k")
                return

            def add(j: Any, _: Any) -> None:
                at = f.add(base, j)
                if out_labels:
                    where[out_labels[-1]] = j
                store(f, load(f, pointer, at, dtype) + term(where), pointer, at)

            f.loop(0, width, 1, (), add, "j")

        over(0)

    frame.shared_or_alone(v.aval.size * max(1, numel([size[c] for c in summed])), lambda: frame.nest(rows, row))


EMIT: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("sum", "prod", "amax", "amin", "any", "all"), emit_reduce),
    **dict.fromkeys(("argmax", "argmin"), emit_arg),
    **dict.fromkeys(("scatter", "scatter_add", "index_put"), emit_scatter),
    **dict.fromkeys(("matmul", "einsum"), emit_contract),
    "cumsum": emit_cumsum,
    "pad": emit_pad,
    "concatenate": emit_concatenate,
    "argsort": emit_argsort,
    "fold": emit_fold,
    "window_scatter": emit_window_scatter,
    "window_argmax": emit_window_argmax,
}
