"""The shapes that led to a ShapeError, layer by layer: the model is not run again, the graph that is there is read.

The input of the layer that failed carries its history. Nodes that read a parameter belong to the layer that owns it;
between them stand those operations that changed the shape. Without gradients there is no history, and only the calls
around are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from cutaway.core.autograd import Leaf, Node
from cutaway.core.aval import numel
from cutaway.core.errors import CutawayError
from cutaway.inspect.tape import leaves_at
from cutaway.inspect.work import shapes, tensors
from cutaway.nn.module import Module

MOST, SHOWN = 2000, 16  # nodes that are looked at, lines that are shown
# What layers are made of: not told by itself.
INNER = frozenset("windows permute layout expand broadcast squeeze unsqueeze einsum pad add mul sub div".split())


class Called:
    """What is known of the calls that an error left so far, the innermost first."""

    def __init__(self) -> None:
        self.levels: list[tuple[Module, str]] = []
        self.roots: list[Node] = []


# Of errors on their way out; beside them, as an error can be pickled and a model need not be.
RISING: WeakKeyDictionary[CutawayError, Called] = WeakKeyDictionary()


def told(error: CutawayError, module: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The story as seen from `module`, which the error is leaving; "" if there is nothing to tell."""
    try:
        return _told(error, module, args, kwargs)
    except Exception:  # the error that is on its way matters more
        return ""


def _told(error: CutawayError, module: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    called = RISING.setdefault(error, Called())
    given = [*tensors([*args, *kwargs.values()])]
    if not called.levels:
        called.roots = [t._node for t in given if t._node is not None and not isinstance(t._node, Leaf)]
    called.levels.append((module, shapes([*args, *kwargs.values()])))
    edge = {t._node for t in given if t._node is not None} if len(called.levels) > 1 else set()
    lines = _history(module, called.roots, edge)
    if not lines and len(called.levels) < 2:
        return ""
    names = {id(m): path for path, m in module.named_modules()}
    around = [(f"{names.get(id(m), '?') or 'input of'} ({type(m).__name__})", shape) for m, shape in called.levels[::-1]]
    first = f"{type(module).__name__} is given", around[0][1]
    rows = [first, *(around[1:-1]), *lines[-SHOWN:]]
    if len(around) > 1:
        rows.append((around[-1][0], f"{around[-1][1]} -> fails here"))
    wide = max(len(name) for name, _ in rows)
    return "\n  how it came there:" + "".join(f"\n    {name:<{wide}}  {shape}" for name, shape in rows)


def _history(module: Module, roots: list[Node], edge: set[Node]) -> list[tuple[str, str]]:
    """(layer, its shapes) in order, along the largest inputs from the roots back to `edge`."""
    owners = {id(p): (path, m) for path, m in module.named_modules() for p in m._parameters.values() if p is not None}
    chain: list[Node] = []
    at = roots[0] if roots else None
    while at is not None and at not in edge and len(chain) < MOST:
        chain.append(at)
        at = _main(at)
    lines: list[tuple[str, str, str]] = []  # name, in, out
    last: Any = None
    for node in reversed(chain):
        shape = str(list(node.meta[0]))
        parent = _main(node)
        before = "" if parent is None else str(list(parent.meta[0]))
        owner = next((owners[id(t)] for x in leaves_at(node) if (t := x.tensor()) is not None and id(t) in owners), None)
        if owner is not None:
            path, m = owner
            if last is not m:
                parent = _before_windows(parent)
                lines.append((f"{path} ({type(m).__name__})", "" if parent is None else str(list(parent.meta[0])), shape))
            lines[-1] = *lines[-1][:2], shape
            last = m
        elif last is not None and node.name in INNER:  # the layer's own: its result in the order that was promised
            lines[-1] = *lines[-1][:2], shape
        elif before != shape and node.name not in INNER and parent is not None:
            lines.append((node.name, before, shape))
            last = None
        elif node.name not in INNER:
            last = None
    return [(name, f"{a} -> {b}" if a else f"-> {b}") for name, a, b in lines]


def _main(node: Node) -> Node | None:
    """The parent whose value is the largest: what flows through the model, beside weights and statistics."""
    if not node.metas:
        return node.parents[0] if node.parents and not isinstance(node.parents[0], Leaf) else None
    parents = [
        (numel(meta[0]), p) for p, meta in zip(node.parents, node.metas)
        if p is not None and not isinstance(p, Leaf) and not _weight_only(p)
    ]  # fmt: skip
    return max(parents, key=lambda x: x[0])[1] if parents else None


def _before_windows(node: Node | None) -> Node | None:
    """Where a convolution's input was whole: before it was padded and unfolded."""
    while node is not None and node.name in ("windows", "pad", "layout", "permute"):
        parent = node.parents[0]
        if parent is None or isinstance(parent, Leaf):
            return None
        node = parent
    return node


def _weight_only(node: Node) -> bool:
    """A view of a weight, and no value on its way through the model."""
    return bool(node.parents) and all(p is None or isinstance(p, Leaf) for p in node.parents) and bool(leaves_at(node)) and (
        node.op.kind == "movement"
    )
