"""`cutaway train`: from options to a run folder."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from cutaway.core.errors import ArgumentError
from cutaway.train import checkpoint, evidence
from cutaway.train import recipe as recipes
from cutaway.train.clock import Clock
from cutaway.train.folder import RunFolder, default_path
from cutaway.train.live import Display
from cutaway.train.recipe import Recipe
from cutaway.train.report import render
from cutaway.train.settings import Settings
from cutaway.train.stop import Stop
from cutaway.train.trainer import Interrupted, Trainer

CHECKPOINT_EVERY = 30.0
"""Seconds of work that a kill can cost at most."""


def start(name: str, options: dict[str, Any], out: Path | None, console: Console, mine: Any = None) -> int:
    """A new run of the recipe `name`, with `options` in place of its defaults, and with `mine` on record: the parts of the
    user's that are in use.  Gives the exit code.

    Raises ArgumentError for an option that cannot be, FileFormatError for data that is damaged.
    """
    recipe = recipes.find(name)
    s = recipe.config(**options)
    if os.path.isdir(s.data):
        s = recipe.config(**{**options, "data": os.path.abspath(s.data)})  # a resume may start from another folder
    trainer = _trainer(recipe, s)
    folder = RunFolder.create(out or default_path(recipe.name), recipe, s, mine)
    return _go(recipe, trainer, folder, console)


def resume(path: Path, console: Console, compiled: bool | None = None, mine: Any = None) -> int:
    """Go on with the run at `path`, to the very numbers of a run that was never stopped.  Gives the exit code.

    `compiled` says how, if not as before; then the numbers are the same to rounding. `mine`: the user's parts in use.

    Raises ArgumentError if no run is there, FileFormatError naming the file that is damaged.
    """
    recipe: Recipe
    s: Settings
    folder, recipe, s = RunFolder.open(path)
    folder.note_mine(mine)
    if compiled is not None:
        s = dataclasses.replace(s, compile=compiled)
    trainer = _trainer(recipe, s)
    if checkpoint.exists(path):
        weights, state = checkpoint.load(path)
        checkpoint.fit(trainer.model, weights, path)
        trainer.load_state(state)
    folder.cut_metrics(trainer.evaluated)
    return _go(recipe, trainer, folder, console)


def _trainer(recipe: Recipe, s: Settings) -> Trainer:
    return Trainer(recipe, recipe.data(s), s)


def _go(recipe: Recipe, trainer: Trainer, folder: RunFolder, console: Console) -> int:
    clock = Clock(trainer.seconds)
    display = Display(console, trainer, clock)
    display.line(_about(recipe, trainer, folder))
    trainer.say = lambda text: display.line(text, style="yellow")
    with Stop() as stop, display.open():
        _loop(trainer, folder, clock, display, stop)
        if not trainer.finished or trainer.evaluation_due:
            display.line(f"stopped at step {trainer.step:,} of {trainer.steps:,}; go on with")
            display.line(f"cutaway train --resume {folder.path}")
            return stop.exit_code
        with display.doing("drawing the report"):
            metrics = folder.metrics()
            folder.write_report(render(evidence.gather(recipe, trainer, metrics)))
    print(f"test accuracy {metrics[-1]['test_accuracy']:.4f} · {folder.report}", flush=True)
    return 0


def _loop(trainer: Trainer, folder: RunFolder, clock: Clock, display: Display, stop: Stop) -> None:
    """Steps and evaluations until the end or a stop.  What is on the disk afterwards is where the trainer stands."""

    def save() -> float:
        trainer.seconds = clock.seconds()
        checkpoint.save(folder.path, trainer.model.state_dict(), trainer.state())
        return time.monotonic()

    saved = time.monotonic()
    while True:
        if trainer.evaluation_due:
            try:
                with clock.evaluation(), display.doing("evaluating"):
                    record = trainer.evaluate(lambda: stop.asked)
            except Interrupted:
                break
            record["seconds"] = round(clock.seconds(), 3)
            folder.add_metrics(record)
            display.evaluated(record)
            saved = save()
        if trainer.finished or stop.asked:
            break
        with clock.step(trainer.settings.batch_size):
            loss = trainer.train_step()
        if not math.isfinite(loss):
            raise ArgumentError(
                f"train: the loss became {loss} at step {trainer.step} (learning rate "
                f"{trainer.optimizer.param_groups[0]['lr']:g}): the steps are too long; try a lower --lr, or --init he"
            )
        display.stepped()
        if time.monotonic() - saved > CHECKPOINT_EVERY:
            saved = save()
    if stop.asked:
        save()


def _about(recipe: Recipe, trainer: Trainer, folder: RunFolder) -> str:
    count = sum(p.numel() for p in trainer.model.parameters())
    where = f"from step {trainer.step:,}" if trainer.step else f"{trainer.steps:,} steps"
    return (
        f"{recipe.name}: {count:,} parameters, {len(trainer.task.train):,} training and "
        f"{len(trainer.task.test):,} test examples, {where}, results in {folder.path}"
    )
