"""`cutaway check` and `cutaway learn`: the learner's folder, and programs that loop, crash, exit or eat memory."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from cutaway.course import child, learn, process
from cutaway.course.chapters import find
from cutaway.course.folder import Folder
from cutaway.course.process import findings

CHAPTER = find("1")
NAMES = list(CHAPTER.exercises)


@pytest.fixture
def folder(tmp_path):
    new, old = Folder(tmp_path).fill()
    assert CHAPTER.folder + ".py" in {p.name for p in new} and not old
    return Folder(tmp_path)


def write(folder, **bodies):
    """Answers in place of the stubs' last lines."""
    file = folder.file(CHAPTER)
    text = file.read_text()
    for name, body in bodies.items():
        text = re.sub(rf'(def {name}\(.*?""".*?"""\n) +raise NotImplementedError', lambda m, b=body: f"{m[1]}    {b}", text, count=1, flags=re.S)
    file.write_text(text)


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "cutaway", *arguments], cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "100"},
    )  # fmt: skip


def test_what_ends_hangs_or_crashes_fails_and_the_next_is_checked_all_the_same(folder):
    write(
        folder,
        neuron="return int(np.dot(w, x) + b > 0)",
        and_weights="while True: pass",
        nand_weights="import os; os._exit(0)",
        or_weights="import ctypes; ctypes.string_at(0)",
        learn="return [0.0] * 10**10",
        rows_right="import sys; sys.exit()",
        half_adder="print('seen'); return b, a",
    )
    found = {f["name"]: f for f in findings(folder, CHAPTER, NAMES, seconds=2.5)}
    assert [f["status"] for f in found.values()] == ["passed", *["failed"] * 5, "stub", "failed", "stub"]
    assert found["neuron"]["cases"] == 31
    assert "still running after 2.5 seconds" in found["and_weights"]["why"] and "loop" in found["and_weights"]["hint"]
    assert found["and_weights"]["call"] == "and_weights(0, 0)"
    assert "ended the process (exit code 0)" in found["nand_weights"]["why"]
    assert "crash" in found["or_weights"]["why"] or "ended" in found["or_weights"]["why"]
    if sys.platform == "linux":
        assert "MemoryError" in found["learn"]["why"] and "memory" in found["learn"]["hint"]
    assert "ended the process" in found["rows_right"]["why"]
    assert found["half_adder"]["printed"].startswith("seen") and found["half_adder"]["call"] == "half_adder(1, 0)"


def test_memory_is_limited_where_the_system_does_not_do_it(folder, monkeypatch):
    monkeypatch.setattr(process, "KERNEL", False)
    monkeypatch.setattr(process, "MEMORY", 1 << 28)
    write(folder, neuron="return int(np.dot(w, x) + b > 0)", and_weights="held = []\n    while True: held.append(np.ones(1 << 18))")
    first, second = findings(folder, CHAPTER, ["and_weights", "neuron"])
    assert first["status"] == "failed" and second["status"] == "passed"
    assert first["why"] == "it took more than 0.25 GiB of memory" and "grow" in first["hint"]


