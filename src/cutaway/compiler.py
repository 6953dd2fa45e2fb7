"""PyTorch's `torch.compiler`: what programs tell `torch.compile`, or ask of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.op import STAGE

__all__ = ["allow_in_graph", "cudagraph_mark_step_begin", "disable", "is_compiling", "is_dynamo_compiling", "reset"]


def is_compiling() -> bool:
    """True while a function is traced."""
    return STAGE.get() is not None


is_dynamo_compiling = is_compiling


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function as it is, also as a decorator with or without brackets: within a compiled one it is a part of that."""
    return (lambda fn: fn) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """The function, or functions, as they are: whatever is called is traced."""
    return fn


def reset() -> None:
    """Nothing to forget: each compiled function keeps its own programs."""


def cudagraph_mark_step_begin() -> None:
    """Accepted: there are no graphs of a GPU."""


def __getattr__(name: str) -> Any:
    raise absent("cutaway.compiler", name, __all__)
