"""Loops written in vectors along the last dimension, with masked tails: for values that follow affinely from memory.

LLVM's vectoriser takes long runs well. Rows of 30 or 10 elements, or a bias under an image, it does not: it leaves the end
of each row to scalar code. Here a row is whole vectors and one masked one, and dimensions that lie behind each other in
all memories are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir

from cutaway.core.aval import numel, row_major
from cutaway.core.dtypes import FLOATING
from cutaway.engine.contract.kernel import load_lanes, scatter
from cutaway.engine.graph import Value
from cutaway.engine.llvm.emit import Function, Int, constant
from cutaway.engine.loops.coordinates import Coordinate, Place, ends, memory_of, offset, place_of
from cutaway.engine.loops.lanes import Lanes
from cutaway.engine.scalar import VOCABULARY, Scalar, register_type, to_memory

if TYPE_CHECKING:
    from cutaway.engine.loops.kernels import Frame

ROW = 6  # elements a row must have at least, to be worth a masked vector
CODE = 64  # vectors that may be written out one after another
SHORT = 8  # elements of a row, up to which a vector goes across the rows and the row is written out


class Span:
    """`count` neighbours along a label, the others fixed: where a vector's lanes are in each memory."""

    def __init__(self, f: Function, lanes: int, index: Mapping[str, Int], label: str, count: int) -> None:
        self.f, self.lanes, self.index, self.label, self.count = f, lanes, index, label, count

    def _at(self, steps: Mapping[str, int], start: int) -> Int:
        at: Int = start
        for label, step in steps.items():
            at = self.f.add(at, self.f.mul(self.index[label], step))
        return at

    def load(self, pointer: Any, steps: Mapping[str, int], t: ir.Type, start: int = 0) -> Any:
        """The lanes' elements of a memory in which they lie at these steps."""
        vector = ir.VectorType(t, self.lanes)
        return load_lanes(self.f, pointer, self._at(steps, start), steps.get(self.label, 0), self.count, vector)

    def store(self, x: Scalar, pointer: Any, steps: Mapping[str, int], start: int = 0) -> None:
        """Write the lanes' elements."""
        value = to_memory(x)
        at, step = self._at(steps, start), steps.get(self.label, 0)
        if step == 1:
            self.f.store_first(self.count, value, pointer, at)
        else:
            scatter(self.f, value, pointer, at, step, self.count)


def leaves(v: Value, place: Place, pointers: Mapping[Value, Any]) -> Iterator[Mapping[str, int] | None]:
    """The steps at which memories are read to make element `place` of `v`; None for what does not follow."""

    def lies(x: Value) -> tuple[Value, tuple[int, ...]] | None:
        return memory_of(x, lambda y: y in pointers)

    for end in ends([(v, place)], lambda x: x.op is None or lies(x) is not None):
        if end is None:
            yield None
        elif (found := lies(end[0])) is not None:  # else a number
            yield offset(end[1], found[1])[1]


