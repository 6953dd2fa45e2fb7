"""REINFORCE (Williams 1992): play whole episodes, make what was followed by much reward likelier.

    G_t    r_t + gamma r_{t+1} + ...                     the return: what was earned from t on
    loss   - mean (G_t - V(s_t)) log pi(a_t|s_t)  +  value_weight * mean (V(s_t) - G_t)^2

The gradient of the first term is that of Sutton & Barto's equation 13.11. With `normalize`, G - V is brought to mean 0 and
spread 1 first. Without `baseline`, V is 0: the first policy gradient, and the noisiest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.optim import Adam
from cutaway.rl.arithmetic import returns_to_go
from cutaway.rl.learner import Learner, Played, once, tensor
from cutaway.rl.networks import orthogonal
from cutaway.rl.policies import Policy, policy_loss
from cutaway.rl.settings import Settings
from cutaway.train.settings import at_least


@dataclass(frozen=True)
class Config(Settings):
    """REINFORCE's settings."""

    steps: int = 200_000
    eval_every: int = 20_000
    lr: float = 0.003
    lr_end: float = 0.0

    episodes: int = 4
    """Whole episodes to one update."""

    baseline: bool = True
    """A critic says what was to be expected; only what is beyond that counts."""

    value_weight: float = 0.5
    """Share of the critic's error in the loss."""

    entropy_weight: float = 0.0
    """Reward for not being sure."""

    normalize: bool = True
    """What counts gets mean 0 and spread 1 in each update."""

    clip: float = 0.5
    """The gradient's greatest length."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("--episodes", self.episodes, 1)
        if self.envs != 1:
            raise ArgumentError(f"--envs {self.envs}: reinforce plays one episode after the other; leave it at 1")


class Agent(Learner):
    """`model["policy"]` acts, `model["critic"]` is the baseline."""

    settings: Config
    formulas = (
        ("total", "G = r + γ G′", "{reward} + {discount} × {later}"),
        ("advantage", "G − V(s)", "{total} − {value}"),
    )
    bars = {"policy": "π(a|s), how likely each action is", "mean": "the mean of π(a|s)", "std": "and its spread"}
    line = ("value", "V(s), the baseline")

    def __init__(self, s: Config) -> None:
        super().__init__(s)
        self.policy = Policy(self.spaces, s.hidden)
        self.model = nn.ModuleDict(
            {"policy": self.policy, "critic": orthogonal(self.spaces.observation, s.hidden, 1, last=1.0)}
        )
        self.optimizers = {"all": Adam(self.model.parameters(), lr=s.lr)}
        self.build()

    def build(self) -> None:
        """The policy's word, the critic's, and the whole update, each one program."""
        s = self.settings
        policy, critic, optimizer, model = self.policy, self.model["critic"], self.optimizers["all"], self.model

        def say(obs: Tensor) -> tuple[Tensor, Tensor]:
            with cutaway.no_grad():
                return policy(obs), critic(obs)[:, 0]

        def update(obs: Tensor, action: Tensor, total: Tensor, weight: Tensor) -> Tensor:
            said, value = policy(obs), critic(obs)[:, 0]
            counts = total - value.detach() if s.baseline else total
            if s.normalize:
                counts = counts - (weight * counts).sum()
                counts = counts / ((weight * counts**2).sum().sqrt() + 1e-8)
            value_loss = (weight * (value - total) ** 2).sum()
            gain = s.entropy_weight * policy.entropy(said)
            loss = policy_loss(policy, said, action, counts, weight) + s.value_weight * value_loss - gain
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), s.clip)
            optimizer.step()
            return loss

        self._say, self._update = self.compiled(say), self.compiled(update)

    def advance(self) -> None:
        """Some whole episodes, one update."""
        s, policy = self.settings, self.policy
        obs: list[np.ndarray] = []
        action: list[Any] = []
        total: list[np.ndarray] = []
        for _ in range(s.episodes):
            rewards: list[float] = []
            over = False
            while not over:
                a = policy.draw(self._say(tensor(self.envs.obs))[0].numpy(), self.rng)
                step = self.envs.step(policy.acted(a))
                obs.append(step.obs[0])
                action.append(a[0])
                rewards.append(float(step.reward[0]))
                over = bool(step.ended[0])
            after = 0.0 if step.terminated[0] else self._say(tensor(step.next_obs))[1].item()
            total.append(returns_to_go(np.array(rewards, np.float32), s.gamma, after if s.baseline else 0.0))
        self.anneal()
        self.losses.append(self._update(*padded(np.array(obs), np.array(action), np.concatenate(total))).item())

    def greedy(self, obs: np.ndarray) -> np.ndarray:
        """The likeliest action."""
        return self.policy.acted(self.policy.best(self._say(tensor(obs))[0].numpy()))

    def look(self, played: Played) -> dict[str, Any]:
        """The policy, `value`[T], the return `total`[T], and `advantage`[T], their difference."""
        said, value = (x.numpy() for x in once(self._say)(tensor(played.obs)))
        after = 0.0 if played.terminated or not self.settings.baseline else float(value[-1])
        total = returns_to_go(played.reward, self.settings.gamma, after)
        baseline = value[:-1] if self.settings.baseline else np.zeros_like(total)
        return {
            **self.policy.probabilities(said[:-1]),
            "value": baseline,
            "discount": np.full(len(total), self.settings.gamma, np.float32),
            "later": np.append(total[1:], np.float32(after)),
            "total": total,
            "advantage": total - baseline,
        }


def padded(obs: np.ndarray, action: np.ndarray, total: np.ndarray) -> list[Tensor]:
    """obs[M, d], action[M, ...], total[M], weight[M] with M the next power of two: a few sizes, a few programs.

    The weights are 1 over the number of steps that there were, and 0 for what was added.
    """
    count = len(obs)
    size = 1 << max(count - 1, 63).bit_length()
    weight = np.full(count, 1 / count, np.float32)
    fill = lambda a: np.concatenate([a, np.zeros((size - count, *a.shape[1:]), a.dtype)])
    return [tensor(fill(a)) for a in (obs, action, total, weight)]
