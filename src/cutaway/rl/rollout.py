"""A stretch of play by the present policy, with the advantages of what was done: what A2C and PPO learn from."""

from __future__ import annotations

import numpy as np

from cutaway.core.tensor import Tensor
from cutaway.rl.arithmetic import gae
from cutaway.rl.environment import Envs
from cutaway.rl.spaces import Spaces


class Rollout:
    """`length` steps of `n` environments, as Tensors [length * n, ...] that a compiled update reads where they lie.

    obs, action (in the policy's units), log_prob, advantage, wanted: what the value should have been, and value as it was.
    """

    def __init__(self, length: int, n: int, spaces: Spaces) -> None:
        self.length, self.n = length, n
        rows, d = length * n, spaces.observation
        action = np.zeros(rows, np.int64) if spaces.discrete else np.zeros((rows, spaces.actions), np.float32)
        self._arrays = {
            "obs": np.zeros((rows, d), np.float32),
            "next_obs": np.zeros((rows, d), np.float32),
            "action": action,
            "log_prob": np.zeros(rows, np.float32),
            "advantage": np.zeros(rows, np.float32),
            "wanted": np.zeros(rows, np.float32),
            "value": np.zeros(rows, np.float32),
        }
        for name, a in self._arrays.items():
            setattr(self, name, Tensor._wrap(a))
        self.reward, self.terminated, self.ended = (np.zeros((length, n), k) for k in (np.float32, bool, bool))

    obs: Tensor
    next_obs: Tensor
    action: Tensor
    log_prob: Tensor
    advantage: Tensor
    wanted: Tensor
    value: Tensor

    def play(self, envs: Envs, choose, acted, scale: float) -> None:  # type: ignore[no-untyped-def]
        """Fill it: `choose(obs[n, d])` gives actions, `acted(actions)` what the environment takes; rewards times `scale`."""
        for t in range(self.length):
            here = slice(t * self.n, (t + 1) * self.n)
            action = choose(envs.obs)
            step = envs.step(acted(action))
            self._arrays["obs"][here], self._arrays["next_obs"][here] = step.obs, step.next_obs
            self._arrays["action"][here] = action
            self.reward[t], self.terminated[t], self.ended[t] = step.reward * scale, step.terminated, step.ended

    def judge(self, value: np.ndarray, next_value: np.ndarray, gamma: float, lam: float) -> None:
        """With the critic's word on each obs and next_obs, [length * n]: the advantages, and what it should have said."""
        shape = (self.length, self.n)
        a = gae(
            self.reward, value.reshape(shape), next_value.reshape(shape), self.terminated, self.ended, gamma, lam
        ).ravel()  # fmt: skip
        for name, x in (("advantage", a), ("wanted", a + value), ("value", value)):
            self._arrays[name][:] = x
