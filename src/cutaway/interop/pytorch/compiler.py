"""`torch.compiler`: what programs ask of it; the compiler itself is `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function as it is, or a decorator that leaves it so: within what is compiled it is traced like all else."""
    return (lambda f: f) if fn is None else fn


def is_compiling() -> bool:
    """False: what is traced is not told."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """Nothing: a program is compiled for the signature that it is called with."""


def cudagraph_mark_step_begin() -> None:
    """Nothing: there are no CUDA graphs."""


def allow_in_graph(fn: Any) -> Any:
    """The function as it is."""
    return fn
