"""PyTorch's older names of `cutaway.amp`, for a GPU: they warn that there is none, and pass everything through.

While a program written for PyTorch runs they warn as well, as PyTorch does, that they are old.
"""

from __future__ import annotations

from typing import Any

from cutaway import amp
from cutaway.core.strict import warn_in_program

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """`cutaway.amp.autocast("cuda", ...)`."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _say_old("autocast")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`cutaway.amp.GradScaler("cuda", ...)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _say_old("GradScaler")
        super().__init__("cuda", *args, **kwargs)


def custom_fwd(fwd: Any = None, *, cast_inputs: Any = None) -> Any:
    """`cutaway.amp.custom_fwd(..., device_type="cuda")`."""
    _say_old("custom_fwd")
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Any = None) -> Any:
    """`cutaway.amp.custom_bwd(..., device_type="cuda")`."""
    _say_old("custom_bwd")
    return amp.custom_bwd(bwd, device_type="cuda")


def _say_old(name: str) -> None:
    warn_in_program(f"cuda.amp.{name} is deprecated; write amp.{name}, for the device 'cuda'", FutureWarning)
