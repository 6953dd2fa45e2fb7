"""A learner's program in a process of its own, which can neither hang nor end the one that asked."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cutaway
from cutaway.course.chapters import Chapter
from cutaway.course.child import TOO_MUCH, tail
from cutaway.course.folder import Folder

MEMORY = 1 << 30  # bytes that an answer may take
KERNEL = sys.platform == "linux"  # whether the system itself keeps a process to that
START = 60.0  # seconds until the process must have begun; a busy machine is slow to start Python

Found = dict[str, Any]


def findings(
    folder: Folder,
    chapter: Chapter,
    names: Sequence[str],
    *,
    width: int = 100,
    colour: bool = False,
    seconds: float | None = None,
) -> Iterator[Found]:
    """What was found of each exercise, in order.  `seconds`: in place of the exercises' own limits.

    An answer that never ends, takes too much memory or ends the process fails; the others go on in a new one.
    """
    left = list(names)
    while left:
        with _Child(folder, chapter, left, width, colour) as child:
            for found in child.listen(seconds):
                if "broken" in found:
                    for name in left:
                        yield {"name": name, "status": "broken", "got": found["broken"], "printed": tail(child.printed)}
                    return
                left.remove(found["name"])
                yield {"printed": tail(child.printed)} | found  # what it said itself, if it lived to say it


class _Child:
    def __init__(self, folder: Folder, chapter: Chapter, names: Sequence[str], width: int, colour: bool) -> None:
        self.chapter, self.names = chapter, list(names)
        self.output = tempfile.mkdtemp(prefix="cutaway-check-")
        self.printed = os.path.join(self.output, "printed")
        self.job = {
            "chapter": chapter.folder, "folder": str(folder.path.resolve()), "names": self.names, "width": width,
            "colour": colour, "printed": self.printed, "memory": MEMORY, "kernel": KERNEL,
        }  # fmt: skip
        self.lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> _Child:
        # One thread of BLAS: each takes address space, and answers are small. The package is found where it was found here.
        above = str(Path(cutaway.__file__).parent.parent)
        paths = os.pathsep.join(filter(None, [above, os.environ.get("PYTHONPATH", "")]))
        env = os.environ | {
            "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": paths,
            "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", "CUTAWAY_AHEAD": "off",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cutaway.course.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=env, text=True, encoding="utf-8", start_new_session=os.name == "posix",
        )  # fmt: skip
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(self.job) + "\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it ended already: `listen` says so
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self.lines.put(line)
        except ValueError:  # closed meanwhile
            pass
        self.lines.put(None)

    def listen(self, seconds: float | None) -> Iterator[Found]:
        """Findings, until the process is through or has ended; of its end, one more for the exercise that it was at."""
        now, trying = "", ""
        allowed = START
        deadline = time.monotonic() + allowed
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                yield self._failed(now, trying, f"it was still running after {allowed:g} seconds",
                                   "Does a loop ever end? Look at what its condition waits for.")  # fmt: skip
                return
            if line is None:
                if now != "done":
                    yield self._failed(now, trying, *self._end())
                return
            said = json.loads(line)
            if "begin" in said:
                now, trying = said["begin"], ""
                allowed = seconds or (self.chapter.exercises[now].seconds if now else START)
                deadline = time.monotonic() + allowed
            elif "trying" in said:
                trying = said["trying"]
            else:
                yield said
                if "broken" in said or said["name"] == self.names[-1]:
                    return

    def _failed(self, name: str, trying: str, why: str, hint: str) -> Found:
        if not name:
            return {"broken": f"{self.chapter.folder}.py: while it was imported, {why}"}
        return {"name": name, "status": "failed", "cases": 0, "call": trying or name, "why": why, "hint": hint}

    def _end(self) -> tuple[str, str]:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed the checker's channel", "Leave file descriptors alone."
        if code < 0:
            name = signal.Signals(-code).name
            return f"it crashed the process ({name})", "Memory ran out, or compiled code was given what it cannot take."
        if code == TOO_MUCH:
            why = f"it took more than {MEMORY / (1 << 30):g} GiB of memory"
            return why, "Does a list or an array grow in a loop that never ends? Answers need little memory."
        return f"it ended the process (exit code {code})", "Return the answer: exit, quit and os._exit end everything."

    def __exit__(self, *_: object) -> None:
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # and what it may have started
        else:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        shutil.rmtree(self.output, ignore_errors=True)
