"""PyTorch's second names of poolings: `max_pool2d_with_indices(x, 2)` is `max_pool2d(x, 2, return_indices=True)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from cutaway.functional import fractional, pool

NAMES = [
    *(f"max_pool{n}d" for n in (1, 2, 3)),
    *(f"adaptive_max_pool{n}d" for n in (1, 2, 3)),
    *(f"fractional_max_pool{n}d" for n in (2, 3)),
]
__all__ = [f"{name}_with_indices" for name in NAMES]


def _paired(name: str) -> Callable[..., Any]:
    of = getattr(pool if hasattr(pool, name) else fractional, name)

    signature = inspect.signature(of)

    @wraps(of)
    def paired(*args: Any, **kwargs: Any) -> Any:
        call = signature.bind(*args, **kwargs)
        call.arguments["return_indices"] = True
        return of(*call.args, **call.kwargs)

    paired.__name__ = paired.__qualname__ = f"{name}_with_indices"
    paired.__doc__ = f"`{name}` with return_indices=True: (values, indices)."
    return paired


globals().update({f"{name}_with_indices": _paired(name) for name in NAMES})
