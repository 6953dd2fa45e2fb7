"""Learning q[s, a] by walking (Sutton & Barto 2018, chapters 5 and 6): Monte Carlo, SARSA, Q-learning.

Each takes a grid world of `cutaway.rl.grids` and gives what it learned with the return of every episode on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.rl.arithmetic import q_step, returns_to_go, td_target
from cutaway.rl.grids import Grid, GridEnv
from cutaway.train.settings import at_least


@dataclass(frozen=True)
class Learned:
    """q[s, a], and the sum of rewards of each episode."""

    q: np.ndarray
    returns: np.ndarray


def q_learning(grid: Grid, episodes: int = 500, alpha: float = 0.5, epsilon: float = 0.1, seed: int = 0) -> Learned:
    """Q(s, a) <- Q(s, a) + alpha (r + gamma max_a' Q(s', a') - Q(s, a)), section 6.5: off the policy that walks."""
    q, env, rng = _begin(grid, episodes, alpha, epsilon, seed)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        s, _ = env.reset()
        over = False
        while not over:
            a = _choose(q[s], epsilon, rng)
            s2, r, terminated, truncated, _ = env.step(a)
            q_step(q, s, a, r, s2, terminated, alpha, grid.gamma)
            returns[episode] += r
            s, over = s2, terminated or truncated
    return Learned(q, returns)


def sarsa(grid: Grid, episodes: int = 500, alpha: float = 0.5, epsilon: float = 0.1, seed: int = 0) -> Learned:
    """Q(s, a) <- Q(s, a) + alpha (r + gamma Q(s', a') - Q(s, a)), section 6.4: a' is what is done next."""
    q, env, rng = _begin(grid, episodes, alpha, epsilon, seed)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        s, _ = env.reset()
        a, over = _choose(q[s], epsilon, rng), False
        while not over:
            s2, r, terminated, truncated, _ = env.step(a)
            a2 = _choose(q[s2], epsilon, rng)
            target = td_target(r, 0.0 if terminated else grid.gamma, q[s2, a2])
            q[s, a] += alpha * (target - q[s, a])
            returns[episode] += r
            s, a, over = s2, a2, terminated or truncated
    return Learned(q, returns)


def monte_carlo(grid: Grid, episodes: int = 500, epsilon: float = 0.1, seed: int = 0) -> Learned:
    """First-visit Monte Carlo control on the policy that walks (section 5.4): Q(s, a) is the mean of what followed it.

    An episode that the time limit cut off counts as it was: its return is too small. Let the limit be long.
    """
    q, env, rng = _begin(grid, episodes, 1.0, epsilon, seed)
    count, returns = np.zeros(q.shape), np.zeros(episodes)
    for episode in range(episodes):
        path: list[tuple[int, int]] = []
        rewards: list[float] = []
        s, _ = env.reset()
        over = False
        while not over:
            a = _choose(q[s], epsilon, rng)
            path.append((s, a))
            s, r, terminated, truncated, _ = env.step(a)
            rewards.append(r)
            over = terminated or truncated
        total = returns_to_go(np.array(rewards), grid.gamma)
        seen = set()
        for (s, a), g in zip(path, total.tolist()):
            if (s, a) not in seen:
                seen.add((s, a))
                count[s, a] += 1
                q[s, a] += (g - q[s, a]) / count[s, a]
        returns[episode] = sum(rewards)
    return Learned(q, returns)


def _begin(
    grid: Grid, episodes: int, alpha: float, epsilon: float, seed: int
) -> tuple[np.ndarray, GridEnv, np.random.Generator]:
    at_least("episodes", episodes, 1)
    for name, value in (("alpha", alpha), ("epsilon", epsilon)):
        if not 0 <= value <= 1:
            raise ArgumentError(f"{name} must be from 0 to 1, got {value:g}")
    env = GridEnv(grid)
    env.reset(seed=seed)
    return np.zeros(grid.R.shape), env, np.random.default_rng([seed, 1])


def _choose(q: np.ndarray, epsilon: float, rng: np.random.Generator) -> int:
    """The best action, ties drawn; with probability epsilon any."""
    if rng.random() < epsilon:
        return int(rng.integers(len(q)))
    best = np.flatnonzero(q == q.max())
    return int(best[0] if len(best) == 1 else best[rng.integers(len(best))])
