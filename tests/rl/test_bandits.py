"""The bandits remake the figures of the book's second chapter, and their sums are the formulas."""

import re
from pathlib import Path

import numpy as np
import pytest

from cutaway.core.errors import ArgumentError
from cutaway.rl.bandits import UCB, EpsilonGreedy, Gradient, Testbed, play

RUNS = 500


def last(rule, mean=0.0, steps=1000):
    curves = play(rule, Testbed(RUNS, mean=mean, seed=1), steps, seed=2)
    return curves.reward[-100:].mean(), curves.optimal[-100:].mean()


def test_figure_2_2():
    """1000 pulls: the more of the two epsilons is ahead, and both of greed, which settles for any arm that is good."""
    (r10, o10), (r1, o1), (r0, o0) = (last(EpsilonGreedy(e)) for e in (0.1, 0.01, 0.0))
    assert r10 > r1 + 0.02 > r0 + 0.1
    assert o10 > o1 + 0.1 > o0 + 0.2
    assert 0.7 < o10 < 0.9  # the figure: about 80 %
    assert 0.3 < o0 < 0.45  # about a third


def test_the_documentation_runs(capsys):
    text = (Path(__file__).parents[2] / "docs" / "reinforcement-learning.md").read_text(encoding="utf-8")
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(program, "reinforcement-learning.md", "exec"), {})
    lines = [tuple(map(float, line.split())) for line in capsys.readouterr().out.splitlines()]
    promised = re.search(r"prints (.*?):", text).group(1)
    assert promised == ", ".join(f"{r:.2f} and {o:.2f}" for _, r, o in lines[:3])
    assert lines[3] == (0.0,)


def test_figure_2_3_optimism_starts_worse_and_ends_better():
    hopeful, doubting = (
        play(rule, Testbed(RUNS, seed=1), 1000).optimal
        for rule in (EpsilonGreedy(0.0, 0.1, start=5.0), EpsilonGreedy(0.1, 0.1))
    )
    assert hopeful[:30].mean() < doubting[:30].mean() + 0.05
    assert hopeful[-100:].mean() > doubting[-100:].mean() + 0.03


def test_figure_2_4_bounds_beat_chance():
    assert last(UCB(2.0))[0] > last(EpsilonGreedy(0.1))[0] + 0.05


def test_figure_2_5_a_baseline_saves_the_gradient():
    with_, without = last(Gradient(0.1), mean=4.0)[1], last(Gradient(0.1, baseline=False), mean=4.0)[1]
    assert with_ > 0.75 > without + 0.15


def test_an_estimate_is_the_mean_of_what_was_earned():
    rule, earned = EpsilonGreedy(0.5), [[] for _ in range(4)]
    testbed = Testbed(1, 4, seed=3)
    rng = np.random.default_rng(0)
    rule.begin(1, 4)
    for t in range(200):
        arm = rule.choose(t + 1, rng)
        got = testbed.pull(arm)
        rule.learn(arm, got)
        earned[arm[0]].append(got[0])
    np.testing.assert_allclose(rule.q[0], [np.mean(e) for e in earned], rtol=1e-12)


def test_the_gradient_is_that_of_the_expected_reward():
    """Without noise or baseline, the mean move over all arms is step times the gradient of sum_a pi_a worth_a."""
    h, worth, step, slight = np.array([0.3, -0.2, 0.9]), np.array([1.0, 2.0, -1.0]), 0.1, 1e-6
    softmax = lambda x: np.exp(x) / np.exp(x).sum()
    numeric = np.array(
        [(softmax(h + slight * e) - softmax(h - slight * e)) @ worth / (2 * slight) for e in np.eye(3)]
    )
    mean = np.zeros(3)
    for arm in range(3):
        rule = Gradient(step, baseline=False)
        rule.begin(1, 3)
        rule.h[0] = h
        rule.choose(1, np.random.default_rng(0))
        rule.learn(np.array([arm]), worth[[arm]])
        mean += softmax(h)[arm] * (rule.h[0] - h)
    np.testing.assert_allclose(mean, step * numeric, atol=1e-9)


def test_the_same_seed_pulls_the_same_arms():
    a, b = (play(UCB(), Testbed(20, seed=5), 50, seed=6).reward for _ in range(2))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("wrong", [lambda: EpsilonGreedy(1.5), lambda: Testbed(0), lambda: Testbed(5, 1), lambda: UCB(-1)])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ArgumentError):
        wrong()
