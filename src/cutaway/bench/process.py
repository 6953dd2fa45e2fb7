"""A worker as the parent sees it: a process that is asked, one question at a time."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 180.0  # seconds that an answer may take
WORKER = Path(__file__).with_name("worker.py")
# These name a kernel or a cache size of another machine: fine for equal numbers in tests, wrong for times.
FOREIGN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUTAWAY_NUM_THREADS", "NPROC")


class SideError(Exception):
    """A side could not do what it was asked."""


def environment(threads: int, cache: Path) -> dict[str, str]:
    """The surroundings of a worker: so many threads for whoever asks, and an object cache of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in FOREIGN}
    path = os.pathsep.join(p for p in sys.path if p)
    limits = {name: str(threads) for name in THREADS}
    return {**kept, **limits, "PYTHONPATH": path, "CUTAWAY_OBJECT_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}


class Process:
    """A worker for `framework` (such as `cutaway:compiled`). Use as `with Process(...) as p: p.ask("build")`."""

    def __init__(self, framework: str, workload: Path, threads: int, cache: Path) -> None:
        self.framework = framework
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        apart: dict[str, Any] = {"start_new_session": True}  # Ctrl-C is for the parent, which then ends its workers
        if os.name == "nt":
            apart = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(WORKER), framework, str(workload), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment(threads, cache), **apart,
        )  # fmt: skip
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._answers.put(line)
        self._answers.put(b"")

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """Have something done.  Raises SideError with the worker's own words if it fails, dies or takes too long."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps({"do": do, **options}).encode() + b"\n")
            self._child.stdin.flush()
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise SideError(f"no answer to {do!r} within {PATIENCE:.0f} s") from None
        except OSError:
            line = b""
        if not line:
            raise SideError(f"the process ended with code {self._child.wait()} at {do!r}{self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        said = [line for line in lines if line.strip()]
        return f": {said[-1].strip()}" if said else ""

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()  # there is nothing that it could still save
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._log):
            if pipe is not None:
                with contextlib.suppress(OSError):  # a question that was never read
                    pipe.close()
