"""Advantage actor-critic (Mnih et al. 2016), synchronous: a policy, a critic, one update for each short stretch of play.

    advantage  A_t = sum_k (gamma lam)^k (r + gamma V(s') - V(s))_{t+k}        Schulman et al. 2016, equation 16
    loss       - mean A log pi(a|s)  +  value_weight * mean (V(s) - (A + V_old))^2  -  entropy_weight * entropy
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.tensor import Tensor
from cutaway.optim import Adam
from cutaway.rl.arithmetic import gae, td_target
from cutaway.rl.learner import Learner, Played, once, scaled, tensor
from cutaway.rl.networks import orthogonal
from cutaway.rl.policies import Policy
from cutaway.rl.rollout import Rollout
from cutaway.rl.settings import Settings
from cutaway.train.settings import at_least


@dataclass(frozen=True)
class Config(Settings):
    """Advantage actor-critic's settings."""

    steps: int = 200_000
    envs: int = 8
    eval_every: int = 20_000
    lr: float = 0.001
    lr_end: float = 0.0

    length: int = 16
    """Steps that are played in each environment between updates."""

    lam: float = 0.95
    """Of the advantages: 0 trusts the critic, 1 the rewards."""

    value_weight: float = 0.5
    """Share of the critic's error in the loss."""

    entropy_weight: float = 0.0
    """Reward for not being sure."""

    normalize: bool = True
    """Advantages of an update get mean 0 and spread 1."""

    reward_scale: float = 1.0
    """Rewards are multiplied by it, for the critic's sake."""

    clip: float = 0.5
    """The gradient's greatest length."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {"CartPole-v1": {"reward_scale": 0.1}}

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("--length", self.length, 1)
        self.share("lam")


class Agent(Learner):
    """`model["policy"]` acts, `model["critic"]` says what a state is worth."""

    settings: Config
    bars = {"policy": "π(a|s), how likely each action is", "mean": "the mean of π(a|s)", "std": "and its spread"}
    line = ("value", "V(s), what the critic expects")

    @property
    def formulas(self) -> list[tuple[str, str, str]]:  # type: ignore[override]
        """As the settings have it."""
        return [
            ("target", f"{scaled(self.settings.reward_scale)} + γ V(s′)", "{reward_sum} + {discount} × {best}"),
            ("error", "δ = target − V(s)", "{target} − {value}"),
            ("advantage", "A = δ + γ λ A′", "{error} + {passed} × {later}"),
        ]

    def __init__(self, s: Config) -> None:
        super().__init__(s)
        critic = orthogonal(self.spaces.observation, s.hidden, 1, last=1.0)
        self.policy = Policy(self.spaces, s.hidden)
        self.model = nn.ModuleDict({"policy": self.policy, "critic": critic})
        self.optimizers = {"all": Adam(self.model.parameters(), lr=s.lr, eps=1e-5)}
        self.rollout = Rollout(s.length, s.envs, self.spaces)
        self.build()

    def build(self) -> None:
        """The policy's word, the critic's, and the whole update, each one program."""
        s, r = self.settings, self.rollout
        policy, critic, optimizer, model = self.policy, self.model["critic"], self.optimizers["all"], self.model

        def say(obs: Tensor) -> Tensor:
            with cutaway.no_grad():
                return policy(obs)

        def value(obs: Tensor) -> Tensor:
            with cutaway.no_grad():
                return critic(obs)[:, 0]

        def update() -> Tensor:
            advantage = r.advantage
            if s.normalize:
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            said = policy(r.obs)
            policy_loss = -(advantage * policy.log_prob(said, r.action)).mean()
            value_loss = ((critic(r.obs)[:, 0] - r.wanted) ** 2).mean()
            loss = policy_loss + s.value_weight * value_loss - s.entropy_weight * policy.entropy(said)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), s.clip)
            optimizer.step()
            return loss

        self._say, self._value, self._update = self.compiled(say), self.compiled(value), self.compiled(update)

    def advance(self) -> None:
        """One stretch of play, one update."""
        s, r, policy = self.settings, self.rollout, self.policy
        r.play(
            self.envs, lambda obs: policy.draw(self._say(tensor(obs)).numpy(), self.rng), policy.acted, s.reward_scale
        )
        r.judge(self._value(r.obs).numpy(), self._value(r.next_obs).numpy(), s.gamma, s.lam)
        self.anneal()
        self.losses.append(self._update().item())

    def greedy(self, obs: np.ndarray) -> np.ndarray:
        """The likeliest action."""
        return self.policy.acted(self.policy.best(self._say(tensor(obs)).numpy()))

    def look(self, played: Played) -> dict[str, Any]:
        """The policy, `value`[T], `best`[T] of the state that follows, and what they make: `target`[T], `advantage`[T]."""
        s = self.settings
        value = once(self._value)(tensor(played.obs)).numpy()
        reward = (played.reward * s.reward_scale).astype(np.float32)
        ended = np.arange(len(reward)) == len(reward) - 1
        terminated = ended & played.terminated
        discount = np.where(terminated, 0, s.gamma).astype(np.float32)
        target = td_target(reward, discount, value[1:])
        column = lambda x: x[:, None]
        advantage = gae(
            column(reward), column(value[:-1]), column(value[1:]), column(terminated), column(ended), s.gamma, s.lam
        )[:, 0]
        return {
            **self.policy.probabilities(once(self._say)(tensor(played.obs[:-1])).numpy()),
            "value": value[:-1],
            "reward_sum": reward,
            "discount": discount,
            "best": value[1:],
            "target": target,
            "error": target - value[:-1],
            "passed": np.where(ended, 0, s.gamma * s.lam).astype(np.float32),
            "later": np.append(advantage[1:], np.float32(0)),
            "advantage": advantage,
        }
