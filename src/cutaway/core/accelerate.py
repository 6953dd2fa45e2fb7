"""Where heavy work goes instead of NumPy. The hooks are empty until the engine fills them; without llvmlite they stay so.

A composite, an op or an optimiser's step that has been called often enough, or is large enough, asks `load` once; from then
on the engine decides, call by call, whether a native program does the work. CUTAWAY_EAGER=numpy keeps NumPy for all of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

NOT = object()  # a hook's answer: not this one, do it yourself
CALLS = 200  # before which loading the compiler would cost more than it can save
ELEMENTS = 4096  # that make a call count double

# (fn, args, kwargs) -> the result, or NOT.
composite: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any] | None
# (op, tensors, attrs) of a matrix product or einsum -> the result's array, or NOT.
contraction: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None
# (optimiser, its step as a trace sees it) -> True if the step was done.
step: Callable[[Any, Callable[..., None]], bool] | None


def _first(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The hook for composites until the engine is loaded."""
    _count(1 + sum([x._data.size for x in args if hasattr(x, "_data")]) // ELEMENTS)
    return NOT


def _first_product(op: Any, tensors: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """The hook for contractions until the engine is loaded."""
    _count(min([t._data.size for t in tensors], default=0) // ELEMENTS)
    return NOT


def _first_step(optimizer: Any, staged: Callable[..., None]) -> bool:
    """The hook for steps until the engine is loaded."""
    _count(1)
    return False


def _count(n: int) -> None:
    global _calls
    _calls += n
    if _calls >= CALLS:
        load()


_calls = 0
if os.environ.get("CUTAWAY_EAGER", "") == "numpy":
    composite = contraction = step = None
else:
    composite, contraction, step = _first, _first_product, _first_step


def load() -> None:
    """Fill the hooks, if llvmlite is installed; otherwise empty them for good."""
    global composite, contraction, step
    if find_spec("llvmlite") is None:
        composite = contraction = step = None
        return
    from importlib import import_module  # by name: what lies above is not imported from here

    import_module("cutaway.engine.eager").install()


@contextmanager
def numpy_only() -> Iterator[None]:
    """Inside, everything runs op by op on NumPy."""
    global composite, contraction, step
    held = composite, contraction, step
    composite = contraction = step = None
    try:
        yield
    finally:
        composite, contraction, step = held
