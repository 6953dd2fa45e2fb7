"""What a training shows while it goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from cutaway.train.clock import Clock, spoken
from cutaway.train.screen import Screen, bars
from cutaway.train.trainer import Trainer


class Display(Screen):
    """Follows one trainer."""

    head = "   epoch   train loss   train acc.   test loss   test acc.   images/s     time"

    def __init__(self, console: Console, trainer: Trainer, clock: Clock) -> None:
        self._trainer = trainer  # first: the screen asks at once how far it is
        super().__init__(console, clock)

    def row(self, m: dict[str, Any]) -> Text:
        """The line of one evaluation."""
        text = Text(
            f"{m['epoch']:8.2f}   {m['train_loss']:10.4f}   {m['train_accuracy']:10.4f}   {m['test_loss']:9.4f}   "
        )
        text.append(f"{m['test_accuracy']:9.4f}", style="bold")
        text.append(f"   {self._clock.rate:8,.0f}   {spoken(m['seconds']):>6}")
        return text

    def sign(self) -> str:
        """The step and the recent loss."""
        t = self._trainer
        return f"{t.epoch:8.2f}   step {t.step:,} of {t.steps:,}, batch loss {self._loss():.4f}, {self.left()} left"

    def progress(self) -> tuple[str, float]:
        """In epochs."""
        t = self._trainer
        return f"epoch {min(int(t.epoch) + 1, t.settings.epochs)} of {t.settings.epochs}", t.step / t.steps

    def left(self) -> str:
        """By the pace of steps and of evaluations."""
        t = self._trainer
        every = t.settings.eval_every or t.batches.per_epoch
        return spoken(self._clock.left(t.steps - t.step, -(-t.steps // every) - t.step // every))

    def words(self) -> Text:
        """The losses so far."""
        t = self._trainer
        words = Text("loss ", style="dim")
        if t.losses:
            words.append(f"{self._loss():.4f} ", style="bold default")
            words.append(sparkline(t.losses) + "  ", style="cyan")
            words.append(f"{self._clock.rate:,.0f} images/s   ")
        words.append("Ctrl-C stops and keeps the state")
        return words

    def _loss(self) -> float:
        recent = self._trainer.losses[-20:]
        return sum(recent) / len(recent) if recent else float("nan")


def sparkline(losses: list[float], width: int = 32) -> str:
    """The course of the batch losses so far in one line, on a logarithmic scale."""
    return bars(np.log(np.maximum(losses, 1e-9)), width)
