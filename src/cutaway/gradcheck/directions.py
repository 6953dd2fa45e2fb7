"""Numerical against analytical derivatives along random directions: the fast mode."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cutaway.gradcheck.common import Settings, one, pull, unravel, weights
from cutaway.gradcheck.jacobian import element, full
from cutaway.gradcheck.probe import Probe
from cutaway.gradcheck.repeat import REPEATS, unrepeatable
from cutaway.gradcheck.report import Finding

LISTED = 2048  # elements of an input up to which a failure is looked for in every one of them


def projected(probe: Probe, s: Settings) -> tuple[list[Finding], int]:
    """Compare vᵀJu for random v and u: two evaluations an input and one backward pass an output.

    A wrong element changes the sum unless another cancels it, which has probability zero. What fails is looked at
    element by element, or in large inputs found by halving.
    """
    findings: list[Finding] = []
    compared = 0
    gradients = [(weights(y.shape, o), o) for o, y in enumerate(probe.outputs)]
    pulled = [pull(probe, o, v, s) for v, o in gradients]
    for k, i in enumerate(probe.wanted):
        u = weights(probe.inputs[i]._data.shape, 1000 + i)
        failed = []
        for v, o in gradients:
            compared += 1
            if not _agrees(*_directional(probe, s, i, o, u, v, pulled[o][k]), s):
                failed.append(o)
        if failed and u.size <= LISTED:
            findings += full(probe, s, [i], failed)[0]
        else:
            for o in failed:
                findings += _halve(probe, s, i, o, u, gradients[o][0], pulled[o][k])
    return findings, compared


def _directional(
    probe: Probe, s: Settings, i: int, o: int, u: np.ndarray, v: np.ndarray, g: np.ndarray
) -> tuple[float, float]:
    """vᵀJu, numerical and analytical; nan if rounding swallows a step."""
    right, up = probe.shifted(i, u, s.eps)
    left, down = probe.shifted(i, u, -s.eps)
    steps = (up - down) / (2 * s.eps)
    if ((steps == 0) & (u != 0)).any():
        return np.nan, np.nan
    with np.errstate(all="ignore"):
        return float((v * (right[o] - left[o])).sum() / (2 * s.eps)), float((g * steps).sum())


def _agrees(numerical: float, analytical: float, s: Settings) -> bool:
    return abs(numerical - analytical) <= s.tolerance(numerical)


def _halve(
    probe: Probe, s: Settings, i: int, o: int, u: np.ndarray, v: np.ndarray, g: np.ndarray
) -> Iterator[Finding]:
    """Follow the half that differs more, down to one element. If that agrees, only the sum of small errors did not."""
    random = unrepeatable(probe, s, REPEATS)
    if random:
        yield random
        return
    places = np.arange(u.size)

    def error(some: np.ndarray) -> float:
        part = np.zeros(u.size)
        part[some] = u.ravel()[some]
        numerical, analytical = _directional(probe, s, i, o, part.reshape(u.shape), v, g)
        return float(np.nan_to_num(abs(numerical - analytical), nan=np.inf))

    while places.size > 1:
        places = max(np.array_split(places, 2), key=error)
    index = unravel(places[0], u.shape)
    numerical, analytical = _directional(probe, s, i, o, one(u.shape, index), v, g)
    if not _agrees(numerical, analytical, s):
        yield element(probe, s, i, index, o, v, numerical, analytical)
