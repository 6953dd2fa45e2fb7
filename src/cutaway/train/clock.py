"""How fast a run goes and how long it still takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_RECENT = 60


class Clock:
    """Times steps and evaluations.  `seconds()` counts on from `before`, the time that earlier sittings took."""

    def __init__(self, before: float, now: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._start = now, now() - before
        self._steps: deque[tuple[int, float]] = deque(maxlen=_RECENT)
        self._evaluation = 0.0

    def seconds(self) -> float:
        """Since the run began, pauses between sittings left out."""
        return self._now() - self._start

    @contextmanager
    def step(self, examples: int) -> Iterator[None]:
        """Around one training step on so many examples."""
        begin = self._now()
        yield
        self._steps.append((examples, self._now() - begin))

    def took(self, examples: int, seconds: float) -> None:
        """What was timed elsewhere: one training step on so many examples."""
        self._steps.append((examples, seconds))

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Around one evaluation."""
        begin = self._now()
        yield
        self._evaluation = self._now() - begin

    @property
    def rate(self) -> float:
        """Examples a second, over the last steps; 0 before the first."""
        taken = sum(t for _, t in self._steps)
        return sum(n for n, _ in self._steps) / taken if taken > 0 else 0.0

    def left(self, steps: int, evaluations: int) -> float | None:
        """Seconds for so many more steps and evaluations; None before the first step."""
        if not self._steps:
            return None
        return steps * sum(t for _, t in self._steps) / len(self._steps) + evaluations * self._evaluation


def spoken(seconds: float | None) -> str:
    """1:05 for 65 seconds, 1:02:03 for an hour and more, a dash for None."""
    if seconds is None:
        return "-"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
