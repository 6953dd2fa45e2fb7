"""What any run shows while it goes: a line per evaluation, and on a terminal a moving bar below them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cutaway.train.clock import Clock

_PLAIN_EVERY = 30.0  # seconds between signs of life where there is no terminal
_BARS = "▁▂▃▄▅▆▇█"


class Screen(ABC):
    """Follows a run.  Use as `with screen.open(): ...`; it prints plain lines where the output is no terminal.

    A kind of run says what stands in its columns (`head`, `row`, `sign`), how far it is, and what moves below the bar.
    """

    head: ClassVar[str]

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console, self._clock = console, clock
        self._doing, self._spoke = "", time.monotonic()
        self._live = Live(get_renderable=self._view, console=console, refresh_per_second=8, transient=True)

    @abstractmethod
    def row(self, m: dict[str, Any]) -> Text:
        """The line of one evaluation."""

    @abstractmethod
    def sign(self) -> str:
        """A sign of life between two evaluations."""

    @abstractmethod
    def progress(self) -> tuple[str, float]:
        """How far it is, in words, and from 0 to 1."""

    @abstractmethod
    def left(self) -> str:
        """How long it will take."""

    @abstractmethod
    def words(self) -> Text:
        """What moves below the bar."""

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Show it for as long as the block runs."""
        self.line(self.head, style="dim")
        if not self._console.is_terminal:
            yield self
            return
        with self._live:
            yield self

    def line(self, text: str, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def evaluated(self, m: dict[str, Any]) -> None:
        """Print the line of one evaluation."""
        self._spoke = time.monotonic()
        self._console.print(self.row(m), soft_wrap=True)

    def stepped(self) -> None:
        """To be called after each step: a sign of life now and then where there is no moving bar."""
        if not self._console.is_terminal and time.monotonic() - self._spoke > _PLAIN_EVERY:
            self._spoke = time.monotonic()
            self.line(self.sign())

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say `what` in place of the time left."""
        self._doing = what
        try:
            yield
        finally:
            self._doing = ""

    def _view(self) -> Group:
        where, share = self.progress()
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            where,
            ProgressBar(total=1.0, completed=share, width=32),
            f"{100 * share:3.0f} %",
            self._doing or f"{self.left()} left",
        )
        return Group(Text(), bar, self.words())


def bars(values: Any, width: int) -> str:
    """The course of some numbers so far in one line, from the lowest to the highest."""
    levels = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    span = float(np.ptp(levels)) or 1.0
    return "".join(_BARS[int(v)] for v in np.clip((levels - levels.min()) / span * len(_BARS), 0, len(_BARS) - 1))
