"""Values in tuples, lists and dicts: taken apart, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(x: Any) -> list[Any]:
    """All that is in there, in order; dicts in the order of their keys."""
    if isinstance(x, (list, tuple)):
        return [leaf for part in x for leaf in leaves(part)]
    if isinstance(x, dict):
        return [leaf for part in x.values() for leaf in leaves(part)]
    return [x]


def like(x: Any, new: Iterator[Any]) -> Any:
    """The same nest, with the next of `new` in the place of each leaf."""
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(like(part, new) for part in x))
    if isinstance(x, (list, tuple)):
        return type(x)(like(part, new) for part in x)
    if isinstance(x, dict):
        return type(x)((key, like(part, new)) for key, part in x.items())
    return next(new)


def each(fn: Callable[..., Any], x: Any, *more: Any) -> Any:
    """`fn` of each leaf, and of those of `more` in the same place."""
    return like(x, map(fn, leaves(x), *map(leaves, more)))
