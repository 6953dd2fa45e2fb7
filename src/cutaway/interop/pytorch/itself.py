"""Names of the module `torch` itself that have no place in `cutaway`."""

from __future__ import annotations

from typing import Any

from cutaway.core.tensor import Tensor

__all__ = ["get_num_interop_threads", "set_num_interop_threads", "typename"]


def typename(obj: Any, /) -> str:
    """The type's name, with its module but for Python's own; of a tensor, torch.FloatTensor and the like.

    >>> typename(3)
    'int'
    """
    if isinstance(obj, Tensor):
        return str(obj.type())
    of = obj if hasattr(obj, "__qualname__") else type(obj)
    return of.__qualname__ if of.__module__ in (None, "builtins") else f"{of.__module__}.{of.__qualname__}"


def set_num_interop_threads(number: int, /) -> None:
    """Nothing: operations run one after the other."""


def get_num_interop_threads() -> int:
    """1."""
    return 1
