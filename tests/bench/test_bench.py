"""`cutaway bench`: workloads that are the same on both frameworks, honest errors, a JSON file to rely on."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import cutaway
from cutaway.bench import measure, run, table
from cutaway.bench.measure import COMPILED, EAGER, JAX, TORCH, TORCH_LAST, Result
from cutaway.bench.process import Process, SideError
from cutaway.bench.sides.cutaway_side import Cutaway, contraction_flops
from cutaway.bench.sides.trainer_side import make as make_trainer
from cutaway.bench.worker import load_file
from cutaway.bench.workloads import TRAINING, WORKLOADS

KEYS = {"cutaway_compiled_us", "cutaway_eager_us", "torch_eager_us", "peak_fraction", "first_step_s", "rss_mb"}


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "cutaway", "bench", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=300, env=surroundings(), **options,
    )  # fmt: skip


def surroundings():
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "80"}


def test_two_workloads_and_a_peer_that_is_missing(tmp_path):
    file = tmp_path / "numbers.json"
    (tmp_path / "torch").mkdir()  # so that no PyTorch is found, installed or not
    text = "import sys; sys.modules['torch'] = None; from cutaway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", text, "bench", "w8", "W1", "--steps", "2", "--json", str(file), "--peers", "torch,jax"],
        capture_output=True, text=True, encoding="utf-8", timeout=300, env=surroundings(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "torch is not installed, so it is left out" in done.stdout
    record = json.loads(file.read_text())
    assert list(record) == ["W8", "W1"]
    for name, flops in (("W8", 5 * 2 * 64 * 64 * 64), ("W1", 2 * 2 * 100 * 784 * 50)):
        r = record[name]
        assert set(r) >= KEYS
        assert r["errors"] == {}
        assert r["torch_eager_us"] is None and r["ratio_torch"] is None
        assert r["cutaway_compiled_us"] > 0 and r["cutaway_eager_us"] > 0
        assert 0 < r["warm_first_step_s"] < r["first_step_s"]
        assert r["mflop"] * 1e6 == pytest.approx(flops, rel=0.6)
        assert 0 < r["peak_fraction"] < 1
        assert r["rss_mb"] > r["eager_rss_mb"] * 0.5 > 5
    assert list(tmp_path.glob("*.part")) == []
    assert "cold / warm" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["W9"], "there is no 'W9'"),
        (["W8", "--peers", "jaxx"], "did you mean jax?"),
        (["W8", "--steps", "0"], "--steps must be 1 or more"),
        (["W8", "--seconds", "-1"], "--seconds must be a number above 0"),
        (["W8", "--threads", "0"], "--threads must be from 1"),
        (["W8", "--json", "no/such/folder/file.json"], "there is no folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(arguments, text):
    done = command(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_the_list():
    lines = command("--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*WORKLOADS, "train"]


@pytest.mark.skipif(os.name == "nt", reason="no signals for one process there")
@pytest.mark.parametrize("blow", ["SIGINT", "SIGTERM"])
def test_ctrl_c_or_a_kill_prints_what_was_measured(tmp_path, blow):
    file = tmp_path / "numbers.json"
    arguments = ["bench", "W8", "W1", "--peers", "", "--steps", "2", "--json", str(file)]
    with subprocess.Popen(
        [sys.executable, "-m", "cutaway", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings(),
    ) as child:  # fmt: skip
        assert child.stdout is not None
        line = next(line for line in child.stdout if "busy" not in line)
        child.send_signal(getattr(signal, blow))
        out, err = child.communicate(timeout=180)
    assert line == "W8 measured\n"
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert "compiled" in out
    assert json.loads(file.read_text())["W8"]["cutaway_compiled_us"] > 0


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_a_workload_is_the_same_on_pytorch(name):
    torch = pytest.importorskip("torch")
    w = WORKLOADS[name]
    build = load_file(w.path).build
    torch.manual_seed(0)
    model, step, data = build(torch)
    ours = Cutaway("eager", load_file(w.path))
    arrays = {f"w:{k}": t.numpy().copy() for k, t in model.state_dict().items()}
    ours.load(arrays | {f"d:{i}": t.numpy().copy() for i, t in enumerate(data)})
    if w.draws:
        model.eval()
        ours.train(False)
    losses = [(step(*data).item(), ours.loss(ours.step())) for _ in range(3)]
    np.testing.assert_allclose(*zip(*losses), rtol=2e-3)
    assert losses[0][0] == pytest.approx(losses[0][1], rel=1e-5)
    assert losses[0][0] != losses[2][0]
    after = {k: t.numpy() for k, t in ours.model.state_dict().items()}
    assert set(after) == {k[2:] for k in arrays}
    assert any(np.abs(after[k[2:]] - a).max() > 0 for k, a in arrays.items())


def test_sides_that_differ_are_not_timed():
    measure.same([2.3, 2.2], [2.3 + 1e-6, 2.2 + 1e-4])
    with pytest.raises(
        SideError, match="not timed: from equal weights its losses are 2.31, 2.2, eager Cutaway's 2.3, 2.2"
    ):
        measure.same([2.3, 2.2], [2.31, 2.2])
    with pytest.raises(SideError, match="not timed"):
        measure.same([2.3, 2.2], [2.3, 2.21])
    with pytest.raises(SideError, match="not timed"):
        measure.same([2.3], [float("nan")])


def test_what_fails_is_told_and_the_rest_is_measured(monkeypatch, tmp_path):
    """A workload that cannot be compiled: an error text, and the eager time."""
    file = tmp_path / "odd.py"
    file.write_text(
        "def build(torch):\n"
        "    w = torch.nn.Linear(2, 1)\n"
        "    def step(x):\n"
        "        loss = w(x).sum()\n"
        "        return loss if loss.item() > 1e9 else loss * 1.0\n"
        "    return w, step, (torch.ones(3, 2),)\n"
    )
    w = WORKLOADS["W1"]._replace(file=str(file.with_suffix("")))
    result = Result("odd", w, 1)
    heard = []
    measure.measure(result, [], 0.0, 2, lambda what, share: heard.append(share))
    record = result.record()
    assert record["cutaway_eager_us"] > 0
    assert record["cutaway_compiled_us"] is None and record["ratio_torch"] is None
    assert record["errors"]["cutaway_compiled"].startswith("TraceError: ")
    assert heard == sorted(heard) and heard[-1] == 1.0


def test_a_worker_that_dies_or_fails_says_so(tmp_path):
    file = tmp_path / "deadly.py"
    file.write_text(
        "import os, sys\ndef build(torch):\n    print('its last words', file=sys.stderr)\n    os._exit(3)\n"
    )
    with Process("cutaway:eager", file, 1, tmp_path) as p, pytest.raises(SideError, match="code 3 .*its last words"):
        p.ask("build")
    with Process("nothing:", file, 1, tmp_path) as p, pytest.raises(SideError, match="code 1 at 'build'.*nothing_side"):
        p.ask("build")
    file.write_text("def build(torch):\n    raise ValueError('not today')\n")
    with Process("cutaway:eager", file, 1, tmp_path) as p, pytest.raises(SideError, match="ValueError: not today"):
        p.ask("build")


def test_medians_ratios_and_the_table():
    r = Result("W3", WORKLOADS["W3"], 2)
    r.times = {
        COMPILED: [[1e-3, 9.0], [1e-3]],
        EAGER: [[4e-3], [4e-3]],
        TORCH: [[8e-3], [8e-3]],
        TORCH_LAST: [[4e-3], [6e-3]],
    }
    r.flops, r.nominal_flops, r.peaks, r.cold, r.warm = 100_000_000, 200_000_000, [4e11, 5e11], 2.5, 0.25
    r.rss = {COMPILED: 50 << 20, TORCH_LAST: 200 << 20}
    record = r.record()
    assert (
        record["cutaway_compiled_us"] == 1000 and record["torch_eager_us"] == 5000 == record["torch_channels_last_us"]
    )
    assert record["ratio_torch"] == 5 and record["ratio_eager_torch"] == 1.25
    assert record["ratio_torch_least_and_greatest"][1] == 6
    assert record["peak_fraction"] == 0.2 and record["peak_gflops"] == 500 and record["nominal_peak_fraction"] == 0.4
    assert record["torch_rss_mb"] == 200
    cells = dict(zip(table.HEADS, table.row(r)))
    assert cells["compiled\nx PyTorch"].plain == "5.00 of 5"
    assert "green" in {str(s.style) for s in cells["compiled\nx PyTorch"].spans}
    assert cells["first step, s\ncold / warm"].plain == "2.50 / 0.25"
    assert cells["MB (of\nPyTorch's)"].plain == "50 (0.25)"
    assert cells["x JAX"].plain == "-"
    assert r.ratio(JAX) is None


def test_operations_are_counted_from_the_graph():
    from cutaway.engine.compile import compile as make

    a, b = cutaway.rand(3, 4), cutaway.rand(4, 5)
    f = make(lambda: (a @ b).relu())
    f()
    assert contraction_flops(f) == {"flops": 2 * 3 * 4 * 5, "nominal_flops": 2 * 3 * 4 * 5}
    image, weight = cutaway.rand(2, 8, 6, 6), cutaway.rand(4, 8, 3, 3)
    g = make(lambda: cutaway.nn.functional.conv2d(image, weight, padding=1))
    g()
    found = contraction_flops(g)
    assert found["nominal_flops"] == 2 * 2 * 36 * 4 * 8 * 9
    assert 0.7 * found["nominal_flops"] < found["flops"] <= found["nominal_flops"]


def test_the_file_is_whole_or_as_it_was(tmp_path):
    file = tmp_path / "numbers.json"
    run.write({"W1": {"x": 1}}, file)
    with pytest.raises(TypeError):
        run.write({"W1": {"x": object()}}, file)
    assert json.loads(file.read_text()) == {"W1": {"x": 1}}
    assert [p.name for p in tmp_path.iterdir()] == ["numbers.json"]


def test_the_training_loop_and_the_trainer_start_from_the_same_network():
    torch = pytest.importorskip("torch")
    loop = load_file(TRAINING["train"].path)
    trainer = make_trainer("compiled", loop, 1)
    ours = trainer.probe()
    arrays = {k: a.copy() if k.startswith("w:") else a for k, a in trainer.state().items()}
    for framework in (torch, cutaway):
        model, step, (images, labels) = loop.build(framework)
        assert (images.shape, images.dtype) == ((60000, 1, 28, 28), framework.uint8)
        model.load_state_dict({k[2:]: framework.from_numpy(a) for k, a in arrays.items() if k.startswith("w:")})
        images, labels = (framework.from_numpy(arrays[k]) for k in ("d:0", "d:1"))
        assert loop.probe(framework, model, images, labels) == pytest.approx(ours, rel=1e-5)
        assert model.training
        seen = [step(images[:250], labels[:250]).item() for _ in range(4)]  # two batches of 100, one of 50, a new epoch
        assert all(1.5 < loss < 4 for loss in seen)
    assert trainer.about() == {}
    before = trainer.trainer.model[0].weight.detach().clone()
    trainer.step()
    assert not cutaway.equal(before, trainer.trainer.model[0].weight)
    trainer.load(arrays)
    assert trainer.probe() == ours
    found = trainer.about()
    assert 4e9 < found["flops"] < found["nominal_flops"] < 6e9


def test_a_rate_is_given_where_a_batch_is_images():
    r = Result("train", TRAINING["train"], 2)
    r.times = {COMPILED: [[0.05]], TORCH_LAST: [[0.1]]}
    record = r.record()
    assert (record["cutaway_images_per_s"], record["torch_images_per_s"]) == (2000, 1000)
    assert record["cutaway_eager_images_per_s"] is None
    assert "cutaway_images_per_s" not in Result("W1", WORKLOADS["W1"], 2).record()
