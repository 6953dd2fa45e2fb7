"""A worker process of a DataLoader: reads jobs, sends batches."""

from __future__ import annotations

import contextlib
import os
import queue
import random as python_random
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.core import random
from cutaway.core.errors import WorkerError
from cutaway.data.fetch import END, fetcher


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: `id` of `num_workers`, its seed, and its own copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str = "multiprocessing"


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Of the worker process that calls it; None in the program's own process."""
    return _info


@dataclass(frozen=True)
class Work:
    """What a worker does: the arguments of `fetcher`, who it is, and what to call first."""

    reading: tuple[Any, ...]
    id: int
    count: int
    base_seed: int
    start: Callable[[int], None] | None


@dataclass(frozen=True)
class Failure:
    """An exception on its way to the loader, with the text of its traceback."""

    kind: type[BaseException]
    text: str

    def raised(self) -> BaseException:
        """The exception to raise there: of the same class, or WorkerError where that wants other arguments."""
        if issubclass(self.kind, StopIteration):  # would pass for the end
            return WorkerError(f"the dataset raised StopIteration. {self.text}")
        try:
            return self.kind(_Text(self.text) if issubclass(self.kind, KeyError) else self.text)
        except Exception:
            return WorkerError(self.text)


class _Text(str):
    """Shown as it is: a KeyError shows the repr of its argument."""

    def __repr__(self) -> str:
        return str(self)


def main(work: Work, jobs: Any, results: Any, inherited: list[Any]) -> None:
    """The process.  `jobs` gives (epoch, job), None at the end; `results` takes (epoch, what came of it)."""
    for pipe in inherited:  # the loader's ends: while anyone holds them no one sees that the loader is gone
        pipe.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the loader's, which ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_post, args=(outbox, results), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the loader is gone
        _serve(work, jobs, outbox)


def _post(outbox: Any, results: Any) -> None:
    """Sends what is ready: who makes batches never waits for who reads them."""
    try:
        while True:
            outbox.get().send(results)
    except OSError:  # the loader has closed its end
        return


def _serve(work: Work, jobs: Any, outbox: Any) -> None:
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    from cutaway.data.wire import Packed

    parent = parent_process()
    assert parent is not None
    failed = _attempt(lambda: _begin(work), work.id)
    fetch: Any = None
    epoch, ended = -1, False
    ahead: deque[Any] = deque()
    while True:
        while not ahead or jobs.poll():  # so that the end, or another epoch, is seen before all that was asked for is done
            if jobs not in wait([jobs, parent.sentinel]):
                return
            job = jobs.recv()
            if job is None:
                return
            if ahead and ahead[0][0] != job[0]:
                ahead.clear()
            ahead.append(job)
        number, job = ahead.popleft()
        if number != epoch:
            epoch, ended, fetch = number, False, None
        if ended:
            continue

        def one(job: Any = job) -> Any:
            nonlocal fetch
            if fetch is None:
                fetch = fetcher(*work.reading)
            return fetch(job)

        made = failed if isinstance(failed, Failure) else _attempt(one, work.id)
        failed = None
        ended = made is END
        try:
            packed = Packed((number, None if ended else made, ended))
        except Exception as error:
            packed = Packed((number, _failure(error, work.id), False))
        outbox.put(packed)


def _begin(work: Work) -> None:
    """Seeds as PyTorch's, one thread, and the program's own start."""
    global _info
    seed = work.base_seed + work.id
    python_random.seed(seed)
    random.manual_seed(seed)
    np.random.seed(np.random.SeedSequence([work.id, work.base_seed]).generate_state(4))
    os.environ["CUTAWAY_NUM_THREADS"] = "1"  # the workers share the cores
    threads = sys.modules.get("cutaway.engine.threads.workers")
    if threads is not None:
        threads.set_num_threads(1)
    _info = WorkerInfo(work.id, work.count, seed, work.reading[0])
    if work.start is not None:
        work.start(work.id)


def _attempt(do: Callable[[], Any], worker: int) -> Any:
    try:
        return do()
    except Exception as error:
        return _failure(error, worker)


def _failure(error: Exception, worker: int) -> Failure:
    import pickle

    told = "".join(traceback.format_exception(error))
    text = f"Caught {type(error).__name__} in DataLoader worker process {worker}.\nOriginal {told}"
    try:
        pickle.dumps(type(error))
    except Exception:  # a class that is defined in a function
        return Failure(WorkerError, text)
    return Failure(type(error), text)
