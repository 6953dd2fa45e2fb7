"""`cutaway train` compiled: the batches, the curve and the checkpoints are those of the eager run; what cannot be is said."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import cutaway
from cutaway.data import ImageData, TensorDataset
from cutaway.train import recipe
from cutaway.train.batches import Batches
from cutaway.train.resident import resident
from cutaway.train.settings import Settings
from cutaway.train.trainer import Trainer

OPTIONS = {
    "limit": 230, "batch_size": 50, "epochs": 2, "dropout": 0.3, "shift": 2, "optimizer": "adam", "lr": 0.01, "init": "xavier",
}  # fmt: skip


def a_trainer(compile, name="mnist-mlp", options=OPTIONS):
    r = recipe.find(name)
    s = r.config(compile=compile, **options)
    t = Trainer(r, r.data(s), s)
    t.heard = []
    t.say = t.heard.append
    return t


def run(t, steps):
    for _ in range(steps):
        t.train_step()
    return t


def assert_close(a, b):
    """The same run but for rounding."""
    np.testing.assert_allclose(a.losses, b.losses, rtol=2e-5)
    for (name, p), (_, q) in zip(a.model.named_parameters(), b.model.named_parameters(), strict=True):
        np.testing.assert_allclose(p._data, q._data, atol=2e-4, err_msg=name)


def test_the_default_is_compiled():
    assert all(recipe.find(name).config().compile for name in recipe.names())


def test_the_curve_is_the_eager_one():
    compiled, eager = (run(a_trainer(c), 10) for c in (True, False))  # shifts, dropout, two partial batches
    assert (compiled.heard, eager.heard) == ([], [])
    assert compiled.compiled and type(compiled._update).__name__ == "Compiled"
    assert compiled.finished
    assert_close(compiled, eager)
    ours, theirs = compiled.evaluate(), eager.evaluate()
    assert ours["test_accuracy"] == pytest.approx(theirs["test_accuracy"], abs=3e-4)
    assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
    assert len(compiled.test_score.probabilities) == 10_000


def images(n=23, c=3, **kind):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (n, c, 6, 5), dtype=np.uint8), rng.integers(0, 4, n)
    return ImageData(pixels, labels, "abcd", **kind)


@pytest.mark.parametrize("shift", [0, 2, 7])
@pytest.mark.parametrize("kind", [{}, {"mean": [0.2, 0.3, 0.4], "std": [0.5, 0.6, 0.7]}])
def test_a_program_picks_the_batches_of_the_eager_run(kind, shift):
    data = images(**kind)
    batches = Batches(data, Settings(batch_size=10, shift=shift))
    pick = resident(data, shift)
    program = cutaway.compile(pick)
    for step in range(7):  # beyond an epoch, its last batch of three included
        x, y = batches[step]
        for found in (pick(*batches.places(step)), program(*batches.places(step))):
            np.testing.assert_allclose(found[0].numpy(), x.numpy(), rtol=1e-6, atol=1e-7)
            np.testing.assert_array_equal(found[1].numpy(), y.numpy())
            assert found[0].dtype == cutaway.float32 and found[1].dtype == cutaway.int64
    assert x.shape == (10, 3, 6, 5)


def test_tables_are_picked_from_too():
    table = TensorDataset(cutaway.randn(9, 4), cutaway.arange(9))
    x, y = resident(table)(cutaway.tensor([3, 1]))
    assert y.tolist() == [3, 1]
    np.testing.assert_array_equal(x.numpy(), table.tensors[0].numpy()[[3, 1]])
    assert resident(table, shift=1) is None, "there is nothing to move in rows of numbers"


class Strange:
    """Examples that know only themselves how they are fetched."""

    def __init__(self, inner):
        self.inner, self.asked = inner, 0

    def __len__(self):
        return len(self.inner)

    def gather(self, indices):
        self.asked += 1
        return self.inner.gather(indices)


def test_examples_of_another_kind_are_fetched_in_python_and_the_rest_is_compiled():
    r = recipe.find("mnist-mlp")
    s = r.config(**OPTIONS)
    task = r.data(s)
    strange = Strange(task.train)
    t = run(Trainer(r, task.__class__(strange, task.test, task.classes, task.shape), s), 5)
    assert t.compiled and strange.asked == 5
    assert_close(t, run(a_trainer(False), 5))


RECIPE = '''
"""A network that looks at its values."""
from dataclasses import dataclass
from cutaway import nn
from cutaway.train.settings import Settings

@dataclass(frozen=True)
class Config(Settings):
    """Defaults."""
    optimizer: str = "adam"

class Net(nn.Sequential):
    """Python decides on a value."""
    def forward(self, x):
        y = super().forward(x)
        return y if {condition} else y * 2

def model(shape, classes, config):
    """Logits."""
    return Net(nn.Flatten(), nn.Linear(784, classes))
'''


@pytest.mark.parametrize("condition", ["y.sum().item() > 0", "not self.training or y.sum().item() > 0"])
def test_a_network_that_cannot_be_compiled_trains_eagerly_and_that_is_said_once(tmp_path, condition):
    file = tmp_path / "looks.py"
    file.write_text(RECIPE.replace("{condition}", condition))
    options = {"limit": 100, "batch_size": 50, "epochs": 2}
    t, eager = a_trainer(True, str(file), options), a_trainer(False, str(file), options)
    for trainer in (t, eager):
        trainer.evaluate()
        run(trainer, 3)
        trainer.evaluate()
    assert t.losses == eager.losses
    (text,) = t.heard
    assert text.startswith("not compiled, operation by operation instead: ")
    assert "looks.py" in text and "\n" not in text
    assert eager.heard == []


def test_without_llvmlite_training_goes_on_eagerly(tmp_path):
    text = "import sys; sys.modules['llvmlite'] = None; from cutaway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", text, "train", "gates", "--epochs", "2", "--out", str(tmp_path / "run")],
        capture_output=True, text=True, encoding="utf-8", timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "not compiled" in line]
    assert len(said) == 1 and "llvmlite" in said[0]
    assert "test accuracy" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["adam", "momentum", "sgd"])
@pytest.mark.parametrize("first", [True, False])
def test_checkpoints_pass_between_the_two(name, first):
    options = OPTIONS | {"optimizer": name}
    begun = run(a_trainer(first, options=options), 4)
    weights = {k: v.detach().clone() for k, v in begun.model.state_dict().items()}
    state = begun.state()
    gone_on = a_trainer(not first, options=options)
    gone_on.model.load_state_dict(weights)
    gone_on.load_state(state)
    run(gone_on, 6)
    assert gone_on.compiled is not first
    assert_close(gone_on, run(a_trainer(first, options=options), 10))


def test_a_run_begun_compiled_is_resumed_eagerly(tmp_path):
    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "cutaway", "train", *map(str, arguments)],
            capture_output=True, text=True, encoding="utf-8", timeout=120,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip

    folder = tmp_path / "run"
    assert command("gates", "--epochs", 60, "--out", folder).returncode == 0
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["compile"] is True
    config["settings"]["epochs"] = 90
    (folder / "config.json").write_text(json.dumps(config))
    done = command("--resume", folder, "--eager")
    assert done.returncode == 0, done.stderr
    whole = tmp_path / "whole"
    assert command("gates", "--epochs", 90, "--out", whole, "--eager").returncode == 0
    lines = [[json.loads(line) for line in (f / "metrics.jsonl").read_text().splitlines()] for f in (folder, whole)]
    assert [m["step"] for m in lines[0]] == [m["step"] for m in lines[1]] == [0, 30, 60, 90]
    np.testing.assert_allclose([m["test_loss"] for m in lines[0]], [m["test_loss"] for m in lines[1]], rtol=1e-4)
    assert command("--resume", folder, "--eager", "--lr", "1").returncode == 2
