"""`torch.overrides`: asking classes with a `__torch_function__` in functions of a program's own, and what Cutaway asks.

The machinery is `core/overriding`. A function that should ask as PyTorch's do:

    def smooth(x, n=3):
        if has_torch_function((x,)):
            return handle_torch_function(smooth, (x,), x, n=n)
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from importlib import import_module
from typing import Any

from cutaway.core.overriding.asked import ALL, MODES, OFF, askers, call
from cutaway.core.overriding.modes import BaseTorchFunctionMode, TorchFunctionMode
from cutaway.core.overriding.subclass import nowrap
from cutaway.core.package import package
from cutaway.core.tensor import Tensor

__all__ = [
    "BaseTorchFunctionMode", "TorchFunctionMode", "get_default_nowrap_functions", "get_ignored_functions",
    "get_overridable_functions", "get_testing_overrides", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property",
    "resolve_name", "wrap_torch_function",
]  # fmt: skip


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """True if the class of one of these wants to be asked, or there are some and a mode is at work."""
    off, relevant = OFF.get(), [*relevant_args]
    return bool((relevant and MODES.get() and off != ALL) or (not off and askers(relevant)))


def has_torch_function_unary(x: Any) -> bool:
    """`has_torch_function((x,))`."""
    return has_torch_function((x,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function(args)`."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], /, *args: Any, **kwargs: Any
) -> Any:
    """What the classes of `relevant_args` answer for `public_api(*args, **kwargs)`, a mode first.

    Raises ArgumentTypeError if all answer NotImplemented.
    """
    found = [] if OFF.get() else askers(relevant_args, also=Tensor)
    return call(public_api, found, args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Any], Any]:
    """A decorator: the function asks first. `dispatcher`, called as it is, gives the arguments that count."""

    def mark(fn: Any) -> Any:
        @wraps(fn)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = [*dispatcher(*args, **kwargs)]
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return fn(*args, **kwargs)

        return asking

    return mark


def is_tensor_like(inp: Any) -> bool:
    """True for a Tensor, and for an object whose class has a `__torch_function__`."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """True for methods of Tensor, and for the `__get__` of its properties."""
    if getattr(func, "__name__", "") == "__get__":
        return True
    return _publics().get(func, "").startswith("Tensor.")


def resolve_name(f: Any) -> str | None:
    """'torch.Tensor.add' of a function that `__torch_function__` was given; None for what asks nobody."""
    found = _publics().get(f)
    return found and f"{package()}.{found}"


def get_default_nowrap_functions() -> set[Any]:
    """Functions whose tensors `Tensor.__torch_function__` leaves as they are."""
    return nowrap()


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """The functions that ask, under the module or class in which they are."""
    found: dict[Any, list[Callable[..., Any]]] = {}
    for function, place in _asked().items():
        owner, _, _ = place.removesuffix(".__get__").removesuffix(".__set__").removesuffix(".__delete__").rpartition(".")
        where = Tensor if owner == "Tensor" else import_module(f"{package()}.{owner}".rstrip("."))
        found.setdefault(where, []).append(function)
    return found


def get_ignored_functions() -> set[Callable[..., Any]]:
    """Functions of the package itself, and methods of Tensor, that ask no class."""
    from cutaway.core.overriding.entries import MAKERS, SILENT, UNASKED

    top = import_module("cutaway")
    names = [n for n in UNASKED | MAKERS if n in dir(top)]
    return {*(getattr(top, n) for n in names), *(getattr(Tensor, n) for n in SILENT - {"__dict__"})}


def get_testing_overrides() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For each function that asks, one with its parameters that gives -1."""
    return {function: _minus_one(function) for function in _asked()}


def _minus_one(function: Callable[..., Any]) -> Callable[..., Any]:
    from inspect import signature

    def stub(*args: Any, **kwargs: Any) -> int:
        return -1

    with suppress(TypeError, ValueError):  # of a property's getter nothing is known
        stub.__signature__ = signature(function)  # type: ignore[attr-defined]
    return stub


def _asked() -> dict[Any, str]:
    """Those about which classes are asked, and not modes alone."""
    from cutaway.core.overriding.entries import MAKERS

    return {function: place for function, place in _publics().items() if place not in MAKERS}


def _publics() -> dict[Any, str]:
    from cutaway.core.overriding.entries import publics

    return publics()
