"""PyTorch's choice among kernels of attention: accepted, and there is one here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

from cutaway.core.errors import AssertedError


class SDPBackend(IntEnum):
    """PyTorch's ways of computing attention; all give the same here."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False) -> Iterator[dict[None, None]]:
    """A context in which PyTorch would choose among `backends`; nothing changes.  Raises AssertedError for other things."""
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertedError("Backend must be an instance of SDPBackend or a list of SDPBackend instances")
    yield {}
