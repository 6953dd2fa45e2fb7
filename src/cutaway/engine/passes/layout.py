"""Layout: permutations sink towards the results, so that values lie in memory in the order in which they are made.

A convolution makes channels-last images and shows them as NCHW by a permutation. An elementwise op of a permuted value is
the permuted value of the op, and so with windows, padding and sums; two permutations that meet cancel. What is left between
two convolutions is then channels-last from end to end.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from cutaway.core.ops.movement import inverse
from cutaway.engine.graph import Graph, Value
from cutaway.engine.passes.rewrite import Builder, rewrite

Dims = tuple[int, ...]


def layout(graph: Graph) -> Graph:
    """The same values, with permutations moved behind the ops that do not mind."""
    return rewrite(graph, _rule)


def _rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    if v.op is None or not inputs:
        return None
    name = v.op.name
    if name == "permute" and _permuted(inputs[0]):
        dims = tuple(inputs[0].attrs["dims"][d] for d in v.attrs["dims"])
        inner = inputs[0].inputs[0]
        return inner if dims == tuple(range(len(dims))) else builder.op("permute", inner, dims=dims)
    if v.op.kind == "elementwise":
        return _elementwise(builder, v, inputs)
    if name in ("window_argmax", "window_gather", "window_scatter"):
        return _windows(builder, v, inputs)
    if not _permuted(inputs[0]):
        return None
    dims = tuple(inputs[0].attrs["dims"])
    inner = inputs[0].inputs[0]
    if name == "pad":
        back = inverse(dims)
        attrs = {k: tuple(v.attrs[k][d] for d in back) for k in ("low", "step", "shape")}
        return builder.op("permute", builder.op("pad", inner, **attrs, value=v.attrs["value"]), dims=dims)
    if name == "slice":
        back = inverse(dims)
        attrs = {k: tuple(v.attrs[k][d] for d in back) for k in ("start", "step", "size")}
        return builder.op("permute", builder.op("slice", inner, **attrs), dims=dims)
    if name == "sum":
        return _sum(builder, v, inner, dims)
    return None


def _permuted(v: Value) -> bool:
    return v.op is not None and v.op.name == "permute"


def _elementwise(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    """op(permute(a), permute(b), number) = permute(op(a, b, number)), if the permutations are one.

    A value that is stretched (a number a channel) is turned the other way, which costs nothing: its order is how it is read.
    """
    orders = {tuple(i.attrs["dims"]) for i in inputs if _permuted(i)}
    large = {tuple(i.attrs["dims"]) for i in inputs if _permuted(i) and not _stretched(i, v)}
    if len(large or orders) != 1:
        return None
    (dims,) = large or orders
    if len(dims) != v.aval.ndim:
        return None
    inner = []
    for i in inputs:
        if _permuted(i) and tuple(i.attrs["dims"]) == dims:
            inner.append(i.inputs[0])
        elif i.aval.ndim == 0:
            inner.append(i)
        elif large and _stretched(i, v):
            inner.append(_turned(builder, i, dims))
        else:
            return None
    assert v.op is not None
    return builder.op("permute", builder.op(v.op.name, *inner, **v.attrs), dims=dims)


def _stretched(i: Value, v: Value) -> bool:
    """Whether an operand is repeated, and small beside the result."""
    return i.aval.size * 4 <= v.aval.size


def _turned(builder: Builder, i: Value, dims: Dims) -> Value:
    """A value that is stretched to as many dimensions, so that a permutation by `dims` shows it as it was."""
    more = len(dims) - i.aval.ndim
    if more:
        i = builder.op("reshape", i, shape=(1,) * more + i.aval.shape)
    back = inverse(dims)
    if _permuted(i):
        back = tuple(i.attrs["dims"][d] for d in back)
        i = i.inputs[0]
    return i if back == tuple(range(len(back))) else builder.op("permute", i, dims=back)


def _windows(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    """Pooling of a permuted image, if the windowed dimensions stay side by side and in order.

    An input that is not permuted (the gradient that comes back from a dense layer) is, the other way round.
    """
    orders = {tuple(i.attrs["dims"]) for i in inputs if _permuted(i)}
    if len(orders) != 1:
        return None
    (dims,) = orders
    mapped = tuple(dims[d] for d in v.attrs["dims"])
    if any(b - a != 1 for a, b in pairwise(mapped)):
        return None
    attrs: dict[str, Any] = {**v.attrs, "dims": mapped}
    if "shape" in attrs:
        attrs["shape"] = tuple(attrs["shape"][d] for d in inverse(dims))
    assert v.op is not None
    inner = [i.inputs[0] if _permuted(i) else builder.op("permute", i, dims=inverse(dims)) for i in inputs]
    return builder.op("permute", builder.op(v.op.name, *inner, **attrs), dims=dims)


def _sum(builder: Builder, v: Value, inner: Value, dims: Dims) -> Value:
    """Sums over the dimensions where they came from."""
    over = tuple(sorted(dims[d] for d in v.attrs["dim"]))
    if v.attrs["keepdim"]:
        return builder.op("permute", builder.op("sum", inner, dim=over, keepdim=True), dims=dims)
    total = builder.op("sum", inner, dim=over, keepdim=False)
    left = [d for d in dims if d not in over]  # in the order of the result
    ranks = sorted(left)
    order = tuple(ranks.index(d) for d in left)
    return total if order == tuple(range(len(order))) else builder.op("permute", total, dims=order)
