"""`cutaway rl train`: from options to a run folder, which is that of `cutaway train`."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cutaway.core.errors import ArgumentError
from cutaway.rl import evaluate, report, roster
from cutaway.rl.learner import Learner
from cutaway.rl.live import Display, number
from cutaway.rl.roster import Program
from cutaway.rl.settings import Settings, read
from cutaway.train import checkpoint
from cutaway.train.clock import Clock
from cutaway.train.folder import RunFolder, default_path
from cutaway.train.stop import Stop

CHECKPOINT_EVERY = 30.0
"""Seconds of work that a kill can cost at most."""

RATE_EVERY = 0.1
"""Seconds over which steps are counted for the rate that is shown."""

RECENT = 20
"""Training episodes over which a mean is shown."""

FILM = 8
"""Frames of one greedy episode that are kept at each evaluation."""


def start(name: str, words: list[str], out: Path | None, console: Console, mine: Any = None) -> int:
    """A new run of the agent `name`, with the options in `words`; `mine`, the user's parts in use, goes on record.

    Gives the exit code.

    Raises ArgumentError for an option that cannot be.
    """
    program = roster.find(name)
    s = program.config.of(**read(program.config, words))
    agent = program.agent(s)
    label = re.sub(r"[^\w.-]+", "-", f"{program.name}-{s.env}").strip("-")  # a name may hold / : ( )
    folder = RunFolder.create(out or default_path(label), program, s, mine)
    return _go(program, agent, folder, console)


def resume(path: Path, console: Console, mine: Any = None) -> int:
    """Go on with the run at `path`, to the very numbers of a run that was never stopped.  Gives the exit code.

    mine    the parts of the user's that are in use

    Raises ArgumentError if no run is there, FileFormatError naming the file that is damaged.
    """
    program, agent, folder = load(path, "--resume")
    folder.note_mine(mine)
    folder.cut_metrics(agent.evaluated)
    return _go(program, agent, folder, console)


def load(path: Path, asked: str) -> tuple[Program, Learner, RunFolder]:
    """The agent of the run at `path` as its last checkpoint left it, its program as it was when the run began.

    Raises ArgumentError if no run is there, FileFormatError naming the file that is damaged.
    """
    program: Program
    s: Settings
    folder, program, s = RunFolder.open(path, asked, roster.load)
    agent = program.agent(s)
    if checkpoint.exists(path):
        weights, state = checkpoint.load(path)
        checkpoint.fit(agent.model, weights, path)
        agent.load_state(state)
    return program, agent, folder


def due(agent: Learner) -> bool:
    """True if it is time for an evaluation: at the beginning, at the end, and every so many steps."""
    every = agent.settings.eval_every
    return agent.evaluated < agent.step and (
        agent.evaluated < 0 or agent.finished or agent.step // every > agent.evaluated // every
    )


def _go(program: Program, agent: Learner, folder: RunFolder, console: Console) -> int:
    clock = Clock(agent.seconds)
    display = Display(console, agent, clock)
    display.line(_about(program, agent, folder))
    agent.say = lambda text: display.line(text, style="yellow")  # type: ignore[method-assign]
    with Stop() as stop, display.open(), agent.computing():
        _loop(agent, folder, clock, display, stop)
        if not agent.finished or due(agent):
            display.line(f"stopped at step {agent.step:,} of {agent.settings.steps:,}; go on with")
            display.line(f"cutaway rl train --resume {folder.path}")
            return stop.exit_code
        with display.doing("drawing the report"):
            metrics = folder.metrics()
            folder.write_report(report.render(program, agent, metrics))
    last = metrics[-1]
    print(f"mean return {number(last['return'])} over {last['judged']} greedy episodes · {folder.report}", flush=True)
    return 0


def _loop(agent: Learner, folder: RunFolder, clock: Clock, display: Display, stop: Stop) -> None:
    """Play, updates and evaluations until the end or a stop.  What is on the disk afterwards is where the agent stands."""

    def save() -> float:
        agent.seconds = clock.seconds()
        checkpoint.save(folder.path, agent.model.state_dict(), agent.state())
        return time.monotonic()

    saved = time.monotonic()
    since, at = time.monotonic(), agent.step
    while True:
        if due(agent):
            if agent.step > at:
                clock.took(agent.step - at, time.monotonic() - since)
            with clock.evaluation(), display.doing("evaluating"):
                made = judge(agent, lambda: stop.asked)
            if made is None:
                break
            made["seconds"] = round(clock.seconds(), 3)
            folder.add_metrics(made)
            display.evaluated(made)
            saved = save()
            since, at = saved, agent.step
        if agent.finished or stop.asked:
            break
        agent.advance()
        if agent.losses and not math.isfinite(agent.losses[-1]):
            raise ArgumentError(
                f"rl train: the loss became {agent.losses[-1]} at step {agent.step} (learning rate {agent.settings.lr:g}): "
                "the updates are too long; try a lower --lr"
            )
        display.stepped()
        now = time.monotonic()
        if now - since > RATE_EVERY:
            clock.took(agent.step - at, now - since)
            since, at = now, agent.step
        if now - saved > CHECKPOINT_EVERY:
            saved = save()
            since = saved
    if stop.asked:
        save()


def judge(agent: Learner, stop: Any = lambda: False) -> dict[str, Any] | None:
    """The line of this step for metrics.jsonl, less its `seconds`; None if stopped."""
    s = agent.settings
    count = s.final_episodes if agent.finished else s.eval_episodes
    found = evaluate.returns(agent, count, stop)
    if stop():
        return None
    agent.evaluated = agent.step
    recent, losses = [e.total for e in agent.episodes[-RECENT:]], agent.losses[agent.told :]
    agent.told = len(agent.losses)
    return {
        "step": agent.step,
        "episodes": len(agent.episodes),
        "updates": len(agent.losses),
        "return": float(found.mean()),
        "spread": float(found.std()),
        "judged": count,
        "train_return": float(np.mean(recent)) if recent else None,
        "loss": float(np.mean(losses)) if losses else None,
        "film": evaluate.film(agent, FILM),
    }


def _about(program: Program, agent: Learner, folder: RunFolder) -> str:
    count = sum(p.numel() for p in agent.model.parameters())
    where = f"from step {agent.step:,}" if agent.step else f"{agent.settings.steps:,} steps"
    return f"{program.name} in {agent.settings.env}: {count:,} parameters, {where}, results in {folder.path}"
