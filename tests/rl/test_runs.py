"""A run: the same seed gives the same curve, a resumed one ends in the same numbers, the page shows the sums that it says."""

import json
import re
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from cutaway.core.accelerate import numpy_only
from cutaway.core.errors import ArgumentError
from cutaway.rl import bench, evaluate, report, roster, run, scenes, watch
from cutaway.rl.learner import Learner
from cutaway.train.stop import Stop

SHORT = {
    "q-learning": "--steps 300 --eval-every 100 --epsilon 0.3",
    "sarsa": "--steps 300 --eval-every 100 --epsilon 0.3",
    "dqn": "--env cliff --steps 300 --learning-starts 100 --hidden 16 --n-step 2 --prioritized --eval-every 100",
    "reinforce": "--env grid-4x4 --steps 1000 --episodes 2 --no-compile --hidden 16 --eval-every 200",
    "a2c": "--env grid-4x4 --steps 300 --no-compile --hidden 16 --eval-every 100 --length 8 --envs 4",
    "ppo": "--env Pendulum-v1 --steps 384 --batches 4 --no-compile --hidden 16 --eval-every 128 --length 32 --envs 4 --epochs 2",
    "sac": "--env Pendulum-v1 --steps 260 --no-compile --learning-starts 200 --hidden 16 --eval-every 100 --batch-size 16",
}
FEW = "--eval-episodes 2 --final-episodes 4"


def start(name, folder, words="", resume=False):
    console = Console(file=StringIO(), width=200)
    if resume:
        assert run.resume(folder, console) == 0
    else:
        assert run.start(name, f"{SHORT[name]} {FEW} {words}".split(), folder, console) == 0
    return console.file.getvalue()


def curve(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in m.items() if k != "seconds"} for m in lines]


def tensors(folder):
    held = {name: load_file(folder / f"{name}.safetensors") for name in ("model", "trainer")}
    return {f"{file}/{name}": a.tobytes() for file, arrays in held.items() for name, a in arrays.items()}


def stopped_at(step, patch):
    """As if Ctrl-C came at this step of a new run."""
    made = []

    class Asked(Stop):
        @property
        def asked(self):
            self.signal = 2 if made[0].step >= step else 0
            return self.signal != 0

    original = roster.Program.agent
    patch.setattr(roster.Program, "agent", lambda self, s: made.append(original(self, s)) or made[-1])
    patch.setattr(run, "Stop", Asked)


@pytest.mark.parametrize("name", roster.NAMES)
def test_stopped_and_resumed_a_run_ends_in_the_same_numbers(name, tmp_path, monkeypatch):
    if "Pendulum" in SHORT[name]:
        pytest.importorskip("gymnasium")
    if name != "dqn":  # one compiled agent is enough: the others go on NumPy, which is quicker for so few steps
        monkeypatch.setattr(Learner, "computing", lambda self: numpy_only())
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    start(name, whole)
    with monkeypatch.context() as patch:
        stopped_at(230, patch)
        console = Console(file=StringIO(), width=200)
        assert run.start(name, f"{SHORT[name]} {FEW}".split(), parts, console) == 130
    assert f"cutaway rl train --resume {parts}" in console.file.getvalue()
    _, agent, _ = run.load(parts, "--resume")
    assert 230 <= agent.step < agent.settings.steps
    start(name, parts, resume=True)
    assert curve(parts) == curve(whole)
    assert tensors(parts).keys() == tensors(whole).keys()
    assert [k for k, v in tensors(whole).items() if tensors(parts)[k] != v] == []
    assert len(curve(whole)) >= 3


