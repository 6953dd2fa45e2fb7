"""Common subexpressions are computed once; what nothing needs is not computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.engine.graph import Graph, Value, below
from cutaway.engine.passes.rewrite import Builder, rewrite


def clean(graph: Graph) -> Graph:
    """One value for equal expressions; dead values dropped."""
    seen: dict[Any, Value] = {}

    def rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
        key: Any
        if v.op is None:
            assert v.source is not None
            if v.source.kind != "constant" or v.source.value is None:
                return None
            key = ("constant", v.aval, v.source.value.tobytes())
        else:
            key = (v.op.name, inputs, _frozen(v.attrs))
        found = seen.get(key)
        if found is None:
            found = seen[key] = builder.again(v, inputs)
        return found

    once = rewrite(graph, rule)
    needed = below(once.roots)
    return Graph([v for v in once.values if v in needed], once.outputs, once.writes)


def _frozen(x: Any) -> Any:
    if isinstance(x, dict):
        return tuple((k, _frozen(x[k])) for k in sorted(x))
    if isinstance(x, (list, tuple)):
        return tuple(_frozen(i) for i in x)
    # 0.0 and -0.0 are equal and not the same; so are 1 and True.
    return (type(x).__name__, repr(x)) if isinstance(x, (float, bool)) else x.str if isinstance(x, np.dtype) else x
