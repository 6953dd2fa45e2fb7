"""Environments side by side: gymnasium's by name, our own grids, one way to see them all.

An observation is float32[d]: a Box is flattened, the number of a state is one-hot. Where an episode ends the next one
begins at once, and what the last one ended in is kept apart: a time limit is not an end of the task (Pardo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.rl.make import make
from cutaway.rl.spaces import numbering, spaces


@dataclass(frozen=True)
class Step:
    """What came of one action in each environment: observations before and after, float32[N, d], and what was earned."""

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_obs: np.ndarray
    """Where the action led, be it an end."""

    terminated: np.ndarray
    """bool[N]: the task is over, nothing follows."""

    truncated: np.ndarray
    """bool[N]: only the time was up; what would have followed counts."""

    @property
    def ended(self) -> np.ndarray:
        """bool[N]: another episode begins."""
        return self.terminated | self.truncated


@dataclass(frozen=True)
class Episode:
    """One that is over: the sum of its rewards, its length, and the environment step it ended at."""

    total: float
    length: int
    at: int


class Envs:
    """`n` copies of an environment that go on by themselves.  `obs[n, d]` is what there is to act on.

    `finished` collects the episodes that ended. `seeds` has one for each copy.
    """

    def __init__(self, name: str, seeds: Sequence[int], pictures: bool = False) -> None:
        self.name, self.n = name, len(seeds)
        self.copies = [make(name, pictures) for _ in seeds]
        self.spaces = spaces(self.copies[0], name)
        self._first = int(getattr(self.copies[0].action_space, "start", 0))  # a Discrete space may count from another number
        if self.spaces.states:
            self._state = numbering(self.copies[0].observation_space)
        self.obs = np.zeros((self.n, self.spaces.observation), np.float32)
        self.finished: list[Episode] = []
        self.steps = 0
        self._begun: list[Any] = [None] * self.n  # the state of the random numbers before each reset
        self._acted: list[list[Any]] = [[] for _ in seeds]  # since then
        self._total = [0.0] * self.n
        for i, seed in enumerate(seeds):
            self.copies[i].reset(seed=int(seed))
            self._reset(i)

    def step(self, actions: np.ndarray) -> Step:
        """Act in each copy: actions[N] int, or [N, a] float32 between `low` and `high` (what is beyond is cut)."""
        s = self.spaces
        if not s.discrete:
            actions = np.clip(actions, s.low, s.high)
        before = self.obs.copy()
        after = np.empty_like(before)
        reward = np.empty(self.n, np.float32)
        terminated, truncated = np.zeros(self.n, bool), np.zeros(self.n, bool)
        for i, env in enumerate(self.copies):
            action = int(actions[i]) + self._first if s.discrete else actions[i]
            seen, r, terminated[i], truncated[i], _ = env.step(action)
            self._acted[i].append(action)
            self._total[i] += float(r)
            reward[i] = r
            self._see(after, i, seen)
            self.obs[i] = after[i]
            if terminated[i] or truncated[i]:
                self.finished.append(Episode(self._total[i], len(self._acted[i]), self.steps + i + 1))
                self._reset(i)
        self.steps += self.n
        return Step(before, np.asarray(actions), reward, after, terminated, truncated)

    def _reset(self, i: int) -> None:
        env = self.copies[i]
        self._begun[i] = env.unwrapped.np_random.bit_generator.state
        seen, _ = env.reset()
        self._see(self.obs, i, seen)
        self._acted[i], self._total[i] = [], 0.0

    def _see(self, into: np.ndarray, i: int, seen: Any) -> None:
        if self.spaces.states:
            into[i] = 0
            into[i, self._state(seen)] = 1
        else:
            into[i] = np.ravel(seen)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on: how each episode began, and what was done since."""
        dtype = np.int64 if self.spaces.discrete else np.float32
        return {
            "steps": self.steps,
            "begun": self._begun,
            "acted": {str(i): np.asarray(a, dtype) for i, a in enumerate(self._acted)},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Be as `state` tells, by playing each copy's present episode over again."""
        for i, env in enumerate(self.copies):
            env.reset(seed=0)
            env.unwrapped.np_random.bit_generator.state = state["begun"][i]
            self._reset(i)
            for action in state["acted"][str(i)]:
                action = int(action) if self.spaces.discrete else action
                seen, r, *_ = env.step(action)
                self._acted[i].append(action)
                self._total[i] += float(r)
                self._see(self.obs, i, seen)
        self.steps = state["steps"]


def seeds(seed: int, purpose: int, n: int) -> list[int]:
    """`n` seeds for one purpose of a run; those of other purposes are others."""
    return [int(x) for x in np.random.SeedSequence([seed, purpose]).generate_state(n, np.uint32)]
