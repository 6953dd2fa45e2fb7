"""The frame that passes share: walk a graph in order and build a new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.aval import Aval
from cutaway.core.op import OPS
from cutaway.engine.graph import Graph, Source, Value


class Builder:
    """Appends values to a new graph, with shapes and dtypes by the ops' own rules."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.line = ""

    def op(self, name: str, *inputs: Value, **attrs: Any) -> Value:
        """Append op `name`."""
        op = OPS[name]
        aval = op.shape(*(i.aval for i in inputs), **attrs)
        value = Value(op, inputs, attrs, Aval(tuple(aval.shape), aval.dtype), self.line)
        self.values.append(value)
        return value

    def input(self, aval: Aval, source: Source) -> Value:
        """Append an input."""
        value = Value(None, (), {}, aval, "", source)
        self.values.append(value)
        return value

    def number(self, x: float, like: Value) -> Value:
        """A constant of the dtype of `like`."""
        import numpy as np

        array = np.asarray(x, like.aval.dtype)
        value = Value(None, (), {}, Aval((), array.dtype), "", Source("constant", value=array))
        self.values.append(value)
        return value

    def again(self, v: Value, inputs: tuple[Value, ...]) -> Value:
        """Append `v` with other inputs."""
        made = v if inputs == v.inputs else Value(v.op, inputs, v.attrs, v.aval, v.line, v.source)
        self.values.append(made)
        return made


def rewrite(graph: Graph, rule: Callable[[Builder, Value, tuple[Value, ...]], Value | None]) -> Graph:
    """A new graph in which `rule(builder, value, its new inputs)` stands for each value; None keeps it."""
    builder = Builder()
    new: dict[Value, Value] = {}
    for v in graph.values:
        inputs = tuple(new[i] for i in v.inputs)
        builder.line = v.line
        made = rule(builder, v, inputs)
        new[v] = builder.again(v, inputs) if made is None else made
    writes = [w._replace(value=new[w.value]) for w in graph.writes]
    return Graph(builder.values, [new[o] for o in graph.outputs], writes)
