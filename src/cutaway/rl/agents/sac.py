"""Soft actor-critic (Haarnoja et al. 2018): a policy that is rewarded for being unpredictable, and two critics for caution.

    target       r + gamma (min(Q1', Q2')(s', a') - alpha log pi(a'|s'))       a' drawn from the policy, Q' slow copies
    critic loss  mean (Q1 - target)^2 + mean (Q2 - target)^2
    actor loss   mean alpha log pi(a|s) - min(Q1, Q2)(s, a)                    a drawn so that gradients go through it
    alpha loss   - log alpha * mean (log pi + entropy wanted)                  wanted: minus the number of actions
    Q'        <- Q' + tau * (Q - Q')

Targets and losses are those of sections 4.2 and 5 of "Soft Actor-Critic Algorithms and Applications", which learns alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import functional as F
from cutaway.optim import Adam
from cutaway.rl.arithmetic import td_target
from cutaway.rl.learner import Learner, Played, once, scaled, tensor
from cutaway.rl.networks import mlp
from cutaway.rl.policies import HALF_LOG_2PI
from cutaway.rl.replay import Memory
from cutaway.rl.settings import Settings
from cutaway.train.settings import at_least

LOG_STD = (-5.0, 2.0)
"""Between which the logarithm of a spread stays."""


@dataclass(frozen=True)
class Config(Settings):
    """Soft actor-critic's settings."""

    env: str = "Pendulum-v1"
    steps: int = 10_000
    eval_every: int = 1_000
    hidden: int = 64
    lr: float = 0.003
    lr_end: float = 0.1

    batch_size: int = 128
    """Transitions in one update."""

    capacity: int = 50_000
    """Transitions that are remembered."""

    learning_starts: int = 500
    """Environment steps, at random, before the first update."""

    tau: float = 0.01
    """How far the slow critics go towards the critics at each update."""

    alpha: float = 0.2
    """What an unpredictable action is worth at the beginning; learned from there on."""

    reward_scale: float = 1.0
    """Rewards are multiplied by it."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "capacity", "learning_starts"):
            at_least(f"--{name.replace('_', '-')}", getattr(self, name), 1)
        self.share("tau")
        if not self.alpha > 0:
            raise ArgumentError(f"--alpha must be above 0, got {self.alpha:g}")


class Twins(nn.Module):
    """Two critics that know nothing of one another.  obs[N, d], action[N, a] -> q1[N], q2[N]."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = mlp(inputs, hidden, 1), mlp(inputs, hidden, 1)

    def forward(self, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """(q1[N], q2[N])."""
        x = cutaway.cat([obs, action], dim=1)
        return self.first(x)[:, 0], self.second(x)[:, 0]


def squashed(said: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """(action[N, a] in -1..1, log pi[N]) of what the policy says, its means and spreads [N, 2a], and noise[N, a] of N(0, 1).

    u = mean + std noise, action = tanh u. From log pi goes log(1 - tanh^2 u) = 2 (log 2 - u - softplus(-2u)), which cannot
    overflow.
    """
    mean, raw = said.chunk(2, dim=1)
    log_std = LOG_STD[0] + 0.5 * (LOG_STD[1] - LOG_STD[0]) * (raw.tanh() + 1)
    u = mean + log_std.exp() * noise
    log_p = -0.5 * noise * noise - log_std - HALF_LOG_2PI - 2 * (math.log(2) - u - F.softplus(-2 * u))
    return u.tanh(), log_p.sum(1)


class Agent(Learner):
    """`model["policy"]`, `model["critics"]`, their slow copies `model["slow"]`, and `log_alpha`."""

    settings: Config
    bars = {"mean": "the middle of π(a|s)", "std": "its spread, before tanh"}
    line = ("taken", "min(Q₁, Q₂)(s, a) of what is done")

    @property
    def formulas(self) -> list[tuple[str, str, str]]:  # type: ignore[override]
        """As the settings have it."""
        return [
            ("best", "min(Q₁′, Q₂′)(s′, a′) − α log π(a′|s′)", "{less} − {alpha} × {log_prob}"),
            ("target", f"{scaled(self.settings.reward_scale)} + γ that", "{reward_sum} + {discount} × {best}"),
            ("error", "target − min(Q₁, Q₂)(s, a)", "{target} − {taken}"),
        ]

    def __init__(self, s: Config) -> None:
        super().__init__(s)
        if self.spaces.discrete:
            raise ArgumentError(f"sac: {s.env} wants one of some actions; dqn, a2c and ppo give such")
        d, a = self.spaces.observation, self.spaces.actions
        self.model = nn.ModuleDict(
            {"policy": mlp(d, s.hidden, 2 * a), "critics": Twins(d + a, s.hidden), "slow": Twins(d + a, s.hidden)}
        )
        self.model["slow"].load_state_dict(self.model["critics"].state_dict())
        self.log_alpha = nn.Parameter(cutaway.tensor([math.log(s.alpha)]))
        self.model.register_parameter("log_alpha", self.log_alpha)
        self.optimizers = {
            "critics": Adam(self.model["critics"].parameters(), lr=s.lr),
            "policy": Adam(self.model["policy"].parameters(), lr=s.lr),
            "alpha": Adam([self.log_alpha], lr=s.lr),
        }
        self.memory = Memory(s.capacity, self.spaces, s.gamma)
        assert self.spaces.low is not None and self.spaces.high is not None
        self._middle = (self.spaces.high + self.spaces.low) / 2
        self._reach = (self.spaces.high - self.spaces.low) / 2
        self.build()

    def build(self) -> None:
        """The policy's word and the whole update, each one program; what only a page asks for goes as it is written."""
        s, memory, log_alpha = self.settings, self.memory, self.log_alpha
        policy, critics, slow = self.model["policy"], self.model["critics"], self.model["slow"]
        of_critics, of_policy, of_alpha = self.optimizers.values()
        middle, reach = tensor(self._middle), tensor(self._reach)

        def say(obs: Tensor) -> Tensor:
            with cutaway.no_grad():
                return policy(obs)

        def values(obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
            with cutaway.no_grad():
                return critics(obs, action)

        def after(obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            with cutaway.no_grad():
                action, log_p = squashed(policy(obs), noise)
                return *slow(obs, action), log_p

        def update(rows: Tensor, noise: Tensor, next_noise: Tensor) -> Tensor:
            obs, next_obs = memory.obs[rows], memory.next_obs[rows]
            taken = (memory.action[rows] - middle) / reach
            with cutaway.no_grad():
                next_action, next_log_p = squashed(policy(next_obs), next_noise)
                soft = cutaway.minimum(*slow(next_obs, next_action)) - log_alpha.exp() * next_log_p
                wanted = td_target(s.reward_scale * memory.reward[rows], memory.discount[rows], soft)
            q1, q2 = critics(obs, taken)
            loss = F.mse_loss(q1, wanted) + F.mse_loss(q2, wanted)
            of_critics.zero_grad()
            loss.backward()
            of_critics.step()

            action, log_p = squashed(policy(obs), noise)
            policy_loss = (log_alpha.exp().detach() * log_p - cutaway.minimum(*critics(obs, action))).mean()
            of_policy.zero_grad()
            policy_loss.backward()
            of_policy.step()

            alpha_loss = -(log_alpha * (log_p.detach() - action.shape[1]).mean()).sum()
            of_alpha.zero_grad()
            alpha_loss.backward()
            of_alpha.step()
            with cutaway.no_grad():
                for still, fast in zip(slow.parameters(), critics.parameters()):
                    still.lerp_(fast, s.tau)
            return loss

        self._say, self._values, self._after = self.compiled(say), values, after
        self._update = self.compiled(update)

    def advance(self) -> None:
        """One action in each environment and, once there is enough to remember, one update for each."""
        s, a = self.settings, self.spaces.actions
        if self.step < s.learning_starts:
            action = self.rng.uniform(-1, 1, (s.envs, a)).astype(np.float32)
        else:
            said = self._say(tensor(self.envs.obs))
            action = squashed(said, tensor(self.rng.standard_normal((s.envs, a), np.float32)))[0].numpy()
        self.memory.add(self.envs.step(self._middle + self._reach * action))
        if self.step >= s.learning_starts:
            for _ in range(s.envs):
                self.learn()

    def learn(self) -> None:
        """One update."""
        s = self.settings
        self.anneal()
        rows = self.memory.sample(s.batch_size, self.rng)
        noise = self.rng.standard_normal((2, s.batch_size, self.spaces.actions), np.float32)
        self.losses.append(self._update(tensor(rows), *map(tensor, noise)).item())

    def greedy(self, obs: np.ndarray) -> np.ndarray:
        """The middle of what the policy would do."""
        mean = self._say(tensor(obs)).numpy()[:, : self.spaces.actions]
        return self._middle + self._reach * np.tanh(mean)

    def look(self, played: Played) -> dict[str, Any]:
        """`mean`[T, a], `std`[T, a] before tanh, `q1`, `q2` of what was done, the target without noise, term by term."""
        s, count, a = self.settings, len(played.reward), self.spaces.actions
        said = once(self._say)(tensor(played.obs)).numpy()
        raw = np.tanh(said[:-1, a:])
        taken = ((played.action - self._middle) / self._reach).astype(np.float32)
        q1, q2 = (q.numpy() for q in self._values(tensor(played.obs[:-1]), tensor(taken)))
        noise = np.zeros((count, a), np.float32)
        n1, n2, log_p = (x.numpy() for x in self._after(tensor(played.obs[1:]), tensor(noise)))
        alpha = np.exp(self.log_alpha.detach().numpy())[0]
        soft = np.minimum(n1, n2) - alpha * log_p
        reward = (s.reward_scale * played.reward).astype(np.float32)
        discount = np.full(count, s.gamma, np.float32)
        if played.terminated:
            discount[-1] = 0
        target = td_target(reward, discount, soft)
        return {
            "mean": self._middle + self._reach * np.tanh(said[:-1, :a]),
            "std": np.exp(LOG_STD[0] + 0.5 * (LOG_STD[1] - LOG_STD[0]) * (raw + 1)),
            "taken": np.minimum(q1, q2),
            "less": np.minimum(n1, n2),
            "log_prob": log_p,
            "alpha": np.full(count, alpha, np.float32),
            "reward_sum": reward,
            "discount": discount,
            "best": soft,
            "target": target,
            "error": target - np.minimum(q1, q2),
            "q1": q1,
            "q2": q2,
        }

    def state(self) -> dict[str, Any]:
        """With the memory."""
        return super().state() | {"memory": self.memory.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """With the memory."""
        self.memory.load_state(state["memory"])
        super().load_state(state)
