"""Deep Q-learning (Mnih et al. 2015): a network learns what each action is worth, from a memory of what happened.

    target = r + gamma * max_a Q'(s', a)          Q' the target network; r alone where s' is an end
    loss   = mean huber(target - Q(s, a))         the paper's error, clipped to -1..1, has the same gradient
    Q'    <- Q' + tau * (Q - Q')                  slowly (Lillicrap et al. 2016), where the paper copies now and then

Options: Double (van Hasselt et al. 2016, equation 4), whose target is r + gamma * Q'(s', argmax_a Q(s', a)); Dueling (Wang
et al. 2016); prioritised replay (Schaul et al. 2016); n steps (Sutton & Barto, equation 7.1): n rewards, then gamma^n * Q'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import functional as F
from cutaway.optim import Adam
from cutaway.rl.arithmetic import n_step, q_targets, td_target
from cutaway.rl.learner import Learner, Played, scaled, tensor
from cutaway.rl.networks import Dueling, mlp
from cutaway.rl.policies import epsilon_greedy
from cutaway.rl.replay import Memory, PrioritizedMemory
from cutaway.rl.settings import Settings
from cutaway.train.settings import at_least


@dataclass(frozen=True)
class Config(Settings):
    """Deep Q-learning's settings."""

    lr: float = 0.001
    lr_end: float = 0.05
    hidden: int = 128

    batch_size: int = 64
    """Transitions in one update."""

    capacity: int = 50_000
    """Transitions that are remembered."""

    learning_starts: int = 1_000
    """Environment steps before the first update."""

    train_every: int = 1
    """Environment steps between updates."""

    tau: float = 0.01
    """How far the target network goes towards the network at each update; 1 with `target_every` for copies now and then."""

    target_every: int = 1
    """Updates between the target network's moves."""

    epsilon_start: float = 1.0
    """Share of random actions at the beginning."""

    epsilon_end: float = 0.05
    """Share of random actions in the end."""

    exploration: float = 0.2
    """Share of the run in which the random actions grow fewer."""

    n_step: int = 1
    """Rewards that are summed up before the network's own word is taken."""

    double: bool = False
    """The network chooses the target's action, the target network says what it is worth."""

    dueling: bool = False
    """The network is made of a state's value and the actions' advantages."""

    prioritized: bool = False
    """Transitions that surprised are drawn more often."""

    alpha: float = 0.6
    """Of prioritised replay: how much surprise counts, from 0 (not at all) to 1."""

    beta: float = 0.4
    """Of prioritised replay: how much of the preference is undone at the beginning; in the end all of it."""

    reward_scale: float = 1.0
    """Rewards are multiplied by it: where they are large, every error is beyond the bend of the Huber loss."""

    clip: float = 10.0
    """The gradient's greatest length."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {
        "CartPole-v1": {"n_step": 5, "double": True},
        "Acrobot-v1": {"n_step": 5, "double": True},
        "LunarLander-v3": {
            "steps": 200_000, "eval_every": 20_000, "n_step": 3, "double": True, "dueling": True, "reward_scale": 0.1,
        },
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "capacity", "learning_starts", "train_every", "target_every", "n_step"):
            at_least(f"--{name.replace('_', '-')}", getattr(self, name), 1)
        for name in ("tau", "epsilon_start", "epsilon_end", "exploration", "alpha", "beta"):
            self.share(name)
        if self.capacity < self.batch_size:
            raise ArgumentError(f"--capacity {self.capacity} holds less than one batch of {self.batch_size}")


def _raised(n: int) -> str:
    """A number as an exponent."""
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


class Agent(Learner):
    """Q-learning with a network `model["online"]`, a slow copy `model["target"]`, and a memory."""

    settings: Config
    bars = {"q": "Q(s, a), what each action is worth", "next_q": "Q′(s′, a), the target network on what follows"}
    line = ("taken", "Q(s, a) of what is done")

    @property
    def formulas(self) -> list[tuple[str, str, str]]:  # type: ignore[override]
        """As the settings have it."""
        s = self.settings
        rewards, gamma = ("r", "γ") if s.n_step == 1 else (f"(r₁ + γ r₂ + … {s.n_step} rewards)", f"γ{_raised(s.n_step)}")
        best = "Q′(s′, argmax Q(s′, a))" if s.double else "max Q′(s′, a)"
        return [
            ("target", f"{scaled(s.reward_scale, rewards)} + {gamma} {best}", "{reward_sum} + {discount} × {best}"),
            ("error", "target − Q(s, a)", "{target} − {taken}"),
        ]

    def __init__(self, s: Config) -> None:
        super().__init__(s)
        if not self.spaces.discrete:
            raise ArgumentError(f"dqn: {s.env} wants actions that are numbers; sac and ppo give such")
        network = Dueling if s.dueling else mlp
        self.model = nn.ModuleDict(
            {name: network(self.spaces.observation, s.hidden, self.spaces.actions) for name in ("online", "target")}
        )
        self.model["target"].load_state_dict(self.model["online"].state_dict())
        self.optimizers = {"q": Adam(self.model["online"].parameters(), lr=s.lr)}
        self.memory = (
            PrioritizedMemory(s.capacity, self.spaces, s.gamma, s.n_step, s.alpha)
            if s.prioritized
            else Memory(s.capacity, self.spaces, s.gamma, s.n_step)
        )
        self.updates = 0
        self.build()

    def build(self) -> None:
        """The network's forward and the whole update, each one program; what only a page asks for goes as it is written."""
        s, memory = self.settings, self.memory
        online, target, optimizer = self.model["online"], self.model["target"], self.optimizers["q"]

        def values(obs: Tensor) -> tuple[Tensor, Tensor]:
            with cutaway.no_grad():
                return online(obs), target(obs)

        def act(obs: Tensor) -> Tensor:
            with cutaway.no_grad():
                return online(obs)

        def update(rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
            with cutaway.no_grad():
                next_obs = memory.next_obs[rows]
                q_next = target(next_obs)
                if s.double:  # one network chooses, the other says what it is worth
                    q_next = q_next.gather(1, online(next_obs).argmax(1, keepdim=True))
                wanted = q_targets(s.reward_scale * memory.reward[rows], memory.discount[rows], q_next)
            q = online(memory.obs[rows]).gather(1, memory.action[rows][:, None])[:, 0]
            loss = (weight * F.smooth_l1_loss(q, wanted, reduction="none")).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(online.parameters(), s.clip)
            optimizer.step()
            return loss, wanted - q.detach()

        def follow() -> None:
            with cutaway.no_grad():
                for slow, fast in zip(target.parameters(), online.parameters()):
                    slow.lerp_(fast, s.tau)

        def update_and_follow(rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
            result = update(rows, weight)
            follow()
            return result

        self._values, self._act = values, self.compiled(act)
        self._update, self._update_and_follow = self.compiled(update), self.compiled(update_and_follow)
        self._even = cutaway.ones(s.batch_size)  # weights of transitions that were drawn evenly

    @property
    def epsilon(self) -> float:
        """The share of random actions now."""
        s = self.settings
        over = min(self.share / s.exploration, 1.0) if s.exploration else 1.0
        return s.epsilon_start + over * (s.epsilon_end - s.epsilon_start)

    def advance(self) -> None:
        """One action in each environment, and the updates that are due."""
        s = self.settings
        values = lambda: self._act(tensor(self.envs.obs)).numpy()
        actions = epsilon_greedy(values, (s.envs, self.spaces.actions), self.epsilon, self.rng)
        before = self.step
        self.memory.add(self.envs.step(actions))
        if self.step >= s.learning_starts and self.memory.size:
            for _ in range(self.step // s.train_every - before // s.train_every):
                self.learn()

    def learn(self) -> None:
        """One update."""
        s, memory = self.settings, self.memory
        self.anneal()
        rows = memory.sample(s.batch_size, self.rng)
        weight = self._even
        if isinstance(memory, PrioritizedMemory):
            weight = tensor(memory.weights(rows, s.beta + (1 - s.beta) * self.share))
        self.updates += 1
        update = self._update if self.updates % s.target_every else self._update_and_follow
        loss, error = update(tensor(rows), weight)
        if isinstance(memory, PrioritizedMemory):
            memory.learned(rows, error.numpy())
        self.losses.append(loss.item())

    def greedy(self, obs: np.ndarray) -> np.ndarray:
        """The action that is worth most."""
        return self._act(tensor(obs)).numpy().argmax(1)

    def look(self, played: Played) -> dict[str, Any]:
        """`q`[T, A] of each state; term by term what it should have been: `reward_sum` + `discount` * `best` = `target`."""
        s, count = self.settings, len(played.reward)
        online, target = (q.numpy() for q in self._values(tensor(played.obs)))
        sums = [
            n_step(played.reward[t : t + s.n_step].tolist(), s.gamma, played.terminated and t + s.n_step >= count)
            for t in range(count)
        ]
        reward, discount = (np.array(x, np.float32) for x in zip(*sums))
        reward *= s.reward_scale
        after = np.minimum(np.arange(count) + s.n_step, count)
        choice = online[after].argmax(1) if s.double else target[after].argmax(1)
        best = target[after, choice]
        wanted = td_target(reward, discount, best)
        q = online[:-1]
        taken = q[np.arange(count), played.action]
        return {
            "q": q,
            "taken": taken,
            "next_q": target[after],
            "reward_sum": reward,
            "discount": discount,
            "best": best,
            "target": wanted,
            "error": wanted - taken,
        }

    def state(self) -> dict[str, Any]:
        """With the memory."""
        return super().state() | {"memory": self.memory.state(), "updates": self.updates}

    def load_state(self, state: dict[str, Any]) -> None:
        """With the memory."""
        self.memory.load_state(state["memory"])
        self.updates = state["updates"]
        super().load_state(state)