def test_another_seed_is_another_curve(tmp_path):
    curves = {}
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        start("q-learning", tmp_path / folder, f"--seed {seed}")
        curves[folder] = curve(tmp_path / folder)
    assert curves["a"] == curves["b"] != curves["c"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "dqn"
    start("dqn", folder, "--n-step 1 --no-prioritized --gamma 0.9")
    return folder


def shown(page):
    text = page.read_text()
    return text, json.loads(re.search(r'id="episodes">(.*?)</script>', text).group(1).replace("<\\/", "</"))


def test_displayed_targets_are_those_of_the_stored_tensors(trained):
    """r + gamma max Q'(s', a), to the bit of what the page shows, and of the weights on the disk to rounding."""
    text, data = shown(watch.write(trained, 2, None, None, None))
    weights = load_file(trained / "model.safetensors")
    kept = load_file(trained / "episodes.safetensors")

    def q(prefix, x):
        for i in (0, 2, 4):
            x = x @ weights[f"{prefix}.{i}.weight"].T + weights[f"{prefix}.{i}.bias"]
            x = np.maximum(x, 0) if i < 4 else x
        return x

    for n, episode in enumerate(data["episodes"]):
        a = {k: np.array(v, np.float32) for k, v in episode["arrays"].items()}
        last = len(episode["action"]) - 1
        discount = np.full(last + 1, 0.9, np.float32)
        if episode["terminated"]:
            discount[-1] = 0
        assert np.array_equal(a["target"], a["reward"] + discount * a["next_q"].max(1))
        assert np.array_equal(a["error"], a["target"] - a["q"][np.arange(last + 1), episode["action"]])
        assert all(np.array_equal(kept[f"{n}.{k}"], v) for k, v in a.items())
        obs = kept[f"{n}.obs"]
        np.testing.assert_allclose(a["next_q"], q("target", obs[1:]), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a["q"], q("online", obs[:-1]), rtol=1e-4, atol=1e-5)
        assert len(episode["pictures"]) == last + 2
    assert data["formulas"][0] == ["target", "r + γ max Q′(s′, a)", "{reward_sum} + {discount} × {best}"]
    assert not re.search(r"https?://(?!www\.w3\.org)", text)  # no network


@pytest.mark.parametrize("options", [{"n_step": 3}, {"double": True, "n_step": 2, "reward_scale": 0.5}], ids=str)
def test_targets_of_several_steps_are_what_the_memory_holds(options):
    """What the page says of a step is what an update would have learned from it."""
    program = roster.find("dqn")
    agent = program.agent(program.config.of(env="grid-4x4", compile=False, hidden=8, gamma=0.9, **options))
    played = evaluate.record(agent, 1)[0]
    seen = agent.look(played)
    from cutaway.rl.environment import Step
    from cutaway.rl.replay import Memory

    memory, last = Memory(500, agent.spaces, 0.9, options["n_step"]), len(played.action) - 1
    for t in range(last + 1):
        over = np.array([t == last])
        memory.add(
            Step(played.obs[t : t + 1], played.action[t : t + 1], played.reward[t : t + 1], played.obs[t + 1 : t + 2],
                 over & played.terminated, over & (not played.terminated))
        )  # fmt: skip
    count = memory.size
    assert count == last + 1
    next_obs = memory.next_obs.numpy()[:count]
    online, target = (q.numpy() for q in agent._values(memory.next_obs[:count]))
    choice = (online if options.get("double") else target).argmax(1)
    wanted = options.get("reward_scale", 1) * memory.reward.numpy()[:count] + memory.discount.numpy()[:count] * target[np.arange(count), choice]
    np.testing.assert_allclose(seen["target"], wanted, rtol=1e-6)
    assert next_obs.shape == (count, 16)


@pytest.mark.parametrize("name", ["a2c", "reinforce", "sac", "sarsa"])
def test_every_formula_of_a_page_comes_out(name):
    """The numbers in a formula's braces, put together as it says, are the result that it shows."""
    if name == "sac":
        pytest.importorskip("gymnasium")
    program = roster.find(name)
    env = {"sac": "Pendulum-v1", "sarsa": "cliff"}.get(name, "grid-4x4")
    agent = program.agent(program.config.of(env=env, compile=False, hidden=8))
    played = evaluate.record(agent, 1)[0]
    arrays = {"reward": played.reward, **agent.look(played)}
    assert len(agent.formulas) >= 2
    for result, _, numbers in agent.formulas:
        code = re.sub(r"\{(\w+)\}", r"arrays['\1']", numbers).replace("×", "*").replace("−", "-")
        np.testing.assert_allclose(eval(code), arrays[result], rtol=1e-5, atol=1e-5, err_msg=result)
    assert agent.line[0] in arrays


@pytest.mark.parametrize("name", ["dqn", "a2c"])
def test_the_page_scales_rewards_as_the_update_does(name):
    program = roster.find(name)
    agent = program.agent(program.config.of(env="grid-4x4", compile=False, hidden=8, reward_scale=0.25))
    played = evaluate.record(agent, 1)[0]
    assert np.array_equal(agent.look(played)["reward_sum"], played.reward / 4)
    assert agent.formulas[0][1].startswith("0.25 r + γ")


def test_the_report_has_curves_film_and_settings(trained):
    text = (trained / "report.html").read_text()
    assert "dqn in cliff" in text and text.count("<polyline") >= 3 and text.count('class="scene"') >= 16
    assert "learning_starts" in text and "online.0.weight" in text
    assert "http:" not in text and "https:" not in text and "<script" not in text


def test_a_gif(trained, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    watch.write(trained, 1, None, tmp_path / "page.html", tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames > 1 and gif.size == (240, 150)  # equal pictures are one that stays
        first = np.asarray(gif.convert("RGB")).astype(int)
        gif.seek(gif.n_frames - 1)
        assert (np.asarray(gif.convert("RGB")) != first).any()


def test_a_scene_shows_the_state():
    """The pole leans to the side that the angle says, the walker stands in its cell."""
    pole = lambda angle: next(s for s in scenes.foreground("CartPole-v1", np.array([0, 0, angle, 0.0]), 1) if s[0] == "line")
    assert pole(0.2)[3] > pole(0.0)[3] > pole(-0.2)[3]
    hand = lambda cos, sin: next(s for s in scenes.foreground("Pendulum-v1", np.array([cos, sin, 0.0])) if s[0] == "line")
    assert hand(1, 0)[4] < 150 < hand(-1, 0)[4]  # upright is above its axle
    head = lambda torque: next(s for s in scenes.foreground("Pendulum-v1", np.array([1, 0, 0.0]), [torque]) if s[0] == "poly")
    assert head(1.0)[1][0] < 240 < head(-1.0)[1][0]  # above the axle, counter-clockwise is to the left
    tip = [s for s in scenes.foreground("Acrobot-v1", np.array([1, 0, 1, 0, 0, 0.0])) if s[0] == "line"][1]
    assert tip[4] > 250 and tip[3] == 240  # hanging
    walker = scenes.foreground("cliff", np.eye(48)[13])[0]
    assert walker[0] == "circle" and walker[2] > scenes.foreground("cliff", np.eye(48)[1])[0][2]


def test_bench_counts_what_was_solved(tmp_path, capsys):
    console = Console(file=StringIO(), width=120)
    words = "--env grid-4x4 --steps 2000 --final-episodes 10 --epsilon 0.3".split()
    assert bench.start("q-learning", words, 2, 5, tmp_path / "numbers.json", console) == 0
    rows = json.loads((tmp_path / "numbers.json").read_text())["seeds"]
    assert [r["seed"] for r in rows] == [5, 6] and all(-2.5 <= r["return"] <= -1 for r in rows)
    mean = np.mean([r["return"] for r in rows])
    assert f"mean {mean:.2f}" in (out := capsys.readouterr().out) and "by 2 of 2" in out
    with pytest.raises(ArgumentError, match="give --seeds"):
        bench.start("q-learning", ["--seed", "3"], 2, 0, None, console)


def test_an_agent_of_ones_own(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(roster.find("sarsa").source.replace('"""SARSA in', '"""My SARSA in'))
    console = Console(file=StringIO(), width=200)
    words = f"{SHORT['sarsa']} {FEW}".split()
    assert run.start(str(mine), words, tmp_path / "run", console) == 0
    assert "My SARSA" in (tmp_path / "run" / "recipe.py").read_text()
    assert "My SARSA" in (tmp_path / "run" / "report.html").read_text()
    mine.write_text("Config = 3\n")
    with pytest.raises(ArgumentError, match="defines no class Config"):
        roster.find(str(mine))
    with pytest.raises(ArgumentError, match="did you mean dqn"):
        roster.find("dqm")


def test_a_page_is_a_film_of_any_environment(tmp_path):
    frames = (np.arange(900 * 640 * 3).reshape(900, 640, 3).astype(np.uint8),) * 2
    assert evaluate.smaller(frames[0]).shape == (300, 213, 3)
    assert evaluate.smaller(frames[0])[1, 2].tolist() == frames[0][3:6, 6:9].mean((0, 1)).round().tolist()
    assert report._film("Unknown-v0", [{"film": [[0, [1.0]]], "step": 0}]) == ""
