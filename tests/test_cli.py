"""The command line: help that helps, one-line errors, a last line to rely on."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import cutaway


def cutaway_command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "cutaway", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, **options,
    )  # fmt: skip


def test_version():
    done = cutaway_command("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"cutaway {cutaway.__version__}")


def test_help_lists_the_commands():
    done = cutaway_command("--help")
    assert done.returncode == 0
    assert re.search(r"\btrain\b.*Train a network", done.stdout)
    assert re.search(r"\brecipes\b.*copy one", done.stdout)


def test_help_of_train_lists_every_option():
    text = cutaway_command("train", "--help").stdout
    wanted = (
        "epochs batch-size optimizer lr schedule init weight-decay dropout shift seed data out resume limit eval-every"
    )
    assert [o for o in wanted.split() if f"--{o} " not in text] == []
    assert "mnist-deep" in text


def test_recipes_are_listed_and_copied(tmp_path):
    text = cutaway_command("recipes").stdout
    assert [line.split()[0] for line in text.splitlines()[:4]] == ["gates", "mnist-mlp", "mnist-cnn", "mnist-deep"]
    done = cutaway_command("recipes", "copy", "mnist-cnn", "mine.py", cwd=tmp_path)
    assert done.stdout.strip() == "mine.py: change it, then run: cutaway train mine.py"
    assert "nn.Conv2d" in (tmp_path / "mine.py").read_text()


def test_a_run_without_a_terminal(tmp_path):
    done = cutaway_command("train", "gates", "--epochs", "60", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    last = re.fullmatch(
        r"test accuracy ([01]\.\d{4}) · (runs/gates-\d{8}-\d{6}/report\.html)", lines[-1].replace("\\", "/")
    )
    assert last
    assert (tmp_path / last[2]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len([line for line in lines if re.match(r" +\d+\.\d\d  ", line)]) == 3  # at steps 0, 30 and 60
    folder = (tmp_path / last[2]).parent
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json", "metrics.jsonl", "model.safetensors", "recipe.py", "report.html", "trainer.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--epochs", "0"], "--epochs must be 1 or more"),
        (["--lr", "-1"], "--lr must be a number above 0"),
        (["mnist-depe"], "did you mean mnist-deep?"),
        (["--optimizer", "sdg"], "did you mean sgd?"),
        (["--data", "nowhere"], "there is no 'nowhere'"),
        (["--resume", "nowhere"], "no config.json there"),
        (["gates", "--resume", "nowhere", "--lr", "1"], "leave out RECIPE, --lr"),
        (["--limit", "70000"], "60000 training images"),
        (["mine.py"], "there is no file mine.py"),
    ],
)
def test_bad_options_are_one_line_and_code_2(tmp_path, arguments, text):
    done = cutaway_command("train", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.startswith("cutaway: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "a refused run leaves nothing behind"


@pytest.mark.parametrize("arguments", [["--epochs", "many"], ["--lern", "1"], ["gates", "gates"]])
def test_what_cannot_be_read_is_code_2(tmp_path, arguments):
    done = cutaway_command("train", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_named(tmp_path):
    run = tmp_path / "run"
    assert cutaway_command("train", "gates", "--epochs", "2", "--out", run).returncode == 0
    file = run / "trainer.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    done = cutaway_command("train", "--resume", run)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cutaway: {file}: damaged")
    assert "Traceback" not in done.stderr
    (run / "config.json").write_text("{")
    done = cutaway_command("train", "--resume", run)
    assert done.returncode == 1
    assert f"{run / 'config.json'}: damaged" in done.stderr


def test_a_run_is_exported(tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    run = tmp_path / "run"
    assert cutaway_command("train", "gates", "--epochs", "200", "--seed", "1", "--out", run).returncode == 0
    done = cutaway_command("export", run)
    assert done.stderr == ""
    assert done.stdout == f"{run / 'model.onnx'}: x[batch, 6] -> logits[batch, 2], as learned in 200 steps\n"
    session = onnxruntime.InferenceSession(run / "model.onnx", providers=["CPUExecutionProvider"])
    rows = np.array([[1, 0, 0, 0, a, b] for a in (0, 1) for b in (0, 1)], np.float32)
    assert session.run(None, {"x": rows})[0].argmax(1).tolist() == [0, 0, 0, 1]  # AND
    assert cutaway_command("export", run, tmp_path / "older.onnx", "--opset", "13").returncode == 0
    done = cutaway_command("export", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cutaway: export {tmp_path}: no config.json there")


def test_an_occupied_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    done = cutaway_command("train", "gates", "--out", tmp_path / "file")
    assert done.returncode == 2
    assert "is a file" in done.stderr
