"""`cutaway.save` and `cutaway.load`: what goes in comes out, here and in PyTorch."""

from __future__ import annotations

import argparse
import enum
import functools
import io
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceError,
    DTypeError,
    FileFormatError,
    UnsafeFileError,
)  # fmt: skip

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


def saved(value):
    f = io.BytesIO()
    cutaway.save(value, f)
    f.seek(0)
    return f


def again(value):
    return cutaway.load(saved(value))


def same(a, b):
    """Equal in type and content, tensors and containers alike."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (cutaway.Tensor, np.ndarray)):
        return (
            a.dtype == b.dtype and a.shape == b.shape and np.array_equal(np.asarray(a.data), np.asarray(b.data))
            and getattr(a, "requires_grad", 0) == getattr(b, "requires_grad", 0)
        )  # fmt: skip
    if isinstance(a, dict):
        return [*a] == [*b] and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


PLAIN = {
    "numbers": [
        0,
        1,
        255,
        256,
        65535,
        65536,
        -1,
        2**31 - 1,
        -(2**31),
        2**63,
        -(2**80),
        1.5,
        -0.0,
        float("inf"),
        2 + 3j,
    ],
    "text": ["", "a", "ü€😀", "x" * 70000, "a\nb\0"],
    "constants": (None, True, False, ...)[:3],
    "bytes": [b"", b"ab\xff\0", bytearray(b"\x80x")],
    "sets": [set(), {1, 2}, frozenset("ab")],
    "dicts": {1: "a", (2, "b"): [3], None: {}, False: 0, 2.5: 1, b"k": 2},
    "ordered": OrderedDict(b=1, a=2),
    "counter": Counter("abca"),
    "empty": [(), [], {}, OrderedDict()],
    "size": cutaway.Size([2, 3]),
    "device": cutaway.device("cpu"),
    "long": [*range(2500)],
    "many keys": {i: str(i) for i in range(2500)},
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_come_back(name):
    assert same(again(PLAIN[name]), PLAIN[name])


@pytest.mark.parametrize("name", [n for n in PLAIN if n != "sets"])
def test_plain_values_load_in_pytorch(name):
    torch = pytest.importorskip("torch")
    loaded = torch.load(saved(PLAIN[name]), weights_only=True)
    assert str(loaded).replace("torch.", "cutaway.") == str(PLAIN[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_both_ways(dtype):
    torch = pytest.importorskip("torch")
    x = torch.tensor([[0, 1, 2], [3, 0, 5]]).to(getattr(torch, dtype))
    f = io.BytesIO()
    torch.save(x, f)
    f.seek(0)
    ours = cutaway.load(f)
    assert ours.dtype is getattr(cutaway, dtype) and ours.tolist() == x.tolist()
    assert torch.equal(torch.load(saved(ours), weights_only=True), x)


LAYOUTS = {
    "transposed": lambda t: t.t(),
    "column": lambda t: t[:, 1],
    "every second": lambda t: t[::2, 1::2],
    "expanded": lambda t: t[0, :1].expand(5),
    "0-d": lambda t: t[1, 2],
    "empty": lambda t: t[:0],
    "from the end": lambda t: t[2:],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_views_keep_values_strides_and_memory(name):
    torch = pytest.importorskip("torch")
    whole = torch.arange(12.0).reshape(3, 4)
    view = LAYOUTS[name](whole)
    f = io.BytesIO()
    torch.save([whole, view], f)
    f.seek(0)
    w, v = cutaway.load(f)
    assert v.tolist() == view.tolist() and (v.stride() == view.stride() or not view.numel())
    w.zero_()
    assert v.sum() == 0
    whole, view = cutaway.arange(12.0).reshape(3, 4), LAYOUTS[name](cutaway.arange(12.0).reshape(3, 4))
    alone = torch.load(saved(view), weights_only=True)
    assert alone.tolist() == view.tolist() and (alone.stride() == view.stride() or not view.numel())
    w, v = torch.load(saved([whole, LAYOUTS[name](whole)]), weights_only=True)
    w.zero_()
    assert v.sum() == 0


def test_tensors_on_the_same_memory_share_it_after_loading():
    x = cutaway.arange(10.0)
    a, b, c, twin = again([x[:6], x[4:], cutaway.ones(2), x[:6]])
    a.fill_(7)
    assert b.tolist() == [7, 7, 6, 7, 8, 9] and c.tolist() == [1, 1] and twin.tolist() == [7] * 6


def test_the_same_object_is_one_object_after_loading():
    shared, cycle = [1], []
    cycle.append(cycle)
    t = cutaway.ones(2)
    loaded = again({"a": shared, "b": shared, "cycle": cycle, "t": t, "u": t})
    assert loaded["a"] is loaded["b"] and loaded["cycle"][0] is loaded["cycle"] and loaded["t"] is loaded["u"]
    loop = ([],)
    loop[0].append(loop)
    back = again(loop)
    assert back[0][0] is back


def test_only_the_memory_that_is_shown_is_written():
    f = io.BytesIO()
    cutaway.save(cutaway.zeros(1000, 1000)[3:5], f)
    assert f.tell() < 12_000


def test_memory_of_two_dtypes_is_refused():
    a = np.zeros(4, np.float32)
    x, y = cutaway.from_numpy(a), cutaway.from_numpy(a.view(np.int32))
    with pytest.raises(ArgumentError, match="clone"):
        saved([x, y])


def test_reversed_memory_is_copied():
    x = cutaway.from_numpy(np.arange(5.0)[::-1])
    assert again(x).tolist() == [4, 3, 2, 1, 0]


def test_parameters_and_requires_grad():
    torch = pytest.importorskip("torch")
    p, x = nn.Parameter(cutaway.ones(2), requires_grad=False), cutaway.ones(3, requires_grad=True)
    q, y = again([p, x])
    assert type(q) is nn.Parameter and not q.requires_grad and y.requires_grad and y.is_leaf
    q, y = torch.load(saved([p, x * 2]), weights_only=True)
    assert type(q) is torch.nn.Parameter and not q.requires_grad and y.requires_grad and y.is_leaf
    f = io.BytesIO()
    torch.save(torch.nn.Parameter(torch.ones(2)), f)
    f.seek(0)
    q = cutaway.load(f)
    assert type(q) is nn.Parameter and q.requires_grad


def test_attributes_of_tensors_are_kept_and_the_machine_s_are_not():
    torch = pytest.importorskip("torch")
    x = torch.ones(2)
    x.note, x._data, x.shape_hint = "kept", "dropped", (1,)
    p = torch.nn.Parameter(torch.ones(2))
    p.role = "weight"
    f = io.BytesIO()
    torch.save([x, p], f)
    f.seek(0)
    y, q = cutaway.load(f)
    assert y.note == "kept" and y.tolist() == [1, 1] and q.role == "weight"
    y, q = torch.load(saved([y, q]), weights_only=True)
    assert y.note == "kept" and q.role == "weight"


def network(torch):
    torch.manual_seed(0)
    n = torch.nn
    return n.Sequential(n.Conv2d(1, 4, 3, bias=False), n.BatchNorm2d(4), n.ReLU(), n.Flatten(), n.Linear(4 * 36, 3))


@pytest.mark.parametrize("name", "SGD Adam AdamW RMSprop Adagrad Adadelta NAdam RAdam".split())
def test_training_goes_on_in_the_other_library(name, tmp_path):
    """Three steps there, three here: the same parameters as six there."""
    torch = pytest.importorskip("torch")
    images, labels = np.random.default_rng(0).random((8, 1, 8, 8), np.float32), np.arange(8) % 3

    def train(t, model, optimizer, steps):
        x, y = t.tensor(images), t.tensor(labels)
        for _ in range(steps):
            optimizer.zero_grad()
            t.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    def start(t):
        model = network(t)
        extra = {"momentum": 0.9} if name == "SGD" else {}
        return model, getattr(t.optim, name)(model.parameters(), lr=0.01, **extra)

    theirs, optimizer = start(torch)
    train(torch, theirs, optimizer, 3)
    torch.save({"model": theirs.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "a.pt")
    ours, own = start(cutaway)
    checkpoint = cutaway.load(tmp_path / "a.pt")
    ours.load_state_dict(checkpoint["model"])
    own.load_state_dict(checkpoint["optimizer"])
    train(cutaway, ours, own, 3)
    train(torch, theirs, optimizer, 3)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=2e-4, atol=2e-5)
    cutaway.save({"model": ours.state_dict(), "optimizer": own.state_dict()}, tmp_path / "b.pt")
    fresh, optimizer = start(torch)
    checkpoint = torch.load(tmp_path / "b.pt", weights_only=True)
    fresh.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    for key, value in ours.state_dict().items():
        assert fresh.state_dict()[key].tolist() == value.tolist()
    for n, memory in own.state_dict()["state"].items():
        for key, value in memory.items():
            assert optimizer.state_dict()["state"][n][key].tolist() == value.tolist()
    train(torch, fresh, optimizer, 1)


def test_a_state_dict_keeps_its_metadata():
    state = again(network(cutaway).state_dict())
    assert state._metadata["1"] == {"version": 2} and [*state] == [*network(cutaway).state_dict()]


def test_schedules_come_back():
    optimizer = optim.SGD([nn.Parameter(cutaway.ones(1))], lr=1.0)
    schedule = optim.lr_scheduler.MultiStepLR(optimizer, [2, 5])
    assert same(again(schedule.state_dict()), schedule.state_dict())


def test_numpy_arrays_numbers_paths_and_namespaces():
    value = {
        "a": np.arange(6.0).reshape(2, 3).T, "b": np.float64(2.5), "c": np.arange(3, dtype=">i4"), "d": np.array(["x"])[:0].size,
        "path": pathlib.Path("runs/a"), "args": argparse.Namespace(lr=0.1, layers=[1, 2]), "lists": defaultdict(list, a=[1]),
    }  # fmt: skip
    back = again(value)
    assert back["args"] == value["args"] and back["path"] == value["path"] and back["lists"] == value["lists"]
    assert back["lists"].default_factory is list
    assert back["a"].tolist() == value["a"].tolist() and type(back["b"]) is np.float64 and back["b"] == 2.5
    assert back["c"].tolist() == [0, 1, 2]
    # as NumPy and Python pickle them themselves
    torch = pytest.importorskip("torch")
    f = io.BytesIO()
    torch.save(value, f)
    f.seek(0)
    back = cutaway.load(f, weights_only=False)
    assert back["a"].tolist() == value["a"].tolist() and back["args"].layers == [1, 2] and back["b"] == 2.5
    assert torch.load(saved(value), weights_only=False)["a"].tolist() == value["a"].tolist()
    with pytest.raises(ArgumentTypeError, match="save numbers"):
        saved(np.array([object()]))


class Mood(enum.Enum):
    GOOD = "good"


class Settings:
    """Counts how often it was initialised."""

    made = 0

    def __init__(self, width):
        Settings.made += 1
        self.width = width


def test_classes_that_the_user_vouches_for():
    with pytest.raises(UnsafeFileError, match="add_safe_globals"):
        cutaway.load(saved(Settings(3)))
    with cutaway.serialization.safe_globals([Settings, Mood]):
        f = saved([Settings(3), Mood.GOOD])
        count = Settings.made
        settings, mood = cutaway.load(f)
        assert settings.width == 3 and Settings.made == count and mood is Mood.GOOD
        assert cutaway.serialization.get_safe_globals() == [Settings, Mood]
    f.seek(0)
    with pytest.raises(UnsafeFileError, match="Settings"):
        cutaway.load(f)
    assert cutaway.serialization.get_safe_globals() == []
    cutaway.serialization.add_safe_globals([np.dtype, np.ndarray])  # known anyway
    with pytest.raises(ArgumentTypeError, match="classes and functions, got int"):
        cutaway.serialization.add_safe_globals([3])
    with pytest.raises(ArgumentTypeError, match="Python's own"):
        cutaway.serialization.add_safe_globals([eval])
    with pytest.raises(ArgumentTypeError, match="list of classes"):
        cutaway.serialization.add_safe_globals(Settings)


class Calls:
    def __reduce__(self):
        return os.system, ("false",)


def test_functions_that_the_user_vouches_for_are_held_and_not_called():
    torch = pytest.importorskip("torch")
    settings = Settings(torch.nn.functional.relu)
    settings.kinds = [Settings, float, torch.nn.LayerNorm]
    f, calls = io.BytesIO(), io.BytesIO()
    torch.save([settings, torch.nn.functional.relu], f)
    torch.save(Calls(), calls)
    with cutaway.serialization.safe_globals([Settings, nn.LayerNorm, nn.functional.relu, os.system]):
        back, relu = cutaway.load(io.BytesIO(f.getvalue()))
        assert back.width is relu is nn.functional.relu and back.kinds == [Settings, float, nn.LayerNorm]
        assert cutaway.load(saved(back)).width is relu
        with pytest.raises(UnsafeFileError, match="wants to call"):
            cutaway.load(io.BytesIO(calls.getvalue()))
    with cutaway.serialization.safe_globals([Settings]), pytest.raises(UnsafeFileError, match="relu"):
        cutaway.load(io.BytesIO(f.getvalue()))


class Net(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), norm(4), nn.ReLU())
        self.rnn = nn.LSTM(4, 2)
        self.act, self.norm, self.mood, self.seen = nn.functional.relu, norm, Mood.GOOD, deque([1, 2], maxlen=5)
        self.register_buffer("steps", cutaway.tensor(3))
        self.tied = self.body[0].weight
        self.scale = functools.partial(cutaway.mul, other=2.0)

    def forward(self, x):
        return self.scale(self.act(self.rnn(self.body(x))[0])) + self.steps


def test_whole_objects_under_weights_only_false():
    net = Net(nn.BatchNorm1d).eval()
    x = cutaway.randn(5, 3)
    f = saved({"net": net, "settings": [Settings(2)] * 2, "epoch": 3})
    count = Settings.made
    back = cutaway.load(f, weights_only=False)
    assert type(back["net"]) is Net and np.array_equal(back["net"](x).detach().numpy(), net(x).detach().numpy())
    assert back["net"].tied is back["net"].body[0].weight and not back["net"].training
    assert back["net"].norm is nn.BatchNorm1d and back["net"].mood is Mood.GOOD
    assert back["net"].seen == deque([1, 2]) and back["net"].seen.maxlen == 5
    assert back["settings"][0] is back["settings"][1] and back["settings"][0].width == 2 and Settings.made == count
    optimizer = optim.SGD(back["net"].parameters(), 0.1, momentum=0.9)
    back["net"](x).sum().backward()
    optimizer.step()
    assert back["net"].tied.grad is not None
    f.seek(0)
    with pytest.raises(UnsafeFileError, match="weights_only=False"):
        cutaway.load(f)


LAYERS = {
    "convolutions": ((2, 3, 9, 9), lambda nn: [
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4), nn.ReLU(True), nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 4, 2, stride=2, bias=False), nn.GroupNorm(2, 4), nn.PReLU(4), nn.ZeroPad2d(1), nn.Upsample(
        scale_factor=2), nn.InstanceNorm2d(4, affine=True), nn.PixelShuffle(2), nn.Dropout(), nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten()]),
    "words": ((2, 5), lambda nn: [
        nn.Embedding(7, 8, padding_idx=0), nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        nn.LayerNorm(8), nn.LSTM(8, 3, 2, bidirectional=True, batch_first=True)]),
    "recurrent": ((4, 5), lambda nn: [nn.RNN(5, 3, nonlinearity="relu")]),
    "gated": ((4, 5), lambda nn: [nn.Linear(5, 6), nn.GELU("tanh"), nn.GRU(6, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
def test_whole_modules_that_pytorch_saved(kind):
    torch = pytest.importorskip("torch")
    rng, (shape, layers) = np.random.default_rng(0), LAYERS[kind]
    net = torch.nn.Sequential(*layers(torch.nn)).eval()
    x = rng.integers(1, 7, shape) if kind == "words" else rng.standard_normal(shape).astype(np.float32)
    f = io.BytesIO()
    torch.save(net, f)
    back = cutaway.load(io.BytesIO(f.getvalue()), weights_only=False)
    assert type(back) is nn.Sequential and not back.training and repr(back) == repr(net)
    y, z = back(cutaway.from_numpy(x)), net(torch.from_numpy(x))
    y, z = (v[0] if isinstance(v, tuple) else v for v in (y, z))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert list(back.state_dict()) == list(net.state_dict())
    back.train()(cutaway.from_numpy(x))
    with pytest.raises(UnsafeFileError, match="Sequential"):
        cutaway.load(io.BytesIO(f.getvalue()))
    if kind == "gated":
        with cutaway.serialization.safe_globals([nn.Sequential, nn.Linear, nn.GELU, nn.GRU]):
            assert repr(cutaway.load(io.BytesIO(f.getvalue()))) == repr(net)


def doubled(module, args, kwargs=None):
    return tuple(2 * a for a in args) if kwargs is None else (tuple(3 * a for a in args), kwargs)


def test_hooks_of_whole_modules_that_pytorch_saved():
    torch = pytest.importorskip("torch")
    net = torch.nn.Tanh()
    net.register_forward_pre_hook(doubled)
    net.register_forward_pre_hook(doubled, with_kwargs=True)
    f = io.BytesIO()
    torch.save(net, f)
    back = cutaway.load(io.BytesIO(f.getvalue()), weights_only=False)
    assert back(cutaway.tensor([0.1])).item() == pytest.approx(net(torch.tensor([0.1])).item())
    assert len(back._forward_pre_hooks) == 2


def test_whole_objects_of_modules_that_were_not_imported(monkeypatch):
    f = saved(Settings(1))
    monkeypatch.delitem(sys.modules, __name__)
    with pytest.raises(UnsafeFileError, match="not imported"):
        cutaway.load(f, weights_only=False)


def local():
    class Local(nn.Module):
        pass

    return Local()


@pytest.mark.parametrize("make", [lambda: nn, lambda: lambda x: x, local, lambda: Settings(1).__init__, lambda: iter([1])])
def test_what_could_not_be_loaded_is_not_saved(make):
    with pytest.raises(ArgumentTypeError, match="^save: "):
        saved({"x": [make()]})


def test_deep_nesting_is_an_error_not_a_crash():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ArgumentError, match="deep"):
        saved(value)


# --- files ------------------------------------------------------------------------------------------------------------


def test_paths_folder_names_and_alignment(tmp_path):
    path = tmp_path / "model.best.pt"
    cutaway.save({"a": cutaway.ones(3), "b": cutaway.ones(1, dtype=cutaway.int8)}, str(path))
    assert os.listdir(tmp_path) == ["model.best.pt"]
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        assert {n.partition("/")[0] for n in z.namelist()} == {"model.best"}
        content = path.read_bytes()
        for info in z.infolist():
            n, m = np.frombuffer(content, "<u2", 2, info.header_offset + 26).tolist()
            assert (info.header_offset + 30 + n + m) % 64 == 0
    cutaway.save(cutaway.ones(3), path)  # again, over it
    assert cutaway.load(path).tolist() == [1, 1, 1]


def test_the_same_value_gives_the_same_bytes():
    assert saved({"a": cutaway.ones(3)}).getvalue() == saved({"a": cutaway.ones(3)}).getvalue()


def test_a_failed_save_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.pt"
    cutaway.save(1, path)
    with pytest.raises(ArgumentTypeError):
        cutaway.save(lambda: 1, path)
    assert cutaway.load(path) == 1 and os.listdir(tmp_path) == ["a.pt"]
    with pytest.raises(ArgumentError, match="does not exist"):
        cutaway.save(1, tmp_path / "no" / "a.pt")
    with pytest.raises(IsADirectoryError):
        cutaway.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        cutaway.load(tmp_path / "no.pt")


def test_a_kill_while_saving_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.pt"
    cutaway.save(1, path)
    program = (
        "import os, sys, zipfile, cutaway\n"
        "zipfile.ZipFile.writestr = lambda *a: os._exit(9)\n"
        "cutaway.save(cutaway.zeros(9), sys.argv[1])"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False, timeout=180).returncode == 9
    assert cutaway.load(path) == 1


def test_open_files_after_other_content(tmp_path):
    with open(tmp_path / "two", "wb") as f:
        f.write(b"header")
        cutaway.save([cutaway.ones(2)], f)
    with open(tmp_path / "two", "rb") as f:
        assert f.read(6) == b"header"
        assert cutaway.load(f)[0].tolist() == [1, 1]
        with pytest.raises(FileFormatError, match=r"seek\(0\)"):
            f.seek(0, 2)
            cutaway.load(f)
    with open(tmp_path / "two", encoding="latin1") as f, pytest.raises(ArgumentTypeError, match="rb"):
        f.seek(6)
        cutaway.load(f)
    with pytest.raises(ArgumentTypeError, match="BytesIO"):
        cutaway.load(b"PK")
    with pytest.raises(ArgumentTypeError, match="path"):
        cutaway.save(1, None)


def test_mmap_reads_late_and_writes_stay_in_memory(tmp_path):
    path = tmp_path / "a.pt"
    cutaway.save({"x": cutaway.arange(5.0), "e": cutaway.zeros(0)}, path)
    before = path.read_bytes()
    loaded = cutaway.load(path, mmap=True)
    assert loaded["x"].tolist() == [0, 1, 2, 3, 4]
    loaded["x"].add_(1)
    assert loaded["x"].tolist() == [1, 2, 3, 4, 5] and path.read_bytes() == before
    with pytest.raises(ArgumentError, match="mmap"):
        cutaway.load(saved(1), mmap=True)


def test_map_location():
    torch = pytest.importorskip("torch")
    f = io.BytesIO()
    torch.save(torch.ones(2), f)
    data = replaced(f.getvalue(), b"cpu", b"gpu")  # a device of three letters
    with pytest.raises(DeviceError, match="map_location='cpu'"):
        cutaway.load(io.BytesIO(data))
    seen = []
    for where in ("cpu", cutaway.device("cpu"), {"gpu": "cpu"}, lambda s, loc: seen.append(loc) or s):
        assert cutaway.load(io.BytesIO(data), map_location=where).tolist() == [1, 1]
    assert seen == ["gpu"]
    for where in ({"cuda:0": "cpu"}, lambda s, loc: None, "cuda"):
        with pytest.raises(DeviceError):
            cutaway.load(io.BytesIO(data), where)
    with pytest.raises(ArgumentTypeError, match="map_location"):
        cutaway.load(io.BytesIO(data), 3)


def replaced(data, old, new):
    """A checkpoint whose pickle has `new` for `old`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as a, zipfile.ZipFile(out, "w") as b:
        for name in a.namelist():
            b.writestr(name, a.read(name).replace(old, new) if name.endswith(".pkl") else a.read(name))
    return out.getvalue()


