"""`cutaway train --mine`: the learner's passed answers run in the network, and only those."""

import json
import re

import pytest

import cutaway
from cutaway.core.errors import ArgumentError
from cutaway.course.chapters import find
from cutaway.course.folder import Folder
from cutaway.course.mine import mine
from cutaway.course.process import findings
from cutaway.train import run

LEARNING, BACKPROP = find("learning"), find("backprop")

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
    from rich.console import Console

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
    with mine(folder, said.append) as names:
        assert set(names) == {"SGD", "sigmoid", "linear", "cross_entropy"}
        assert run.start("mnist-mlp", options, tmp_path / "a", Console()) == 0
        assert cutaway.nn.functional.linear.__name__ == "Affine"
    assert "linear is yours, ch04_backprop.py: Affine" in said and len(said) == 4  # and each was of use
    assert "not compiled" in capsys.readouterr().out  # NumPy cannot be
    assert run.start("mnist-mlp", options, tmp_path / "b", Console()) == 0
    for a, b in zip(metrics(tmp_path / "a"), metrics(tmp_path / "b")):
        assert a["test_loss"] == pytest.approx(b["test_loss"], rel=1e-5) and a["step"] == b["step"]

    sgd.write_text(sgd.read_text().replace("p - lr * g", "p - 2 * lr * g"))  # changed, and not checked again
    said.clear()
    with mine(folder, said.append) as names:
        assert "SGD" not in names
    assert any("sgd: changed since it passed" in line for line in said)
    assert sum("had no use for it" in line for line in said) == 3
