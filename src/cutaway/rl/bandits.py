"""The k-armed bandit (Sutton & Barto 2018, chapter 2): many problems at once, each rule some lines over arrays [runs, arms].

    curves = play(EpsilonGreedy(0.1), Testbed(runs=2000, seed=0), steps=1000)
    curves.reward[-1], curves.optimal[-1]         # figure 2.2: the mean reward, and how often the best arm was pulled
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.train.settings import at_least


class Testbed:
    """`runs` problems of `arms` arms (section 2.3): an arm's worth is drawn from N(mean, 1), each reward from N(worth, 1).

    The same seed gives the same problems and, for the same pulls, the same rewards.
    """

    __test__ = False  # pytest takes it for a test

    def __init__(self, runs: int = 2000, arms: int = 10, mean: float = 0.0, seed: int = 0) -> None:
        at_least("runs", runs, 1)
        at_least("arms", arms, 2)
        self.rng = np.random.default_rng(seed)
        self.worth = self.rng.normal(mean, 1.0, (runs, arms))
        self.best = self.worth.argmax(1)
        self._row = np.arange(runs)

    def pull(self, arm: np.ndarray) -> np.ndarray:
        """Rewards [runs] of the arms [runs]."""
        return self.worth[self._row, arm] + self.rng.standard_normal(len(arm))


class Rule:
    """How to choose.  `begin` makes what it remembers, `choose` gives arms [runs], `learn` takes their rewards."""

    def begin(self, runs: int, arms: int) -> None:
        """Forget all."""
        self.row = np.arange(runs)
        self.q = np.zeros((runs, arms))
        self.n = np.zeros((runs, arms))

    def choose(self, t: int, rng: np.random.Generator) -> np.ndarray:
        """The arms of pull number t, which counts from 1."""
        raise NotImplementedError

    def learn(self, arm: np.ndarray, reward: np.ndarray) -> None:
        """Sample averages, step by step: Q <- Q + (R - Q) / N, equation 2.3."""
        self.n[self.row, arm] += 1
        self.q[self.row, arm] += (reward - self.q[self.row, arm]) / self.n[self.row, arm]


class EpsilonGreedy(Rule):
    """The arm that seemed best so far, ties drawn; with probability `epsilon` any arm (section 2.2).

    `step` is a fixed step size in place of 1 / N, `start` the first estimate of all arms: an optimistic one explores (2.6).
    """

    def __init__(self, epsilon: float, step: float | None = None, start: float = 0.0) -> None:
        _share("epsilon", epsilon)
        self.epsilon, self.step, self.start = epsilon, step, start

    def begin(self, runs: int, arms: int) -> None:
        """All estimates at `start`."""
        super().begin(runs, arms)
        self.q += self.start

    def choose(self, t: int, rng: np.random.Generator) -> np.ndarray:
        """The greedy arm, or any."""
        runs, arms = self.q.shape
        return np.where(rng.random(runs) < self.epsilon, rng.integers(0, arms, runs), _first(self.q, rng))

    def learn(self, arm: np.ndarray, reward: np.ndarray) -> None:
        """Q <- Q + step (R - Q)."""
        if self.step is None:
            return super().learn(arm, reward)
        self.q[self.row, arm] += self.step * (reward - self.q[self.row, arm])


class UCB(Rule):
    """The arm that could be best: Q + c sqrt(ln t / N), an arm never pulled first of all (equation 2.10)."""

    def __init__(self, c: float = 2.0) -> None:
        at_least("c", c, 0)
        self.c = c

    def choose(self, t: int, rng: np.random.Generator) -> np.ndarray:
        """The arm with the highest upper bound."""
        bound = self.q + self.c * np.sqrt(np.log(t) / np.maximum(self.n, 1e-9))
        return _first(np.where(self.n == 0, np.inf, bound), rng)


class Gradient(Rule):
    """Preferences H and their softmax, moved uphill: H <- H + step (R - baseline) (one-hot(A) - pi), equation 2.12.

    Without `baseline` (the mean of all rewards so far) it is lost as soon as rewards are far from 0: figure 2.5.
    """

    def __init__(self, step: float = 0.1, baseline: bool = True) -> None:
        self.step, self.baseline = step, baseline

    def begin(self, runs: int, arms: int) -> None:
        """No preference."""
        self.row = np.arange(runs)
        self.h = np.zeros((runs, arms))
        self.mean, self.t = np.zeros(runs), 0

    def choose(self, t: int, rng: np.random.Generator) -> np.ndarray:
        """An arm drawn from the softmax: the greatest of H + Gumbel noise."""
        p = np.exp(self.h - self.h.max(1, keepdims=True))
        self.pi = p / p.sum(1, keepdims=True)
        return (self.h + rng.gumbel(size=self.h.shape)).argmax(1)

    def learn(self, arm: np.ndarray, reward: np.ndarray) -> None:
        """One step of stochastic gradient ascent."""
        self.t += 1
        if self.baseline:
            self.mean += (reward - self.mean) / self.t  # it includes the present reward, as in the book
        move = self.step * (reward - self.mean)
        self.h -= move[:, None] * self.pi
        self.h[self.row, arm] += move


@dataclass(frozen=True)
class Curves:
    """Means over the runs, for each pull: `reward`[steps], and `optimal`[steps], the share that pulled the best arm."""

    reward: np.ndarray
    optimal: np.ndarray


def play(rule: Rule, testbed: Testbed, steps: int = 1000, seed: int = 0) -> Curves:
    """Let a rule pull so many times in all runs of a testbed.  `seed` is that of the rule's own draws."""
    rng = np.random.default_rng([seed, 1])
    runs, arms = testbed.worth.shape
    rule.begin(runs, arms)
    reward, optimal = np.empty(steps), np.empty(steps)
    for t in range(steps):
        arm = rule.choose(t + 1, rng)
        got = testbed.pull(arm)
        rule.learn(arm, got)
        reward[t], optimal[t] = got.mean(), (arm == testbed.best).mean()
    return Curves(reward, optimal)


def _first(values: np.ndarray, rng: np.random.Generator) -> Any:
    """The place of each row's greatest value, drawn where there are several."""
    best = values == values.max(1, keepdims=True)
    return np.where(best, rng.random(values.shape), -1.0).argmax(1)


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ArgumentError(f"{name} is a probability, from 0 to 1, got {value:g}")
