"""Grid worlds, as tables of what follows from what: NumPy only.

    P[s, a, s']    the probability of coming to s' by action a in s
    R[s, a]        the reward that is expected
    terminal[s]    nothing follows

The three are the book's (Sutton & Barto, Reinforcement Learning, 2nd edition 2018): example 4.1, example 3.5, example 6.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError

ACTIONS = ("up", "right", "down", "left")
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


@dataclass(frozen=True)
class Grid:
    """A grid world.  States are numbered row by row; `cells` has a letter for each, for pictures."""

    name: str
    cells: tuple[str, ...]
    P: np.ndarray
    R: np.ndarray
    terminal: np.ndarray
    starts: tuple[int, ...]
    gamma: float
    limit: int
    """Steps after which an episode is cut off."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.cells), len(self.cells[0])

    @property
    def states(self) -> int:
        """How many."""
        return len(self.P)


def build(
    name: str,
    text: str,
    gamma: float,
    *,
    step: float = -1.0,
    bump: float | None = None,
    pits: tuple[str, float] | None = None,
    jumps: dict[str, tuple[str, float]] | None = None,
    limit: int = 200,
) -> Grid:
    """A grid from its picture: `G` ends the episode, `#` is a wall, `S` is where episodes begin (without one: anywhere).

    A move earns `step`, one against the edge or a wall `bump` instead. A step into a letter of `pits` earns its number and
    leads back to S. Any move from a letter of `jumps` leads to the cell of the other letter and earns the number.
    """
    rows = [line.strip() for line in text.strip().splitlines()]
    height, width = len(rows), len(rows[0])
    if any(len(row) != width for row in rows):
        raise ArgumentError(f"grids.build: {name}: rows of {sorted({len(r) for r in rows})} cells; make them alike")
    letter = "".join(rows)
    place = lambda c: letter.index(c)
    terminal = np.array([c == "G" for c in letter])
    P = np.zeros((height * width, 4, height * width))
    R = np.zeros((height * width, 4))
    for s, c in enumerate(letter):
        for a, (down, right) in enumerate(MOVES):
            i, j = s // width + down, s % width + right
            to, reward = i * width + j, step
            if terminal[s] or c == "#":
                to, reward = s, 0.0
            elif jumps and c in jumps:
                to, reward = place(jumps[c][0]), jumps[c][1]
            elif not (0 <= i < height and 0 <= j < width) or letter[to] == "#":
                to, reward = s, step if bump is None else bump
            elif pits and letter[to] in pits[0]:
                to, reward = place("S"), pits[1]
            P[s, a, to], R[s, a] = 1.0, reward
    starts = [s for s, c in enumerate(letter) if c == "S"] or [s for s, c in enumerate(letter) if c not in "G#"]
    return Grid(name, tuple(rows), P, R, terminal, tuple(starts), gamma, limit)


FOUR_BY_FOUR = build(
    "grid-4x4",
    """
    G...
    ....
    ....
    ...G
    """,
    gamma=1.0,
)
"""Example 4.1: two corners to reach, every step costs 1."""

FIVE_BY_FIVE = build(
    "grid-5x5",
    """
    .A.B.
    .....
    ...b.
    .....
    .a...
    """,
    gamma=0.9,
    step=0.0,
    bump=-1.0,
    jumps={"A": ("a", 10.0), "B": ("b", 5.0)},
    limit=100,
)
"""Example 3.5: no end; from A every move leads to a and earns 10, from B to b and earns 5."""

CLIFF = build(
    "cliff",
    """
    ............
    ............
    ............
    SccccccccccG
    """,
    gamma=1.0,
    pits=("c", -100.0),
)
"""Example 6.6: from S to G along a cliff; a fall costs 100 and leads back to S."""

NAMES = {g.name: g for g in (FOUR_BY_FOUR, FIVE_BY_FIVE, CLIFF)}


@dataclass(frozen=True)
class Discrete:
    """The numbers from 0 to below n."""

    n: int


class GridEnv:
    """A grid to be walked in, with gymnasium's methods, `reset(seed)` and `step(action)`.  It shows the state's number."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.observation_space, self.action_space = Discrete(grid.states), Discrete(len(ACTIONS))
        self.np_random = np.random.default_rng()
        self.state = grid.starts[0]
        self._steps = 0
        self._next = grid.P.argmax(2).tolist() if (grid.P.max(2) == 1).all() else None
        self._reward = grid.R.tolist()

    @property
    def unwrapped(self) -> GridEnv:
        """Itself: nothing is wrapped around it."""
        return self

    def reset(self, seed: int | None = None) -> tuple[int, dict[str, Any]]:
        """(the first state, {})."""
        if seed is not None:
            self.np_random = np.random.default_rng(seed)
        starts = self.grid.starts
        self.state, self._steps = starts[int(self.np_random.integers(len(starts)))], 0
        return self.state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """(state, reward, terminated, truncated, {})."""
        s, grid = self.state, self.grid
        if self._next is not None:
            self.state = self._next[s][action]
        else:
            self.state = int(self.np_random.choice(grid.states, p=grid.P[s, action]))
        self._steps += 1
        ended = bool(grid.terminal[self.state])
        return self.state, self._reward[s][action], ended, not ended and self._steps >= grid.limit, {}
