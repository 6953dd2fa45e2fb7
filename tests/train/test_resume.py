"""Killed at any moment, a run goes on to the very numbers of a run that was never stopped."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
from safetensors.numpy import load_file

from cutaway.train import recipe

OPTIONS = (
    "mnist-mlp --limit 2000 --batch-size 20 --epochs 2 --eval-every 40 --optimizer adam --lr 0.01 --schedule one-cycle "
    "--init xavier --dropout 0.3 --shift 1 --seed 3"
).split()
STEPS = 200


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
    """A run that nothing stops."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    lines = finish(*OPTIONS, "--out", folder)
    assert lines[-1].startswith("test accuracy 0.")
    return folder


def test_the_unbroken_run_evaluates_where_it_should(unbroken):
    assert [m["step"] for m in metrics(unbroken)] == [*range(0, STEPS, 40), STEPS]
    assert metrics(unbroken)[-1]["test_accuracy"] > 0.7


def strike(arguments, run, blow, evaluations, delay):
    """Start a run, and send it a signal a moment after it has made so many evaluations.  Gives the exit code."""
    file = run / "metrics.jsonl"
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        if (run / "config.json").exists() and (file.read_bytes().count(b"\n") if file.exists() else 0) >= evaluations:
            time.sleep(delay)
            process.send_signal(blow)
            break
        time.sleep(0.005)
    return process.wait(timeout=180)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals")
@pytest.mark.parametrize("blow", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_stopped_run_resumes_to_the_same_numbers(unbroken, tmp_path, blow):
    run, rng, codes = tmp_path / "run", random.Random(blow), []
    arguments = [*OPTIONS, "--out", run]
    for evaluations in (1, 3, 4):
        codes.append(strike(arguments, run, getattr(signal, blow), evaluations, delay=rng.uniform(0, 0.15)))
        arguments = ["--resume", run]
    lines = finish(*arguments)
    struck = {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}[blow]
    assert codes[0] == struck, "the run was not stopped: there is nothing to compare"
    assert set(codes) <= {struck, 0, -getattr(signal, blow)}  # the last: struck while Python itself was starting
    assert metrics(run) == metrics(unbroken)
    assert tensors(run) == tensors(unbroken)
    assert lines[-1] == f"test accuracy {metrics(unbroken)[-1]['test_accuracy']:.4f} · {run / 'report.html'}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals")
def test_a_kill_before_the_first_checkpoint_loses_only_the_beginning(unbroken, tmp_path):
    run = tmp_path / "run"
    assert strike([*OPTIONS, "--out", run], run, signal.SIGKILL, evaluations=0, delay=0.0) == -9
    finish("--resume", run)
    assert metrics(run) == metrics(unbroken)


def test_ctrl_c_says_how_to_go_on(tmp_path):
    run = tmp_path / "run"
    arguments = command(*OPTIONS, "--epochs", "500", "--out", run)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        deadline = time.monotonic() + 180
        while not (run / "trainer.safetensors").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=180)
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
    before = metrics(unbroken)
    last = finish("--resume", unbroken)[-1]
    assert last == f"test accuracy {before[-1]['test_accuracy']:.4f} · {unbroken / 'report.html'}"
    assert metrics(unbroken) == before


def test_the_folder_holds_what_the_run_was_made_of(unbroken):
    assert (unbroken / "recipe.py").read_text(encoding="utf-8") == recipe.find("mnist-mlp").source
    config = json.loads((unbroken / "config.json").read_text())
    assert config["recipe"] == "mnist-mlp"
    assert config["settings"]["limit"] == 2000
    assert config["settings"]["weight_decay"] == 0.0
