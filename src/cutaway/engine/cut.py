"""A graph of a function and its gradient, cut where the gradient arrives: what the second half reads of the first."""

from __future__ import annotations

from collections.abc import Container, Sequence

from cutaway.core.autograd import Leaf, Node
from cutaway.core.aval import Aval
from cutaway.core.ops.movement import inverse
from cutaway.core.tensor import Tensor
from cutaway.engine.graph import Graph, Source, Value, below
from cutaway.engine.passes.rewrite import Builder

Dims = tuple[int, ...]
QUICK = frozenset("add sub mul neg gt ge lt le eq ne".split())


def above(whole: Graph, arriving: Sequence[Value]) -> set[Value]:
    """What depends on the arriving gradients."""
    late = set(arriving)
    for v in whole.values:
        if any(i in late for i in v.inputs):
            late.add(v)
    return late


def kept(roots: Sequence[Node | None], handles: Sequence[Tensor]) -> set[int]:
    """The arguments whose very memory some op's rule reads: they must not be overwritten before the gradient is taken."""
    number = {id(t._cell): n for n, t in enumerate(handles)}
    found: set[int] = set()
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node is None or node in seen or isinstance(node, Leaf):
            continue
        seen.add(node)
        stack.extend(node.parents)
        found.update(number[id(cell)] for _, cell, _ in node.saved.values() if id(cell) in number)
    return found


def saved_values(
    whole: Graph, results: set[Value], late: set[Value], roots: set[Value], place: Container[Value], forbidden: set[Value]
) -> list[Value]:
    """What the gradient half (`late`, `roots`) reads of the other one; `forbidden` arguments are not to be read again."""
    border: dict[Value, None] = {}
    for v in whole.values:
        if v in late or v in roots:
            for i in v.inputs if v in late else (v,):
                if i not in late and not _constant(i):
                    border[i] = None
    saved: dict[Value, None] = {}
    known: dict[Value, frozenset[Value]] = {}

    def behind(v: Value) -> frozenset[Value]:
        """What must be saved for `v` to be computed again by elementwise ops and movements."""
        if v in forbidden:
            return frozenset([v])
        if v in place or v in results or _constant(v):
            return frozenset()
        if v not in known:
            fused = v.op is not None and (v.op.kind == "elementwise" or _moves(v))
            known[v] = frozenset().union(*map(behind, v.inputs)) if fused else frozenset([v])
        return known[v]

    def need(v: Value) -> None:
        if _constant(v):
            return
        if v not in place and v not in results and not forbidden.intersection(v.inputs) and again(v):
            for i in v.inputs:
                need(i)
        else:
            saved[v] = None

    def again(v: Value) -> bool:
        if _moves(v):
            return True
        first = behind(v)
        return (
            v.op is not None
            and v.op.kind == "elementwise"
            and not first & forbidden
            and sum(map(_bytes, first)) <= _bytes(v)
        )

    for v in border:
        need(v)
    for v in reversed(list(saved)):  # what is quickly made of the rest is no rest
        if v not in place and v not in results and (made_of := _made_of(v, saved, place, results, forbidden)) is not None:
            del saved[v]
            saved.update(dict.fromkeys(made_of))
    return list(saved)


def _made_of(
    v: Value, saved: Container[Value], place: Container[Value], results: set[Value], forbidden: set[Value]
) -> list[Value] | None:
    """What `v` is made of by one or two elementwise ops that take no time: saved values, arguments, results. Or None."""
    read: list[Value] = []

    def known(i: Value) -> bool:
        if _constant(i):
            return True
        read.append(i)
        return i is not v and (i in saved or i in results or (i in place and i not in forbidden))

    def quick(u: Value) -> bool:
        return u.op is not None and u.op.name in QUICK and u.aval.shape == v.aval.shape

    if quick(v) and all(known(i) if not quick(i) or i in saved else all(map(known, i.inputs)) for i in v.inputs):
        return read
    return None


def _moves(v: Value) -> bool:
    return v.op is not None and (v.op.kind == "movement" or v.op.name == "windows")


def _bytes(v: Value) -> int:
    return v.aval.size * v.aval.dtype.itemsize


def _constant(v: Value) -> bool:
    if v.op is None:
        return v.source is not None and v.source.kind == "constant"
    return all(_constant(i) for i in v.inputs)


def extract(
    whole: Graph, outputs: Sequence[Value], place: dict[Value, int], stored: dict[Value, Dims | None] | None = None
) -> Graph:
    """The part of a graph that `outputs` need; values in `place` are arguments, and `stored` says in which order."""
    builder = Builder()
    new: dict[Value, Value] = {}
    cut = stored if stored is not None else {}
    needed = below(outputs, cut)
    for v in whole.values:
        if v not in needed:
            continue
        if v in cut or (v in place and v.op is None):
            dims = cut.get(v)
            shape = v.aval.shape if dims is None else tuple(v.aval.shape[d] for d in inverse(dims))
            source = Source("argument", index=place[v], name=str(place[v]))
            made = Value(None, (), {}, Aval(shape, v.aval.dtype), "", source)
            builder.values.append(made)
            new[v] = made if dims is None else builder.op("permute", made, dims=dims)
        else:
            new[v] = builder.again(v, tuple(new[i] for i in v.inputs))
    return Graph(builder.values, [new[v] for v in outputs]).verify()
