"""`cutaway train --mine`: the learner's passed answers run in the network, and only those; a resumed run keeps to them."""

import json
import re
from contextlib import nullcontext

import numpy as np
import pytest
from rich.console import Console

import cutaway
from cutaway import optim
from cutaway.core.accelerate import numpy_only
from cutaway.core.errors import ArgumentError
from cutaway.course.chapters import find
from cutaway.course.folder import Folder, digest
from cutaway.course.mine import again, mine
from cutaway.course.process import findings
from cutaway.data import ImageData
from cutaway.rl import roster
from cutaway.rl.settings import read
from cutaway.train import recipe as recipes
from cutaway.train import run
from cutaway.train.batches import Batches
from cutaway.train.folder import RunFolder
from cutaway.train.resident import resident

LEARNING, BACKPROP, DEEP, AGENTS = find("learning"), find("backprop"), find("deep"), find("reinforcement")

SIGMOID = """class Sigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, g):
        return g * self.y * (1 - self.y)


"""
AFFINE = """class Affine:
    def forward(self, x, w, b):
        self.x, self.w = x, w
        return x @ w + b

    def backward(self, g):
        return g @ self.w.T, self.x.T @ g, g.sum(0)


"""
LOSS = """class SoftmaxLoss:
    def forward(self, z, t):
        e = np.exp(z - z.max(1, keepdims=True))
        self.p, self.t = e / e.sum(1, keepdims=True), t
        return float(-np.log(self.p[np.arange(len(t)), t] + 1e-30).mean())

    def backward(self, g):
        d = self.p.copy()
        d[np.arange(len(d)), self.t] -= 1
        return g * d / len(d)


"""


