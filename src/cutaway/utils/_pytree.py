"""PyTorch's `torch.utils._pytree`: functions of all that nests of tuples, lists and dicts hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from cutaway.core.errors import ArgumentError

Leaf = Callable[[Any], bool] | None


class TreeSpec:
    """A nest without its leaves.  num_leaves: how many there are places for."""

    def __init__(self, kind: type | None, context: Any, children: list[TreeSpec]) -> None:
        self.type: Any = kind
        self.context, self.children_specs = context, children
        self.num_leaves: int = sum(c.num_leaves for c in children) if kind is not None else 1

    def is_leaf(self) -> bool:
        """Whether it is a leaf's place."""
        return self.type is None

    def unflatten(self, leaves: Any) -> Any:
        """The nest with these leaves.  Raises ArgumentError for another number of them."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ArgumentError(f"tree_unflatten: {len(given)} leaves for a tree of {self.num_leaves}")
        return self._fill(iter(given))

    def _fill(self, leaves: Iterator[Any]) -> Any:
        if self.type is None:
            return next(leaves)
        parts = [c._fill(leaves) for c in self.children_specs]
        if hasattr(self.type, "_fields"):
            return self.type(*parts)
        if issubclass(self.type, dict):
            made = self.type(*self.context[:-1])
            made.update(zip(self.context[-1], parts, strict=True))
            return made
        return self.type(parts, *self.context)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, TreeSpec) and (self.type, self.context) == (other.type, other.context)
        return same and self.children_specs == other.children_specs  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        return f"TreeSpec({self.type.__name__}, {self.context}, {self.children_specs})"


def _spec(x: Any, leaves: list[Any], is_leaf: Leaf) -> TreeSpec:
    if (is_leaf is not None and is_leaf(x)) or not isinstance(x, (tuple, list, dict, deque)):
        leaves.append(x)
        return TreeSpec(None, (), [])
    if isinstance(x, dict):
        factory = (x.default_factory,) if hasattr(x, "default_factory") else ()
        return TreeSpec(type(x), (*factory, list(x)), [_spec(v, leaves, is_leaf) for v in x.values()])
    context = (x.maxlen,) if isinstance(x, deque) else ()
    return TreeSpec(type(x), context, [_spec(v, leaves, is_leaf) for v in x])


def tree_flatten(tree: Any, is_leaf: Leaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, dicts in theirs, and what puts them together again; `is_leaf(x)` True: x is not taken apart."""
    leaves: list[Any] = []
    spec = _spec(tree, leaves, is_leaf)
    return leaves, spec


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The nest with these leaves.  Raises ArgumentError for another number of them."""
    return treespec.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: Leaf = None) -> list[Any]:
    """All that is in there."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Leaf = None) -> TreeSpec:
    """The nest without its leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Leaf = None) -> Any:
    """The same nest of `func` of each leaf, and of those in the same place of `rests`.

    Raises ArgumentError where a nest of `rests` holds another number of leaves.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    more = [tree_leaves(r, is_leaf) for r in rests]
    if any(len(m) != len(leaves) for m in more):
        raise ArgumentError(f"tree_map: nests of {[len(leaves), *map(len, more)]} leaves; they must be alike")
    return spec.unflatten(map(func, leaves, *more))


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Leaf = None) -> Any:
    """Call `func` for what it does; gives `tree`."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kinds: Any, /, func: Callable[..., Any], tree: Any, is_leaf: Leaf = None) -> Any:
    """`tree_map`, where a leaf is of this class, one of these, or passes this test; others stay as they are."""
    picked = kinds if callable(kinds) and not isinstance(kinds, type) else lambda x: isinstance(x, kinds)
    return tree_map(lambda x: func(x) if picked(x) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Leaf = None) -> bool:
    """Whether it holds of every leaf."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Leaf = None) -> bool:
    """Whether it holds of one leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