def test_what_pytorch_writes_besides():
    torch = pytest.importorskip("torch")
    f = io.BytesIO()
    torch.save([1], f, pickle_protocol=5)
    f.seek(0)
    assert cutaway.load(f) == [1]
    everything = {
        "s": {1},
        "b": b"x",
        "f": frozenset([1]),
        "ba": bytearray(b"y"),
        "t": torch.ones(2),
        "n": np.arange(3),
    }
    for protocol in (2, 3, 4, 5):
        f = io.BytesIO()
        torch.save(everything, f, pickle_protocol=protocol)
        f.seek(0)
        try:
            loaded = cutaway.load(f)
        except UnsafeFileError as e:
            assert protocol == 5 and "_frombuffer" in str(e)
            continue
        assert loaded["s"] == {1} and loaded["b"] == b"x" and loaded["t"].tolist() == [1, 1]
    f = io.BytesIO()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(torch.ones(2), f)
    finally:
        torch.serialization.set_crc32_options(True)
    f.seek(0)
    assert cutaway.load(f).tolist() == [1, 1]


def test_big_endian_files():
    data = saved(cutaway.tensor([1.0, 2.0])).getvalue()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as a, zipfile.ZipFile(out, "w") as b:
        for name in a.namelist():
            part = a.read(name)
            if name.endswith("byteorder"):
                part = b"big"
            if name.endswith("data/0"):
                part = np.frombuffer(part, "<f4").astype(">f4").tobytes()
            b.writestr(name, part)
    assert cutaway.load(io.BytesIO(out.getvalue())).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", "float8_e5m2 float8_e4m3fn".split())