def metrics(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_a_network_of_one_s_own_parts_learns_as_the_library_s_does(tmp_path, capsys):
    folder = Folder(tmp_path / "mine")
    folder.fill()
    file = folder.file(BACKPROP)
    text = file.read_text()
    for name, answer in (("Sigmoid", SIGMOID), ("Affine", AFFINE), ("SoftmaxLoss", LOSS)):
        text = re.sub(rf"class {name}:\n.*?(?=\n(class|def) )", lambda m, a=answer: a, text, flags=re.S)
    file.write_text(text)
    sgd = folder.file(LEARNING)
    whole = sgd.read_text()
    at = whole.index("def sgd(")
    sgd.write_text(whole[:at] + whole[at:].replace("raise NotImplementedError", "return p - lr * g", 1))

    with pytest.raises(ArgumentError, match="no passed part"), mine(folder, print):
        pass
    for chapter, names in ((BACKPROP, ["Sigmoid", "Affine", "SoftmaxLoss", "ReLU"]), (LEARNING, ["sgd"])):
        for found in findings(folder, chapter, names):
            assert found["status"] == ("stub" if found["name"] == "ReLU" else "passed"), found
            folder.record(chapter, found["name"], found["status"] == "passed")

    said = []
    options = {"limit": 400, "epochs": 2}
    with mine(folder, said.append) as record:
        assert set(record["parts"]) == {"SGD", "sigmoid", "linear", "cross_entropy"}
        assert run.start("mnist-mlp", options, tmp_path / "a", Console()) == 0
        assert cutaway.nn.functional.linear.__name__ == "Affine"
    assert "linear is yours, ch04_backprop.py: Affine" in said and len(said) == 4  # and each was of use
    assert "not compiled" in capsys.readouterr().out  # NumPy cannot be
    assert run.start("mnist-mlp", options, tmp_path / "b", Console()) == 0
    for a, b in zip(metrics(tmp_path / "a"), metrics(tmp_path / "b")):
        assert a["test_loss"] == pytest.approx(b["test_loss"], rel=1e-5) and a["step"] == b["step"]

    sgd.write_text(sgd.read_text().replace("p - lr * g", "p - 2 * lr * g"))  # changed, and not checked again
    said.clear()
    with mine(folder, said.append) as record:
        assert "SGD" not in record["parts"]
    assert any("sgd: changed since it passed" in line for line in said)
    assert sum("had no use for it" in line for line in said) == 3


def answered(folder, chapter, answers):
    """Write answers (name -> body of the function) into a learner's file, and let them be judged."""
    folder.fill()
    file = folder.file(chapter)
    text = file.read_text()
    for name, body in answers.items():
        at = text.index(f"def {name}(") if f"def {name}(" in text else text.index(f"class {name}:")
        text = text[:at] + text[at:].replace("raise NotImplementedError", body, 1)
    file.write_text(text)
    for found in findings(folder, chapter, list(answers)):
        assert found["status"] == "passed", found
        folder.record(chapter, found["name"], True)


SGD = optim.SGD


def test_a_resumed_run_keeps_to_the_parts_that_it_was_begun_with(tmp_path):
    folder, said = Folder(tmp_path / "mine"), []
    answered(folder, LEARNING, {"sgd": "return p - lr * g"})
    with mine(folder, said.append) as known:
        assert known["parts"] == {"SGD": {"chapter": LEARNING.folder, "answers": {"sgd": digest(folder.text(LEARNING), "sgd")}}}
    with again(json.loads(json.dumps(known)), said.append):
        assert optim.SGD.__name__ == "SGD" and optim.SGD is not SGD
    assert said.count("SGD is yours, ch03_learning.py: sgd") == 2
    file = folder.file(LEARNING)
    file.write_text(file.read_text() + "\n# a word of comment, and another function\nnote = 1\n")
    with again(known, said.append):
        pass
    text = file.read_text()
    file.write_text(text.replace("return p - lr * g", "return p - 2 * lr * g"))
    with pytest.raises(ArgumentError, match=r"your sgd, which is its SGD, has changed since.*--mine.*--no-mine"), again(known, print):
        pass
    file.unlink()
    with pytest.raises(ArgumentError, match=r"your sgd, which is its SGD, is gone \(it was in .*ch03_learning.py"), again(known, print):
        pass
    with pytest.raises(cutaway.FileFormatError, match="damaged"), again({"folder": ".", "parts": {"SGD": {}}}, print):
        pass


def test_the_command_line_of_a_resumed_run(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from cutaway.cli import app

    monkeypatch.chdir(tmp_path)
    folder = Folder(".")
    answered(folder, LEARNING, {"sgd": "return p - lr * g"})
    command = lambda *words: CliRunner().invoke(app, ["train", *words])
    done = command("gates", "--mine", "--epochs", "30", "--optimizer", "sgd", "--out", "run")
    assert done.exit_code == 0 and "SGD is yours, ch03_learning.py: sgd" in done.output
    assert "SGD is yours" in command("--resume", "run").output
    file = folder.file(LEARNING)
    file.write_text(file.read_text().replace("return p - lr * g", "return p - lr * g * 2"))
    refused = command("--resume", "run")
    assert isinstance(refused.exception, ArgumentError) and "has changed since" in str(refused.exception)
    refused = command("--resume", "run", "--mine")
    assert isinstance(refused.exception, ArgumentError) and "no passed part" in str(refused.exception)
    done = command("--resume", "run", "--no-mine")
    assert done.exit_code == 0 and "yours" not in done.output and RunFolder.begun(tmp_path / "run") == ("gates", None)


def test_the_learner_s_shift_moves_the_images():
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 6, 6)).astype(np.uint8)
    examples = ImageData(images, np.zeros(12, np.int64), ("0",))
    settings = recipes.find("mnist-mlp").config(batch_size=8, shift=2)
    theirs, _ = Batches(examples, settings)[0]
    (plug,) = DEEP.plugs
    with cutaway.use(**plug.make(DEEP.exercises["shift"].reference)) as used:
        mine, _ = Batches(examples, settings)[0]
        assert used.calls["shifted"] == 1 and mine.dtype == theirs.dtype and mine.numpy().tolist() == theirs.numpy().tolist()
        assert resident(examples, 2) is None and resident(examples) is not None  # a compiled step would move them itself
    assert resident(examples, 2) is not None


def test_a_tape_of_one_s_own_is_for_the_gates_and_functions_of_arrays_stand_aside(tmp_path):
    folder, said = Folder(tmp_path), []
    answered(folder, LEARNING, {"sgd": "return p - lr * g"})
    casing, value = find("casing"), "class Value:\n    pass\n"
    file = folder.file(casing)
    file.write_text(file.read_text() + "\n\nfrom cutaway.course.ch11_casing.check import VALUE\nValue = VALUE.reference\n")
    file.write_text(file.read_text().replace("from cutaway.course", value + "\n\nfrom cutaway.course"))
    folder.record(casing, "Value", True)
    at = folder.file(BACKPROP)
    at.write_text(re.sub(r"class Sigmoid:\n.*?(?=\n(class|def) )", lambda m: SIGMOID, at.read_text(), flags=re.S))
    folder.record(BACKPROP, "Sigmoid", True)
    with mine(folder, said.append, "mnist-mlp") as record:
        assert set(record["parts"]) == {"SGD", "sigmoid"}
    assert "ch11_casing.py: Value: for gates only, as it is slow" in said
    with mine(folder, said.append, "gates") as record:
        assert set(record["parts"]) == {"SGD", "autograd"}
        x = cutaway.tensor(2.0, requires_grad=True)
        (x * x + x).backward()
        assert x.grad.item() == 5.0
    assert any("sigmoid stands aside for your autograd" in line for line in said)
    assert said[-1] == "SGD: this run had no use for it"  # and the tape had work


