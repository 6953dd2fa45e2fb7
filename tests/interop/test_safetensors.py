"""safetensors files, ours and others'."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError, DTypeError, FileFormatError
from cutaway.interop import safetensors

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


def test_all_dtypes_and_shapes_go_both_ways(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    theirs = {d: torch.tensor([[0, 1, 2], [3, 0, 5]]).to(getattr(torch, d)) for d in DTYPES}
    theirs |= {"scalar": torch.tensor(2.5), "none": torch.zeros(0, 3)}
    save_file(theirs, tmp_path / "a.safetensors")
    for ours in (safetensors.load_file(tmp_path / "a.safetensors"), cutaway.load(tmp_path / "a.safetensors")):
        assert sorted(ours) == sorted(theirs)
        for name, t in ours.items():
            assert str(t.dtype)[8:] == str(theirs[name].dtype)[6:] and t.tolist() == theirs[name].tolist()
        ours["float32"].add_(1)  # memory of its own
    ours = safetensors.load_file(tmp_path / "a.safetensors")
    cutaway.save(ours, tmp_path / "b.safetensors")
    back = load_file(tmp_path / "b.safetensors")
    assert all(torch.equal(back[name], t) for name, t in theirs.items()) and sorted(back) == sorted(theirs)
    assert sorted(os.listdir(tmp_path)) == ["a.safetensors", "b.safetensors"]


def test_views_and_metadata(tmp_path):
    from safetensors import safe_open

    x = cutaway.arange(6.0).reshape(2, 3)
    safetensors.save_file({"t": x.t()}, tmp_path / "a.safetensors", metadata={"step": "3"})
    assert safetensors.load_file(tmp_path / "a.safetensors")["t"].tolist() == x.t().tolist()
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as f:
        assert f.metadata() == {"step": "3"}


def test_what_the_format_cannot_say_is_refused(tmp_path):
    x = cutaway.ones(4)
    with pytest.raises(ArgumentError, match="same memory"):
        safetensors.save({"a": x, "b": x[1:]})
    assert safetensors.load(safetensors.save({"a": x[:2], "b": x[2:]}))["b"].tolist() == [1, 1]
    for bad in ({"a": 3}, {1: x}, [x]):
        with pytest.raises(ArgumentTypeError):
            cutaway.save(bad, tmp_path / "a.safetensors")
    with pytest.raises(ArgumentTypeError, match="texts"):
        safetensors.save({"a": x}, {"step": 3})
    assert os.listdir(tmp_path) == []


def test_numbers_that_do_not_exist_here_are_named():
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    with pytest.raises(DTypeError, match=r"F8_E4M3.*x\.float\(\)"):
        cutaway.load(io.BytesIO(save({"w": torch.ones(2).to(torch.float8_e4m3fn)})))


def test_damage_is_refused():
    data = safetensors.save({"a": cutaway.ones(3), "b": cutaway.zeros(2, 2)})
    whole = repr(safetensors.load(data))
    for end in range(len(data)):
        with pytest.raises(FileFormatError):
            safetensors.load(data[:end])
    header = int.from_bytes(data[:8], "little")
    for place in range(8 + header):
        damaged = bytearray(data)
        damaged[place] ^= 1
        try:
            loaded = safetensors.load(bytes(damaged))
        except CutawayError:
            continue
        assert all(np.isin(t.numpy(), (0, 1)).all() for t in loaded.values()) or repr(loaded) != whole
