"""A look at the numbers, before a constraint is asked where it holds: mostly it holds everywhere, and that is soon seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.op import INTERPRETER
from cutaway.core.tensor import Tensor
from cutaway.distributions import constraints as c


def certain(constraint: c.Constraint, value: Tensor) -> bool:
    """True if it holds of all of `value`; False if that is not so, or not known here."""
    look, a = LOOKS.get(type(constraint)), value._data
    if look is None or type(a) is not np.ndarray or a.dtype.kind not in "fiub" or INTERPRETER.get() is not None:
        return False
    return bool(look(constraint, a))


def _bounded(*kinds: str) -> Callable[[Any, np.ndarray], Any]:
    """All numbers within the bounds, where those are numbers, too; "whole": and whole."""

    def look(k: Any, a: np.ndarray) -> Any:
        for kind in kinds:
            if kind == "whole":
                if a.dtype.kind == "f" and not ((np.floor(a) == a) & np.isfinite(a)).all():
                    return False
                continue
            bound = k.lower_bound if kind in (">", ">=") else k.upper_bound
            if not isinstance(bound, (int, float)):
                return False
            if not HOLDS[kind](a, bound).all():
                return False
        return True

    return look


HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal,
}  # fmt: skip


def _of_each(k: Any, a: np.ndarray) -> Any:
    look = LOOKS.get(type(k.base_constraint))
    return a.ndim >= k.event_dim and look is not None and look(k.base_constraint, a)


LOOKS: dict[type, Callable[[Any, np.ndarray], Any]] = {
    c._Real: lambda _, a: a.dtype.kind != "f" or (a == a).all(),
    c._GreaterThan: _bounded(">"),
    c._GreaterThanEq: _bounded(">="),
    c._LessThan: _bounded("<"),
    c._Interval: _bounded(">=", "<="),
    c._HalfOpenInterval: _bounded(">=", "<"),
    c._IntegerInterval: _bounded("whole", ">=", "<="),
    c._IntegerGreaterThan: _bounded("whole", ">="),
    c._Boolean: lambda _, a: ((a == 0) | (a == 1)).all(),
    c._Simplex: lambda _, a: a.ndim and (a >= 0).all() and (np.abs(a.sum(-1) - 1) < 5e-7).all(),
    c._IndependentConstraint: _of_each,
}
