"""The machine's side: how many multiply-adds a second it does where nothing else is to be done, on all threads at once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from cutaway.engine.llvm.target import target
from cutaway.engine.machine import measure


class Peak:
    """It takes no steps; each time it is asked `about`, it measures anew."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def about(self) -> dict[str, Any]:
        """FLOP a second in float32."""
        return {"peak": measure(target(), self.threads).peak["float32"]}


def make(variant: str, workload: ModuleType, threads: int) -> Peak:
    """The side; the workload does not matter."""
    return Peak(threads)
