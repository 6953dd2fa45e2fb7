"""PyTorch's names: the page that lists them is true, and what is said of them holds."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    CutawayError,
    DeviceError,
    MissingAttribute,
    StateError,
)

TOOL = Path(__file__).parent.parent / "tools" / "parity.py"


@pytest.fixture(scope="module")
def parity():
    spec = importlib.util.spec_from_file_location("parity_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(parity):
    assert parity.PAGE.read_text(encoding="utf-8") == parity.page(), "run: python tools/parity.py"


def test_the_names_are_pytorch_s(parity):
    torch = pytest.importorskip("torch")
    for section, name, mark, _ in parity.listed(parity.NAMES.read_text(encoding="utf-8")):
        if section.startswith("torchvision") or section == "torch.utils.tensorboard" or mark == "!":
            continue  # PyTorch's writer cannot be imported without another package
        here = torch
        for part in section.split(".")[1:]:
            here = getattr(here, part, None) or importlib.import_module(f"{here.__name__}.{part}")
        there = hasattr(here, name) or (name == "tensorboard" and importlib.util.find_spec(f"{section}.{name}"))
        assert there or name in ("normal", "uniform", "constant"), (section, name)


ABSENT = {
    "cutaway.lstsqq": None,
    "cutaway.sparse_bsr_tensor": None,
    "cutaway.sofmax": "'softmax'",
    "cutaway.complex32": "complex64",
    "cutaway.fx": "use compile",
    "cutaway.nn.Conv2D": "'Conv2d'",
    "cutaway.nn.functional.crossentropy": "'cross_entropy'",
    "cutaway.optim.Adamw": "'AdamW'",
    "cutaway.optim.lr_scheduler.StepLr": "'StepLR'",
    "cutaway.utils.dat": "'data'",
    "cutaway.utils.data.Dataloader": "'DataLoader'",
    "cutaway.autograd.Varible": "'Variable'",
    "cutaway.cuda.is_availble": "'is_available'",
    "cutaway.backends.cudn": "'cudnn'",
    "cutaway.amp.autocst": "'autocast'",
    "cutaway.mps.is_availble": "'is_available'",
    "cutaway.accelerator.device_cont": "'device_count'",
    "cutaway.profiler.profil": "'profile'",
    "cutaway.Tensor(1).gelu": "nn.functional.gelu",
}


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_name_says_so_and_names_the_nearest(name):
    with pytest.raises(AttributeError) as e:
        eval(name)
    assert isinstance(e.value, MissingAttribute) or ".Tensor(" in name
    assert f"has no attribute '{name.rpartition('.')[2]}'" in str(e.value)
    assert (ABSENT[name] or "") in str(e.value)


def test_python_itself_names_the_nearest_method_of_a_tensor():
    told = subprocess.run([sys.executable, "-c", "import cutaway; cutaway.ones(1).unsqueze"], capture_output=True, text=True)
    assert "'Tensor' object has no attribute 'unsqueze'. Did you mean: 'unsqueeze'?" in told.stderr


def test_hasattr_and_dunder_names_work_as_ever():
    assert not hasattr(cutaway.ones(1), "nope") and not hasattr(cutaway, "nope") and not hasattr(nn, "__wrapped__")
    assert getattr(cutaway.ones(1), "nope", 3) == 3
    with pytest.raises(ImportError):
        from cutaway import no_such_name  # noqa: F401


# --- old constructors -------------------------------------------------------------------------------------------------

LEGACY = "Bool Byte Char Short Int Long Half Float Double".split()
CALLS = [
    lambda T, t: T([0, 1]),
    lambda T, t: T([[1, 0], [1, 1]]),
    lambda T, t: T((0, 1)),
    lambda T, t: T(np.array([0, 1, 1])),
    lambda T, t: T(),
    lambda T, t: T([]),
    lambda T, t: T(2, 0),
    lambda T, t: T(t.Size([2, 3])).zero_(),
    lambda T, t: T(3).zero_(),
    lambda T, t: T([1.7, -0.3, 0.0]).long(),
]


@pytest.mark.parametrize("name", LEGACY)
@pytest.mark.parametrize("call", CALLS)
def test_old_constructors(name, call):
    torch = pytest.importorskip("torch")
    if name == "Byte" and call is CALLS[-1]:
        pytest.skip("negative numbers in uint8 depend on the processor")
    a, b = (call(getattr(lib, f"{name}Tensor"), lib) for lib in (cutaway, torch))
    assert a.tolist() == b.tolist() and str(a.dtype)[8:] == str(b.dtype)[6:] and tuple(a.shape) == tuple(b.shape)


def test_old_types_as_types():
    x = cutaway.ones(2)
    assert isinstance(x, cutaway.FloatTensor) and not isinstance(x, cutaway.LongTensor)
    assert x.type(cutaway.LongTensor).dtype is cutaway.int64 and x.type("torch.LongTensor").dtype is cutaway.int64
    with pytest.raises(TypeError):
        cutaway.LongTensor(x)
    with pytest.raises(TypeError):
        cutaway.FloatTensor(2.5)
    v = cutaway.autograd.Variable(x, requires_grad=True)
    assert isinstance(x, cutaway.autograd.Variable) and v.requires_grad and not x.requires_grad
    assert v.data_ptr() == x.data_ptr()


def test_the_number_of_threads():
    before = cutaway.get_num_threads()
    cutaway.set_num_threads(1)
    assert cutaway.get_num_threads() == 1
    for bad, error in ((1.5, ArgumentTypeError), ("2", ArgumentTypeError), (0, ArgumentError)):
        with pytest.raises(error):
            cutaway.set_num_threads(bad)
    cutaway.set_num_threads(before)


# --- devices that are not there ---------------------------------------------------------------------------------------


def test_there_is_no_accelerator():
    import cutaway.backends.cudnn as cudnn

    assert not cutaway.cuda.is_available() and not cutaway.accelerator.is_available()
    assert not cutaway.backends.mps.is_available() and not cutaway.mps.is_available()
    assert cutaway.cuda.device_count() == cutaway.accelerator.device_count() == 0
    assert cutaway.accelerator.current_accelerator() is None and cudnn.version() is None
    cudnn.benchmark = True
    with cudnn.flags(enabled=False, deterministic=True):
        assert not cudnn.enabled and cutaway.backends.cudnn.deterministic
    assert cudnn.enabled and not cudnn.deterministic and cudnn.benchmark
    cudnn.benchmark = False
    matmul = cutaway.backends.cuda.matmul
    matmul.allow_tf32 = True
    assert matmul.allow_tf32
    matmul.allow_tf32 = False
    cutaway.cuda.manual_seed_all(0), cutaway.cuda.synchronize(), cutaway.cuda.empty_cache()
    for call in (
        cutaway.cuda.current_device,
        lambda: cutaway.cuda.set_device(0),
        lambda: cutaway.accelerator.set_device_index(0),
    ):
        with pytest.raises(DeviceError):
            call()


# --- mixed precision --------------------------------------------------------------------------------------------------


def trained(torch, gradients, **options):
    """The scales, parameters and state after steps with these gradients."""
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", **options)
    seen = []
    for i, g in enumerate(gradients):
        optimizer.zero_grad()
        with torch.autocast("cpu", enabled=False):
            loss = (p * torch.tensor(g)).sum()
        scaler.scale(loss).backward()
        if i % 2:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        seen.append((scaler.get_scale(), p.detach().tolist()))
    return seen, scaler.state_dict()


def test_the_scaler_grows_shrinks_and_leaves_out_as_pytorch_s():
    torch = pytest.importorskip("torch")
    gradients = [[1.0, 2.0], [0.5, 0.25], [float("inf"), 1.0], [1.0, float("nan")], [1.0, 1.0], [3.0, 1.0], [1e38, 1.0]]
    options = {"init_scale": 8.0, "growth_interval": 2}
    assert trained(cutaway, gradients, **options) == trained(torch, gradients, **options)


def test_the_scaler_refuses_calls_out_of_order():
    p = nn.Parameter(cutaway.ones(1))
    optimizer = cutaway.optim.SGD([p], lr=1.0)
    scaler = cutaway.amp.GradScaler("cpu")
    with pytest.raises(StateError, match="no optimizer was stepped"):
        scaler.update()
    with pytest.raises(StateError, match="gradient"):
        scaler.step(optimizer)
    scaler.update()
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    assert p.grad.item() == 1
    with pytest.raises(StateError, match="second"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(StateError, match="second"):
        scaler.step(optimizer)
    with pytest.raises(ArgumentTypeError):
        scaler.scale(1.0)
    with pytest.warns(UserWarning, match="no cuda"):
        off = cutaway.cuda.amp.GradScaler()
    assert off.scale(3) == 3 and off.get_scale() == 1 and off.state_dict() == {}
    again = cutaway.amp.GradScaler("cpu", init_scale=2.0)
    again.load_state_dict(scaler.state_dict())
    assert again.get_scale() == 65536


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_checkpointing_gives_the_same_gradients():
    from cutaway.utils.checkpoint import checkpoint, checkpoint_sequential

    layer = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    x = cutaway.ones(2, 3)
    layer(x).sum().backward()
    expected = layer[0].weight.grad.tolist()
    for compute in (lambda: checkpoint(layer, x, use_reentrant=False), lambda: checkpoint_sequential(layer, 2, x)):
        layer.zero_grad()
        compute().sum().backward()
        assert layer[0].weight.grad.tolist() == expected
    with pytest.raises(ArgumentError):
        checkpoint_sequential(layer, 4, x)
    with pytest.raises(ArgumentTypeError):
        checkpoint(3, x)


@pytest.mark.parametrize("n", [0, 1, 7, 10])
@pytest.mark.parametrize("replicas", [1, 2, 3])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_distributed_sampler(n, replicas, drop_last, shuffle):
    torch = pytest.importorskip("torch")
    if n < replicas and (drop_last or not n):
        pytest.skip("PyTorch itself fails on these")
    for rank in range(replicas):
        options = {"num_replicas": replicas, "rank": rank, "shuffle": shuffle, "seed": 3, "drop_last": drop_last}
        a = cutaway.utils.data.distributed.DistributedSampler(range(n), **options)
        b = torch.utils.data.distributed.DistributedSampler(range(n), **options)
        for epoch in (0, 1):
            a.set_epoch(epoch), b.set_epoch(epoch)
            assert list(a) == list(b) and len(a) == len(b)


def test_distributed_sampler_reads_the_environment(monkeypatch):
    from cutaway.data import DistributedSampler

    assert len(DistributedSampler(range(4))) == 4
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert list(DistributedSampler(range(4), shuffle=False)) == [1, 3]
    with pytest.raises(ArgumentError, match="rank"):
        DistributedSampler(range(4), 2, 2)


def test_profiler_times_spans_and_steps(tmp_path):
    from cutaway.profiler import profile, record_function, schedule, tensorboard_trace_handler

    with profile() as p:
        for _ in range(3):
            with record_function("forward"):
                cutaway.ones(3) + 1
    rows = {r.key: r for r in p.key_averages()}
    assert rows["forward"].count == 3 and rows["forward"].cpu_time_total > 0
    assert "forward" in p.key_averages().table(sort_by="cpu_time_total", row_limit=5)
    p.export_chrome_trace(str(tmp_path / "t.json"))
    assert len(json.loads((tmp_path / "t.json").read_text())["traceEvents"]) == 4
    ready = []
    plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    with profile(schedule=plan, on_trace_ready=lambda p: ready.append(len(p.spans))) as p:
        for _ in range(8):
            record_function("x")(lambda: 1)()
            p.step()
    assert ready == [4]
    torch = pytest.importorskip("torch")
    for options in ({"warmup": 1}, {"wait": 2, "warmup": 1, "active": 3, "repeat": 2, "skip_first": 4}):
        theirs = torch.profiler.schedule(**{"wait": 0, "warmup": 0, "active": 1, **options})
        assert [schedule(**options)(i).value for i in range(30)] == [theirs(i).value for i in range(30)]
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "logs"))):
        pass
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_a_checkpoint_of_everything_at_once():
    """What a training script saves."""
    model = nn.DataParallel(nn.Linear(2, 2))
    scaler = cutaway.amp.GradScaler("cpu")
    f = io.BytesIO()
    cutaway.save({"model": model.state_dict(), "scaler": scaler.state_dict(), "rng": cutaway.get_rng_state()}, f)
    f.seek(0)
    loaded = cutaway.load(f, map_location="cpu")
    assert [*loaded["model"]] == ["module.weight", "module.bias"] and loaded["scaler"] == scaler.state_dict()
    cutaway.set_rng_state(loaded["rng"])
    first = cutaway.rand(3).tolist()
    cutaway.set_rng_state(loaded["rng"])
    assert cutaway.rand(3).tolist() == first
    assert issubclass(MissingAttribute, CutawayError) and "cutaway" in sys.modules