class Rows:
    """The loops over a shape: labels d0, d1 .., dimensions that lie behind each other in all memories taken as one."""

    def __init__(self, frame: Frame, shape: Sequence[int], steps: Sequence[Mapping[str, int]], lanes: int) -> None:
        self.frame, self.lanes, self.shape = frame, lanes, shape
        self.labels = [f"d{d}" for d in range(len(shape))]
        groups: list[tuple[list[str], int]] = []  # labels, extent; the last label counts for all
        for d, n in enumerate(shape):
            label = self.labels[d]
            if n == 1:
                continue
            if groups and all(s.get(groups[-1][0][-1], 0) == s.get(label, 0) * n for s in steps):
                groups[-1] = ([*groups[-1][0], label], groups[-1][1] * n)
            else:
                groups.append(([label], n))
        self.groups = groups

    @property
    def width(self) -> int:
        """Elements of a row."""
        return self.groups[-1][1] if self.groups else 1

    def each(self, body: Callable[[Span], None]) -> None:
        """`body` for each vector; the outermost dimension is shared among the threads."""
        f = self.frame.f
        zeros: dict[str, Int] = dict.fromkeys(self.labels, 0)
        label, n = self.groups[-1][0][-1], self.width

        def row(index: dict[str, Int], low: Int, high: Int, last: Any) -> None:
            """Vectors low to high - 1, and the tail if `last` (True, or an i1)."""
            whole, rest = divmod(n, self.lanes)

            def vector(i: Int, count: int) -> None:
                body(Span(f, self.lanes, {**index, label: i}, label, count))

            if isinstance(low, int) and isinstance(high, int) and min(high, whole) - low <= 4:
                for i in range(low, min(high, whole)):
                    vector(i * self.lanes, self.lanes)
            elif whole:
                f.loop(low, f.min(high, whole), 1, (), lambda i, _: vector(f.mul(i, self.lanes), self.lanes), "v")
            if rest and last is True:
                vector(whole * self.lanes, rest)
            elif rest:
                with f.when(last):
                    vector(whole * self.lanes, rest)

        def level(d: int, index: dict[str, Int]) -> None:
            if d == len(self.groups) - 1:
                row(index, 0, -(-n // self.lanes), True)
                return
            labels, extent = self.groups[d]
            low, high = self.frame.share(extent) if d == 0 else (0, extent)
            f.loop(low, high, 1, (), lambda i, _: level(d + 1, {**index, labels[-1]: i}), labels[-1])

        if len(self.groups) > 1:
            level(0, zeros)
            return
        if self.frame.rows:
            start, stop = self.frame.share(n)
            end = f.add(start, f.mul(f.div(f.sub(stop, start), self.lanes), self.lanes))

            def some(i: Int, count: int) -> None:
                body(Span(f, self.lanes, {**zeros, label: i}, label, count))

            f.loop(start, end, self.lanes, (), lambda i, _: some(i, self.lanes), "v")
            f.loop(end, stop, 1, (), lambda i, _: some(i, 1), "rest")
            return
        vectors = -(-n // self.lanes)
        low, high = self.frame.share(vectors)
        row(zeros, low, high, f.b.icmp_signed("==", f.int(high), f.int(vectors)))


def lanes_for(frame: Frame, outputs: Sequence[Value]) -> int:
    """How many elements of these values a vector holds."""
    return frame.bits // (8 * max(4, *(v.aval.dtype.itemsize for v in outputs)))


def rows_for(
    frame: Frame, outputs: Sequence[Value], shape: Sequence[int], reads: Sequence[tuple[Value, Place]]
) -> Rows | None:
    """Loops over `shape` to compute `outputs` from the elements `reads`; None if vectors do not suit them."""
    steps = offset(place_of([f"d{d}" for d in range(len(shape))]), row_major(shape))[1]
    rows = _rows(frame, outputs, shape, steps, reads)
    return rows if rows is not None and rows.width >= ROW else None


def _rows(
    frame: Frame,
    outputs: Sequence[Value],
    shape: Sequence[int],
    steps: Mapping[str, int],
    reads: Iterable[tuple[Value, Place]],
) -> Rows | None:
    """Loops over `shape`, where results lie at `steps`; None if the elements `reads` do not follow."""
    inner = frame.inputs(outputs)
    all_steps = [steps]
    for v, place in reads:
        for found in leaves(v, place, inner):
            if found is None:
                return None
            all_steps.append(found)
    return Rows(frame, shape, all_steps, lanes_for(frame, outputs))


def vector_map(frame: Frame, outputs: Sequence[Value]) -> bool:
    """Fill the buffers of values of one shape, in vectors; False if they do not suit them."""
    shape = outputs[0].aval.shape
    place = place_of([f"d{d}" for d in range(len(shape))])
    rows = rows_for(frame, outputs, shape, [(v, place) for v in outputs])
    if rows is None:
        return False
    inner = frame.inputs(outputs)
    start, steps = offset(place, row_major(shape))

    def body(span: Span) -> None:
        lanes = Lanes(frame.f, inner, span, rows.lanes)
        made = [lanes.at(v, place).to(v.aval.dtype) for v in outputs]
        for v, x in zip(outputs, made, strict=True):
            span.store(x, frame.pointers[v], steps, start)

    frame.shared_or_alone(outputs[0].aval.size, lambda: rows.each(body))
    return True


def across_map(frame: Frame, outputs: Sequence[Value]) -> bool:
    """`vector_map` for rows that are shorter than a vector: each lane has a row of its own; False if that does not suit."""
    shape = outputs[0].aval.shape
    if len(shape) < 2 or not 1 < shape[-1] < ROW:
        return False
    outer = place_of([f"d{d}" for d in range(len(shape) - 1)])
    places = [(*outer, Coordinate(k)) for k in range(shape[-1])]
    rows = _rows(frame, outputs, shape[:-1], offset(places[0], row_major(shape))[1], product(outputs, places))
    if rows is None or rows.width < rows.lanes:
        return False
    inner = frame.inputs(outputs)

    def body(span: Span) -> None:
        lanes = Lanes(frame.f, inner, span, rows.lanes)
        made = [(v, place, lanes.at(v, place).to(v.aval.dtype)) for v, place in product(outputs, places)]
        for v, place, x in made:
            start, steps = offset(place, row_major(shape))
            span.store(x, frame.pointers[v], steps, start)

    frame.shared_or_alone(outputs[0].aval.size, lambda: rows.each(body))
    return True


PART = 256  # terms that are added one by one, so that a sum's error grows no further
LONG_PART = 2048  # and where they are spread over lanes, some 64 of them


def in_parts(
    f: Function,
    n: int,
    size: int,
    start: Sequence[Any],
    turn: Callable[[Any, list[Any]], list[Any]],
    join: Callable[[list[Any], list[Any]], list[Any]],
    name: str,
    step: int = 1,
) -> list[Any]:
    """A loop over n that carries sums; if it is long, parts of `size` begin anew from `start` and are joined."""
    if n < 2 * size:
        return f.loop(0, n, step, start, turn, name)
    whole = n // size * size

    def one(low: Any, carried: list[Any]) -> list[Any]:
        return join(carried, f.loop(low, f.add(low, size), step, start, turn, name))

    total = f.loop(0, whole, size, start, one, f"{name}.part")
    return total if whole == n else join(total, f.loop(whole, n, step, start, turn, name))


def across_reduce(
    frame: Frame, v: Value, dims: Sequence[int], combine: Callable[[Scalar, Scalar], Scalar]
) -> bool:
    """A reduction of a few elements each: every lane has a result of its own; False if vectors do not suit it."""
    source, shape = v.inputs[0], v.inputs[0].aval.shape
    kept = [d for d in range(len(shape)) if d not in dims]
    taps = list(product(*(range(shape[d]) for d in dims))) if numel([shape[d] for d in dims]) <= SHORT else []
    if not taps or not kept or source.aval.dtype != v.aval.dtype or v.aval.dtype.itemsize < 4:
        return False
    here = dict(zip(kept, place_of([f"d{n}" for n in range(len(kept))]), strict=True))
    reads = []
    for tap in taps:
        at = {**here, **{d: Coordinate(k) for d, k in zip(dims, tap, strict=True)}}
        reads.append((source, tuple(at[d] for d in range(len(shape)))))
    out_shape = [shape[d] for d in kept]
    start, steps = offset(tuple(here.values()), row_major(out_shape))
    rows = _rows(frame, [v], out_shape, steps, reads)
    if rows is None or rows.width < rows.lanes:
        return False
    inner = frame.inputs([v])

    def body(span: Span) -> None:
        lanes = Lanes(frame.f, inner, span, rows.lanes)
        total = lanes.at(*reads[0])
        for read in reads[1:]:
            total = combine(total, lanes.at(*read))
        span.store(total, frame.pointers[v], steps, start)

    frame.shared_or_alone(source.aval.size, lambda: rows.each(body))
    return True


def taps(attrs: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """The places within a window."""
    return list(product(*(range(k) for k in attrs["kernel"])))


def tap_place(place: Place, attrs: Mapping[str, Any], tap: Sequence[int]) -> Place:
    """The element that a window at `place` has at `tap`."""
    out = list(place)
    for d, k, stride, dilation in zip(attrs["dims"], tap, attrs["stride"], attrs["dilation"], strict=True):
        out[d] = place[d].scaled(stride, k * dilation)
    return tuple(out)


def vector_argmax(frame: Frame, outputs: Sequence[Value]) -> bool:
    """window_argmax, and beside it (as a second output) the elements found, in vectors; False if they do not suit them."""
    v = outputs[0]
    source, attrs, shape = v.inputs[0], v.attrs, v.aval.shape
    place = place_of([f"d{d}" for d in range(len(shape))])
    all_taps = taps(attrs)
    reads = [(source, tap_place(place, attrs, tap)) for tap in all_taps]
    rows = rows_for(frame, outputs, shape, reads) if len(all_taps) <= CODE else None
    if rows is None:
        return False
    inner = frame.inputs(outputs)
    start, steps = offset(place, row_major(shape))

    def body(span: Span) -> None:
        lanes = Lanes(frame.f, inner, span, rows.lanes)
        code_type = ir.VectorType(register_type(v.aval.dtype), rows.lanes)
        best, code = lanes.at(*reads[0]), constant(code_type, 0)
        for number, read in enumerate(reads[1:], 1):
            x = lanes.at(*read)
            won = x > best
            if x.dtype.kind in FLOATING:
                won = won | (x != x)
            best = VOCABULARY.where(won, x, best)
            code = frame.f.b.select(won.value, constant(code_type, number), code)
        span.store(Scalar(frame.f, code, v.aval.dtype), frame.pointers[v], steps, start)
        for found in outputs[1:]:
            span.store(best, frame.pointers[found], steps, start)

    frame.shared_or_alone(source.aval.size, lambda: rows.each(body))
    return True


def tiles_exactly(attrs: Mapping[str, Any], places: Sequence[int]) -> bool:
    """True if each element of the image is in one window."""
    dims = attrs["dims"]
    return all(
        k == s and dilation == 1 and attrs["shape"][d] == n * k
        for d, k, s, dilation, n in zip(
            dims, attrs["kernel"], attrs["stride"], attrs["dilation"], (places[d] for d in dims), strict=True
        )
    )


def vector_scatter(frame: Frame, v: Value) -> bool:
    """window_scatter where each element is in one window, in vectors; False if that does not suit it."""
    source, code = v.inputs
    shape, attrs = source.aval.shape, v.attrs
    all_taps = taps(attrs)
    if not tiles_exactly(attrs, shape) or len(all_taps) > CODE:
        return False
    place = place_of([f"d{d}" for d in range(len(shape))])
    targets = [offset(tap_place(place, attrs, tap), row_major(v.aval.shape)) for tap in all_taps]
    inner = frame.inputs([v])
    steps: list[Mapping[str, int]] = [offset(place, row_major(shape))[1], targets[0][1]]
    for x in (source, code):
        for found in leaves(x, place, inner):
            if found is None:
                return False
            steps.append(found)
    rows = Rows(frame, shape, steps, lanes_for(frame, [v]))
    if rows.width < ROW or rows.groups[-1][0][-1] != f"d{len(shape) - 1}" or targets[0][1][rows.groups[-1][0][-1]] != 1:
        return False

    def body(span: Span) -> None:
        lanes = Lanes(frame.f, inner, span, rows.lanes)
        x, where = lanes.at(source, place), lanes.at(code, place)
        for number, (start, step) in enumerate(targets):
            span.store(VOCABULARY.where(where == number, x, x.lift(0)), frame.pointers[v], step, start)

    frame.shared_or_alone(v.aval.size, lambda: rows.each(body))
    return True


def vector_reduce(
    frame: Frame, v: Value, dims: Sequence[int], start: Any, combine: Callable[[Scalar, Scalar], Scalar]
) -> bool:
    """A reduction that keeps the last dimension, whose sums stay in registers; False if vectors do not suit it."""
    source, f = v.inputs[0], frame.f
    shape = source.aval.shape
    kept = [d for d in range(len(shape)) if d not in dims]
    place = list(place_of([f"d{d}" for d in range(len(shape))]))
    reads = [(source, tuple(place))]
    inner = frame.inputs([v])
    if any(found is None for found in leaves(source, reads[0][1], inner)) or shape[kept[-1]] < ROW:
        return False
    lanes = lanes_for(frame, [v])
    width = shape[kept[-1]]
    vectors = -(-width // lanes)
    most = 8  # accumulators at a time
    label = f"d{kept[-1]}"
    out_steps = {f"d{d}": s for d, s in zip(kept, row_major([shape[d] for d in kept]), strict=True)}
    vector_type = ir.VectorType(register_type(v.aval.dtype), lanes)

    def columns(index: dict[str, Int], first: Int, count: int, tail: int) -> None:
        """`count` vectors of columns from vector `first` on, the last of them with `tail` lanes."""

        def span(at: dict[str, Int], j: int) -> Span:
            column = f.add(f.mul(first, lanes), j * lanes)
            return Span(f, lanes, {**at, label: column}, label, tail if j == count - 1 else lanes)

        def add(at: dict[str, Int], acc: list[Any]) -> list[Any]:
            out = []
            for j, held in enumerate(acc):
                x = Lanes(f, inner, span(at, j), lanes).at(*reads[0])
                out.append(combine(Scalar(f, held, v.aval.dtype), x).value)
            return out

        nothing = [constant(vector_type, start)] * count

        def joined(a: list[Any], b: list[Any]) -> list[Any]:
            return [combine(*(Scalar(f, x, v.aval.dtype) for x in pair)).value for pair in zip(a, b, strict=True)]

        def over(k: int, at: dict[str, Int]) -> list[Any]:
            """What dimension k and those within come to, at `at` of those without."""
            name, n = f"d{dims[k]}", shape[dims[k]]
            if k < len(dims) - 1:
                return in_parts(f, n, PART, nothing, lambda i, c: joined(c, over(k + 1, {**at, name: i})), joined, name)
            # A sum waits for the one before: several in turn do not.
            copies = most // count if n >= 2 * most else 1

            def turn(i: Any, carried: list[Any]) -> list[Any]:
                made = []
                for c in range(copies):
                    made += add({**at, name: f.add(i, c)}, carried[c * count : (c + 1) * count])
                return made

            stop = n // copies * copies
            sets = in_parts(f, stop, PART * copies, nothing * copies, turn, joined, name, copies)
            for i in range(stop, n):
                sets[:count] = add({**at, name: i}, sets[:count])
            out = sets[:count]
            for c in range(1, copies):
                out = joined(out, sets[c * count : (c + 1) * count])
            return out

        for j, x in enumerate(over(0, index)):
            span(index, j).store(Scalar(f, x, v.aval.dtype), frame.pointers[v], out_steps)

    def row(index: dict[str, Int], low: Int, high: Int, ends: Any) -> None:
        """Columns of the vectors low to high - 1; `ends`: whether the last vector is among them."""
        whole, rest = divmod(width, lanes)
        if low == 0 and high == vectors and vectors <= most:
            columns(index, 0, vectors, rest or lanes)
            return
        step = 4 if low == 0 else 1
        stop = f.min(high, whole // step * step)
        f.loop(low, stop, step, (), lambda i, _: columns(index, i, step, lanes), "columns")
        for i in range(whole // step * step, whole):
            columns(index, i, 1, lanes)
        if rest:
            with f.when(ends):
                columns(index, whole, 1, rest)

    zeros: dict[str, Int] = {f"d{d}": 0 for d in range(len(shape))}
    outer = [d for d in kept[:-1] if shape[d] > 1]

    def body() -> None:
        if outer:
            yes = ir.Constant(ir.IntType(1), 1)

            def one(at: Sequence[Int]) -> None:
                row({**zeros, **{f"d{d}": i for d, i in zip(outer, at, strict=True)}}, 0, vectors, yes)

            frame.nest([shape[d] for d in outer], one)
            return
        low, high = frame.share(vectors)
        row(zeros, low, high, f.b.icmp_signed("==", f.int(high), f.int(vectors)))

    frame.shared_or_alone(source.aval.size, body)
    return True
