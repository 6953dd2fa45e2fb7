"""Ops that are written in terms of others."""

from __future__ import annotations

import math

from cutaway.core.ops.reduce import kept
from cutaway.engine.graph import Graph, Value
from cutaway.engine.passes.rewrite import Builder, rewrite


def decompose(graph: Graph) -> Graph:
    """logsumexp = log(sum(exp(x - top))) + top, with top = 0 where the largest element is infinite."""

    def rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
        if v.op is None or v.op.name != "logsumexp":
            return None
        x, dim = inputs[0], v.attrs["dim"]
        if not x.aval.size:  # the logarithm of an empty sum
            return builder.op("full", shape=v.aval.shape, value=-math.inf, dtype=v.aval.dtype)
        top = builder.op("amax", x, dim=dim, keepdim=True)
        top = builder.op("where", builder.op("isfinite", top), top, builder.number(0.0, top))
        total = builder.op("sum", builder.op("exp", builder.op("sub", x, top)), dim=dim, keepdim=True)
        y = builder.op("add", builder.op("log", total), top)
        assert y.aval.shape == kept(x.aval.shape, dim)
        return y if y.aval.shape == v.aval.shape else builder.op("reshape", y, shape=v.aval.shape)

    return rewrite(graph, rule)
