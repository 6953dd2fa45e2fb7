"""A bad call, what it must raise, and what the text must hold.

A call is a function of the framework, `lambda t: t.ones(2) @ 3`: the same line is run with PyTorch, and the error must
also be of the class that PyTorch raises there, so that `except RuntimeError` in a user's program goes on to work.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import cutaway
from cutaway.core import errors
from cutaway.core.errors import CutawayError

BUILT_IN = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError, ImportError)
INSIDE = ("_data", "_node", "_cell", "Traceback", "NoneType' object", "not subscriptable", "object at 0x")
"""What no text may hold: names of what is inside, and Python's own words for a slip inside."""


class Bad(NamedTuple):
    """One row of a table.

    words   what the text must hold: the op, the shapes or values, a word of the fix
    torch   the class PyTorch raises; ... for one of which `error` is a subclass; None where it raises nothing;
            "absent" where it has no such thing
    """

    id: str
    call: Callable[[Any], Any]
    error: type[CutawayError]
    words: tuple[str, ...]
    torch: Any = ...


def bad(id: str, call: Callable[[Any], Any], error: type[CutawayError], *words: str, torch: Any = ...) -> Bad:
    assert len(words) >= 2, f"{id}: a row asks for the op and for the shapes, values or the fix"
    return Bad(id, call, error, words, torch)


def text_of(call: Callable[[Any], Any], error: type[CutawayError]) -> str:
    """The text of the error that `call` raises.  Fails for another class, and where nothing is raised."""
    state = cutaway.get_rng_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = call(cutaway)
    except Exception as raised:
        assert type(raised) is error, f"raised {type(raised).__name__}, not {error.__name__}: {raised}"
        return str(raised)
    finally:
        cutaway.set_rng_state(state)
        cutaway.set_grad_enabled(True)
    raise AssertionError(f"passed silently, with {made!r:.200}")


def check(row: Bad) -> None:
    """The row's call raises its class, and the text holds its words."""
    text = text_of(row.call, row.error)
    missing = [word for word in row.words if word not in text]
    assert not missing, f"the text lacks {missing}: {text}"
    assert not [word for word in INSIDE if word in text], f"the text shows what is inside: {text}"


def check_class(row: Bad, torch: Any) -> None:
    """PyTorch refuses the same call, with a class that the row's error is, too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row.call(torch)
    except Exception as raised:
        assert row.torch is not None, f"PyTorch refuses it, too, with {type(raised).__name__}: {raised}"
        if row.torch is ...:
            mine = [c.__name__ for c in BUILT_IN if issubclass(row.error, c)]
            kind = next(c for c in type(raised).__mro__ if c.__module__ == "builtins")
            kind = RuntimeError if kind is NotImplementedError else kind  # what PyTorch raises for some dtypes
            assert issubclass(row.error, kind), f"PyTorch raises {type(raised).__name__}, ours is {mine}: {raised}"
        else:
            assert type(raised) is row.torch, f"PyTorch raises {type(raised).__name__}: {raised}"
        return
    finally:
        torch.set_grad_enabled(True)
    assert row.torch is None, "PyTorch accepts it"


def named() -> list[type[CutawayError]]:
    """The exceptions of core/errors.py."""
    return [
        e
        for e in vars(errors).values()
        if isinstance(e, type) and issubclass(e, CutawayError) and e is not CutawayError
    ]


def array(*shape: int) -> np.ndarray:
    """A NumPy array of ones, which is no Tensor."""
    return np.ones(shape, np.float32)
