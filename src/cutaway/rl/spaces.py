"""What an agent must know of an environment: what comes in, what goes out.  What no agent here can use is refused.

A number of a Discrete space is a state, and so is a combination of several: a hand, the dealer's card, an ace or none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError

MOST_STATES = 100_000
"""A state is one-hot; more of them are no table."""


@dataclass(frozen=True)
class Spaces:
    """What an agent must know: `observation` numbers come in; one of `actions` goes out or, where `low` and `high` are
    given, `actions` numbers between them.
    """

    observation: int
    actions: int
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    states: int | None = None
    """Of an environment whose observation is the number of a state."""

    @property
    def discrete(self) -> bool:
        """True if an action is one of some."""
        return self.low is None


def spaces(env: Any, name: str) -> Spaces:
    """Of an environment.  Raises ArgumentError for spaces that no agent here can use."""
    o, a = env.observation_space, env.action_space
    states = math.prod(_sizes(o)) if _sizes(o) else None
    if states is None:
        _must_be_numbers(o, name)
    elif states > MOST_STATES:
        raise ArgumentError(f"--env {name}: {o} makes {states:,} states, more than the {MOST_STATES:,} that are supported")
    size = states or math.prod(o.shape)
    if _is(a, "Discrete"):
        return Spaces(size, int(a.n), states=states)
    if _is(a, "Box") and len(a.shape) == 1 and np.isfinite(a.low).all() and np.isfinite(a.high).all():
        return Spaces(size, a.shape[0], np.asarray(a.low, np.float32), np.asarray(a.high, np.float32), states)
    raise ArgumentError(f"--env {name}: actions in {a} are not supported; Discrete and a bounded Box[n] are")


def _must_be_numbers(o: Any, name: str) -> None:
    if not (_is(o, "Box") or _is(o, "MultiBinary")):
        raise ArgumentError(
            f"--env {name}: observations in {o} are not supported; Box, Discrete and several Discrete numbers are. "
            "gymnasium.wrappers.FlattenObservation makes numbers of others, where you register an environment of your own"
        )
    if len(o.shape) >= 2 and o.dtype == np.uint8:
        raise ArgumentError(f"--env {name}: observations are pictures, {o}; the agents here have no eyes, they take numbers")


def _is(space: Any, kind: str) -> bool:
    """By name: our grids' spaces are not gymnasium's."""
    return any(c.__name__ == kind for c in type(space).__mro__)


def _sizes(space: Any) -> list[int]:
    """Of each number in an observation that is made of numbers from small sets; [] for another space."""
    if _is(space, "Discrete"):
        return [int(space.n)]
    if _is(space, "MultiDiscrete"):
        return [int(n) for n in np.ravel(space.nvec)]
    if _is(space, "Tuple") and all(_is(part, "Discrete") for part in space.spaces):
        return [int(part.n) for part in space.spaces]
    return []


def numbering(space: Any) -> Callable[[Any], int]:
    """From an observation to the number of its state, from 0 on; the last of several numbers counts quickest."""
    if _is(space, "Discrete"):
        start = int(getattr(space, "start", 0))
        return lambda seen: int(seen) - start
    sizes = _sizes(space)
    parts = space.spaces if _is(space, "Tuple") else [space]
    starts = np.concatenate([np.ravel(getattr(part, "start", 0)) for part in parts])
    return lambda seen: int(np.ravel_multi_index(tuple(np.ravel(seen) - starts), sizes))
