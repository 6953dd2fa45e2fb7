"""Graph: a program as data. Each Value is one op applied to earlier Values; the list is in order of execution.

    %0: float32[100, 784] = argument 0                        train.py:12
    %1: float32[784, 50] = tensor w                           (read anew at each call)
    %2: float32[100, 50] = matmul(%0, %1)                     train.py:14
    return %2
    write w <- %9

The same record that eager mode runs (`cutaway.core.op.Op`) says what a Value means: its shape rule is the verifier, its
forward the reference interpreter, its kind what the compiler goes by.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core import narrow
from cutaway.core.aval import Aval
from cutaway.core.errors import TraceError
from cutaway.core.op import Op
from cutaway.core.tensor import Tensor


class Source(NamedTuple):
    """Where a graph input's value comes from, at each call.

    kind     "argument" (a tensor among the arguments), "tensor" (closed over, read anew), "number" (a hyper-parameter or
             counter, read anew), or "constant" (its value was fixed when the graph was traced)
    index    the argument's position;  tensor, number, value: as the kind needs
    steady   of a number: True, when asked, if it stays what it is until something tells of a change (core/watched.py);
             None if it must be read at every call
    """

    kind: str
    index: int = 0  # type: ignore[assignment]  # not tuple.index, which no one needs here
    tensor: Tensor | None = None
    number: Callable[[], Any] | None = None
    value: np.ndarray | None = None
    name: str = ""
    steady: Callable[[], bool] | None = None

    def read(self, arguments: Sequence[np.ndarray], dtype: np.dtype) -> np.ndarray:
        """The value for this call."""
        if self.kind == "argument":
            return arguments[self.index]
        if self.kind == "tensor":
            assert self.tensor is not None
            return self.tensor._data
        if self.kind == "number":
            assert self.number is not None
            return np.asarray(self.number(), dtype)
        assert self.value is not None
        return self.value


class Value:
    """One result: `op` applied to `inputs` with `attrs`, or (op None) an input of the graph from `source`."""

    __slots__ = ("attrs", "aval", "inputs", "line", "op", "source")

    def __init__(
        self,
        op: Op | None,
        inputs: tuple[Value, ...],
        attrs: dict[str, Any],
        aval: Aval,
        line: str = "",
        source: Source | None = None,
    ) -> None:
        self.op, self.inputs, self.attrs, self.aval, self.line, self.source = op, inputs, attrs, aval, line, source

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op else self.source and self.source.kind} {self.aval}>"


class Write(NamedTuple):
    """At the end of a call, `value` is written into the memory of `tensor`, or (None) of an argument."""

    tensor: Tensor | None
    value: Value
    name: str
    argument: int = -1


class Graph:
    """Values in order of execution, what is returned, and which tensors are written."""

    def __init__(self, values: Iterable[Value], outputs: Sequence[Value], writes: Sequence[Write] = ()) -> None:
        self.values = list(values)
        self.outputs = list(outputs)
        self.writes = list(writes)

    @property
    def inputs(self) -> list[Value]:
        """Values without an op, in order."""
        return [v for v in self.values if v.op is None]

    @property
    def roots(self) -> list[Value]:
        """What must be computed: outputs and written values."""
        return [*self.outputs, *(w.value for w in self.writes)]

    def numbers(self) -> dict[Value, int]:
        """The %number of each value."""
        return {v: n for n, v in enumerate(self.values)}

    def __str__(self) -> str:
        return self.text()

    def text(self, where: bool = True) -> str:
        """All of it in words; `where` says which lines of the user's it comes from."""
        number = self.numbers()
        lines = []
        for v, n in number.items():
            text = f"%{n}: {v.aval} = {right_side(v, number)}"
            lines.append(f"{text:<72} {v.line}".rstrip() if where else text)
        lines.append("return " + ", ".join(f"%{number[v]}" for v in self.outputs))
        lines += [f"write {w.name} <- %{number[w.value]}" for w in self.writes]
        return "\n".join(lines)

    def verify(self) -> Graph:
        """Itself, if every value comes after its inputs and has the shape and dtype that its op's rule gives.

        Raises TraceError naming the first value that does not.
        """
        known: set[Value] = set()
        for n, v in enumerate(self.values):
            for i in v.inputs:
                if i not in known:
                    raise TraceError(f"graph: %{n} = {v!r} reads a value that comes later or is missing: {i!r}")
            if v in known:
                raise TraceError(f"graph: %{n} = {v!r} stands twice")
            if v.op is not None:
                aval = v.op.shape(*(i.aval for i in v.inputs), **v.attrs)
                if tuple(aval.shape) != tuple(v.aval.shape) or aval.dtype != v.aval.dtype:
                    raise TraceError(f"graph: %{n} = {v!r} should be {aval} by the rule of {v.op.name}")
            elif v.source is None:
                raise TraceError(f"graph: %{n} = {v!r} has neither op nor source")
            known.add(v)
        for v in self.roots:
            if v not in known:
                raise TraceError(f"graph: the result {v!r} is not among the values")
        return self


def right_side(v: Value, number: dict[Value, int]) -> str:
    """What a value is, as the printer writes it behind the equals sign."""
    if v.op is None:
        s = v.source
        assert s is not None
        if s.kind == "constant" and s.value is not None and s.value.size == 1:
            return f"constant {s.value.item():g}"
        return f"{s.kind} {s.name}".rstrip()
    parts = [f"%{number[i]}" for i in v.inputs]
    parts += [f"{k}={_show(a)}" for k, a in v.attrs.items()]
    return f"{v.op.name}({', '.join(parts)})"


def _show(a: Any) -> str:
    if isinstance(a, tuple):
        return "(" + ", ".join(map(_show, a)) + ("," if len(a) == 1 else "") + ")"
    return a.name if isinstance(a, np.dtype) else repr(a)


def below(roots: Iterable[Value], cut: Container[Value] = ()) -> set[Value]:
    """These values and all that they depend on, but not what lies behind those in `cut`."""
    found: set[Value] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if v not in found:
            found.add(v)
            if v not in cut:
                stack.extend(v.inputs)
    return found


def interpret(graph: Graph, arguments: Sequence[np.ndarray] = ()) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The reference interpreter: each op's own forward, one after the other.  Returns outputs and values to write.

    Whatever the compiler makes of a graph must agree with this.
    """
    values: dict[Value, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for v in graph.values:
            if v.op is None:
                assert v.source is not None
                values[v] = v.source.read(arguments, v.aval.dtype)
            else:
                values[v] = np.asarray(narrow.forward(v.op, *(values[i] for i in v.inputs), **v.attrs))
    return [values[v] for v in graph.outputs], [values[w.value] for w in graph.writes]
