"""Replay memory (Lin 1992): the last transitions, in tensors that a compiled update reads where they lie.

A row is (obs, action, reward, next_obs, discount). With n steps, `reward` is the discounted sum of n rewards and `next_obs`
the observation after them; `discount` is gamma^n, and 0 where the task ended: the target is always
reward + discount * V(next_obs).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.rl.arithmetic import n_step
from cutaway.rl.environment import Step
from cutaway.rl.spaces import Spaces


class Memory:
    """The last `capacity` transitions, a ring.  `obs`, `action`, `reward`, `next_obs` and `discount` are Tensors of rows."""

    def __init__(self, capacity: int, spaces: Spaces, gamma: float, n: int = 1) -> None:
        d = spaces.observation
        self.capacity, self.gamma, self.n = capacity, gamma, n
        self.size = self.at = 0
        action = np.zeros(capacity, np.int64) if spaces.discrete else np.zeros((capacity, spaces.actions), np.float32)
        self._rows = {
            "obs": np.zeros((capacity, d), np.float32),
            "action": action,
            "reward": np.zeros(capacity, np.float32),
            "next_obs": np.zeros((capacity, d), np.float32),
            "discount": np.zeros(capacity, np.float32),
        }
        self.obs, self.action, self.reward, self.next_obs, self.discount = map(Tensor._wrap, self._rows.values())
        self._waiting: dict[int, list[tuple[Any, Any, float]]] = {}  # for each copy, until n rewards are known

    def add(self, step: Step) -> None:
        """What came of one action in each copy."""
        for i in range(len(step.reward)):
            waiting = self._waiting.setdefault(i, [])
            waiting.append((step.obs[i], step.action[i], float(step.reward[i])))
            terminated, ended = bool(step.terminated[i]), bool(step.terminated[i] or step.truncated[i])
            while waiting and (ended or len(waiting) == self.n):
                reward, discount = n_step([r for _, _, r in waiting], self.gamma, terminated)
                obs, action, _ = waiting.pop(0)
                self._write(obs, action, reward, step.next_obs[i], discount)

    def _write(self, *values: Any) -> int:
        at = self.at
        for rows, value in zip(self._rows.values(), values):
            rows[at] = value
        self.at = (at + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)
        return at

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """rows[count], each as likely as any other."""
        return rng.integers(0, self.size, count)

    def state(self) -> dict[str, Any]:
        """All of it."""
        waiting = {
            str(i): [[np.asarray(obs), np.asarray(action), r] for obs, action, r in held]
            for i, held in self._waiting.items()
        }
        held = {name: rows[: self.size] for name, rows in self._rows.items()}
        return {"at": self.at, "size": self.size, "rows": held, "waiting": waiting}

    def load_state(self, state: dict[str, Any]) -> None:
        """Be as `state` tells; the tensors stay where they are."""
        self.at, self.size = state["at"], state["size"]
        for name, rows in self._rows.items():
            rows[: self.size] = state["rows"][name]
        self._waiting = {
            int(i): [(obs, action if action.ndim else action[()], r) for obs, action, r in held]
            for i, held in state["waiting"].items()
        }


class PrioritizedMemory(Memory):
    """Rows are drawn in proportion to (|TD error| + epsilon)^alpha (Schaul et al. 2016, section 3.3).

    `_tree[1]` is the sum of all priorities, `_tree[i]` that of its children 2i and 2i + 1; the leaves are the rows.
    """

    EPSILON = 1e-3

    def __init__(self, capacity: int, spaces: Spaces, gamma: float, n: int = 1, alpha: float = 0.6) -> None:
        super().__init__(capacity, spaces, gamma, n)
        if not 0 <= alpha <= 1:
            raise ArgumentError(f"--alpha must be from 0 to 1, got {alpha:g}")
        self.alpha = alpha
        self._leaves = 1 << (capacity - 1).bit_length()
        self._tree = np.zeros(2 * self._leaves)
        self._highest = 1.0

    def _write(self, *values: Any) -> int:
        at = super()._write(*values)
        self._set(np.array([at]), np.array([self._highest]))  # whoever is new will be seen at least once
        return at

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """rows[count]: one out of each of `count` equal parts of the sum."""
        left = (np.arange(count) + rng.random(count)) * (self._tree[1] / count)
        node = np.ones(count, np.int64)
        while node[0] < self._leaves:
            node *= 2
            first = self._tree[node]
            right = left >= first
            left -= np.where(right, first, 0.0)
            node += right
        return np.minimum(node - self._leaves, self.size - 1)

    def weights(self, rows: np.ndarray, beta: float) -> np.ndarray:
        """(N P(row))^-beta, the largest being 1: what undoes the preference, wholly at beta = 1."""
        p = self._tree[rows + self._leaves] / self._tree[1]
        w = (self.size * np.maximum(p, 1e-12)) ** -beta
        return (w / w.max()).astype(np.float32)

    def learned(self, rows: np.ndarray, error: np.ndarray) -> None:
        """Set the priorities by the TD errors that an update found."""
        priority = (np.abs(error.astype(np.float64)) + self.EPSILON) ** self.alpha
        self._highest = max(self._highest, float(priority.max()))
        self._set(rows, priority)

    def _set(self, rows: np.ndarray, priority: np.ndarray) -> None:
        node = rows + self._leaves
        self._tree[node] = priority
        while (node := node // 2)[0]:
            self._tree[node] = self._tree[2 * node] + self._tree[2 * node + 1]

    def state(self) -> dict[str, Any]:
        """All of it."""
        priorities = self._tree[self._leaves : self._leaves + self.size]
        return super().state() | {"priorities": priorities, "highest": self._highest}

    def load_state(self, state: dict[str, Any]) -> None:
        """Be as `state` tells."""
        super().load_state(state)
        self._highest = state["highest"]
        self._tree[self._leaves : self._leaves + self.size] = state["priorities"]
        level = np.arange(self._leaves // 2, self._leaves)
        while len(level):
            self._tree[level] = self._tree[2 * level] + self._tree[2 * level + 1]
            level = np.arange(level[0] // 2, level[0])
