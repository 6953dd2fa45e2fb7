"""Greedy episodes: what an agent is worth when it no longer explores, and what they look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.rl import scenes
from cutaway.rl.environment import Envs, seeds
from cutaway.rl.learner import JUDGE, Learner, Played

SOLVED = {
    "CartPole-v1": 475.0, "CartPole-v0": 195.0, "Acrobot-v1": -100.0, "Pendulum-v1": -200.0, "MountainCar-v0": -110.0,
    "MountainCarContinuous-v0": 90.0, "LunarLander-v3": 200.0, "grid-4x4": -2.5, "cliff": -13.0,
}  # fmt: skip
"""The mean return from which on a task counts as solved."""


def returns(agent: Learner, count: int, stop: Callable[[], bool] = lambda: False) -> np.ndarray:
    """The sums of rewards [count] of greedy episodes, played side by side; fewer once `stop()` is true.

    The environments' seeds are the same at every evaluation of a run, and others than those it learns in.
    """
    s = agent.settings
    envs = Envs(s.env, seeds(s.seed, JUDGE, count))
    total, playing = np.zeros(count), np.ones(count, bool)
    while playing.any() and not stop():
        step = envs.step(agent.greedy(envs.obs))
        total += np.where(playing, step.reward, 0.0)
        playing &= ~step.ended
    return total[~playing]


def record(agent: Learner, count: int, seed: int | None = None) -> list[Played]:
    """Greedy episodes, one after the other, with all that was seen; by default the first ones that `returns` plays.

    Of an environment that `scenes` cannot draw the pictures are kept, if it draws itself.
    """
    s = agent.settings
    return [_episode(agent, each) for each in seeds(s.seed if seed is None else seed, JUDGE, count)]


def _episode(agent: Learner, seed: int) -> Played:
    name = agent.settings.env
    draw = False
    if not scenes.known(name):
        try:
            envs, draw = Envs(name, [seed], pictures=True), True
            envs.copies[0].render()
        except (ArgumentError, ImportError, _not_installed()):
            draw = False
    if not draw:
        envs = Envs(name, [seed])
    obs, action, reward = [envs.obs[0].copy()], [], []
    frames: list[Any] = [envs.copies[0].render()] if draw else []
    while True:
        step = envs.step(agent.greedy(envs.obs))
        obs.append(step.next_obs[0])
        action.append(step.action[0])
        reward.append(step.reward[0])
        if draw:
            frames.append(frames[-1] if step.ended[0] else envs.copies[0].render())  # after an end it shows the next episode
        if step.ended[0]:
            break
    pictures = tuple(np.asarray(f, np.uint8) for f in frames)
    return Played(np.array(obs), np.array(action), np.array(reward, np.float32), bool(step.terminated[0]), pictures)


def _not_installed() -> type[Exception]:
    """gymnasium's exception for a package that drawing needs."""
    try:
        from gymnasium.error import DependencyNotInstalled
    except ImportError:
        return ArgumentError
    return DependencyNotInstalled
