"""Dynamic programming on a grid world (Sutton & Barto 2018, chapter 4): its tables are known, nothing has to be tried.

A policy is pi[s, a], the probability of a in s; values are v[s] and q[s, a].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.rl.grids import Grid


@dataclass(frozen=True)
class Solution:
    """v[s], q[s, a], a policy that is greedy for them, and how many sweeps (or policies) it took."""

    v: np.ndarray
    q: np.ndarray
    policy: np.ndarray
    rounds: int


def backup(grid: Grid, v: np.ndarray) -> np.ndarray:
    """q[s, a] = R[s, a] + gamma sum_s' P[s, a, s'] v[s'], the right side of Bellman's equation."""
    return grid.R + grid.gamma * grid.P @ np.where(grid.terminal, 0.0, v)


def greedy(q: np.ndarray, tie: float = 1e-8) -> np.ndarray:
    """pi[s, a], even among the actions that are best but for `tie`."""
    best = q >= q.max(1, keepdims=True) - tie
    return best / best.sum(1, keepdims=True)


def evaluate(grid: Grid, policy: np.ndarray) -> np.ndarray:
    """v[s] of a policy: the solution of v = sum_a pi (R + gamma P v), a system of linear equations (Bellman's, 4.4).

    Raises ArgumentError for a policy that may walk for ever where gamma is 1: it has no value.
    """
    open_ = ~grid.terminal
    earned = (policy * grid.R).sum(1)[open_]
    follows = np.einsum("sa,sat->st", policy, grid.P)[np.ix_(open_, open_)]
    v = np.zeros(grid.states)
    system = np.eye(len(earned)) - grid.gamma * follows
    if np.linalg.cond(system) > 1e12:
        raise ArgumentError(f"planning.evaluate: {grid.name}: with gamma 1 a policy must come to an end from everywhere")
    v[open_] = np.linalg.solve(system, earned)
    return v


def sweep(grid: Grid, policy: np.ndarray, tolerance: float = 1e-10, most: int = 100_000) -> np.ndarray:
    """The same by sweeps of v <- sum_a pi (R + gamma P v) until none changes by more than `tolerance` (section 4.1).

    Raises ArgumentError if that takes more than `most`.
    """
    v = np.zeros(grid.states)
    for _ in range(most):
        new = np.where(grid.terminal, 0.0, (policy * backup(grid, v)).sum(1))
        change, v = np.abs(new - v).max(), new
        if change <= tolerance:
            return v
    raise ArgumentError(f"planning.sweep: {grid.name}: still changing by {change:g} after {most} sweeps")


def policy_iteration(grid: Grid) -> Solution:
    """Evaluate a policy, be greedy for what was found, until nothing changes (section 4.3); from the even policy on."""
    policy = np.full((grid.states, grid.R.shape[1]), 1 / grid.R.shape[1])
    rounds, before = 0, None
    while before is None or not np.array_equal(before, policy):
        v = evaluate(grid, policy)
        q = backup(grid, v)
        before, policy, rounds = policy, greedy(q), rounds + 1
    return Solution(v, q, policy, rounds)


def value_iteration(grid: Grid, tolerance: float = 1e-10) -> Solution:
    """Sweeps of v <- max_a q until none changes by more than `tolerance` (section 4.4)."""
    v, rounds, change = np.zeros(grid.states), 0, np.inf
    while change > tolerance:
        new = np.where(grid.terminal, 0.0, backup(grid, v).max(1))
        change, v, rounds = np.abs(new - v).max(), new, rounds + 1
    q = backup(grid, v)
    return Solution(v, q, greedy(q), rounds)
