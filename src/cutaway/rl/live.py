"""What an agent's training shows while it goes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from cutaway.rl.learner import Learner
from cutaway.train.clock import Clock, spoken
from cutaway.train.screen import Screen, bars


class Display(Screen):
    """Follows one agent."""

    head = "      step   episodes   train return   greedy return        loss   steps/s     time"

    def __init__(self, console: Console, agent: Learner, clock: Clock) -> None:
        self._agent = agent  # first: the screen asks at once how far it is
        super().__init__(console, clock)

    def row(self, m: dict[str, Any]) -> Text:
        """The line of one evaluation."""
        text = Text(f"{m['step']:10,}   {m['episodes']:8,}   {number(m['train_return']):>12}   ")
        text.append(f"{number(m['return']):>13}", style="bold")
        text.append(f"  {number(m['loss'], 4):>10}  {self._clock.rate:8,.0f}   {spoken(m['seconds']):>6}")
        return text

    def sign(self) -> str:
        """The step and the recent return."""
        a = self._agent
        return f"{a.step:10,}   {len(a.episodes):8,}   {number(self._recent()):>12}   {self.left()} left"

    def progress(self) -> tuple[str, float]:
        """In steps of the environment."""
        a = self._agent
        return f"step {a.step:,} of {a.settings.steps:,}", min(a.step / a.settings.steps, 1.0)

    def left(self) -> str:
        """By the pace of steps."""
        a, rate = self._agent, self._clock.rate
        return spoken((a.settings.steps - a.step) / rate if rate else None)

    def words(self) -> Text:
        """The returns so far, and the loss."""
        a = self._agent
        words = Text("return ", style="dim", no_wrap=True, overflow="ellipsis")
        totals = [e.total for e in list(a.episodes)]
        if totals:
            words.append(f"{number(self._recent())} ", style="bold default")
            words.append(bars(totals, 16) + "  ", style="cyan")
        if a.losses:
            recent = a.losses[-100:]
            words.append("loss ", style="dim")
            words.append(f"{sum(recent) / len(recent):.4f}  ", style="bold default")
        words.append(f"{self._clock.rate:,.0f} steps/s   Ctrl-C stops and keeps the state")
        return words

    def _recent(self) -> float | None:
        totals = [e.total for e in self._agent.episodes[-20:]]
        return sum(totals) / len(totals) if totals else None


def number(value: float | None, digits: int | None = None) -> str:
    """With so many digits after the point, by default one, or two where it is below 10; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,.{(2 if abs(value) < 10 else 1) if digits is None else digits}f}"
