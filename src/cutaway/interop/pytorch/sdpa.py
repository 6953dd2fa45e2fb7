"""`torch.nn.attention`: which implementation of attention is used. Here there is one, so the choice makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from cutaway.nn.attention import MultiheadAttention as MultiheadAttention  # the module that lies here otherwise


class SDPBackend(IntEnum):
    """PyTorch's implementations of scaled_dot_product_attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Nothing is chosen."""
    yield
