"""float16 and bfloat16 as in eager mode: every op computes in float32, and its result is rounded once."""

from __future__ import annotations

from cutaway.core.dtypes import is_narrow
from cutaway.core.narrow import F32, moves
from cutaway.engine.graph import Graph, Value
from cutaway.engine.passes.rewrite import Builder, rewrite


def widen(graph: Graph) -> Graph:
    """Conversions before and after each op on narrow numbers; movements keep the bits."""
    return rewrite(graph, _rule)


def _rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    if v.op is None or moves(v.op, v.attrs) or not any(is_narrow(i.aval.dtype) for i in inputs):
        return None
    wide = [builder.op("cast", i, dtype=F32) if is_narrow(i.aval.dtype) else i for i in inputs]
    y = builder.op(v.op.name, *wide, **v.attrs)
    return builder.op("cast", y, dtype=v.aval.dtype) if is_narrow(v.aval.dtype) else y
