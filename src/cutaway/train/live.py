"""What a run shows while it goes: a line per evaluation, and on a terminal a moving bar below them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cutaway.train.clock import Clock, spoken
from cutaway.train.trainer import Trainer

HEAD = "   epoch   train loss   train acc.   test loss   test acc.   images/s     time"
_PLAIN_EVERY = 30.0  # seconds between signs of life where there is no terminal
_BARS = "▁▂▃▄▅▆▇█"


class Display:
    """Follows one trainer.  Use as `with display: ...`; it prints plain lines where the output is no terminal."""

    def __init__(self, console: Console, trainer: Trainer, clock: Clock) -> None:
        self._console, self._trainer, self._clock = console, trainer, clock
        self._doing, self._spoke = "", time.monotonic()
        self._live = Live(get_renderable=self._view, console=console, refresh_per_second=8, transient=True)

    @contextmanager
    def open(self) -> Iterator[Display]:
        """Show it for as long as the block runs."""
        self.line(HEAD, style="dim")
        if not self._console.is_terminal:
            yield self
            return
        with self._live:
            yield self

    def line(self, text: str, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def evaluated(self, m: dict[str, Any]) -> None:
        """The line of one evaluation."""
        self._spoke = time.monotonic()
        text = Text(
            f"{m['epoch']:8.2f}   {m['train_loss']:10.4f}   {m['train_accuracy']:10.4f}   {m['test_loss']:9.4f}   "
        )
        text.append(f"{m['test_accuracy']:9.4f}", style="bold")
        text.append(f"   {self._clock.rate:8,.0f}   {spoken(m['seconds']):>6}")
        self._console.print(text, soft_wrap=True)

    def stepped(self) -> None:
        """To be called after each step: a sign of life now and then where there is no moving bar."""
        if not self._console.is_terminal and time.monotonic() - self._spoke > _PLAIN_EVERY:
            self._spoke = time.monotonic()
            t = self._trainer
            self.line(
                f"{t.epoch:8.2f}   step {t.step:,} of {t.steps:,}, batch loss {self._loss():.4f}, {self._left()} left"
            )

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say `what` in place of the time left."""
        self._doing = what
        try:
            yield
        finally:
            self._doing = ""

    def _loss(self) -> float:
        recent = self._trainer.losses[-20:]
        return sum(recent) / len(recent) if recent else float("nan")

    def _left(self) -> str:
        t = self._trainer
        every = t.settings.eval_every or t.batches.per_epoch
        return spoken(self._clock.left(t.steps - t.step, -(-t.steps // every) - t.step // every))

    def _view(self) -> Group:
        t = self._trainer
        bar = Table.grid(padding=(0, 2))
        share = t.step / t.steps
        bar.add_row(
            f"epoch {min(int(t.epoch) + 1, t.settings.epochs)} of {t.settings.epochs}",
            ProgressBar(total=t.steps, completed=t.step, width=32),
            f"{100 * share:3.0f} %",
            f"{self._doing or self._left() + ' left'}",
        )
        words = Text("loss ", style="dim")
        if t.losses:
            words.append(f"{self._loss():.4f} ", style="bold default")
            words.append(sparkline(t.losses) + "  ", style="cyan")
            words.append(f"{self._clock.rate:,.0f} images/s   ")
        words.append("Ctrl-C stops and keeps the state")
        return Group(Text(), bar, words)


def sparkline(losses: list[float], width: int = 32) -> str:
    """The course of the batch losses so far in one line, on a logarithmic scale."""
    import numpy as np

    parts = np.array_split(np.log(np.maximum(losses, 1e-9)), min(width, len(losses)))
    levels = np.array([p.mean() for p in parts])
    span = float(np.ptp(levels)) or 1.0
    return "".join(_BARS[int(v)] for v in np.clip((levels - levels.min()) / span * len(_BARS), 0, len(_BARS) - 1))
