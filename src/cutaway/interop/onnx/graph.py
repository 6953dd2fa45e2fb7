"""Graph: several traces of one program, laid on one another. What they agree in is fixed, the rest follows the sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cutaway.core.errors import ExportError
from cutaway.engine.graph import Source, Value
from cutaway.engine.line import source
from cutaway.interop.onnx.sizes import Symbol, number
from cutaway.interop.onnx.trace import Call, Traced


class Differs(Exception):
    """Something is not alike in all traces, and is no number of elements."""


class Term:
    """One value, in all traces: `op` of `inputs` with `attrs`, or an input of the program."""

    def __init__(self, merged: Merged, values: tuple[Value, ...]) -> None:
        first = values[0]
        self.merged, self.values, self.op, self.source = merged, values, first.op, first.source
        self.dtype, self.line = first.aval.dtype, _line(values)
        self.shape: tuple[int, ...] = tuple(map(number, zip(*(v.aval.shape for v in values), strict=True)))
        self.position = merged.traces[0].position[first]
        self.path = merged.traces[0].path[self.position]
        # A composite may give it by one op here and by another there, and still be one node.
        self.one_way = all(v.op is first.op and (v.op is not None or _kind(v) == _kind(first)) for v in values)
        self._inputs: tuple[Term, ...] | None = None

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The op's name; "" for an input, and where the traces took different ways."""
        return self.op.name if self.op is not None and self.one_way else ""

    @property
    def inputs(self) -> tuple[Term, ...]:
        """What the op is applied to."""
        if self._inputs is None:
            if not self.one_way or len({len(v.inputs) for v in self.values}) > 1:
                raise self.parted()
            self._inputs = tuple(map(self.merged.term, zip(*(v.inputs for v in self.values))))
        return self._inputs

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes, Sizes where they follow the dynamic axes."""
        try:
            return {k: together([v.attrs[k] for v in self.values]) for k in self.values[0].attrs}
        except Differs as what:
            raise self.refusal(f"{what} changes with the size of a dynamic axis; make that axis a fixed one") from None

    @property
    def fixed(self) -> bool:
        """True if its numbers are known now: a parameter, a constant, or made of such."""
        return self.values[0] in self.merged.fixed

    def arrays(self) -> list[np.ndarray]:
        """The numbers of a fixed term, in each trace."""
        return [self.merged.number(v) for v in self.values]

    def alike(self) -> np.ndarray | None:
        """The numbers of a fixed term if all traces agree in them, else None."""
        if not self.fixed:
            return None
        first, *rest = self.arrays()
        agree = (a is first or (first.shape == a.shape and np.array_equal(first, a, equal_nan=_nan(a))) for a in rest)
        return first if all(agree) else None

    def parted(self) -> ExportError:
        """The error for a term that the traces make in different ways."""
        return self.refusal(
            "the program goes another way at another size of a dynamic axis; make that axis a fixed one, or keep sizes "
            "out of conditions and loops",
            self.op.name if self.op is not None else "",
        )

    def refusal(self, why: str, what: str = "") -> ExportError:
        """The error for a term that cannot be written: the op, the user's line, the layer."""
        error = ExportError(f"onnx.export: {what or self.name or 'a value'}{_where(self.line)}: {why}")
        error.layer = self.path
        return error


def _line(values: Sequence[Value]) -> str:
    """The user's line, of the first that has one."""
    return next((v.line for v in values if v.line), "")


def _where(line: str) -> str:
    """The user's line, for an error text."""
    text = source(line)
    return f" (at {line}{f': {text}' if text else ''})" if line else ""


def _nan(a: np.ndarray) -> bool:
    return a.dtype.kind == "f"


class Composite:
    """A call of a composite, in all traces."""

    def __init__(self, name: str, arguments: dict[str, Any], results: list[Term | None], at: Term, end: int) -> None:
        self.name, self.arguments, self.results, self.at, self.position = name, arguments, results, at, end

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]


