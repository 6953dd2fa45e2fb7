"""torch.jit.save and load: a Module as data, made again in the same program."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import pytest

import cutaway
from cutaway import jit, nn


class Gated(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc, self.norm = nn.Linear(4, width), nn.BatchNorm1d(width)
        self.act, self.width, self.options = cutaway.relu, width, {"scale": [1.0, 2.0]}

    def forward(self, x):
        y = self.act(self.norm(self.fc(x)))
        return y * self.options["scale"][1] if y.sum() > 0 else y - 1


def test_a_module_comes_back_with_its_values_and_its_branches(tmp_path):
    model = Gated(3)
    model(cutaway.randn(8, 4))
    traced = jit.trace(model.eval(), cutaway.ones(2, 4))
    traced.save(tmp_path / "m.pt")
    loaded = jit.load(str(tmp_path / "m.pt"), map_location="cpu")
    assert loaded is not model and not loaded.training and list(loaded.state_dict()) == list(model.state_dict())
    for x in (cutaway.randn(5, 4), cutaway.full((1, 4), -100.0)):
        assert cutaway.equal(loaded(x), model(x))
    loaded.save(tmp_path / "again.pt")
    assert cutaway.equal(jit.load(tmp_path / "again.pt")(x), model(x))


def test_extra_files_and_open_files():
    f = io.BytesIO()
    jit.save(jit.script(nn.Sequential(nn.Linear(2, 2), nn.Tanh())), f, _extra_files={"labels": "a b", "raw": b"\x00"})
    f.seek(0)
    extra = {"labels": "", "raw": "", "other": ""}
    assert str(jit.load(f, _extra_files=extra))[:10] == "Sequential"
    assert extra == {"labels": b"a b", "raw": b"\x00", "other": ""}


def test_what_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="expected a Module, got function"):
        jit.save(jit.script(lambda x: x), io.BytesIO())
    with pytest.raises(ValueError, match="does not exist"):
        jit.load(tmp_path / "none.pt")
    cutaway.save({"a": 1}, tmp_path / "state.pt")
    with pytest.raises(RuntimeError, match=r"not written by jit\.save"):
        jit.load(tmp_path / "state.pt")


def test_a_program_without_the_class_is_told_so(tmp_path):
    jit.save(Gated(2), tmp_path / "m.pt")
    program = f"from cutaway import jit\njit.load({str(tmp_path / 'm.pt')!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "UnsafeFileError" in done.stderr and "import the module that defines them" in done.stderr


def test_pytorchs_own_file_holds_code(tmp_path):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated there
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), str(tmp_path / "m.pt"))
    with pytest.raises(RuntimeError, match="holds code"):
        jit.load(tmp_path / "m.pt")
