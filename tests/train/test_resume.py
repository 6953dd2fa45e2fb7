"""Killed at any moment, a run goes on to the very numbers of a run that was never stopped."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
from safetensors.numpy import load_file

OPTIONS = (
    "mnist-mlp --limit 3000 --batch-size 30 --epochs 3 --eval-every 40 --optimizer adam --lr 0.001 --schedule one-cycle "
    "--dropout 0.3 --shift 2 --seed 3"
).split()
STEPS = 300


def command(*arguments):
    return [sys.executable, "-m", "cutaway", "train", *map(str, arguments)]


def finish(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def tensors(folder):
    held = {name: load_file(folder / f"{name}.safetensors") for name in ("model", "trainer")}
    return {f"{file}/{name}": a.tobytes() for file, arrays in held.items() for name, a in arrays.items()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that nothing stops, and how long it takes."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    begin = time.monotonic()
    lines = finish(*OPTIONS, "--out", folder)
    assert lines[-1].startswith("test accuracy 0.")
    return folder, time.monotonic() - begin


def test_the_unbroken_run_evaluates_where_it_should(unbroken):
    folder, _ = unbroken
    assert [m["step"] for m in metrics(folder)] == [*range(0, STEPS, 40), STEPS]
    assert metrics(folder)[-1]["test_accuracy"] > 0.8


@pytest.mark.parametrize("blow", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_stopped_run_resumes_to_the_same_numbers(unbroken, tmp_path, blow):
    reference, whole = unbroken
    if not hasattr(signal, blow):
        pytest.skip(f"this system has no {blow}")
    run, rng = tmp_path / "run", random.Random(blow)
    arguments, stops, codes = [*OPTIONS, "--out", run], 0, set()
    for _ in range(4):
        process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=whole * rng.uniform(0.35, 0.9))
        except subprocess.TimeoutExpired:
            process.send_signal(getattr(signal, blow))
            codes.add(process.wait(timeout=60))
            stops += 1
        process.stderr.close()
        if (run / "config.json").exists():
            arguments = ["--resume", run]
    lines = finish(*arguments)
    assert stops > 0, "the run was never stopped: there is nothing to compare"
    assert codes <= {{"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}[blow], -int(getattr(signal, blow)), 0}
    assert metrics(run) == metrics(reference)
    assert tensors(run) == tensors(reference)
    assert lines[-1] == f"test accuracy {metrics(reference)[-1]['test_accuracy']:.4f} · {run / 'report.html'}"


def test_ctrl_c_says_how_to_go_on(tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(*OPTIONS, "--epochs", "500", "--out", run), stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    deadline = time.monotonic() + 60
    while not (run / "trainer.safetensors").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.splitlines()[-1] == f"cutaway train --resume {run}"
    assert "stopped at step" in out
    step = json.loads(_metadata(run / "trainer.safetensors")["state"])["step"]
    assert 0 <= step < 50_000


def _metadata(file):
    from safetensors import safe_open

    with safe_open(file, "numpy") as f:
        return f.metadata()


def test_a_finished_run_resumes_to_its_last_line(unbroken):
    folder, _ = unbroken
    before = metrics(folder)
    assert finish("--resume", folder)[-1] == f"test accuracy {before[-1]['test_accuracy']:.4f} · {folder / 'report.html'}"
    assert metrics(folder) == before


def test_resume_uses_the_recipe_as_it_was(unbroken, tmp_path):
    folder, _ = unbroken
    source = (folder / "recipe.py").read_text()
    assert "class Config(Settings)" in source
    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"] == "mnist-mlp"
    assert config["settings"]["limit"] == 3000
