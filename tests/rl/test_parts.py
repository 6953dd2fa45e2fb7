"""Sums against slow loops, the memory, environments side by side, settings read off dataclasses."""

import dataclasses

import numpy as np
import pytest

from cutaway.core.errors import ArgumentError
from cutaway.rl import arithmetic, roster, settings
from cutaway.rl.environment import Envs, Step
from cutaway.rl.replay import Memory, PrioritizedMemory
from cutaway.rl.spaces import Spaces, spaces

SPACES = Spaces(observation=1, actions=3)


def test_gae_is_the_sum_of_discounted_errors():
    """A_t = sum over k of (gamma lam)^k delta_{t+k}, up to the first end: written out."""
    rng = np.random.default_rng(0)
    T, N, gamma, lam = 12, 3, 0.9, 0.8
    reward, value, next_value = rng.normal(size=(3, T, N))
    terminated = rng.random((T, N)) < 0.2
    ended = terminated | (rng.random((T, N)) < 0.2)
    wanted = np.zeros((T, N))
    for i in range(N):
        for t in range(T):
            weight = 1.0
            for k in range(t, T):
                follows = 0 if terminated[k, i] else gamma * next_value[k, i]
                wanted[t, i] += weight * (reward[k, i] + follows - value[k, i])
                if ended[k, i]:
                    break
                weight *= gamma * lam
    got = arithmetic.gae(reward, value, next_value, terminated, ended, gamma, lam)
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_returns_are_discounted_sums():
    r = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(arithmetic.returns_to_go(r, 0.5), [1 + 1 + 1, 2 + 2, 4])
    np.testing.assert_allclose(arithmetic.returns_to_go(r, 0.5, after=8.0), [4, 6, 8])
    assert arithmetic.n_step([1.0, 2.0, 4.0], 0.5, False) == (3.0, 0.125)
    assert arithmetic.n_step([1.0, 2.0], 0.5, True) == (2.0, 0.0)


def play(memory, count, end=lambda t: (False, False)):
    """Observations 0, 1, 2, ...; the reward is 10 to the power of t."""
    for t in range(count):
        terminated, truncated = (np.array([x]) for x in end(t))
        column = lambda x: np.array([[x]], np.float32)
        memory.add(Step(column(t), np.array([t % 3]), np.float32([10.0**t]), column(t + 1), terminated, truncated))


def rows(memory):
    names = ("obs", "action", "reward", "next_obs", "discount")
    return [tuple(float(np.ravel(getattr(memory, n).numpy()[i])[0]) for n in names) for i in range(memory.size)]


def test_n_steps_are_summed_and_end_where_the_episode_ends():
    memory = Memory(10, SPACES, gamma=0.5, n=3)
    play(memory, 5, lambda t: (t == 3, False))  # the fourth step ends the task, the fifth begins another
    assert rows(memory) == [
        (0, 0, 1 + 5 + 25, 3, 0.125),
        (1, 1, pytest.approx(10 + 50 + 250), 4, 0),
        (2, 2, pytest.approx(100 + 500), 4, 0),
        (3, 0, 1000, 4, 0),
    ]
    memory = Memory(10, SPACES, gamma=0.5, n=3)
    play(memory, 2, lambda t: (False, t == 1))  # only the time was up: what would have followed counts
    assert rows(memory) == [(0, 0, 6, 2, 0.25), (1, 1, 10, 2, 0.5)]


def test_the_memory_is_a_ring_in_place():
    memory = Memory(4, SPACES, 1.0)
    where = memory.obs.numpy().ctypes.data
    play(memory, 6)
    assert sorted(r[0] for r in rows(memory)) == [2, 3, 4, 5]
    assert memory.obs.numpy().ctypes.data == where


@pytest.mark.parametrize("kind", [Memory, PrioritizedMemory])
def test_a_memory_is_what_its_state_tells(kind):
    memory, other = kind(6, SPACES, 0.9, 3), kind(6, SPACES, 0.9, 3)
    play(memory, 7)
    if kind is PrioritizedMemory:
        memory.learned(np.array([1, 4]), np.array([5.0, 0.1]))
    other.load_state(memory.state())
    for each in (memory, other):
        play(each, 2)
    assert rows(memory) == rows(other)
    draws = [each.sample(50, np.random.default_rng(1)).tolist() for each in (memory, other)]
    assert draws[0] == draws[1]


