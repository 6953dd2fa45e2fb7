"""A module without its initial values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.generator import get_rng_state, set_rng_state


def skip_init(module_cls: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`module_cls(*args, **kwargs)` whose parameters are to be written by the caller: no random number is spent on them.

    Raises ArgumentError for a class without the argument `device`, as PyTorch does: one that would not pass it on.
    """
    if "device" not in inspect.signature(module_cls).parameters:
        raise ArgumentError(
            f"skip_init: {getattr(module_cls, '__name__', module_cls)} must take an argument `device` and pass it on"
        )
    state = get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        set_rng_state(state)
