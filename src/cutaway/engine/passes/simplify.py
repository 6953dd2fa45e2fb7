"""Movements that undo each other, casts that change nothing, arithmetic with 0 and 1, arrays of one number."""

from __future__ import annotations

from cutaway.core.dtypes import FLOATING, is_narrow
from cutaway.engine.graph import Graph, Value
from cutaway.engine.passes.rewrite import Builder, rewrite


def simplify(graph: Graph) -> Graph:
    """Shorter expressions for the same values."""
    return rewrite(graph, _rule)


def _uniform(v: Value) -> bool:
    """True for a constant of several elements that are all the same number (and not -0.0, which `full` cannot make)."""
    s = v.source
    if s is None or s.kind != "constant" or s.value is None or s.value.size < 2:
        return False
    first, last = s.value.flat[0], s.value.flat[-1]
    if first.tobytes() != last.tobytes() or s.value.tobytes() != first.tobytes() * s.value.size:
        return False
    return bool(first) or not any(first.tobytes())


def _is_number(v: Value, x: float) -> bool:
    if v.op is not None and v.op.name == "full":
        return bool(v.attrs["value"] == x)
    s = v.source
    return s is not None and s.kind == "constant" and s.value is not None and s.value.size == 1 and s.value.item() == x


def _widened(v: Value) -> bool:
    """True for a narrow value converted to float32 or float64."""
    cast = v.op is not None and v.op.name == "cast" and is_narrow(v.inputs[0].aval.dtype)
    return cast and v.aval.dtype.kind == "f" and v.aval.dtype.itemsize > 2


def _rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    if v.op is None and _uniform(v):
        assert v.source is not None and v.source.value is not None
        return builder.op("full", shape=v.aval.shape, value=v.source.value.flat[0].item(), dtype=v.aval.dtype)
    if v.op is None or not inputs:
        return None
    a, name = inputs[0], v.op.name
    if name == "copy" or (name in ("reshape", "expand") and a.aval.shape == v.aval.shape):
        return a
    if name == "cast":
        if is_narrow(v.aval.dtype) and _widened(a) and a.inputs[0].aval.dtype == v.aval.dtype:
            return a.inputs[0]
        return a if a.aval.dtype == v.aval.dtype else None
    if name == "reshape" and a.op is not None and a.op.name == "reshape":
        source = a.inputs[0]
        return source if source.aval.shape == v.aval.shape else builder.op("reshape", source, shape=v.aval.shape)
    if name in ("permute", "layout"):
        dims = tuple(v.attrs["dims"])
        if a.op is not None and a.op.name in ("permute", "layout"):
            dims, a = tuple(a.attrs["dims"][d] for d in dims), a.inputs[0]
        if dims == tuple(range(len(dims))):
            return a
        return builder.op("permute", a, dims=dims)
    if name in ("mul", "div") and _is_number(inputs[1], 1.0) and a.aval == v.aval:
        return a
    if name == "mul" and _is_number(a, 1.0) and inputs[1].aval == v.aval:
        return inputs[1]
    if name in ("add", "sub") and _is_number(inputs[1], 0.0) and a.aval == v.aval and a.aval.dtype.kind not in FLOATING:
        return a
    return None
