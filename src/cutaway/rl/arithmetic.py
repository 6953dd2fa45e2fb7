"""The sums that agents learn from, each written once: the update, the page of episodes and the tests read the same lines.

They are of operators only, so they take Tensors as well as NumPy's arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def td_target(reward: Any, discount: Any, value: Any) -> Any:
    """r + gamma * V(s'): what a value should have been (Sutton & Barto, equation 6.1).  `discount` is 0 after an end."""
    return reward + discount * value


def q_targets(reward: Any, discount: Any, q_next: Any) -> Any:
    """reward[N] + discount[N] * max_a q_next[N, A], of Tensors: what a network of Q should have said (Mnih et al. 2015)."""
    return td_target(reward, discount, q_next.amax(1))


def q_step(
    q: np.ndarray, s: int, a: int, reward: float, s2: int, terminated: bool, rate: float, gamma: float
) -> float:
    """Q(s, a) <- Q(s, a) + rate (r + gamma max_a' Q(s', a') - Q(s, a)) in the table q[S, A] (equation 6.8).  The error."""
    error = td_target(reward, 0.0 if terminated else gamma, q[s2].max()) - q[s, a]
    q[s, a] += rate * error
    return error


def n_step(rewards: list[float], gamma: float, terminated: bool) -> tuple[float, float]:
    """(r_1 + gamma r_2 + ... + gamma^(n-1) r_n, the discount of what follows), equation 7.1."""
    total = 0.0
    for r in reversed(rewards):
        total = r + gamma * total
    return total, 0.0 if terminated else gamma ** len(rewards)


def returns_to_go(reward: np.ndarray, gamma: float, after: float = 0.0) -> np.ndarray:
    """G_t = r_t + gamma G_{t+1} of an episode's reward[T]; `after` is the value of what it was cut off from."""
    total = np.empty(len(reward), np.float32)
    for t in range(len(reward) - 1, -1, -1):
        after = total[t] = reward[t] + gamma * after
    return total


def gae(
    reward: np.ndarray, value: np.ndarray, next_value: np.ndarray, terminated: np.ndarray, ended: np.ndarray,
    gamma: float, lam: float,
) -> np.ndarray:  # fmt: skip
    """Generalised advantages A[T, N] (Schulman et al. 2016, equation 16), all arguments [T, N].

    delta_t = r_t + gamma V(s_{t+1}) - V(s_t), A_t = delta_t + gamma lam A_{t+1}. `next_value` is that of the state that the
    action led to, which is not `value[t + 1]` where an episode ended; nothing is passed back over an end.
    """
    advantage = np.empty_like(reward)
    follows = gamma * lam * (1 - ended.astype(reward.dtype))
    delta = td_target(reward, gamma * (1 - terminated.astype(reward.dtype)), next_value) - value
    later = np.zeros_like(reward[0])
    for t in range(len(reward) - 1, -1, -1):
        later = advantage[t] = delta[t] + follows[t] * later
    return advantage
