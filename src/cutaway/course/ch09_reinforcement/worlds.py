"""The worlds of the chapter, in NumPy: a grid as tables, and a cart with a pole, many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ACTIONS = ("up", "right", "down", "left")
ARROWS = "↑→↓←"
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
MAP = ("....G", ".#.P.", ".#...", "S...P")


@dataclass(frozen=True)
class Grid:
    """P[s, a, s'], R[s, a], terminal[s] of a map: G ends with +1, P with -1, # is a wall, each step costs a little.

    slip    the probability with which one goes to the left or to the right of where one wants, half each
    """

    P: np.ndarray
    R: np.ndarray
    terminal: np.ndarray
    start: int
    shape: tuple[int, int]


def grid(slip: float = 0.0, step: float = -0.04) -> Grid:
    """The chapter's map as tables."""
    high, wide = len(MAP), len(MAP[0])
    n = high * wide
    place = lambda s: MAP[s // wide][s % wide]
    prize = np.array([{"G": 1.0, "P": -1.0}.get(place(s), 0.0) for s in range(n)])
    p = np.zeros((n, 4, n))
    terminal = np.array([place(s) in "GP#" for s in range(n)])  # nobody ever is in a wall
    for s in range(n):
        for a in range(4):
            for turn, share in ((0, 1 - slip), (1, slip / 2), (3, slip / 2)):
                dy, dx = MOVES[(a + turn) % 4]
                y, x = s // wide + dy, s % wide + dx
                there = y * wide + x if 0 <= y < high and 0 <= x < wide and MAP[y][x] != "#" else s
                p[s, a, s if terminal[s] else there] += share
    r = np.where(terminal[:, None], 0.0, p @ prize + step)
    return Grid(p, r, terminal, next(s for s in range(n) if place(s) == "S"), (high, wide))


@dataclass
class Carts:
    """Carts on a rail, each with a pole on a hinge (Barto, Sutton & Anderson 1983).

    Push left (0) or right (1), 50 times a second. A state is place (m), speed, angle (rad), turning speed. An episode ends
    when the cart is 2.4 m off, the pole 12 degrees off, or after 200 steps, and the cart begins anew near the middle. Each
    step that is survived is worth 1.
    """

    count: int
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.state, self.age = self.rng.uniform(-0.05, 0.05, (self.count, 4)), np.zeros(self.count, int)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(what came, reward, fallen, over): over is fallen or out of time; where it is, `self.state` is a new beginning."""
        came = moved(self.state, action)
        self.age += 1
        fallen = (np.abs(came[:, 0]) > 2.4) | (np.abs(came[:, 2]) > 12 * np.pi / 180)
        over = fallen | (self.age >= 200)
        fresh = self.rng.uniform(-0.05, 0.05, (self.count, 4))
        self.state, self.age = np.where(over[:, None], fresh, came), np.where(over, 0, self.age)
        return came, np.ones(self.count), fallen, over


def moved(state: np.ndarray, action: Any) -> np.ndarray:
    """The states a fiftieth of a second later.  state[N, 4], action[N] -> [N, 4]."""
    x, speed, angle, turning = state.T
    force = np.where(np.asarray(action) == 1, 10.0, -10.0)
    cos, sin = np.cos(angle), np.sin(angle)
    push = (force + 0.05 * turning**2 * sin) / 1.1  # masses: cart 1, pole 0.1; half the pole's length: 0.5
    turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    pull = push - 0.05 * turn * cos / 1.1
    return np.stack([x + 0.02 * speed, speed + 0.02 * pull, angle + 0.02 * turning, turning + 0.02 * turn], 1)
