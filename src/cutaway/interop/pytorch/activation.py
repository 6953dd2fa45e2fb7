"""`torch.nn.modules.activation`, where PyTorch keeps attention, too."""

from __future__ import annotations

from typing import Any

from cutaway.nn import activation
from cutaway.nn.attention import MultiheadAttention

__all__ = ["MultiheadAttention", *(name for name in vars(activation) if name[:1].isupper())]


def __getattr__(name: str) -> Any:
    return getattr(activation, name)
