"""Whether indices are checked when a sparse tensor is made. They always are; the setting is kept for programs that ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

_enabled = False


class check_sparse_tensor_invariants:
    """PyTorch's switch, as functions, context manager and decorator.  Indices are checked whatever it says."""

    def __init__(self, enable: bool = True) -> None:
        self.state = bool(enable)
        self._before: list[bool] = []

    @staticmethod
    def is_enabled() -> bool:
        """What was set last."""
        return _enabled

    @staticmethod
    def enable() -> None:
        """Switch it on."""
        _set(True)

    @staticmethod
    def disable() -> None:
        """Switch it off."""
        _set(False)

    def __enter__(self) -> None:
        self._before.append(_enabled)
        _set(self.state)

    def __exit__(self, *error: object) -> None:
        _set(self._before.pop())

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, run in this state."""

        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return fn(*args, **kwargs)

        return call


def _set(value: bool) -> None:
    global _enabled
    _enabled = value
