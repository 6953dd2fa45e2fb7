"""The face of PyTorch's `torch.jit`: programs that script or trace run as they are.

`script` and `trace` give back what they were given, which runs eagerly; `cutaway.compile` makes it a native program. `save`
writes a Module as data, with the name of its class; `load` makes it again in a program that has imported the class, and runs
no code of the file. A program for others is written by `cutaway.onnx.export`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final, TypeVar

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ExportError, FileFormatError, UnsafeFileError
from cutaway.futures import Future
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
    return _with_save(obj)


def trace(func: F, example_inputs: Any = None, *args: Any, **options: Any) -> F:
    """`func` as it is, after one call with the examples, as PyTorch's trace makes."""
    if not callable(func):
        raise ArgumentTypeError(f"jit.trace: expected a function or a Module, got {type(func).__name__}")
    kwargs = options.get("example_kwarg_inputs") or {}
    if example_inputs is not None or kwargs:
        inputs = () if example_inputs is None else example_inputs
        func(*(inputs if isinstance(inputs, (tuple, list)) else (inputs,)), **kwargs)
    return _with_save(func)


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **options: Any) -> Module:
    """`mod` as it is, after one call of each method with its examples."""
    for name, given in inputs.items():
        getattr(mod, name)(*(given if isinstance(given, tuple) else (given,)))
    return _with_save(mod)


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
    future: Future[Any] = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Any) -> Any:
    """What a future holds."""
    return future.wait() if isinstance(future, Future) else future


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Nothing is different inside."""
    yield


MARK = "cutaway.jit"  # the key by which `load` knows a file of `save`


class Save:
    """`m.save(f)`, of a module that was scripted or traced."""

    scripted = True

    def __init__(self, module: Module) -> None:
        self._module = module

    def __call__(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """Write the module; see `cutaway.jit.save`."""
        save(self._module, f, _extra_files)


def _with_save(obj: F) -> F:
    if isinstance(obj, Module) and not hasattr(type(obj), "save"):
        obj.__dict__["save"] = Save(obj)
    return obj


def save(m: Any, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
    """Write a Module: what it holds, and the name of its class, for `load` in a program that has imported the class.

    f   a path, or an open binary file;  _extra_files: further texts or bytes by name. No code is written: PyTorch cannot
        load the file, and a class that has changed since computes what it computes now.

    Raises ExportError for a function, ArgumentTypeError for a Module that holds what is no data, such as a lambda.
    """
    if not isinstance(m, Module):
        raise ExportError(
            f"jit.save: expected a Module, got {type(m).__name__}; there is no file of code here: a function stays in the "
            "program, or is written by cutaway.onnx.export within a Module"
        )
    extra = {k: v.encode() if isinstance(v, str) else bytes(v) for k, v in (_extra_files or {}).items()}
    import_module("cutaway.interop.checkpoint").save({MARK: 1, "module": m, "extra": extra}, f)  # by name: it lies above


def load(f: Any, map_location: Any = None, _extra_files: dict[str, Any] | None = None, **options: Any) -> Any:
    """The Module that `save` wrote, made without `__init__`; nothing that the file holds is executed.

    _extra_files   a dict whose names are filled in with the bytes that were saved under them

    Raises ArgumentError where there is no such file, UnsafeFileError if the program has not imported the class,
    ExportError for PyTorch's own files, which hold code.
    """
    if isinstance(f, (str, os.PathLike)) and not os.path.exists(f):
        raise ArgumentError(f"jit.load: the provided filename {os.fspath(f)} does not exist")
    try:
        found = import_module("cutaway.interop.checkpoint").load(f, map_location, weights_only=False)
    except UnsafeFileError as error:
        raise UnsafeFileError(
            f"jit.load: {error}. The file holds data and the names of classes, no code: import the module that defines them"
        ) from None
    except FileFormatError as error:
        if "TorchScript" not in str(error) and "/code/" not in str(error):
            raise
        raise ExportError(
            "jit.load: a file of TorchScript holds code, which is not run here; in PyTorch save the state_dict() of the "
            "model, and load it into the same class"
        ) from None
    if not isinstance(found, dict) or MARK not in found or not isinstance(found.get("module"), Module):
        raise ExportError("jit.load: the file was not written by jit.save; read it with cutaway.load")
    for name in _extra_files or ():
        if name in found["extra"]:
            _extra_files[name] = found["extra"][name]  # type: ignore[index]
    return _with_save(found["module"])


def __getattr__(name: str) -> Any:
    raise absent("cutaway.jit", name, __all__)
