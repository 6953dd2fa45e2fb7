"""Switches of cuDNN, which is not used: numbers here are the same from run to run without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False."""
    return False


def version() -> None:
    """None: there is no cuDNN."""


@contextmanager
def flags(**switches: Any) -> Iterator[None]:
    """Set switches inside a `with` block."""
    before = {name: globals().get(name) for name in switches}
    globals().update(switches)
    try:
        yield
    finally:
        globals().update(before)
