"""The package's name in what dtypes and shapes print of themselves: "cutaway", or "torch" while a PyTorch program runs.

Programs compare `str(x.dtype)` with "torch.float32", and `x.type()` with "torch.FloatTensor".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_name = "cutaway"


def package() -> str:
    """The name."""
    return _name


def set_package(name: str) -> None:
    """Print this name from now on."""
    global _name
    _name = name


@contextmanager
def named(name: str) -> Iterator[None]:
    """Inside, it is this one."""
    before = _name
    set_package(name)
    try:
        yield
    finally:
        set_package(before)
