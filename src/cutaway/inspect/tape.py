"""The graph that a loss hangs on, after the fact: its nodes live as long as the loss, even when values were freed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.autograd import Leaf, Node, _reachable
from cutaway.core.dtypes import INEXACT
from cutaway.inspect.answer import CUT
from cutaway.inspect.facts import Facts

Row = tuple[str, str, str]


class End(NamedTuple):
    """An input of `node` that came without a history: data, or what was cut off."""

    node: Node
    place: int
    shape: tuple[int, ...]
    dtype: np.dtype


class Tape:
    """The nodes below some roots."""

    def __init__(self, roots: Iterable[Node]) -> None:
        self.roots = list(roots)
        self.nodes = _reachable(self.roots)
        self.known = set(self.nodes)

    def __contains__(self, node: object) -> bool:
        return node in self.known

    def ends(self) -> list[End]:
        """Floating inputs of at least one dimension that came without a history, the youngest first."""
        found = []
        for node in self.nodes:
            for k, (parent, meta) in enumerate(zip(node.parents, getattr(node, "metas", ()))):
                if parent is None and meta[1].kind in INEXACT and meta[0]:
                    found.append(End(node, k, *meta))
        return found

    def path(self, target: Node) -> list[Node]:
        """The shortest way from a root to `target`, both included; empty if there is none."""
        came: dict[Node, Node | None] = dict.fromkeys(self.roots)
        queue = list(self.roots)
        while queue:
            node = queue.pop(0)
            if node is target:
                out: list[Node] = []
                at: Node | None = node
                while at is not None:
                    out.append(at)
                    at = came[at]
                return out[::-1]
            for p in node.parents:
                if p is not None and p not in came:
                    came[p] = node
                    queue.append(p)
        return []

    def freed(self) -> bool:
        """True if values that gradients would need are gone."""
        return any(n.freed for n in self.nodes)


def leaves_at(node: Node, depth: int = 2) -> list[Leaf]:
    """The leaves that hang on a node directly or by a view or two: its weights."""
    found: list[Leaf] = []
    for p in node.parents:
        if isinstance(p, Leaf):
            found.append(p)
        elif p is not None and depth and p.op.kind == "movement":
            found += leaves_at(p, depth - 1)
    return found


def rows(nodes: list[Node], facts: Facts, first: str = "loss") -> list[Row]:
    """A path of nodes for the picture."""
    out: list[Row] = []
    for k, node in enumerate(nodes):
        mark = first if k == 0 else "  |"
        if isinstance(node, Leaf):
            t = node.tensor()
            out.append(("  v", facts.name(t) or "the tensor", str(list(node.meta[0]))))
            continue
        names = [n for leaf in leaves_at(node) if (n := facts.name(leaf.tensor()))]
        note = f"reads {', '.join(names)}" if names else ""
        out.append((mark, f"{node.name} {list(node.meta[0])}", note))
    return out


def cut(text: str) -> Row:
    """The row where the path is cut."""
    return CUT, text, ""


def saved_arrays(node: Any) -> list[np.ndarray]:
    """What a node still holds."""
    found = [s[0] for s in node.saved.values()] if getattr(node, "saved", None) else []
    if getattr(node, "saved_y", None) is not None:
        found.append(node.saved_y[0])
    return [a for a in found if type(a) is np.ndarray]
