"""`cutaway.compile`: what PyTorch's `torch.compile` takes, and a module that stays a module.

The work is done by `cutaway.engine.compile`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from cutaway.core.errors import ArgumentError, ArgumentTypeError, TraceError
from cutaway.core.strict import is_lenient
from cutaway.engine.compile import Compiled
from cutaway.nn.module import Module

MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class CompiledModule(Module):
    """A module whose call is compiled. Everything else is the module's: parameters, modes, attributes, its own methods.

    `_orig_mod` is the module itself, so the keys of state_dict begin with "_orig_mod.", as in PyTorch.
    What a compiled function shows (`kernels()`, `graph()`, `save(...)`) is here, too.
    """

    def __init__(self, module: Module, compiled: Callable[..., Any]) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = compiled
        self.training = module.training

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The module's call, as one native program for each signature."""
        return self._compiled(*args, **kwargs)

    forward = __call__

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            module = super().__getattr__("_orig_mod")
            if hasattr(module, name) or not hasattr(self.__dict__["_compiled"], name):
                return getattr(module, name)
            return getattr(self.__dict__["_compiled"], name)

    def train(self, mode: bool = True) -> CompiledModule:
        """The module's mode."""
        super().train(mode)
        return self

    def __repr__(self) -> str:
        return f"CompiledModule(\n  (_orig_mod): {repr(self._orig_mod).replace(chr(10), chr(10) + '  ')}\n)"


class OrEager:
    """A compiled function that is called operation by operation from the first time on that it cannot be traced."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled, self._eager = compiled, False
        self._methods: dict[int, OrEager] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result."""
        if self._eager:
            return self._compiled.fn(*args, **kwargs)
        try:
            return self._compiled(*args, **kwargs)
        except TraceError as error:
            self._eager = True
            name = getattr(self._compiled.fn, "__name__", type(self._compiled.fn).__name__)
            warnings.warn(f"compile: {name} goes on operation by operation: {error}", stacklevel=3)
            return self._compiled.fn(*args, **kwargs)

    def __get__(self, owner: Any, kind: Any = None) -> OrEager:
        """As a method: one for each object."""
        if owner is None:
            return self
        compiled = self._compiled.__get__(owner)
        found = self._methods.get(id(compiled))
        if found is None:
            found = self._methods[id(compiled)] = OrEager(compiled)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_compiled"], name)

    def __repr__(self) -> str:
        return repr(self._compiled)


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """A function, a Module or a whole training step as one native program for each signature; see README and
    `cutaway.engine.compile`. Without a function it is a decorator with these options.

    PyTorch's options are taken: there is one backend and one mode, and each shape is compiled, so `dynamic`, `backend`,
    `mode` and `options` change nothing. `disable` gives the function back. A function that asks for values while it is
    traced raises TraceError; where a program written for PyTorch runs (`cutaway run`) it warns and goes on uncompiled,
    unless `fullgraph` is True.  Raises ArgumentError for a mode that PyTorch does not have.
    """
    if mode not in MODES:
        raise ArgumentError(f"compile: mode {mode!r} is unknown; leave it out, or use one of {MODES[1:]}")
    if model is None:
        return partial(compile, fullgraph=fullgraph, mode=mode, disable=disable)
    if not callable(model):
        raise ArgumentTypeError(f"compile: expected a function or a Module, got {type(model).__name__}")
    if disable:
        return model
    made = Compiled(model)
    call: Any = OrEager(made) if is_lenient() and not fullgraph else made
    return CompiledModule(model, call) if isinstance(model, Module) else call
