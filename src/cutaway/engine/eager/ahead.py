"""Plans that are made ahead, in a process of their own, while this one goes on with NumPy.

A plan is taken as soon as it is there, and one that an earlier run left in the object cache at the second call: so the first
runs of a program differ from later ones in the last digits. With `use_deterministic_algorithms(True)` they do not: then a
plan is taken once so much was spent on its signature, and waited for if it is not there yet. (That is also when a plan is
made here, where there is no other process.) While the other process is at work it has a CPU for itself.

CUTAWAY_AHEAD=off       make plans here, when their time has come, whatever earlier runs have left
"""

from __future__ import annotations

import atexit
import contextlib
import math
import multiprocessing
import os
import select
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

from cutaway.core.settings import are_deterministic_algorithms_enabled
from cutaway.engine import threads
from cutaway.engine.eager.request import Request, Words
from cutaway.engine.llvm import cache

ON = os.environ.get("CUTAWAY_AHEAD", "") != "off"
OFTEN = 0.005  # seconds between two looks at what has been made
LONGEST = 4096  # bytes of a request: so many are written to a pipe at once or not at all
SCRIPT = "import sys; sys.path.insert(0, {root!r}); from cutaway.engine.eager import maker; maker.main()"


class Maker:
    """The other process, and which plans it has been asked for."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.asked: set[str] = set()
        self.done: set[str] = set()
        self.rest = b""
        self.late = self.ended = False
        self.listened = 0.0
        root = str(Path(__file__).parents[3])
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(root=root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            env={**os.environ, "CUTAWAY_AHEAD": "off", "CUTAWAY_EAGER": "numpy"},
        )  # fmt: skip
        assert self.process.stdin is not None and self.process.stdout is not None
        self.requests, self.answers = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.requests, False)

    def ask(self, name: str, r: Request, worth: float) -> bool:
        """Ask for a plan; False if that cannot be done now.  worth: those with more go first."""
        text = BytesIO()
        Words(text).dump((worth, name, r))
        if text.tell() > LONGEST:
            return False
        try:
            if os.write(self.requests, text.getvalue()) != text.tell():
                return False
        except OSError:  # full, or the process has ended
            return False
        self.asked.add(name)
        threads.beside(self.busy)
        return True

    def wait(self, name: str, r: Request, seconds: float) -> None:
        """Until a plan that was asked for is made, or the process has ended; not for longer than making it here takes.

        On a busy machine that process is not run: then it is not waited for again until it has made something.
        """
        if name not in self.done and not self.late and not self.ended:
            self.ask(name, r, math.inf)
        end = time.monotonic() + (0.0 if self.late else seconds)
        while name not in self.done and not self.ended:
            if not self.hear(end - time.monotonic()):
                self.late = True
                return

    def made(self, name: str) -> bool:
        """Whether a plan is there."""
        self.look()
        return name in self.done

    def busy(self) -> bool:
        """Whether something is still to be made."""
        self.look()
        if len(self.done) < len(self.asked) and not self.ended:
            return True
        threads.beside(None)
        return False

    def look(self) -> None:
        """Now and then, take in what has come."""
        now = time.monotonic()
        if now > self.listened + OFTEN and not self.ended:
            self.listened = now
            self.hear(0.0)

    def hear(self, seconds: float) -> bool:
        """Take in what the other process has said since, or says within `seconds`; False if that is nothing."""
        ready, _, _ = select.select([self.answers], [], [], max(0.0, seconds))
        if not ready:
            return False
        read = os.read(self.answers, 1 << 16)
        if not read:
            self.ended = True
            return True
        *names, self.rest = (self.rest + read).split(b"\n")
        self.done |= {n.decode() for n in names}
        self.late = False
        return True

    def leave(self) -> None:
        """This process ends; the other ends by itself."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.returncode = 0  # so that no one warns of it


_maker: list[Maker] = []  # one, once it was needed; or none


def known(name: str) -> bytes | None:
    """The record that an earlier run has left of this plan; None if there is none, or numbers may not depend on that."""
    if not ON or are_deterministic_algorithms_enabled() or (_maker and name in _maker[0].asked):
        return None
    return cache.find(name)


def ask(name: str, r: Request, worth: float) -> bool:
    """Have a plan made by the other process; False if there can be none."""
    if not ON or (os.cpu_count() or 1) < 2 or multiprocessing.parent_process() is not None or cache.folder() is None:
        return False
    if not _maker:
        if not sys.executable or getattr(sys, "frozen", False):
            return False
        try:
            _maker.append(Maker())
        except (OSError, ValueError, AttributeError):  # no process can be started, or its pipes would block (Windows)
            return False
        atexit.register(_maker[0].leave)
    maker = _maker[0]
    if maker.owner != os.getpid():
        return False  # a child that was forked: the pipes are its parent's
    return name in maker.asked or maker.ask(name, r, worth)


def made(name: str) -> bool:
    """Whether the other process has made this plan; False where a program's numbers may not depend on that."""
    if not _maker or are_deterministic_algorithms_enabled() or _maker[0].owner != os.getpid():
        return False
    return _maker[0].made(name)


def wait(name: str, r: Request, seconds: float) -> None:
    """Until the plan is made, but not for longer than `seconds`."""
    if _maker and _maker[0].owner == os.getpid():
        _maker[0].wait(name, r, seconds)
