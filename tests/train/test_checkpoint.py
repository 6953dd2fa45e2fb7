"""The pair of checkpoint files: complete after any crash, refused by name when damaged."""

import os

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import FileFormatError
from cutaway.train import checkpoint
from cutaway.train.tree import flatten, unflatten


def state(step):
    return {
        "step": step,
        "losses": np.arange(step, dtype=np.float64),
        "optimizer": {
            "state": {"0.weight": {"step": cutaway.tensor(float(step)), "exp_avg": cutaway.full((2, 3), float(step))}},
            "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0]}],
        },
        "random": np.full(7, step, np.uint8),
    }


def weights(step):
    return {"0.weight": cutaway.full((2, 3), float(step)), "0.bias": cutaway.full((2,), -float(step))}


def save(folder, step):
    checkpoint.save(folder, weights(step), state(step))


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 5)
    model, trainer = checkpoint.load(tmp_path)
    np.testing.assert_array_equal(model["0.weight"], np.full((2, 3), 5, np.float32))
    assert trainer["step"] == 5
    held = trainer["optimizer"]["state"]["0.weight"]
    assert held["step"].shape == () and held["step"].item() == 5.0
    np.testing.assert_array_equal(held["exp_avg"].numpy(), np.full((2, 3), 5, np.float32))
    assert trainer["optimizer"]["param_groups"] == [{"lr": 0.1, "betas": [0.9, 0.999], "params": [0]}]
    np.testing.assert_array_equal(trainer["losses"], np.arange(5.0))
    assert sorted(os.listdir(tmp_path)) == ["model.safetensors", "trainer.safetensors"]


def test_numbers_survive_to_the_last_bit():
    tree = {"a": 0.1 + 0.2, "b": [1e-320, -0.0, 1 / 3], "c": {"d": np.float32(0.1), "e": None, "f": True}}
    arrays, plain = flatten(tree)
    assert arrays == {}
    back = unflatten({}, checkpoint.json.loads(checkpoint.json.dumps(plain)))
    assert back["a"].hex() == tree["a"].hex()
    assert [x.hex() for x in back["b"]] == [x.hex() for x in tree["b"]]
    assert np.float32(back["c"]["d"]) == np.float32(0.1)


class Killed(BaseException):
    """Stands for kill -9 at this very call."""


@pytest.mark.parametrize("when", range(8))
def test_a_crash_at_any_file_operation_leaves_a_pair(tmp_path, monkeypatch, when):
    save(tmp_path, 1)
    calls = 0

    def or_die(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls > when:
                raise Killed
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "replace", or_die(os.replace))
        patch.setattr(checkpoint.os, "fsync", or_die(os.fsync))
        try:
            save(tmp_path, 2)
        except Killed:
            pass
        else:
            assert when >= calls
    model, trainer = checkpoint.load(tmp_path)
    # fsync and rename of the model, then of the trainer: from the fourth call on the new pair is whole.
    assert trainer["step"] == (2 if when >= 4 else 1)
    assert model["0.weight"][0, 0] == trainer["step"]
    save(tmp_path, 3)
    assert checkpoint.load(tmp_path)[1]["step"] == 3


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.safetensors"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b[:-1] + bytes([b[-1] ^ 1]),
        lambda b: b"not a checkpoint at all, but some text",
        lambda b: b"\xff" * len(b),
    ],
    ids=["truncated", "empty", "one bit", "text", "noise"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, name, damage):
    save(tmp_path, 2)
    file = tmp_path / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(FileFormatError, match=name):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.safetensors"])
def test_a_missing_half_is_named(tmp_path, name):
    save(tmp_path, 2)
    (tmp_path / name).unlink()
    assert checkpoint.exists(tmp_path)
    with pytest.raises(FileFormatError, match=f"{name} is missing"):
        checkpoint.load(tmp_path)


def test_halves_of_two_checkpoints_are_refused(tmp_path):
    save(tmp_path, 2)
    old = (tmp_path / "model.safetensors").read_bytes()
    save(tmp_path, 3)
    (tmp_path / "model.safetensors").write_bytes(old)
    with pytest.raises(FileFormatError, match=r"step 2.*step 3"):
        checkpoint.load(tmp_path)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save(tmp_path, 2)
    save_file({"0.weight": np.zeros((2, 3), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(FileFormatError, match="not one of `cutaway train`"):
        checkpoint.load(tmp_path)


def test_another_networks_weights_are_refused(tmp_path):
    save(tmp_path, 2)
    held, _ = checkpoint.load(tmp_path)
    model = nn.Sequential(nn.Linear(3, 2))
    checkpoint.fit(model, held, tmp_path)
    assert model[0].bias.tolist() == [-2.0, -2.0]
    with pytest.raises(FileFormatError, match=r"model\.safetensors: holds another model"):
        checkpoint.fit(nn.Sequential(nn.Linear(3, 4)), held, tmp_path)


def test_no_checkpoint_yet(tmp_path):
    assert not checkpoint.exists(tmp_path)
