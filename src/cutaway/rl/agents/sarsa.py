"""SARSA in a table (Rummery & Niranjan 1994; Sutton & Barto 2018, section 6.4): what will be done next counts, be it unwise.

    target = r + gamma * Q(s', a')                     a' is the action that is taken next; r alone where s' is an end
    Q(s, a) <- Q(s, a) + lr * (target - Q(s, a))       equation 6.7
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.rl.agents import q_learning
from cutaway.rl.arithmetic import td_target
from cutaway.rl.learner import Played


@dataclass(frozen=True)
class Config(q_learning.Config):
    """SARSA's settings, those of Q-learning; values that waver to the end would send the greedy walk in circles."""

    lr_end: float = 0.05


class Agent(q_learning.Agent):
    """Q-learning's table; the target asks what is done next."""

    formulas = (
        ("target", "r + γ Q(s′, a′)", "{reward_sum} + {discount} × {best}"),
        ("error", "target − Q(s, a)", "{target} − {taken}"),
    )

    def learn(self, s: int, a: int, reward: float, s2: int, terminated: bool, ended: bool, rate: float) -> float:
        """The action that follows is chosen here."""
        error = td_target(reward, 0.0 if terminated else self.settings.gamma, self.worth(s2, ended)) - self.q[s, a]
        self.q[s, a] += rate * error
        return error

    def worth(self, state: int, ended: bool) -> float:
        """That of the action that is taken there; after an end, where none will be, one is drawn."""
        if not ended:
            self.next = self.choose()
            return self.q[state, self.next]
        q = self.q[state]
        explores = self.rng.random() < self.settings.epsilon
        return q[int(self.rng.integers(len(q)))] if explores else q.max()

    def look(self, played: Played) -> dict[str, Any]:
        """As Q-learning's, with `best`[T] that of the action that was taken next."""
        seen = super().look(played)
        after = np.append(played.action[1:], seen["next_q"][-1].argmax())
        best = seen["next_q"][np.arange(len(after)), after]
        target = td_target(seen["reward_sum"], seen["discount"], best)
        return seen | {"best": best, "target": target, "error": target - seen["taken"]}