class Merged:
    """All traces of a program as one graph of Terms, made as they are asked for.

    Only what is asked for has to agree: an LSTM's steps inside its node may be more in one trace than in another.
    """

    def __init__(self, traces: Sequence[Traced], symbols: Sequence[Symbol], fold: bool) -> None:
        self.traces, self.symbols, self.fold = list(traces), list(symbols), fold
        self._terms: dict[tuple[int, ...], Term] = {}
        self._numbers: dict[Value, np.ndarray] = {}
        self.fixed = {v for t in traces for v in _fixed(t, fold)}
        widths = {len(t.graph.outputs) for t in traces}
        if len(widths) > 1:
            raise ExportError("onnx.export: the number of results changes with the size of a dynamic axis")
        self.outputs = [self.term(vs) for vs in zip(*(t.graph.outputs for t in traces))]

    def term(self, values: Sequence[Value]) -> Term:
        """The Term of a value in each trace.  Raises ExportError where they have different dtypes or dimensions."""
        key = tuple(map(id, values))
        found = self._terms.get(key)
        if found is None:
            if len({(v.aval.dtype, len(v.aval.shape)) for v in values}) > 1:
                v = values[0]
                raise ExportError(
                    f"onnx.export: {v.op.name if v.op else 'a value'}{_where(_line(values))}: the number of dimensions, "
                    "or the dtype, changes with the size of a dynamic axis; make that axis a fixed one"
                )
            found = self._terms[key] = Term(self, tuple(values))
        return found

    def composites(self, term: Term) -> Iterator[Composite]:
        """The composites whose result a term is, outermost first, as far as the traces agree in them."""
        found = [t.calls.get(v, []) for t, v in zip(self.traces, term.values)]
        for calls in zip(*found) if len({*map(len, found)}) == 1 else ():
            try:
                yield self._composite(calls, term)
            except (Differs, ExportError):
                continue

    def _composite(self, calls: Sequence[Call], at: Term) -> Composite:
        first = calls[0]
        if any(c.name != first.name or len(c.results) != len(first.results) for c in calls):
            raise Differs(first.name)
        arguments = {k: together([c.arguments[k] for c in calls], self) for k in first.arguments}
        results = [None if rs[0] is None else self.term(rs) for rs in zip(*(c.results for c in calls))]
        return Composite(first.name, arguments, results, at, first.end)

    def number(self, v: Value) -> np.ndarray:
        """The numbers of a fixed value."""
        found = self._numbers.get(v)
        if found is None:
            if v.op is None:
                assert v.source is not None
                found = v.source.read((), v.aval.dtype)
            else:
                with np.errstate(all="ignore"):
                    found = np.asarray(v.op.forward(*map(self.number, v.inputs), **v.attrs))
            self._numbers[v] = found
        return found


def _kind(v: Value) -> Any:
    """What a graph's input must agree in."""
    s = v.source
    assert s is not None
    if s.kind == "argument":
        return s.index
    return (id(s.tensor) if is_parameter(s) else "number") if s.kind != "number" else s.name


def is_parameter(source: Source | None) -> bool:
    """True for a tensor that bears a name in the model; other tensors of the surroundings are constants."""
    return source is not None and source.kind == "tensor" and source.name[:1] != "#"


MUCH = 1 << 14  # elements that folding may add to a file


def _fixed(traced: Traced, fold: bool) -> Iterator[Value]:
    """The values whose numbers are known: parameters, constants and, folded, what is made of them alone."""
    known: set[Value] = set()
    for v in traced.graph.values:
        if v.op is None:
            if _is_constant(v) or (fold and is_parameter(v.source)):
                known.add(v)
        elif v.inputs and all(i in known for i in v.inputs) and v.op.kind != "random":
            grows = v.aval.size > MUCH and v.aval.size > sum(i.aval.size for i in v.inputs)
            constant = all(_is_constant(i) for i in v.inputs)
            if (fold or constant) and not grows:
                known.add(v)
    yield from known


def _is_constant(v: Value) -> bool:
    if v.op is not None:
        return all(_is_constant(i) for i in v.inputs)
    return v.source is not None and v.source.kind in ("constant", "tensor") and not is_parameter(v.source)


def together(xs: Sequence[Any], merged: Merged | None = None) -> Any:
    """One attribute or argument, as it is in each trace.  Raises Differs."""
    first = xs[0]
    if isinstance(first, Value):
        if merged is None or not all(isinstance(x, Value) for x in xs):
            raise Differs("an argument")
        return merged.term(xs)
    if isinstance(first, (tuple, list)):
        if len({*map(len, xs)}) > 1:
            raise Differs(f"the length of {first!r}")
        return tuple(together(parts, merged) for parts in zip(*xs))
    if isinstance(first, dict):
        return {k: together([x[k] for x in xs], merged) for k in first}
    if type(first) is int:
        return number(xs)
    if len(xs) > 1 and any(x is not first and (isinstance(x, np.ndarray) or x != first) for x in xs):
        raise Differs(repr(first))
    return first
