"""Environments by name: gymnasium's with arguments, a module's of one's own, several numbers as a state; what is refused."""

import itertools
import sys
import textwrap

import numpy as np
import pytest

from cutaway.core.errors import ArgumentError
from cutaway.rl import evaluate, grids, planning, report, roster
from cutaway.rl.environment import Envs
from cutaway.rl.make import LIMIT, make
from cutaway.rl.spaces import numbering, spaces
from cutaway.train.report.png import data_uri

gymnasium = pytest.importorskip("gymnasium")

CORRIDOR = """
    import gymnasium
    from gymnasium import spaces

    class Corridor(gymnasium.Env):
        def __init__(self, length=5):
            self.length, self.action_space = length, spaces.Discrete(2)
            self.observation_space = spaces.MultiDiscrete([length, 2])

        def reset(self, seed=None, options=None):
            super().reset(seed=seed)
            self.at = 0
            return (self.at, 0), {}

        def step(self, action):
            self.at = max(0, self.at + (1 if action else -1))
            return (self.at, action), -1.0, self.at == self.length - 1, False, {}

    gymnasium.register(id="Corridor-v0", entry_point=Corridor)
"""


@pytest.fixture
def corridor(tmp_path, monkeypatch):
    (tmp_path / "corridors.py").write_text(textwrap.dedent(CORRIDOR))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("corridors", None)
    gymnasium.registry.pop("Corridor-v0", None)


def test_a_module_of_ones_own(corridor):
    """An environment that is registered where the command is given, with an argument; it has no time limit, and gets one."""
    program = roster.find("q-learning")
    agent = program.agent(program.config.of(env="corridors:Corridor-v0(length=4)", epsilon=0.3))
    assert agent.spaces.states == 8
    assert evaluate.returns(agent, 1) == [-LIMIT]  # it walks into the wall: all is worth the same
    while agent.step < 400:
        agent.advance()
    assert evaluate.returns(agent, 3).tolist() == [-3, -3, -3]


def test_arguments_in_brackets():
    envs = Envs("CartPole-v1(max_episode_steps=5)", [0])
    for _ in range(5):
        step = envs.step(np.array([0]))
    assert (step.truncated[0], step.terminated[0]) == (True, False)
    assert make("FrozenLake-v1(is_slippery=False, map_name='8x8')").unwrapped.nrow == 8


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Discrete(4, start=-2),
        gymnasium.spaces.MultiDiscrete([2, 3, 2]),
        gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(3, start=1), gymnasium.spaces.Discrete(2)]),
    ],
    ids=lambda s: type(s).__name__,
)
def test_each_combination_is_one_state(space):
    number = numbering(space)
    if isinstance(space, gymnasium.spaces.Discrete):
        all_of_them = range(-2, 2)
    else:
        parts = ([2, 3, 2], [0, 0, 0]) if isinstance(space, gymnasium.spaces.MultiDiscrete) else ([3, 2], [1, 0])
        all_of_them = itertools.product(*(range(first, first + n) for n, first in zip(*parts)))
    all_of_them = list(all_of_them)
    assert all(space.contains(x if isinstance(x, int) else np.array(x) if "Multi" in repr(space) else x) for x in all_of_them)
    assert [number(x) for x in all_of_them] == list(range(len(all_of_them)))


def test_a_table_learns_gymnasiums_lake_to_the_known_values():
    """Value iteration on the table that the environment itself holds is the oracle."""
    name = "FrozenLake-v1(is_slippery=False)"
    table = make(name).unwrapped.P
    P, R = np.zeros((16, 4, 16)), np.zeros((16, 4))
    terminal = np.zeros(16, bool)
    for s, a in itertools.product(range(16), range(4)):
        for p, to, reward, over in table[s][a]:
            P[s, a, to] += p
            R[s, a] += p * reward
            terminal[to] |= over
    exact = planning.value_iteration(grids.Grid("lake", (".",) * 16, P, R, terminal, (0,), 0.9, 100))
    program = roster.find("q-learning")
    agent = program.agent(program.config.of(env=name, gamma=0.9, lr=1.0, epsilon=1.0, steps=20_000))
    while not agent.finished:
        agent.advance()
    open_ = ~terminal
    assert np.abs(agent.q - exact.q)[open_].max() < 1e-6
    assert evaluate.returns(agent, 2).tolist() == [1, 1]


def test_pictures_of_what_draws_itself():
    """The report's pictures are those of the episode that is watched; no picture is told with its reason."""
    pytest.importorskip("pygame")
    program = roster.find("q-learning")
    agent = program.agent(program.config.of(env="FrozenLake-v1", seed=3))
    (played,) = evaluate.record(agent, 1)
    assert len(played.frames) == len(played.action) + 1 and played.blind == ""
    film = evaluate.film(agent, 4)
    assert film == [(t, data_uri(evaluate.smaller(played.frames[t], evaluate.STILL))) for t, _ in film]
    assert len({seen for _, seen in film}) > 1
    assert report._film("FrozenLake-v1", [{"film": film, "step": 0}]).count("<img") == len(film)


def test_why_there_is_no_picture(corridor):
    program = roster.find("q-learning")
    agent = program.agent(program.config.of(env="corridors:Corridor-v0"))
    (played,) = evaluate.record(agent, 1)
    assert played.frames == () and played.blind.endswith("shows no pictures: its class takes no render_mode")
    assert evaluate.film(agent, 4) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.at:Foo-v0", "there is no module nowhere.at; install it"),
        ("CartPole-v1(5)", "in brackets stand arguments"),
        ("CartPole-v1(mass=__import__('os'))", "in brackets stand arguments"),
        ("CartPole-v1(mass=5)", "does not take what is in the brackets.*'mass'"),
        ("corridors:Corridr-v0", "there is no 'corridors:Corridr-v0'"),
    ],
)
def test_names_that_cannot_be(name, message, corridor):
    with pytest.raises(ArgumentError, match=message):
        make(name)


def test_a_missing_box2d_is_told_with_its_extra(monkeypatch):
    for module in [m for m in sys.modules if m.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(ArgumentError, match=r"pip install 'cutaway\[box2d\]'"):
        make("LunarLander-v3")


def test_a_module_that_fails_for_another_is_not_called_missing(corridor, tmp_path):
    (tmp_path / "half.py").write_text("import nothing_like_it")
    with pytest.raises(ArgumentError, match="needs a package that is not installed: nothing_like_it"):
        make("half:Foo-v0")


def test_pictures_and_dictionaries_are_refused():
    class Odd:
        action_space = gymnasium.spaces.Discrete(2)

    for space, message in (
        (gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8), "observations are pictures"),
        (gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(2)}), "FlattenObservation"),
        (gymnasium.spaces.MultiDiscrete([1000] * 3), "1,000,000,000 states"),
    ):
        Odd.observation_space = space
        with pytest.raises(ArgumentError, match=message):
            spaces(Odd(), "odd")
