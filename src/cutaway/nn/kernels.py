"""PyTorch's choice among its kernels for attention: here there is one way, so a choice makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from cutaway.core.errors import AssertedError


class SDPBackend(IntEnum):
    """PyTorch's kernels of scaled_dot_product_attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __repr__(self) -> str:
        return f"<SDPBackend.{self.name}: {self.value}>"


@contextmanager
def sdpa_kernel(backends: SDPBackend | list[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """Accepted: attention is computed in one way.  Raises AssertedError for what is no SDPBackend or list of them."""
    listed: Any = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(listed, list) or not all(isinstance(b, SDPBackend) for b in listed):
        raise AssertedError(f"sdpa_kernel: needs an SDPBackend or a list of them, got {backends!r}")
    yield
