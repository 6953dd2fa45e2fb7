"""One side of a benchmark in a process of its own: it loads a workload and runs steps when told to.

    python -P worker.py FRAMEWORK WORKLOAD.py THREADS

reads one JSON command a line from standard input and answers with one JSON line each. It must not import the package:
a process that times PyTorch holds PyTorch and the workload's file, and nothing of Cutaway.

| command                                            | answer                                                        |
|----------------------------------------------------|---------------------------------------------------------------|
| `{"do": "build"}`                                  | `{}`; the framework is imported, the workload built           |
| `{"do": "save", "file": F}`                        | `{}`; weights and data are in the npz file F                  |
| `{"do": "load", "file": F}`                        | `{}`; weights and data are those of F                         |
| `{"do": "first"}`                                  | `{"seconds", "loss"}` of the first step, compilation included |
| `{"do": "check", "steps": N, "draws": B}`          | `{"losses"}` of N steps, without dropout if B                 |
| `{"do": "block", "seconds": S}` or `"steps": N`    | `{"times"}`: seconds of a step, again and again, after warm-up |
| `{"do": "about"}`                                  | `{"rss", "flops", ...}`: peak memory in bytes, FLOP of a step |

What goes wrong is answered as `{"error": text}`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

WARM_SECONDS, WARM_STEPS = 0.1, 2  # before each block: caches, clock rate and the threads' pools come up
SETTLE_SECONDS, SETTLE_STEPS = 8.0, 100  # before the first block, whichever ends first: what is made meanwhile is made
CHUNK = 0.001  # seconds of steps that are timed together: a clock costs, and a framework may run ahead of Python


def load_file(path: Path) -> ModuleType:
    """The module in a file, whatever package it lies in."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peak_memory() -> int | None:
    """The most memory that this process has held, in bytes; None where the system does not tell."""
    try:  # Linux: ru_maxrss would count the parent's memory from before exec
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Worker:
    """Answers commands about one side."""

    def __init__(self, framework: str, workload: Path, threads: int) -> None:
        self.make = load_file(Path(__file__).parent / "sides" / f"{framework.partition(':')[0]}_side.py").make
        self.framework, self.workload, self.threads = framework, workload, threads
        self.side: Any = None
        self.initial: dict[str, Any] | None = None
        self.settled = False

    def build(self) -> dict[str, Any]:
        """Import the framework and build the workload."""
        self.side = self.make(self.framework.partition(":")[2], load_file(self.workload), self.threads)
        return {}

    def save(self, file: str) -> dict[str, Any]:
        """Write weights and data."""
        import numpy as np

        np.savez(file, **self.side.state())
        return {}

    def load(self, file: str) -> dict[str, Any]:
        """Take weights and data over."""
        import numpy as np

        with np.load(file) as arrays:
            self.initial = dict(arrays)
        self.side.load(self.initial)
        return {}

    def first(self) -> dict[str, Any]:
        """Time the first step."""
        start = perf_counter()
        result = self.side.step()
        self.side.wait(result)
        return {"seconds": perf_counter() - start, "loss": self.side.loss(result)}

    def check(self, steps: int, draws: bool) -> dict[str, Any]:
        """Losses of the next steps, without dropout if `draws`; the one loss that the side compares by, if it has such."""
        if hasattr(self.side, "probe"):
            return {"losses": [self.side.probe()]}
        if draws:
            self.side.train(False)
        losses = [self.side.loss(self.side.step()) for _ in range(steps)]
        if draws:
            self.side.train(True)
        return {"losses": losses}

    def settle(self) -> None:
        """Once: steps until eager Cutaway has made its native programs and caching allocators have their memory."""
        start, steps = perf_counter(), 0
        while not self.settled and steps < SETTLE_STEPS and perf_counter() - start < SETTLE_SECONDS:
            self.side.wait(self.side.step())
            steps += 1
        self.settled = True

    def block(self, seconds: float = 0.0, steps: int = 0) -> dict[str, Any]:
        """Warm up, then time steps for so long, or so many."""
        side = self.side
        self.settle()
        if self.initial is not None:
            side.load(self.initial)  # so that no block trains into numbers that no one meets
        start, warm = perf_counter(), 0
        while warm < WARM_STEPS or perf_counter() - start < WARM_SECONDS:
            side.wait(side.step())
            warm += 1
        chunk = max(1, int(CHUNK / ((perf_counter() - start) / warm)))
        if steps:
            chunk = min(chunk, steps)
        times: list[float] = []
        until = perf_counter() + seconds
        while (len(times) * chunk < steps) if steps else (perf_counter() < until or not times):
            begin = perf_counter()
            for _ in range(chunk):
                result = side.step()
            side.wait(result)
            times.append((perf_counter() - begin) / chunk)
        return {"times": times}

    def about(self) -> dict[str, Any]:
        """Memory and whatever the side can tell of itself."""
        return {"rss": peak_memory(), **self.side.about()}

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry one command out."""
        try:
            return getattr(self, command.pop("do"))(**command)
        except Exception as e:
            return {"error": f"{type(e).__name__}: {e}"}


def main() -> None:
    """Answer until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a framework prints must not come between the answers
    worker = Worker(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    for line in sys.stdin:
        out.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