def test_priorities_are_how_often_a_row_is_drawn():
    memory = PrioritizedMemory(5, SPACES, 1.0, alpha=0.5)
    play(memory, 5)
    error = np.array([0.0, 1.0, 4.0, 9.0, 100.0])
    memory.learned(np.arange(5), error)
    p = (np.abs(error) + memory.EPSILON) ** 0.5
    p /= p.sum()
    drawn = memory.sample(20_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 20_000, p, atol=1e-3)  # stratified: closer than chance
    w = (5 * p) ** -0.7
    np.testing.assert_allclose(memory.weights(np.arange(5), 0.7), w / w.max(), rtol=1e-5)


def test_a_time_limit_is_no_end_and_the_next_episode_begins():
    envs = Envs("grid-5x5", [3])
    for _ in range(100):
        step = envs.step(np.array([0]))
    assert (step.terminated[0], step.truncated[0], envs.finished[0].length) == (False, True, 100)
    assert envs.obs.sum() == 1 and step.next_obs.sum() == 1
    envs.step(np.array([0]))
    assert len(envs.finished) == 1


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "LunarLander-v3", "cliff"])
def test_environments_are_put_back(name):
    if name not in ("cliff",):
        pytest.importorskip("gymnasium")
    if "Lunar" in name:
        pytest.importorskip("Box2D")
        pytest.importorskip("pygame")  # which gymnasium imports together
    envs, other = Envs(name, [1, 2]), Envs(name, [8, 9])
    rng = np.random.default_rng(0)

    def act(each, action):
        step = each.step(action)
        return np.concatenate([step.next_obs.ravel(), step.reward, step.ended, each.obs.ravel()])

    draw = lambda: rng.integers(0, envs.spaces.actions, 2) if envs.spaces.discrete else rng.normal(size=(2, 1)).astype("f")
    for _ in range(70):
        act(envs, draw())
    other.load_state(envs.state())
    assert np.array_equal(envs.obs, other.obs)
    for _ in range(70):
        action = draw()
        assert np.array_equal(act(envs, action), act(other, action))


def test_what_an_environment_cannot_be():
    gymnasium = pytest.importorskip("gymnasium")
    with pytest.raises(ArgumentError, match="did you mean CartPole-v1"):
        Envs("cartpole-v1", [0])
    with pytest.raises(ArgumentError, match="did you mean cliff"):
        Envs("clif", [0])
    class Odd:
        observation_space = gymnasium.spaces.Box(0, 1, (2,))
        action_space = gymnasium.spaces.MultiBinary(3)

    with pytest.raises(ArgumentError, match="actions in MultiBinary"):
        spaces(Odd(), "odd")


@pytest.mark.parametrize("name", roster.NAMES)
def test_every_setting_is_told(name):
    program = roster.find(name)
    found = settings.options(program.config)
    assert [o.name for o in found] == [f.name for f in dataclasses.fields(program.config)]
    assert [o.name for o in found if not o.text.endswith((".", ")"))] == []
    assert program.summary.endswith(".")
    assert "--gamma" in settings.described(program.config)


@pytest.mark.parametrize("name", roster.NAMES)
def test_what_help_says_of_an_environment_can_be_typed(name):
    config = roster.find(name).config
    for env, other in config.tuned.items():
        (line,) = [t for t in settings.described(config).splitlines() if t.startswith(f"  in {env}: ")]
        assert settings.read(config, line.partition(": ")[2].split()) == other


def test_settings_are_read_from_words():
    config = roster.find("dqn").config
    given = settings.read(config, "--lr 0.01 --double --steps=5_000 --no-compile --env cliff --dueling=true".split())
    assert given == {"lr": 0.01, "double": True, "steps": 5000, "compile": False, "env": "cliff", "dueling": True}
    assert config.of(**given).batch_size == config.batch_size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--lrr 1", "did you mean --lr"),
        ("--lr", "--lr needs a value"),
        ("--lr fast", "--lr must be a number, got 'fast'"),
        ("--steps 1.5", "--steps must be a whole number"),
        ("--gamma 2", "--gamma must be from 0 to 1"),
        ("--capacity 3", "less than one batch"),
        ("--double perhaps", "perhaps: what stands here must be an option"),
    ],
)
def test_words_that_cannot_be(words, message):
    config = roster.find("dqn").config
    with pytest.raises(ArgumentError, match=message):
        config.of(**settings.read(config, words.split()))


@pytest.mark.parametrize(
    ("name", "env", "message"),
    [
        ("dqn", "Pendulum-v1", "sac and ppo"),
        ("sac", "CartPole-v1", "dqn, a2c and ppo"),
        ("q-learning", "CartPole-v1", "numbered states"),
    ],
)
def test_an_agent_says_what_it_is_not_for(name, env, message):
    pytest.importorskip("gymnasium")
    program = roster.find(name)
    with pytest.raises(ArgumentError, match=message):
        program.agent(program.config.of(env=env))
