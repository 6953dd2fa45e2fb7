"""What a run shows while it goes: a line per evaluation, and on a terminal a moving bar below them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cutaway.rl.learner import Learner
from cutaway.train.clock import Clock, spoken

HEAD = "      step   episodes   train return   greedy return        loss   steps/s     time"
_PLAIN_EVERY = 30.0  # seconds between signs of life where there is no terminal
_BARS = "▁▂▃▄▅▆▇█"


class Display:
    """Follows one agent.  Use as `with display.open(): ...`; it prints plain lines where the output is no terminal."""

    def __init__(self, console: Console, agent: Learner, clock: Clock) -> None:
        self._console, self._agent, self._clock = console, agent, clock
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
        text = Text(f"{m['step']:10,}   {m['episodes']:8,}   {_number(m['train_return'], 12, 1)}   ")
        text.append(f"{m['return']:13.1f}", style="bold")
        text.append(f"  {_number(m['loss'], 10, 4)}  {self._clock.rate:8,.0f}   {spoken(m['seconds']):>6}")
        self._console.print(text, soft_wrap=True)

    def stepped(self) -> None:
        """To be called after each step: a sign of life now and then where there is no moving bar."""
        if not self._console.is_terminal and time.monotonic() - self._spoke > _PLAIN_EVERY:
            self._spoke = time.monotonic()
            a = self._agent
            self.line(f"{a.step:10,}   {len(a.episodes):8,}   {_number(self._recent(), 12, 1)}   {self._left()} left")

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say `what` in place of the time left."""
        self._doing = what
        try:
            yield
        finally:
            self._doing = ""

    def _recent(self) -> float | None:
        totals = [e.total for e in self._agent.episodes[-20:]]
        return sum(totals) / len(totals) if totals else None

    def _left(self) -> str:
        a = self._agent
        rate = self._clock.rate
        return spoken((a.settings.steps - a.step) / rate if rate else None)

    def _view(self) -> Group:
        a = self._agent
        bar = Table.grid(padding=(0, 2))
        share = min(a.step / a.settings.steps, 1.0)
        bar.add_row(
            f"step {a.step:,} of {a.settings.steps:,}",
            ProgressBar(total=1.0, completed=share, width=32),
            f"{100 * share:3.0f} %",
            self._doing or f"{self._left()} left",
        )
        words = Text("return ", style="dim", no_wrap=True, overflow="ellipsis")
        totals = [e.total for e in list(a.episodes)]
        if totals:
            words.append(f"{self._recent():.1f} ", style="bold default")
            words.append(course(totals) + "  ", style="cyan")
        if a.losses:
            recent = a.losses[-100:]
            words.append("loss ", style="dim")
            words.append(f"{sum(recent) / len(recent):.4f}  ", style="bold default")
        words.append(f"{self._clock.rate:,.0f} steps/s   Ctrl-C stops and keeps the state")
        return Group(Text(), bar, words)


def course(values: list[float], width: int = 16) -> str:
    """The course of some numbers so far, in one line."""
    levels = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    span = float(np.ptp(levels)) or 1.0
    return "".join(_BARS[int(v)] for v in np.clip((levels - levels.min()) / span * len(_BARS), 0, len(_BARS) - 1))


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width},.{digits}f}"
