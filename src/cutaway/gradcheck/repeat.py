"""Does a function, and its backward, give the same twice? If not, no difference quotient means anything."""

from __future__ import annotations

import numpy as np

from cutaway.gradcheck.common import Settings, named, pull, unravel, weights
from cutaway.gradcheck.numerical import Index
from cutaway.gradcheck.probe import Probe
from cutaway.gradcheck.report import Finding

REPEATS = 8  # evaluations at one point before a function counts as repeating itself


def unrepeatable(probe: Probe, s: Settings, times: int = 1) -> Finding | None:
    """A finding if `times` further evaluations at the same point give something else."""
    first = [np.array(y._data, np.float64) for y in probe.outputs]
    for _ in range(times):
        for o, (a, b) in enumerate(zip(first, probe.values(), strict=True)):
            at = _differs(a, b, s.nondet_tol, probe.eps)
            if at is not None:
                why = "func gives different values at the same point, so a difference quotient of it means nothing"
                i, labels = probe.wanted[0], ("first call", "second call")
                return named(probe, "randomness", why, i, o, None, at, float(a[at]), float(b[at]), labels=labels)
    return None


def unrepeatable_backward(probe: Probe, s: Settings) -> Finding | None:
    """A finding if the same gradient, carried back twice through the same graph, arrives as something else."""
    for o, y in enumerate(probe.outputs):
        v = weights(y.shape, o)
        for i, a, b in zip(probe.wanted, pull(probe, o, v, s), pull(probe, o, v, s), strict=True):
            at = _differs(a, b, s.nondet_tol, probe.eps)
            if at is not None:
                why = "backward gives different gradients for the same graph and the same arriving gradient"
                labels = ("first pass", "second pass")
                return named(probe, "randomness", why, i, o, at, None, float(a[at]), float(b[at]), labels=labels)
    return None


def _differs(a: np.ndarray, b: np.ndarray, allowed: float, eps: float) -> Index | None:
    """Where two evaluations differ most, if by more than `allowed` and what the order of a sum can do."""
    finite = np.abs(a[np.isfinite(a)])
    slack = allowed + 64 * eps * (finite.max() if finite.size else 0.0)
    different = ~np.isclose(a, b, rtol=0, atol=slack, equal_nan=True)
    if not different.any():
        return None
    with np.errstate(invalid="ignore"):
        return unravel(np.argmax(np.where(different, np.nan_to_num(np.abs(a - b), nan=np.inf), -1.0)), a.shape)
