"""A DataLoader's worker processes, and the batches that come from them in order.

Each worker has two pipes of its own: jobs go down one, batches come up the other (wire.py). There is no queue that they
share, and no lock: whoever dies, in whatever moment, stops no one else. As batch k is made by worker k modulo their number,
and each sends in the order of its jobs, the loader knows whom to listen to.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cutaway.core.errors import WorkerError, WorkerTimeout
from cutaway.data.wire import SHARED, receive
from cutaway.data.worker import Failure, Work, main

PATIENCE = 5.0  # seconds that a worker has to finish the item it is in the middle of


class Workers:
    """An iterator over what `count` processes make of `jobs`; up to `depth` are asked for ahead by each.

    An exception in a worker is raised in the place of its batch, with the worker's traceback in its text.  The processes end
    when the iterator is exhausted (not if they are to be `kept` for the next epoch), closed, or dropped.
    Raises WorkerError when one of them has died, WorkerTimeout after `timeout` seconds (0: never) without a batch.
    """

    def __init__(
        self,
        reading: tuple[Any, ...],
        count: int,
        depth: int,
        base_seed: int,
        start: Callable[[int], None] | None = None,
        context: Any = None,
        timeout: float = 0.0,
        kept: bool = False,
        in_order: bool = True,
    ) -> None:
        import multiprocessing

        self._owner = os.getpid()
        self._timeout, self._kept, self._in_order = timeout, kept, in_order
        self._depth = depth
        self._epoch = -1
        self._pipes: list[tuple[Any, Any]] = []
        self._processes: list[Any] = []
        context = context or multiprocessing.get_context()
        forked = context.get_start_method() == "fork"
        for i in range(count):
            work = Work(reading, i, count, base_seed, start)
            jobs, ours = context.Pipe(duplex=False)
            back, results = context.Pipe(duplex=SHARED)  # a socket, where descriptors are to pass
            self._pipes.append((ours, back))
            inherited = [pipe for pair in self._pipes for pipe in pair] if forked else []
            process = context.Process(target=main, args=(work, jobs, results, inherited), daemon=True)
            with warnings.catch_warnings():  # our threads are made anew in a child (engine/threads)
                warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
                process.start()
            jobs.close()
            results.close()
            self._processes.append(process)

    def begin(self, jobs: Iterable[Any]) -> Workers:
        """Start an epoch; one that is under way is left."""
        self._epoch += 1
        self._jobs: Iterator[Any] | None = iter(jobs)
        self._running = list(range(len(self._processes)))  # whose stream has not ended, the next to be asked first
        self._asked: deque[int | Exception] = deque()  # who makes the batches that are under way, in their order
        for _ in range(max(1, self._depth * len(self._processes))):
            self._ask()
        return self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while self._asked:
            worker = self._next_worker()
            if isinstance(worker, Exception):
                self.close()
                raise worker
            if worker not in self._running:  # its stream ended before
                continue
            made, ended = self._answer(worker)
            if ended:
                self._running.remove(worker)
                self._ask()
                continue
            self._ask(None if self._in_order else worker)
            if isinstance(made, Failure):
                raise made.raised()
            return made
        if not self._kept:
            self.close()
        raise StopIteration

    def close(self, patience: float = PATIENCE) -> None:
        """End the processes: each after the item it is in the middle of, or by force."""
        if os.getpid() != self._owner:  # a copy in a forked child: the processes are not ours
            return
        pipes, processes = self._pipes, self._processes
        self._pipes, self._processes = [], []
        self._asked, self._jobs = deque(), None
        for jobs, results in pipes:
            with contextlib.suppress(OSError):
                jobs.send(None)
            jobs.close()
            results.close()
        until = time.monotonic() + patience
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
        for end in ("terminate", "kill"):
            for process in processes:
                if process.is_alive():
                    getattr(process, end)()
                    process.join(1.0)
        for process in processes:
            if not process.is_alive():
                process.close()

    def __del__(self) -> None:
        if getattr(self, "_processes", None):
            self.close()

    def _ask(self, worker: int | None = None) -> None:
        """Give the next job to this worker, or to the one whose turn it is."""
        if self._jobs is None or not self._running:
            return
        try:
            job = next(self._jobs)
        except StopIteration:
            self._jobs = None
            return
        except Exception as error:  # the sampler's has its place behind the batches that are under way
            self._jobs = None
            self._asked.append(error)
            return
        if worker is None:
            worker = self._running.pop(0)
            self._running.append(worker)
        with contextlib.suppress(OSError):  # it has died: told when its turn comes
            self._pipes[worker][0].send((self._epoch, job))
        self._asked.append(worker)

    def _next_worker(self) -> int | Exception:
        """Whose batch is next: by the order of jobs, or whoever has one."""
        first = self._asked[0]
        if not self._in_order and not isinstance(first, Exception):
            from multiprocessing.connection import wait

            of = {self._pipes[w][1]: w for w in self._asked if not isinstance(w, Exception) and w in self._running}
            for ready in wait(list(of), self._timeout or None)[:1]:
                first = of[ready]
        self._asked.remove(first)
        return first

    def _answer(self, worker: int) -> tuple[Any, bool]:
        """(what it made, whether its stream has ended) of this epoch."""
        from multiprocessing.connection import wait

        process, pipe = self._processes[worker], self._pipes[worker][1]
        while True:
            ready = wait([pipe, process.sentinel], self._timeout or None)
            if not ready:
                self.close(0.0)
                raise WorkerTimeout(
                    f"DataLoader timed out after {self._timeout} seconds: no batch from worker {worker}; "
                    "raise timeout=, or see what the dataset waits for"
                )
            try:
                if pipe not in ready and not pipe.poll():
                    raise EOFError
                epoch, made, ended = receive(pipe)
            except (EOFError, ConnectionError):
                raise self._died(process) from None
            if epoch == self._epoch:
                return made, ended

    def _died(self, process: Any) -> WorkerError:
        process.join(1.0)
        code, pid = process.exitcode, process.pid
        self.close()
        how = f"with exit code {code}" if code is None or code >= 0 else f"by signal {signal.Signals(-code).name}"
        return WorkerError(f"DataLoader worker (pid(s) {pid}) exited unexpectedly, {how}; what it printed is above")
