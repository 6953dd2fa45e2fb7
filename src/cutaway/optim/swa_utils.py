"""PyTorch's `optim.swa_utils`: models that average the weights of others, and the learning rate for it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cutaway.core.absent import absent
from cutaway.optim.lr_scheduler.swa import SWALR

_MODELS = (
    "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn", "update_bn"
)  # fmt: skip
__all__ = ["SWALR", *_MODELS]


def __getattr__(name: str) -> Any:
    if name in _MODELS:  # of modules, which stand beside the optimisers
        return getattr(import_module("cutaway.nn.utils.averaged"), name)
    raise absent("cutaway.optim.swa_utils", name, __all__)
