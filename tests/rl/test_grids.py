"""Grid worlds: the values that are known, from tables and from walking."""

import numpy as np
import pytest

from cutaway.core.errors import ArgumentError
from cutaway.rl import grids, planning, tabular
from cutaway.rl.grids import CLIFF, FIVE_BY_FIVE, FOUR_BY_FOUR, NAMES

EVEN = {g.name: np.full(g.R.shape, 1 / 4) for g in NAMES.values()}
NEAREST = np.array([[min(i + j, 6 - i - j) for j in range(4)] for i in range(4)])  # steps to the nearer corner


def known(grid):
    """Optimal values that can be said without computing: a walk of n steps at -1; the book's figure 3.5 by its geometry."""
    if grid is FOUR_BY_FOUR:
        return -NEAREST.ravel().astype(float)
    if grid is CLIFF:  # along row 2 and down; from row i, column j
        v = np.array([[-(3 - i + 11 - j) if i < 3 else j - 13 for j in range(12)] for i in range(4)], float)
        v[3, 10:] = -1, 0
        return v.ravel()
    a = 10 / (1 - 0.9**5)  # A again and again: 10 every fifth step
    v = np.array([[a * 0.9 ** (i + abs(j - 1)) for j in range(5)] for i in range(5)])
    v[0, 3] = 5 + 0.9 * v[2, 3]  # B leads down to b
    v[0, 4] = 0.9 * v[0, 3]
    return v.ravel()


@pytest.mark.parametrize("grid", NAMES.values(), ids=NAMES)
def test_planning_finds_the_known_values(grid):
    value = known(grid)
    by_values, by_policies = planning.value_iteration(grid), planning.policy_iteration(grid)
    np.testing.assert_allclose(by_policies.v, value, atol=1e-6)
    np.testing.assert_allclose(by_values.v, value, atol=1e-6)
    np.testing.assert_allclose(planning.evaluate(grid, by_values.policy), value, atol=1e-6)


def test_figure_4_1_the_even_policy():
    book = [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]
    np.testing.assert_allclose(planning.evaluate(FOUR_BY_FOUR, EVEN["grid-4x4"]), book, atol=1e-9)
    np.testing.assert_allclose(planning.sweep(FOUR_BY_FOUR, EVEN["grid-4x4"]), book, atol=1e-6)


def test_figure_3_2_the_even_policy():
    book = [[3.3, 8.8, 4.4, 5.3, 1.5], [1.5, 3.0, 2.3, 1.9, 0.5], [0.1, 0.7, 0.7, 0.4, -0.4],
            [-1.0, -0.4, -0.4, -0.6, -1.2], [-1.9, -1.3, -1.2, -1.4, -2.0]]  # fmt: skip
    np.testing.assert_allclose(planning.evaluate(FIVE_BY_FIVE, EVEN["grid-5x5"]).round(1), np.ravel(book), atol=1e-9)


@pytest.mark.parametrize("grid", [FOUR_BY_FOUR, FIVE_BY_FIVE], ids=lambda g: g.name)
def test_q_learning_meets_value_iteration(grid):
    learned = tabular.q_learning(grid, episodes=2000, alpha=1.0, epsilon=1.0, seed=0).q
    exact = planning.value_iteration(grid).q
    np.testing.assert_allclose(learned[~grid.terminal], exact[~grid.terminal], atol=1e-6)


def test_q_learning_meets_value_iteration_at_the_cliff():
    learned = tabular.q_learning(CLIFF, episodes=1500, alpha=1.0, epsilon=0.5, seed=0).q
    safe = np.ravel([[c in "S." for c in row] for row in CLIFF.cells])
    np.testing.assert_allclose(learned.max(1)[safe], known(CLIFF)[safe], atol=1e-6)


def test_figure_6_4_sarsa_keeps_away_from_the_cliff():
    """While exploring, SARSA earns more; greedy for what it learned, Q-learning takes the shortest way."""
    q, sarsa = (
        [f(CLIFF, 500, seed=s) for s in range(3)] for f in (tabular.q_learning, tabular.sarsa)
    )
    online = lambda runs: np.mean([r.returns[-200:].mean() for r in runs])
    assert online(sarsa) > online(q) + 10
    assert all(walk(CLIFF, r.q) == -13 for r in q)
    assert all(walk(CLIFF, r.q) < -13 for r in sarsa)


def walk(grid, q):
    env, total, over = grids.GridEnv(grid), 0.0, False
    s, _ = env.reset(seed=0)
    while not over:
        s, r, terminated, truncated, _ = env.step(int(q[s].argmax()))
        total, over = total + r, terminated or truncated
    return total


def test_monte_carlo_finds_the_way():
    q = tabular.monte_carlo(FOUR_BY_FOUR, 1000, epsilon=0.4, seed=0).q
    value = planning.evaluate(FOUR_BY_FOUR, planning.greedy(q, 0.0))
    np.testing.assert_allclose(value, known(FOUR_BY_FOUR), atol=1e-9)  # its greedy policy is optimal


def test_monte_carlo_is_the_mean_of_first_visits():
    """One episode by hand: a loop passes its cell twice, and only the first passage counts."""
    corridor = grids.build("corridor", "S.G", gamma=0.5)
    learned = tabular.monte_carlo(corridor, 1, epsilon=1.0, seed=3)
    env, rng = grids.GridEnv(corridor), np.random.default_rng([3, 1])
    s, _ = env.reset(seed=3)
    s, _ = env.reset()
    path, over = [], False
    while not over:
        rng.random()
        a = int(rng.integers(4))
        s2, r, terminated, truncated, _ = env.step(a)
        path.append((s, a, r))
        s, over = s2, terminated or truncated
    assert len(path) > len({p[:2] for p in path})  # something was passed twice
    wanted = np.zeros((3, 4))
    for t in range(len(path) - 1, -1, -1):
        s, a, _ = path[t]
        wanted[s, a] = sum(0.5**k * r for k, (_, _, r) in enumerate(path[t:]))
    np.testing.assert_allclose(learned.q, wanted, atol=1e-6)


def test_a_wall_and_a_pit():
    grid = grids.build("room", "S#\n.c\n.G", 1.0, pits=("c", -7.0))
    to = grid.P.argmax(2)
    assert to[0].tolist() == [0, 0, 2, 0]  # edge, wall, down, edge
    assert (to[2, 1], grid.R[2, 1]) == (0, -7.0)  # back to S
    assert (grid.P.sum(2) == 1).all() and grid.R[5].tolist() == [0, 0, 0, 0]


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="make them alike"):
        grids.build("crooked", "..\n.", 1.0)
    stays = np.zeros((16, 4))
    stays[:, 0] = 1
    with pytest.raises(ArgumentError, match="come to an end"):
        planning.evaluate(FOUR_BY_FOUR, stays)
    with pytest.raises(ArgumentError, match="epsilon must be from 0 to 1"):
        tabular.sarsa(FOUR_BY_FOUR, epsilon=2.0)
