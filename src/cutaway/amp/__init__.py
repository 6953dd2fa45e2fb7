"""PyTorch's mixed precision on the CPU: which functions compute in bfloat16 or float16, and the scaling of losses."""

from __future__ import annotations

from typing import Any

from cutaway.amp.autocast import autocast, custom_bwd, custom_fwd, is_autocast_available
from cutaway.amp.grad_scaler import GradScaler
from cutaway.core.absent import absent

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def __getattr__(name: str) -> Any:
    raise absent("cutaway.amp", name, __all__)
