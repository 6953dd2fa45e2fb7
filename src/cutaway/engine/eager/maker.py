"""The process that makes plans ahead: requests on its input, the names of those that are done on its output.

Machine code goes into the object cache, where whoever asked finds it. When the asking process has ended, what was asked for
is still made, so that the next run of the same program finds it; but not for longer than LAST, and by one process at a time.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import signal
import sys
import time
from itertools import count
from queue import PriorityQueue
from threading import Thread

from cutaway.core.autograd import RECORDING
from cutaway.core.dtypes import set_default_dtype
from cutaway.engine.eager.plan import Plan
from cutaway.engine.eager.record import write
from cutaway.engine.eager.request import Request, found, make
from cutaway.engine.llvm import cache
from cutaway.engine.llvm.target import hurry

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LAST = 20.0  # seconds


def work(name: str, r: Request) -> None:
    """Make a plan, both halves of it, and put in the cache what is known of it."""
    set_default_dtype(r.default)
    token = RECORDING.set(r.recording)
    try:
        fn = found(r)
        plan = None if fn is None else make(r, fn)
        if isinstance(plan, Plan) and plan.differentiable:
            plan.backward(plan.usual)
    finally:
        RECORDING.reset(token)
    cache.put(name, write(plan) if isinstance(plan, Plan) else b"")


def step_back() -> None:
    """Run only where no one else would: the threads of a product wait for each other, and must not wait for us."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    if hasattr(os, "nice"):
        os.nice(19)


def listen(waiting: PriorityQueue[tuple[float, int, str, Request | None]]) -> None:
    """Put requests in line, those that are worth most first; a name that comes again is wanted at once."""
    for n in count():
        try:
            worth, name, r = pickle.load(sys.stdin.buffer)
        except (EOFError, OSError):
            break
        waiting.put((-worth, n, name, r))
    waiting.put((math.inf, 0, "", None))
    if not _only_one():
        os._exit(0)
    time.sleep(LAST)
    os._exit(0)  # whatever it is at


def _only_one() -> bool:
    """Whether no other process goes on after its program; until the end of this one, it is this one."""
    folder = cache.folder()
    if folder is None or fcntl is None:
        return True
    try:
        fcntl.flock(os.open(folder / "maker.lock", os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def main() -> None:
    """Until there are no more requests, and no one to ask for any."""
    step_back()
    hurry()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the program
    waiting: PriorityQueue[tuple[float, int, str, Request | None]] = PriorityQueue()
    Thread(target=listen, args=(waiting,), daemon=True).start()
    done = set[str]()
    while True:
        _, _, name, r = waiting.get()
        if r is None:
            return
        if name not in done:
            with contextlib.suppress(Exception):  # whoever asked makes the plan without us, and hears what is wrong
                work(name, r)
            done.add(name)
        with contextlib.suppress(OSError):
            sys.stdout.buffer.write(name.encode() + b"\n")
            sys.stdout.buffer.flush()
