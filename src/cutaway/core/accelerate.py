"""Where heavy work goes instead of NumPy. The hooks are empty until the engine fills them; without llvmlite they stay so.

Composites, contractions, optimisers' steps, sparse products and random numbers in bulk ask for the compiler once there has
been enough work to be worth it. From then on the engine decides, call by call, whether a native program takes over; the
numbers are the same to rounding, random ones to the bit.

CUTAWAY_EAGER=numpy     no native programs, as within `numpy_only()`
CUTAWAY_EAGER=native    native programs from the first call on, as within `at_once()`: what a run computes then does not
                        depend, in the last digits, on what ran before it in the process
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import numpy as np

NOT = object()  # a hook's answer: not this one, do it yourself
CALLS = 200  # before which loading the compiler would cost more than it can save
ELEMENTS = 4096  # that make a call count double
DRAWN, SWAPPED = 1 << 15, 1 << 9  # random words, and places of a permutation, that count as a call

SETTING = os.environ.get("CUTAWAY_EAGER", "")
AT_ONCE: ContextVar[bool] = ContextVar("at_once", default=SETTING == "native")

# (fn, args, kwargs) -> the result, or NOT.
composite: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any] | None
# (op, tensors, attrs) of a matrix product or einsum -> the result's array, or NOT.
contraction: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None
# (optimiser, its step as a trace sees it) -> True if the step was done.
step: Callable[[Any, Callable[..., None]], bool] | None
# (a np.random.MT19937, n) -> its next n words, or None.
words: Callable[[Any, int], np.ndarray | None] | None
# (order, targets) -> True if order[i] was swapped with order[targets[i]], for one i after the other.
swaps: Callable[[np.ndarray, np.ndarray], bool] | None
# ("spmm" or "sddmm", places, factors, the result's array) of a sparse product -> True if the array was filled.
entries: Callable[[str, tuple[Any, Any], tuple[Any, Any], np.ndarray], bool] | None


# --- the hooks until the engine is loaded -----------------------------------------------------------------------------


def _composite(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if _loaded(1 + sum([x._data.size for x in args if hasattr(x, "_data")]) // ELEMENTS) and composite is not None:
        return composite(fn, args, kwargs)
    return NOT


def _contraction(op: Any, tensors: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    if _loaded(min([t._data.size for t in tensors], default=0) // ELEMENTS) and contraction is not None:
        return contraction(op, tensors, attrs)
    return NOT


def _step(optimizer: Any, staged: Callable[..., None]) -> bool:
    return _loaded(1) and step is not None and step(optimizer, staged)


def _words(twister: Any, n: int) -> np.ndarray | None:
    return words(twister, n) if _loaded(n // DRAWN) and words is not None else None


def _swaps(order: np.ndarray, targets: np.ndarray) -> bool:
    return _loaded(len(targets) // SWAPPED) and swaps is not None and swaps(order, targets)


def _entries(name: str, places: tuple[Any, Any], factors: tuple[Any, Any], y: np.ndarray) -> bool:
    work = len(places[1]) * factors[1].shape[1]
    return _loaded(work // ELEMENTS) and entries is not None and entries(name, places, factors, y)


def _loaded(work: int) -> bool:
    """Count the work; True once the engine has been asked for."""
    global _calls
    _calls += work
    if _calls < CALLS and not AT_ONCE.get():
        return False
    load()
    return True


_calls = 0
if SETTING == "numpy":
    composite = contraction = step = words = swaps = entries = None
else:
    composite, contraction, step, words, swaps = _composite, _contraction, _step, _words, _swaps
    entries = _entries


def load() -> None:
    """Fill the hooks, if llvmlite can be imported; otherwise empty them for good."""
    global composite, contraction, step, words, swaps, entries
    try:
        import_module("cutaway.engine.eager").install()  # by name: what lies above is not imported from here
    except ImportError:
        composite = contraction = step = words = swaps = entries = None


# --- choosing ---------------------------------------------------------------------------------------------------------


@contextmanager
def numpy_only() -> Iterator[None]:
    """Inside, everything runs op by op on NumPy."""
    from cutaway.core.op import INTERPRETER, Op

    token = INTERPRETER.set(INTERPRETER.get() or Op.eager)  # the bottom one, by name: hooks step back
    try:
        yield
    finally:
        INTERPRETER.reset(token)


@contextmanager
def at_once() -> Iterator[None]:
    """Inside, what can be a native program is one from its first call on."""
    token = AT_ONCE.set(True)
    try:
        yield
    finally:
        AT_ONCE.reset(token)
