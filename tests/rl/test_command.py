"""`cutaway rl`: the commands, their help, their errors."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from cutaway import cli
from cutaway.core.errors import ArgumentError
from cutaway.rl import roster, settings
from cutaway.train import recipe as recipes


def command(*words):
    return [sys.executable, "-m", "cutaway", "rl", *map(str, words)]


def refused(capsys, *words):
    """The one line of an error."""
    argv, sys.argv = sys.argv, ["cutaway", "rl", *words]
    try:
        with pytest.raises(SystemExit) as end:
            cli.main()
    finally:
        sys.argv = argv
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_ctrl_c_saves_and_resume_goes_on(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.Popen(
        command("train", "q-learning", "--steps", 2_000_000, "--eval-every", 20_000, "--out", "run"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment, cwd=tmp_path,
    )  # fmt: skip
    for _ in range(600):
        if (tmp_path / "run" / "metrics.jsonl").exists():
            break
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (130, "")
    assert out.splitlines()[-1] == "cutaway rl train --resume run"
    assert (tmp_path / "run" / "model.safetensors").exists()
    made = subprocess.run(command("watch", "run", "--episodes", 1), capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (made.stdout.split(), made.stderr) == ([os.path.join("run", "watch.html")], "")


def test_help_lists_an_agents_options(capsys):
    argv, sys.argv = sys.argv, ["cutaway", "rl", "train", "ppo", "--help"]
    try:
        with pytest.raises(SystemExit):
            cli.main()
    finally:
        sys.argv = argv
    text = capsys.readouterr().out
    assert [o.name for o in settings.options(roster.find("ppo").config) if f"  {settings.option(o.name)} " not in text] == []
    assert "--resume" in text and "in CartPole-v1: --reward-scale" in text


def test_a_run_of_the_other_kind_is_named(tmp_path):
    agent, recipe = tmp_path / "agent.py", tmp_path / "recipe.py"
    agent.write_text(roster.find("sarsa").source)
    recipe.write_text(recipes.find("gates").source)
    with pytest.raises(ArgumentError, match="is an agent; it is `cutaway rl train`"):
        recipes.find(str(agent))
    with pytest.raises(ArgumentError, match="is a recipe; it is `cutaway train`"):
        roster.find(str(recipe))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --env cliff dqn", "name the agent first"),
        ("train dqm", "did you mean dqn"),
        ("train dqn --lrr 3", "did you mean --lr"),
        ("train dqn --resume runs/x", "leave out dqn"),
        ("train --resume nowhere", "no config.json there"),
        ("watch nowhere", "watch nowhere: no config.json there"),
        ("bench q-learning --seeds 0", "--seeds must be 1 or more"),
    ],
)
def test_one_line_errors(words, message, capsys):
    assert re.search(re.escape(message), refused(capsys, *words.split()))
