"""Proximal policy optimisation (Schulman et al. 2017): several passes over each stretch of play, none of which goes too far.

    ratio  pi(a|s) / pi_old(a|s)
    loss   - mean min(A ratio, A clip(ratio, 1 - eps, 1 + eps))                       equation 7; eps is `ratio_clip`
           + value_weight * mean (V - wanted)^2  -  entropy_weight * entropy          equation 9; wanted is A + V_old
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.rl.agents import a2c
from cutaway.rl.learner import tensor
from cutaway.train.settings import at_least

_LANDER = {
    "steps": 300_000, "eval_every": 30_000, "envs": 16, "length": 256, "epochs": 6, "batches": 32, "gamma": 0.999,
    "lam": 0.98, "entropy_weight": 0.01, "reward_scale": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Config(a2c.Config):
    """Proximal policy optimisation's settings; those of A2C mean the same."""

    steps: int = 100_000
    envs: int = 8
    eval_every: int = 10_000
    length: int = 128

    epochs: int = 10
    """Passes over each stretch of play."""

    batches: int = 4
    """Updates in a pass."""

    ratio_clip: float = 0.2
    """How far an action's probability may go from what it was before a step brings no more."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {
        "CartPole-v1": {"reward_scale": 0.1},
        "Pendulum-v1": {"envs": 4, "length": 256, "batches": 16, "gamma": 0.9, "reward_scale": 0.1},
        "LunarLander-v3": _LANDER,
        "LunarLanderContinuous-v3": {**_LANDER, "entropy_weight": 0.0},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("--epochs", self.epochs, 1)
        at_least("--batches", self.batches, 1)
        if self.length * self.envs % self.batches:
            raise ArgumentError(
                f"--batches {self.batches}: the {self.length} * {self.envs} steps of a stretch do not divide into so many"
            )


class Agent(a2c.Agent):
    """A2C's policy and critic, its play and its advantages; what is done with them is PPO's."""

    settings: Config

    def build(self) -> None:
        """The policy's word, the critic's, the probabilities as they were, and the whole update, each one program."""
        super().build()
        s, r = self.settings, self.rollout
        policy, critic, optimizer, model = self.policy, self.model["critic"], self.optimizers["all"], self.model

        def before(obs: Tensor, action: Tensor) -> Tensor:
            with cutaway.no_grad():
                return policy.log_prob(policy(obs), action)

        def update(rows: Tensor) -> Tensor:
            obs, advantage = r.obs[rows], r.advantage[rows]
            if s.normalize:
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            said = policy(obs)
            ratio = (policy.log_prob(said, r.action[rows]) - r.log_prob[rows]).exp()
            cut = ratio.clamp(1 - s.ratio_clip, 1 + s.ratio_clip)
            policy_loss = -cutaway.minimum(advantage * ratio, advantage * cut).mean()
            value_loss = ((critic(obs)[:, 0] - r.wanted[rows]) ** 2).mean()
            loss = policy_loss + s.value_weight * value_loss - s.entropy_weight * policy.entropy(said)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), s.clip)
            optimizer.step()
            return loss

        self._before, self._update = self.compiled(before), self.compiled(update)

    def advance(self) -> None:
        """One stretch of play, `epochs` passes over it."""
        s, r, policy = self.settings, self.rollout, self.policy
        r.play(
            self.envs, lambda obs: policy.draw(self._say(tensor(obs)).numpy(), self.rng), policy.acted, s.reward_scale
        )
        r.judge(self._value(r.obs).numpy(), self._value(r.next_obs).numpy(), s.gamma, s.lam)
        r.log_prob.numpy()[:] = self._before(r.obs, r.action).numpy()
        self.anneal()
        for _ in range(s.epochs):
            order = self.rng.permutation(s.length * s.envs)
            for rows in order.reshape(s.batches, -1):
                self.losses.append(self._update(tensor(rows)).item())
