"""PyTorch's activation checkpointing: the same numbers and gradients, without its saving of memory.

PyTorch forgets what a part of the network computed and computes it again in the backward pass. Here it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_debug_enabled"]

OPTIONS = ("preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop")


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """`function(*args, **kwargs)`; PyTorch's options are taken and make no difference."""
    if not callable(function):
        raise ArgumentTypeError(f"checkpoint: expected a function or Module, got {type(function).__name__}")
    return function(*args, **{k: v for k, v in kwargs.items() if k not in OPTIONS})


def checkpoint_sequential(
    functions: Sequence[Callable[..., Any]], segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The functions, or children of a Sequential, one after the other.  Raises ArgumentError for segments out of range."""
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if not 1 <= segments <= len(parts):
        raise ArgumentError(f"checkpoint_sequential: segments must be 1 to {len(parts)}, got {segments}")
    for part in parts:
        input = part(input)
    return input


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted: nothing is computed again, so nothing could differ."""
    yield


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts in which nothing is different: PyTorch's `context_fn` if none is given."""
    return nullcontext(), nullcontext()
