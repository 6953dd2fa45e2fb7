"""Q-learning in a table (Watkins 1989; Sutton & Barto 2018, section 6.5): no network, each state on its own.

    target = r + gamma * max_a Q(s', a)                r alone where s' is an end
    Q(s, a) <- Q(s, a) + lr * (target - Q(s, a))       equation 6.8; the book's alpha is the learning rate
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.rl import grids
from cutaway.rl.arithmetic import q_step, td_target
from cutaway.rl.learner import Learner, Played
from cutaway.rl.settings import Settings

_LAKE = {"gamma": 0.99, "lr": 0.1, "lr_end": 0.01, "epsilon": 0.3}  # the ice slips: an average over many tries
_TAXI = {"steps": 200_000, "eval_every": 20_000, "gamma": 0.99, "lr_end": 0.05}


@dataclass(frozen=True)
class Config(Settings):
    """Q-learning's settings."""

    env: str = "cliff"
    steps: int = 20_000
    gamma: float = 1.0
    lr: float = 0.5
    eval_every: int = 2_000

    epsilon: float = 0.1
    """Share of random actions."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {
        "grid-5x5": {"gamma": grids.FIVE_BY_FIVE.gamma},
        "FrozenLake-v1": {"steps": 100_000, "eval_every": 10_000, **_LAKE},
        "FrozenLake8x8-v1": {"steps": 300_000, "eval_every": 30_000, **_LAKE},
        "Taxi-v3": _TAXI,
        "Taxi-v4": _TAXI,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.share("lr")
        self.share("epsilon")
        if self.envs != 1:
            raise ArgumentError(f"--envs {self.envs}: a table learns from one environment; leave it at 1")


class Table(nn.Module):
    """`q`[S, A]: what each action is worth in each state."""

    def __init__(self, states: int, actions: int) -> None:
        super().__init__()
        self.q = nn.Parameter(cutaway.zeros(states, actions, dtype=cutaway.float64), requires_grad=False)


class Agent(Learner):
    """A table, `model["table"].q`."""

    settings: Config
    formulas = (
        ("target", "r + γ max Q(s′, a)", "{reward_sum} + {discount} × {best}"),
        ("error", "target − Q(s, a)", "{target} − {taken}"),
    )
    bars = {"q": "Q(s, a), what each action is worth", "next_q": "Q(s′, a), in the state that follows"}
    line = ("taken", "Q(s, a) of what is done")

    def __init__(self, s: Config) -> None:
        super().__init__(s)
        if not (self.spaces.states and self.spaces.discrete):
            raise ArgumentError(
                f"{s.env} has no numbered states and actions, which a table needs; {', '.join(grids.NAMES)} have, "
                "and gymnasium's FrozenLake-v1, CliffWalking-v1, Taxi and Blackjack-v1"
            )
        self.model = nn.ModuleDict({"table": Table(self.spaces.states, self.spaces.actions)})
        self.next: int | None = None  # an action that is chosen already; SARSA's
        self.build()

    def build(self) -> None:
        """The table as an array of the same memory."""
        self.q = self.model["table"].q.numpy()

    def choose(self) -> int:
        """The best action of the present state, ties drawn; now and then any."""
        q = self.q[int(self.envs.obs[0].argmax())]
        if self.rng.random() < self.settings.epsilon:
            return int(self.rng.integers(len(q)))
        best = np.flatnonzero(q == q.max())
        return int(best[self.rng.integers(len(best))])

    def learn(self, s: int, a: int, reward: float, s2: int, terminated: bool, ended: bool, rate: float) -> float:
        """After `a` in `s` gave a reward and led to `s2`.  The error that there was."""
        return q_step(self.q, s, a, reward, s2, terminated, rate, self.settings.gamma)

    def advance(self) -> None:
        """One action, one update."""
        action = self.choose() if self.next is None else self.next
        step = self.envs.step(np.array([action]))
        s, s2 = int(step.obs[0].argmax()), int(step.next_obs[0].argmax())
        self.next = None
        over, ended = bool(step.terminated[0]), bool(step.ended[0])
        error = self.learn(s, action, float(step.reward[0]), s2, over, ended, self.lr)
        self.losses.append(error * error)

    def greedy(self, obs: np.ndarray) -> np.ndarray:
        """The action that is worth most."""
        return self.q[obs.argmax(1)].argmax(1)

    def look(self, played: Played) -> dict[str, Any]:
        """`q`[T, A] of each state; term by term what it should have been: `reward_sum` + `discount` * `best` = `target`."""
        q = self.q[played.obs.argmax(1)]
        discount = np.full(len(played.reward), self.settings.gamma)
        if played.terminated:
            discount[-1] = 0
        reward, best, taken = played.reward.astype(float), q[1:].max(1), q[np.arange(len(discount)), played.action]
        target = td_target(reward, discount, best)
        return {
            "q": q[:-1], "next_q": q[1:], "taken": taken, "reward_sum": reward, "discount": discount, "best": best,
            "target": target, "error": target - taken,
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """With the action that was chosen already."""
        return super().state() | {"next": self.next}

    def load_state(self, state: dict[str, Any]) -> None:
        """With the action that was chosen already."""
        super().load_state(state)
        self.next = state["next"]
