"""`TorchFunctionMode`: an object that sees all functions called inside its `with` block."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from cutaway.core.errors import NotWritten
from cutaway.core.overriding.asked import MODES, install


class TorchFunctionMode:
    """Inside `with mode:` each call of a function or method goes to `mode.__torch_function__(func, types, args, kwargs)`.

    What it returns is the result; `func(*args, **kwargs)` in it computes, and is seen by the modes further out.

    >>> import cutaway
    >>> class Say(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Say():
    ...     y = cutaway.ones(2) * 3
    ones
    mul
    """

    def __init__(self) -> None:
        pass

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Raises NotWritten: a mode is a subclass that has its own."""
        raise NotWritten(f"{type(self).__name__}: define __torch_function__(self, func, types, args=(), kwargs=None)")

    def __enter__(self) -> Self:
        install()
        tokens: list[Token[tuple[Any, ...]]] = self.__dict__.setdefault("_tokens", [])  # a subclass may not call __init__
        tokens.append(MODES.set((*MODES.get(), self)))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        MODES.reset(self.__dict__["_tokens"].pop())

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Self:
        """An older name of making one."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """The mode that calls what it sees."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The result of `func`."""
        return func(*args, **(kwargs or {}))