@pytest.mark.skipif(sys.platform != "linux", reason="two ways to ask")
def test_both_ways_to_ask_for_the_memory_speak_of_bytes(monkeypatch):
    now = child.taken()

    def absent(self, *_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(child.Path, "read_text", absent)
    assert now / 2 < child.taken() < 1 << 40 and now > 1 << 24  # the most that there was


def test_a_file_that_cannot_be_run_says_the_line(folder):
    file = folder.file(CHAPTER)
    file.write_text(file.read_text() + "\nprint(1 +)\n")
    line = file.read_text().count("\n")
    found = list(findings(folder, CHAPTER, ["neuron", "or_weights"]))
    assert [f["status"] for f in found] == ["broken", "broken"]
    assert f"line {line}" in found[0]["got"]


def test_the_command_line(folder):
    write(folder, neuron="return int(np.dot(w, x) + b > 0)", and_weights="return 0.5, 0.5, 0.7")
    place = folder.path
    one = command("check", "1.neuron", cwd=place)
    assert one.returncode == 0 and "✓ neuron" in one.stdout and "\x1b" not in one.stdout, one.stderr
    wrong = command("check", "perceptron.and_weights", cwd=place)
    assert wrong.returncode == 1
    for piece in ("yours", "target", "and_weights(0, 0)", "expected   0", "got        1", "so it must be negative here"):
        assert piece in wrong.stdout
    assert wrong.stdout.index("target") < wrong.stdout.index("expected")  # drawn before it is judged
    assert json.loads((place / "progress.json").read_text())[CHAPTER.folder].keys() == {"neuron"}
    shown = command("learn", "--progress", cwd=place).stdout
    assert "✓ neuron" in shown and f"1 of {len(NAMES)}" in shown
    again = command("learn", "--here", cwd=place)
    assert again.returncode == 0 and f"kept  {CHAPTER.folder}.py" in again.stdout and "wrote" not in again.stdout
    assert "int(np.dot(w, x)" in folder.text(CHAPTER)
    for arguments, said in ((("check", "1.nope"), "no exercise 'nope'"), (("learn", "99"), "no chapter '99'")):
        done = command(*arguments, cwd=place)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_an_answer_that_changed_is_open_again(folder):
    write(folder, neuron="return int(np.dot(w, x) + b > 0)")
    folder.record(CHAPTER, "neuron", True)
    assert folder.state(CHAPTER, "neuron") == "passed"
    file = folder.file(CHAPTER)
    file.write_text(file.read_text().replace("return int(np.dot", "return  int( np.dot"))  # layout only
    assert folder.state(CHAPTER, "neuron") == "passed"
    file.write_text(file.read_text().replace("+ b > 0)", "- b > 0)"))
    assert folder.state(CHAPTER, "neuron") == "changed"
    folder.record(CHAPTER, "neuron", False)
    assert folder.state(CHAPTER, "neuron") == "open"


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_leaves_nothing_behind(folder):
    write(folder, neuron="import time; open('begun', 'w').close(); time.sleep(600)")
    process = subprocess.Popen(
        [sys.executable, "-m", "cutaway", "check", "1.neuron", "--seconds", "100"], cwd=folder.path, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (folder.path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and said == "cutaway: stopped\n"


def test_without_marimo_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(learn.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install marimo"):
        learn.open_chapter("1", Folder(tmp_path), edit=False, browser=False, port=None)
    with open(tmp_path / "shown", "w", encoding="utf-8") as f:
        learn.contents(Console(file=f))
    assert "Perceptron" in (tmp_path / "shown").read_text(encoding="utf-8")


def test_a_card_shows_the_task_the_failure_with_its_hint_or_that_it_passed(folder):
    from cutaway.course.notebook import card, whose, yours

    assert "cutaway learn --here" in card("1.neuron", str(folder.path / "elsewhere"))
    write(folder, neuron="return int(np.dot(w, x) + b > 0)", half_adder="return b, a")
    passed, failed, task = (card(name, str(folder.path)) for name in ("1.neuron", "1.half_adder", "1.add"))
    assert "Passed." in passed and "exercise passed" in passed
    assert "half_adder(1, 0)" in failed and "expected  (1) 1" in failed and "exercise failed" in failed
    assert "raise NotImplementedError" in task and "cutaway check 1.add" in task
    assert yours("1.neuron", str(folder.path))[1] and not yours("1.add", str(folder.path))[1]
    assert "your own" in whose(True)
    file = folder.file(CHAPTER)
    file.write_text(file.read_text().replace("return b, a", "return int(a != b), int(a and b)"))
    assert "Passed." in card("1.half_adder", str(folder.path))  # the file has changed: it was judged anew
