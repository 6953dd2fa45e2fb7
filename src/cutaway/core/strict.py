"""Where Cutaway refuses on purpose what PyTorch computes: an error, or a warning while a program written for PyTorch runs.

Each such place calls `refuse_or_warn` and goes on as PyTorch does if that returns. `cutaway run` and
`cutaway.interop.pytorch.install` make it warn; docs/running-pytorch-programs.md lists the places.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from cutaway.core.errors import CutawayError

_INSIDE = str(Path(__file__).parents[1])
_lenient = False  # of the process: threads of a program are part of it
_said: set[str] = set()


def is_lenient() -> bool:
    """True if what PyTorch computes is computed, with a warning."""
    return _lenient


def set_lenient(value: bool) -> None:
    """Warn (True), or refuse (False, the default)."""
    global _lenient
    _lenient = value
    _said.clear()


def refuse_or_warn(error: CutawayError, instead: str) -> None:
    """Raise `error`; or warn of it, with what happens `instead`, at the user's line: Python shows that once a place."""
    if not _lenient:
        raise error
    warnings.warn(f"{error}. Cutaway refuses this elsewhere; here, as in PyTorch, {instead}", stacklevel=_users_frame())


def warn_once(text: str) -> None:
    """While a program written for PyTorch runs, warn of what PyTorch warns of, once a process as it does."""
    if _lenient and text not in _said:
        _said.add(text)
        warn_of(text)


def warn_of(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line: of what is read otherwise while a program written for PyTorch runs."""
    warnings.warn(text, category, stacklevel=_users_frame())


def warn_in_program(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn as PyTorch does, at the user's line, but only while a program written for PyTorch runs."""
    if _lenient:
        warn_of(text, category)


def _users_frame() -> int:
    """The number of frames from `warnings.warn` in this file to the innermost one outside the package."""
    frame = sys._getframe(1)
    level = 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
        level += 1
    return level
