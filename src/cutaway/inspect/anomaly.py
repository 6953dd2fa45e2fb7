"""`with detect_anomaly():` and PyTorch's other ways to open the NaN box (box.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.op import STAGE
from cutaway.inspect.box import Box

# The box at work here, with how it was opened; for `set_detect_anomaly` and `is_anomaly_enabled`.
OPEN: ContextVar[Box | None] = ContextVar("box", default=None)


class detect_anomaly:
    """Inside, the first operation that makes NaN or Inf out of finite numbers is named in an error, with its line.

        with cutaway.autograd.detect_anomaly():
            loss = step(x, y)
            loss.backward()

    Forward and backward, eager and compiled (a compiled function runs op by op inside). It also is a decorator. The numbers
    are the same, several times slower. check_nan=False only watches, and raises nothing.

    Raises AnomalyError, a RuntimeError as PyTorch's. Inf on purpose (a mask of -inf before softmax) is no anomaly.
    """

    def __init__(self, check_nan: bool = True) -> None:
        if callable(check_nan):
            raise ArgumentTypeError("detect_anomaly: write @detect_anomaly(), with parentheses")
        self.check_nan = bool(check_nan)
        self._tokens: list[Any] = []

    def __enter__(self) -> Box:
        if STAGE.get() is not None:
            raise ArgumentError(
                "detect_anomaly: inside a compiled function there are no values to look at; put it around the call"
            )
        box = Box(self.check_nan)
        box.on()
        self._tokens.append((box, OPEN.set(box)))
        return box

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        box, token = self._tokens.pop()
        OPEN.reset(token)
        box.off()
        if kind is None:
            box.close()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, each call of which is watched."""

        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.check_nan):
                return fn(*args, **kwargs)

        return call


_standing: list[Box] = []  # the box that set_detect_anomaly opened


class set_detect_anomaly:
    """`detect_anomaly` on or off from here on; also usable as `with set_detect_anomaly(mode):`."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        if not isinstance(mode, (bool, np.bool_)):
            raise ArgumentTypeError(f"set_detect_anomaly: mode must be True or False, got {mode!r}")
        self._before = (bool(_standing), _standing[-1].check_nan if _standing else True)
        _stand(bool(mode), bool(check_nan))

    def __enter__(self) -> None:
        """It was switched when it was made, as in PyTorch."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        box = _standing[-1] if _standing else None
        _stand(*self._before)
        if box is not None and box not in _standing and kind is None:
            box.close()


def _stand(mode: bool, check_nan: bool) -> None:
    if _standing and (not mode or _standing[-1].check_nan != check_nan):
        _standing.pop().off()
        OPEN.set(None)
    if mode and not _standing:
        box = Box(check_nan)
        box.on()
        OPEN.set(box)
        _standing.append(box)


def is_anomaly_enabled() -> bool:
    """True inside `detect_anomaly`, or after `set_detect_anomaly(True)`."""
    return OPEN.get() is not None
