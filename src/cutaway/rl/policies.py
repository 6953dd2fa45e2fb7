"""Policies: what a network says, read as a distribution over actions.  Drawn from in NumPy, differentiated in Tensors.

    discrete      the network gives logits[N, A]
    continuous    the network gives means[N, a] of Gaussians, in units where the action space is from -1 to 1; the
                  logarithms of their spreads are parameters of their own
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.tensor import Tensor
from cutaway.nn import functional as F
from cutaway.rl.networks import orthogonal
from cutaway.rl.spaces import Spaces

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def epsilon_greedy(
    values: Callable[[], np.ndarray], shape: tuple[int, int], epsilon: float, rng: np.random.Generator
) -> np.ndarray:
    """An action for each of N states: with probability `epsilon` any of A, else the best by `values()`[N, A].

    shape   (N, A); values are asked for only if someone wants them
    """
    count, actions = shape
    drawn = rng.integers(0, actions, count)
    chosen = rng.random(count) >= epsilon
    return np.where(chosen, values().argmax(1), drawn) if chosen.any() else drawn


def policy_loss(policy: Policy, said: Tensor, action: Tensor, counts: Tensor, weight: Tensor) -> Tensor:
    """-sum weight[N] counts[N] log pi(action[N]), whose gradient is the policy's (Williams 1992); `said` is policy(obs)."""
    return -(weight * counts * policy.log_prob(said, action)).sum()


class Policy(nn.Module):
    """obs[N, d] -> logits[N, A] or means[N, a]; `log_std`[a] is there where actions are numbers."""

    def __init__(self, spaces: Spaces, hidden: int) -> None:
        super().__init__()
        self.network = orthogonal(spaces.observation, hidden, spaces.actions, last=0.01)
        self.discrete = spaces.discrete
        if not spaces.discrete:
            self.log_std = nn.Parameter(cutaway.zeros(spaces.actions))
            assert spaces.low is not None and spaces.high is not None
            self.middle, self.reach = (spaces.high + spaces.low) / 2, (spaces.high - spaces.low) / 2

    def forward(self, obs: Tensor) -> Tensor:
        """What the network says."""
        return self.network(obs)

    # --- in Tensors -------------------------------------------------------------------------------------------------------

    def log_prob(self, said: Tensor, action: Tensor) -> Tensor:
        """log pi(action)[N] of action[N] or, as the network's units have it, action[N, a]."""
        if self.discrete:
            return F.log_softmax(said, dim=1).gather(1, action[:, None])[:, 0]
        z = (action - said) * (-self.log_std).exp()
        return (-0.5 * z * z - self.log_std - HALF_LOG_2PI).sum(1)

    def entropy(self, said: Tensor) -> Tensor:
        """The mean surprise at an action, in nats: a number."""
        if self.discrete:
            log_p = F.log_softmax(said, dim=1)
            return -(log_p.exp() * log_p).sum(1).mean()
        return (self.log_std + 0.5 + HALF_LOG_2PI).sum()

    # --- in NumPy -------------------------------------------------------------------------------------------------------

    def draw(self, said: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Actions[N] or [N, a], in the network's units."""
        if self.discrete:  # the greatest of logits + Gumbel noise is a draw from their softmax
            return (said + rng.gumbel(size=said.shape)).argmax(1)
        noise = rng.standard_normal(said.shape, np.float32)
        return said + np.exp(self.log_std.detach().numpy()) * noise

    def best(self, said: np.ndarray) -> np.ndarray:
        """The likeliest actions."""
        return said.argmax(1) if self.discrete else said

    def acted(self, action: np.ndarray) -> np.ndarray:
        """From the network's units to those of the environment."""
        return action if self.discrete else self.middle + self.reach * action

    def probabilities(self, said: np.ndarray) -> dict[str, Any]:
        """What a page shows of the policy: `policy`[T, A], or `mean`[T, a] and `std`[T, a] in the environment's units."""
        if self.discrete:
            p = np.exp(said - said.max(1, keepdims=True))
            return {"policy": p / p.sum(1, keepdims=True)}
        std = np.broadcast_to(np.exp(self.log_std.detach().numpy()), said.shape)
        return {"mean": self.acted(said), "std": self.reach * std}