def test_dtypes_that_do_not_exist_here(dtype):
    torch = pytest.importorskip("torch")
    f = io.BytesIO()
    torch.save({"w": torch.ones(2).to(getattr(torch, dtype))}, f)
    f.seek(0)
    with pytest.raises(DTypeError, match=f"{dtype} numbers.*convert them"):
        cutaway.load(f)


@pytest.mark.parametrize("dtype", "uint16 uint32 uint64".split())
def test_wide_unsigned_numbers_go_both_ways(dtype):
    torch = pytest.importorskip("torch")
    for writer, reader in ((torch, cutaway), (cutaway, torch)):
        f = io.BytesIO()
        x = writer.tensor([[1, 2, 65535], [4, 5, 6]], dtype=getattr(writer, dtype))
        writer.save({"w": x.t(), "v": x[1:]}, f)
        f.seek(0)
        found = reader.load(f)
        assert found["w"].dtype is getattr(reader, dtype) and found["w"].tolist() == [[1, 4], [2, 5], [65535, 6]]
        found["v"][0, 0] = 9
        assert found["w"][0, 1].item() == 9  # one storage


def test_other_formats_are_named(tmp_path):
    torch = pytest.importorskip("torch")
    f = io.BytesIO()
    torch.save(torch.ones(2), f, _use_new_zipfile_serialization=False)
    cases = {
        f.getvalue(): "before version 1.6",
        pickle.dumps([1]): "is a pickle",
        b"\x93NUMPY\1\0": "numpy.load",
        b"": "is empty",
        b"hello": "begins with b'hello'",
    }
    for data, text in cases.items():
        with pytest.raises(FileFormatError, match=text):
            cutaway.load(io.BytesIO(data))
    with pytest.raises(ArgumentError, match="1.6"):
        cutaway.save(1, tmp_path / "a", _use_new_zipfile_serialization=False)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("a/version", "3")
        z.writestr("a/constants.pkl", "")
    with pytest.raises(FileFormatError, match="TorchScript"):
        cutaway.load(io.BytesIO(out.getvalue()))
