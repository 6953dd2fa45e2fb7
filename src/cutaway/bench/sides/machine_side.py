"""The machine's side: how many multiply-adds a second it does where nothing else is to be done, on all threads at once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from cutaway.engine import machine
from cutaway.engine.llvm.target import target


class Peak:
    """It takes no steps; each time it is asked `about`, it measures anew."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def about(self) -> dict[str, Any]:
        """FLOP a second in float32."""
        measured = machine._measure.__wrapped__(
            target(), self.threads
        )  # `machine.machine` would remember the first answer
        return {"peak": measured.peak["float32"]}


def make(variant: str, workload: ModuleType, threads: int) -> Peak:
    """The side; the workload does not matter."""
    return Peak(threads)
