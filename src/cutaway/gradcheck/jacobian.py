"""Numerical against analytical Jacobians, element by element, and the diagnosis of where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cutaway.gradcheck.common import Settings, named, one, pull, unravel, weights
from cutaway.gradcheck.hints import hint
from cutaway.gradcheck.numerical import Index
from cutaway.gradcheck.probe import Probe
from cutaway.gradcheck.repeat import REPEATS, unrepeatable
from cutaway.gradcheck.report import Finding
from cutaway.gradcheck.sweep import judge, sweep

LOOKED_AT = 5  # differing elements of a Jacobian that are swept


def full(probe: Probe, s: Settings, inputs: Sequence[int], outputs: Sequence[int]) -> tuple[list[Finding], int]:
    """Compare whole Jacobians of the given outputs towards the given inputs: (findings, numbers compared)."""
    findings, compared = [], 0
    analytical = {o: _analytical(probe, o, s) for o in outputs}
    for i in inputs:
        numerical = _numerical(probe, i, s.eps)
        for o in outputs:
            expected, got = numerical[o], analytical[o][probe.wanted.index(i)]
            compared += expected.size
            wrong = ~s.close(expected, got)
            if wrong.any():
                findings.append(_diagnose(probe, s, i, o, expected, got, wrong))
            else:
                findings += _linear(probe, s, i, o, got)
    return findings, compared


def _numerical(probe: Probe, i: int, eps: float) -> list[np.ndarray]:
    """J[*output, *input i] for every output, by central differences; nan where rounding swallows the step."""
    shape = probe.inputs[i]._data.shape
    jacobians = [np.full(y.shape + shape, np.nan) for y in probe.outputs]
    with np.errstate(all="ignore"):
        for index in np.ndindex(shape):
            right, up = probe.moved(i, index, eps)
            left, down = probe.moved(i, index, -eps)
            if up > down:
                for jacobian, a, b in zip(jacobians, right, left, strict=True):
                    jacobian[(..., *index)] = (a - b) / (up - down)
    return jacobians


def _analytical(probe: Probe, o: int, s: Settings) -> list[np.ndarray]:
    """J[*output o, *input] for every wanted input: a backward pass for each element of the output."""
    shape = probe.outputs[o].shape
    jacobians = [np.zeros(shape + probe.inputs[i]._data.shape) for i in probe.wanted]
    for at in np.ndindex(*shape):
        for jacobian, g in zip(jacobians, pull(probe, o, one(shape, at), s), strict=True):
            jacobian[at] = g
    return jacobians


def _linear(probe: Probe, s: Settings, i: int, o: int, jacobian: np.ndarray) -> Iterator[Finding]:
    """backward must be linear in the gradient that arrives: a random one gives what the unit ones promise."""
    v = weights(probe.outputs[o].shape, o)
    expected = np.tensordot(v, jacobian, v.ndim)
    got = pull(probe, o, v, s)[probe.wanted.index(i)]
    slack = s.atol + s.rtol * np.tensordot(np.abs(v), np.abs(jacobian), v.ndim)
    wrong = np.isfinite(expected) & ~(np.abs(got - expected) <= slack)
    if wrong.any():
        at = unravel(np.argmax(np.where(wrong, np.abs(got - expected), -1.0)), wrong.shape)
        yield named(
            probe,
            "bug",
            "backward is right for an arriving gradient of one, but not in proportion for another",
            i, o, at, None, float(expected[at]), float(got[at]), int(wrong.sum()), wrong.size,
            hint="g not multiplied: backward must be grad_output times the local derivative, and linear in grad_output",
            labels=("in proportion", "analytical"),
        )  # fmt: skip


def _diagnose(
    probe: Probe, s: Settings, i: int, o: int, expected: np.ndarray, got: np.ndarray, wrong: np.ndarray
) -> Finding:
    """Sweep the worst element and some others, and keep the plainest: a bug, if one of them is."""
    random = unrepeatable(probe, s, REPEATS)
    if random:
        return random
    cut = probe.outputs[o].ndim
    places = _worst_first(expected, got, wrong, cut)
    chosen = dict.fromkeys(places[np.linspace(0, len(places) - 1, LOOKED_AT).astype(int)].tolist())
    found: Finding | None = None
    for place in chosen:
        at = unravel(place, wrong.shape)
        seen = element(probe, s, i, at[cut:], o, at[:cut], float(expected[at]), float(got[at]))
        if found is None or seen.verdict == "bug":
            found = seen
        if found.verdict == "bug":
            break
    assert found is not None
    slip = ""
    if found.verdict == "bug":
        best = float(np.cbrt(probe.eps))
        if s.eps < 0.1 * best:  # float32: at eps, rounding would hide the pattern
            expected = _numerical(probe, i, best)[o]
        slip = hint(expected, got, cut, lambda a, b: bool(s.close(a, b).all()))
    return replace(found, failed=int(wrong.sum()), total=wrong.size, hint=slip)


def _worst_first(expected: np.ndarray, got: np.ndarray, wrong: np.ndarray, outputs: int) -> np.ndarray:
    """Flat places of the wrong elements, the largest error first.

    An infinite slope makes 0 · inf = nan at all other outputs, too: of an input element's nans, only the one that tells
    most is kept.
    """
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(got - expected), nan=np.inf, posinf=np.inf)
    tells = np.where(np.isinf(got), np.inf, np.nan_to_num(np.abs(expected), nan=np.inf, posinf=np.inf))
    columns = np.where(wrong, tells, -1.0).reshape(int(np.prod(wrong.shape[:outputs])), -1)
    most = np.zeros(columns.shape, bool)
    most[columns.argmax(axis=0), np.arange(columns.shape[1])] = True
    places = np.flatnonzero(wrong & (~np.isnan(got) | most.reshape(wrong.shape)))
    return places[np.argsort(-error.ravel()[places], kind="stable")]


def element(
    probe: Probe, s: Settings, i: int, index: Index, o: int, at: Index | np.ndarray, expected: float, got: float
) -> Finding:
    """The finding on one element of input i: towards one element `at` of output o, or towards its weighted sum."""
    v = one(probe.outputs[o].shape, at) if isinstance(at, tuple) else at

    def value(h: float) -> tuple[float, float]:
        ys, step = probe.moved(i, index, h)
        return float(ys[o][at] if isinstance(at, tuple) else (v * ys[o]).sum()), step

    def neighbour(shift: float, h: float) -> tuple[float, float]:
        (right, up), (left, down) = value(shift + h), value(shift - h)
        return (right - left) / (up - down), probe.slope(i, index, o, v, shift)

    rows = sweep(value, probe.eps)
    verdict = judge(rows, got, s.tolerance, here=value(0.0)[0], eps=probe.eps, step=s.eps, neighbour=neighbour)
    name, why, limit = verdict
    place = at if isinstance(at, tuple) else None
    return named(probe, name, why, i, o, index, place, expected, got, limit=limit, sweep=tuple(rows))