# --- agents -----------------------------------------------------------------------------------------------------------

FEW = "--env {} --steps 400 --hidden 8 --no-compile".format
PLAYED = {
    "q_targets": ("dqn", FEW("cliff") + " --learning-starts 20 --batch-size 8 --n-step 3 --double"),
    "Memory": ("dqn", FEW("cliff") + " --learning-starts 20 --batch-size 8 --capacity 30"),
    "q_step": ("q-learning", "--steps 400"),
    "returns_to_go": ("reinforce", FEW("grid-5x5") + " --episodes 1"),
    "policy_loss": ("reinforce", FEW("grid-5x5") + " --episodes 1"),
}


def played(what, compiled=False):
    """An agent after some updates."""
    name, words = PLAYED[what]
    program = roster.find(name)
    agent = program.agent(program.config.of(**read(program.config, words.split())))
    said = []
    agent.say = said.append
    with nullcontext() if compiled else numpy_only():
        while len(agent.losses) < 8:
            agent.advance()
    return agent, said


@pytest.mark.parametrize("what", PLAYED)
def test_an_agent_of_the_answers_learns_as_the_library_s(what):
    (plug,) = [p for p in AGENTS.plugs if p.parts == (what,)]
    theirs, _ = played(what)
    with cutaway.use(**plug.make(*(AGENTS.exercises[n].reference for n in plug.names))) as used:
        mine, _ = played(what)
    assert used.calls[what] > 0 and len(set(mine.losses)) > 1
    np.testing.assert_allclose(mine.losses, theirs.losses, rtol=1e-4)
    for a, b in zip(mine.model.state_dict().values(), theirs.model.state_dict().values()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_a_part_in_numpy_makes_an_agent_go_operation_by_operation(monkeypatch):
    monkeypatch.setitem(PLAYED, "q_targets", (PLAYED["q_targets"][0], PLAYED["q_targets"][1].replace(" --no-compile", "")))
    (plug,) = [p for p in AGENTS.plugs if p.parts == ("q_targets",)]
    with cutaway.use(**plug.make(AGENTS.exercises["td_targets"].reference)):
        mine, said = played("q_targets", compiled=True)
    assert len(said) == 1 and said[0].startswith("not compiled, operation by operation instead: td_targets")
    theirs, _ = played("q_targets", compiled=True)
    np.testing.assert_allclose(mine.losses, theirs.losses, rtol=1e-4)


def test_a_choice_of_one_s_own():
    (plug,) = [p for p in AGENTS.plugs if p.parts == ("epsilon_greedy",)]
    choose = plug.make(AGENTS.exercises["epsilon_greedy"].reference)["epsilon_greedy"]
    rng, q = np.random.default_rng(0), np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]], np.float32)
    assert choose(lambda: q, (2, 3), 0.0, rng).tolist() == [2, 0]
    seen = np.array([choose(lambda: q, (2, 3), 1.0, rng) for _ in range(600)])
    assert np.abs(np.stack([(seen == a).mean(0) for a in range(3)]) - 1 / 3).max() < 0.08


def test_a_memory_of_one_s_own_stands_after_a_resume_as_it_stood(tmp_path):
    from cutaway.rl.replay import Memory
    from cutaway.rl.spaces import Spaces

    (plug,) = [p for p in AGENTS.plugs if p.parts == ("Memory",)]
    made = plug.make(AGENTS.exercises["Replay"].reference)["Memory"]
    memory, again_ = made(5, Spaces(2, 3), 0.9), made(5, Spaces(2, 3), 0.9)
    assert isinstance(memory, Memory)
    for i in range(13):
        memory._write(np.full(2, i), i % 3, float(i), np.full(2, i), 0.9)
    again_.load_state(memory.state())
    drawn = [m.sample(50, np.random.default_rng(1)) for m in (memory, again_)]
    assert drawn[0].tolist() == drawn[1].tolist()
    assert set(memory.reward.numpy()[drawn[0]]) == {8.0, 9.0, 10.0, 11.0, 12.0} == set(again_.reward.numpy()[drawn[1]])
