"""The face of PyTorch's `torch.jit`: programs that script or trace run as they are.

`script` and `trace` give back what they were given, which runs eagerly; `cutaway.compile` makes it a native program. There
is no file of code: save weights by `cutaway.save(model.state_dict(), path)`, a program for others by `cutaway.onnx.export`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentTypeError, ExportError
from cutaway.nn.module import Module

F = TypeVar("F")
ScriptModule, Attribute = Module, tuple

__all__ = [
    "Attribute", "Final", "ScriptModule", "annotate", "export", "fork", "freeze", "ignore", "is_scripting", "is_tracing",
    "load", "optimized_execution", "save", "script", "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip


def script(obj: F, *args: Any, **options: Any) -> F:
    """`obj`, a function, a class or a Module, as it is.  Raises ArgumentTypeError for anything else."""
    if not callable(obj):
        raise ArgumentTypeError(f"jit.script: expected a function or a Module, got {type(obj).__name__}")
    return obj


def trace(func: F, example_inputs: Any = None, *args: Any, **options: Any) -> F:
    """`func` as it is, after one call with the examples, as PyTorch's trace makes."""
    if not callable(func):
        raise ArgumentTypeError(f"jit.trace: expected a function or a Module, got {type(func).__name__}")
    kwargs = options.get("example_kwarg_inputs") or {}
    if example_inputs is not None or kwargs:
        inputs = () if example_inputs is None else example_inputs
        func(*(inputs if isinstance(inputs, (tuple, list)) else (inputs,)), **kwargs)
    return func


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **options: Any) -> Module:
    """`mod` as it is, after one call of each method with its examples."""
    for name, given in inputs.items():
        getattr(mod, name)(*(given if isinstance(given, tuple) else (given,)))
    return mod


def script_method(fn: F) -> F:
    """`fn`."""
    return fn


def export(fn: F) -> F:
    """`fn`."""
    return fn


def ignore(drop: Any = False, **options: Any) -> Any:
    """A decorator that gives the function back."""
    return drop if callable(drop) else lambda fn: fn


def unused(fn: F) -> F:
    """`fn`."""
    return fn


def freeze(mod: Module, *args: Any, **options: Any) -> Module:
    """`mod` as it is."""
    return mod


def annotate(the_type: Any, the_value: F) -> F:
    """The value."""
    return the_value


def is_scripting() -> bool:
    """False: code runs as Python."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A future that holds func(*args, **kwargs), which is computed at once; for `wait`."""
    from concurrent.futures import Future

    future: Future[Any] = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Any) -> Any:
    """What a future holds."""
    return future.result() if hasattr(future, "result") else future


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Nothing is different inside."""
    yield


def save(m: Any, f: Any, **options: Any) -> None:
    """Raises ExportError: there is no file of code."""
    raise ExportError(
        "jit.save: there is no file of code here; write cutaway.save(model.state_dict(), path) for the weights, or "
        "cutaway.onnx.export(model, inputs, path) for a program"
    )


def load(f: Any, *args: Any, **options: Any) -> Any:
    """Raises ExportError: there is no file of code."""
    raise ExportError(
        "jit.load: a file of TorchScript holds code, which is not run here; in PyTorch save the state_dict() of the model, "
        "and load it into the same class"
    )


def __getattr__(name: str) -> Any:
    raise absent("cutaway.jit", name, __all__)
