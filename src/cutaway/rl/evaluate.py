"""Greedy episodes: what an agent is worth when it no longer explores, and what they look like."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.rl import grids, scenes
from cutaway.rl.environment import Envs, seeds
from cutaway.rl.learner import JUDGE, Learner, Played
from cutaway.rl.make import make
from cutaway.train.report.png import data_uri

SOLVED = {"Pendulum-v1": -200.0, "grid-4x4": -2.5, "cliff": -13.0}
"""The mean return from which on a task counts as solved, where gymnasium does not say."""

PICTURE, STILL = 320, 160
"""Pixels that the longer side of an environment's own picture is brought down to, in an episode and in a report."""


def solved(name: str) -> float | None:
    """The mean return from which on this environment counts as solved, if someone has said so; not if it was changed."""
    spec = None if name in grids.NAMES or "(" in name else make(name).spec
    return SOLVED.get(name, spec and spec.reward_threshold)


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
    draw = not scenes.known(s.env)
    return [_episode(agent, each, draw) for each in seeds(s.seed if seed is None else seed, JUDGE, count)]


def film(agent: Learner, count: int) -> list[tuple[int, Any]]:
    """(step, what is seen) at moments of one greedy episode; of an environment that draws itself, (step, a PNG as data:).

    For the pictures the episode is played again, as drawing each of its steps would take longer than all the rest.
    """
    name = agent.settings.env
    (seed,) = seeds(agent.settings.seed, JUDGE, 1)
    played = _episode(agent, seed, draw=False)
    end = len(played.action) - (not scenes.known(name))  # after an end an environment shows the next episode
    at = np.unique(np.linspace(0, end, count).round().astype(int)).tolist()
    if scenes.known(name):
        return [(t, played.obs[t].round(4).tolist()) for t in at]
    envs, first, _ = _opened(name, seed, draw=True)
    if first is None:
        return []
    shown = [(0, data_uri(smaller(first, STILL)))]
    for t, action in enumerate(played.action[:end], 1):
        envs.step(action[None])
        if t in at:
            shown.append((t, data_uri(smaller(envs.copies[0].render(), STILL))))
    return shown


def _episode(agent: Learner, seed: int, draw: bool) -> Played:
    envs, first, blind = _opened(agent.settings.env, seed, draw)
    obs, action, reward = [envs.obs[0].copy()], [], []
    frames = [] if first is None else [first]
    while True:
        step = envs.step(agent.greedy(envs.obs))
        obs.append(step.next_obs[0])
        action.append(step.action[0])
        reward.append(step.reward[0])
        if frames:  # after an end it shows the next episode
            frames.append(frames[-1] if step.ended[0] else smaller(envs.copies[0].render()))
        if step.ended[0]:
            break
    return Played(
        np.array(obs), np.array(action), np.array(reward, np.float32), bool(step.terminated[0]), tuple(frames), blind
    )


def _opened(name: str, seed: int, draw: bool) -> tuple[Envs, np.ndarray | None, str]:
    """An environment, its first picture if it can `draw`, or why it cannot."""
    blind = ""
    if draw:
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame draws into memory and looks for no screen
        try:
            envs = Envs(name, [seed], pictures=True)
            return envs, smaller(envs.copies[0].render()), ""
        except Exception as e:  # whatever an environment's drawing may raise: it is played without
            blind = f"{name} shows no pictures: {e}"
    return Envs(name, [seed]), None, blind


def smaller(frame: np.ndarray, side: int = PICTURE) -> np.ndarray:
    """The picture [H, W, 3] with the mean of so many pixels in place of each, so that no side is longer than `side`."""
    frame = np.asarray(frame)
    k = -(-max(frame.shape[:2]) // side)
    h, w = frame.shape[0] // k, frame.shape[1] // k
    return frame[: h * k, : w * k].reshape(h, k, w, k, 3).mean((1, 3)).round().astype(np.uint8)
