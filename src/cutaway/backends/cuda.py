"""Switches of the GPU's libraries, of which there are none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Switches:
    """Attributes that can be set."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


matmul = _Switches(
    allow_tf32=False, allow_fp16_reduced_precision_reduction=True, allow_bf16_reduced_precision_reduction=True
)


def is_built() -> bool:
    """False."""
    return False


def _switch(enabled: bool) -> None:
    """Accepted: attention is computed in one way."""


@contextmanager
def _kernels(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[None]:
    """Accepted: attention is computed in one way."""
    yield


def _state() -> bool:
    """False: there is no GPU."""
    return False


sdp_kernel = _kernels
enable_flash_sdp = enable_mem_efficient_sdp = enable_math_sdp = enable_cudnn_sdp = _switch
flash_sdp_enabled = mem_efficient_sdp_enabled = cudnn_sdp_enabled = _state
