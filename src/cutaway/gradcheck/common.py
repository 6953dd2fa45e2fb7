"""What the parts of a check share: its settings, gradients pulled back with zeros for None, random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cutaway.gradcheck.numerical import Index, name_of
from cutaway.gradcheck.probe import Probe
from cutaway.gradcheck.report import Finding


@dataclass(frozen=True)
class Settings:
    """The arguments of a check."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float = 0.0
    undefined: bool = True

    def tolerance(self, expected: float) -> float:
        """How far from the expected value another may lie."""
        return self.atol + self.rtol * abs(expected)

    def close(self, expected: np.ndarray, got: np.ndarray) -> np.ndarray:
        """Where |got - expected| <= atol + rtol |expected|; nan is never close."""
        close: np.ndarray = np.isclose(got, expected, rtol=self.rtol, atol=self.atol)
        return close


def pull(probe: Probe, o: int, v: np.ndarray, s: Settings) -> list[np.ndarray]:
    """vᵀJ towards each wanted input; an input that nothing arrives at has the gradient zero."""
    found = probe.pullback(o, v, others=not s.undefined)
    return [np.zeros(probe.inputs[i]._data.shape) if g is None else g for i, g in zip(probe.wanted, found, strict=True)]


def weights(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random numbers of either sign between 0.5 and 1.5: no element is overlooked, none cancels another exactly."""
    rng = np.random.default_rng(seed)
    v: np.ndarray = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return v


def one(shape: tuple[int, ...], at: Index) -> np.ndarray:
    """Zeros, and 1 at one place."""
    v = np.zeros(shape)
    v[at] = 1.0
    return v


def unravel(place: int | np.integer, shape: tuple[int, ...]) -> Index:
    """The index of the element at a flat place."""
    return tuple(int(k) for k in np.unravel_index(int(place), shape))


def named(probe: Probe, verdict: str, why: str, i: int, o: int, *rest: Any, **more: Any) -> Finding:
    """A Finding that calls input i and output o by their names."""
    return replace(
        Finding(verdict, why, i, o, *rest, **more),
        input_label=f"{probe.input_name(i)}, {name_of(probe.inputs[i])}",
        output_label=f"{probe.output_name(o)}, {name_of(probe.outputs[o])}",
    )
