"""The protocol of `__torch_function__`: whose is asked, in which order, and what keeps a call from asking.

No function asks anything until the first class appears that wants to be asked, or the first mode is entered: then
`install` puts the question before all of them (entries.py). A subclass of Tensor tells when it is defined; of a class that
is no tensor nothing is known until a call fails with such an argument, and is made once more (`first`).

Source: "Extending PyTorch", https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from importlib import import_module
from types import FrameType, TracebackType
from typing import Any, Self

from cutaway.core.errors import ArgumentTypeError
from cutaway.core.package import package

# Types that are never asked, so that most arguments need no more than a look here; tensor.py adds its own.
PLAIN: set[type] = {int, float, bool, str, type(None), type(...), slice}
NOTHING, SUBCLASSES, ALL = range(3)
OFF: ContextVar[int] = ContextVar("off", default=NOTHING)  # what is not asked at present
MODES: ContextVar[tuple[Any, ...]] = ContextVar("modes", default=())  # those that were entered, the innermost last
installed = False


# --- not asking -------------------------------------------------------------------------------------------------------


class DisableTorchFunctionSubclass:
    """Inside the `with` block no class is asked; modes are."""

    level = SUBCLASSES

    def __init__(self) -> None:
        self._tokens: list[Token[int]] = []

    def __enter__(self) -> Self:
        self._tokens.append(OFF.set(max(OFF.get(), self.level)))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        OFF.reset(self._tokens.pop())


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """Inside the `with` block neither classes nor modes are asked."""

    level = ALL


class Disabled:
    """`__torch_function__ = torch._C._disabled_torch_function_impl`: tensors of this class count as any other."""

    def __call__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The result of `func`, no class asked."""
        with DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    def __repr__(self) -> str:
        return "<built-in function _disabled_torch_function_impl>"


DISABLED = Disabled()


# --- asking -----------------------------------------------------------------------------------------------------------


def asks(kind: type) -> bool:
    """True if functions ask this class before they run."""
    if kind in PLAIN:
        return False
    found = getattr(kind, "__torch_function__", None)
    return found is not None and found is not DISABLED


def askers(values: Iterable[Any], found: list[Any] | None = None, also: type | None = None) -> list[Any]:
    """The first of each class that asks, also from lists and tuples: from left to right, subclasses before their bases.

    `also`: a class that counts though it does not ask.
    """
    found = [] if found is None else found
    for x in values:
        kind = type(x)
        if kind is list or kind is tuple:
            askers(x, found, also)
        elif (kind is also or asks(kind)) and all(type(known) is not kind for known in found):
            at = next((i for i, known in enumerate(found) if issubclass(kind, type(known))), len(found))
            found.insert(at, x)
    return found


def ask(public: Callable[..., Any], found: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """The first answer that is not NotImplemented; NotImplemented if all are."""
    types = tuple([type(x) for x in found])
    for x in found:
        answer = answered(x, public, types, args, kwargs)
        if answer is not NotImplemented:
            return answer
    return NotImplemented


def answered(x: Any, public: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """What `x` or its class answers; without keywords it is called with three arguments."""
    method = x.__torch_function__
    if types and getattr(method, "__self__", None) is x and type(x) in types:
        warnings.warn(
            f"{type(x).__name__}.__torch_function__ is a plain method, which is deprecated: make it a classmethod",
            DeprecationWarning,
            stacklevel=4,
        )
    return method(public, types, args) if kwargs is None else method(public, types, args, kwargs)


def call(public: Callable[..., Any], found: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """The innermost mode's answer, or that of a class.  Raises ArgumentTypeError if all are NotImplemented."""
    modes, types = MODES.get(), tuple([type(x) for x in found])
    answer: Any = NotImplemented
    if modes and OFF.get() != ALL:
        token = MODES.set(modes[:-1])
        try:
            answer = answered(modes[-1], public, types, args, kwargs)
        finally:
            MODES.reset(token)
    if answer is NotImplemented:
        answer = ask(public, found, args, kwargs)
    if answer is NotImplemented:
        raise unanswered(public, modes, types)
    return answer


def unanswered(public: Callable[..., Any], modes: tuple[Any, ...], types: tuple[type, ...]) -> ArgumentTypeError:
    """The error where nobody has an answer."""
    mode = f", nor of the mode {modes[-1]!r}" if modes else ""
    return ArgumentTypeError(
        f"no implementation found for {resolved(public)!r} on types that implement __torch_function__: {[*types]}{mode}"
    )


def resolved(public: Any) -> str:
    """The function's name with its module: 'torch.Tensor.add'."""
    name = getattr(public, "__name__", type(public).__name__)
    entries = sys.modules.get("cutaway.core.overriding.entries")
    known = entries.place(public) if entries is not None else None
    return known or f"{getattr(public, '__module__', None) or package()}.{name}"


# --- from when on -----------------------------------------------------------------------------------------------------


def install() -> None:
    """From now on functions ask; again is harmless."""
    if not installed:
        import_module("cutaway.core.overriding.entries").install()


def first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """After a call has failed: True if it should be made again, as the first one that has somebody to ask.

    A call from within another that failed, too, is not made again: the outer one is what the program wrote.
    """
    if installed or not (askers(args) or (kwargs and askers(kwargs.values()))):
        return False
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("cutaway."):
        if frame.f_code.co_name == "call" and frame.f_globals["__name__"] in GUARDS:
            return False
        frame = frame.f_back
    install()
    return True


GUARDS = ("cutaway.core.refusal", "cutaway.core.op")
