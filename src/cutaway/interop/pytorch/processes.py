"""`torch.multiprocessing`: Python's own multiprocessing, and `spawn`.

Tensors are pickled: another process gets a copy, and what it writes there is not seen here. Programs whose processes train
one model in shared memory ("Hogwild") each train their own here, of which `share_memory` warns.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import *  # noqa: F403
from multiprocessing import connection, get_context
from typing import Any

from cutaway.core.errors import ArgumentError, WorkerError


class ProcessRaisedException(WorkerError):
    """A process that was spawned raised; the text is its traceback.  error_index: which one, error_pid: its number."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid


class ProcessExitedException(WorkerError):
    """A process that was spawned ended with another code than 0, or was killed."""

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid, self.exit_code = msg, error_index, error_pid, exit_code


def spawn(
    fn: Callable[..., Any], args: Sequence[Any] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run `fn(i, *args)` in `nprocs` processes, i from 0 on, and wait for them; join=False gives a ProcessContext.

    Raises ProcessRaisedException or ProcessExitedException for the first that fails; the others are ended then.
    """
    if isinstance(nprocs, bool) or not isinstance(nprocs, int) or nprocs < 1:
        raise ArgumentError(f"spawn: nprocs must be a number of processes, got {nprocs!r}")
    context = get_context(start_method)
    pipes, running = [], []
    for i in range(nprocs):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, i, tuple(args), there), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        there.close()
        pipes.append(here)
        running.append(process)
    found = ProcessContext(running, pipes)
    if not join:
        return found
    while not found.join():
        pass
    return None


start_processes = spawn


def _run(fn: Callable[..., Any], i: int, args: tuple[Any, ...], trouble: Any) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # the parent was told, too
    except Exception:
        trouble.send(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that `spawn` has started."""

    def __init__(self, processes: list[Any], pipes: list[Any]) -> None:
        self.processes, self._pipes = processes, pipes
        self._waiting = {p.sentinel: i for i, p in enumerate(processes)}

    def pids(self) -> list[int]:
        """Their numbers."""
        return [p.pid for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one ends; True once all have.  Raises as `spawn` does."""
        ended = [self._waiting.pop(s) for s in connection.wait(list(self._waiting), timeout)]  # type: ignore[arg-type]
        for i in ended:
            self.processes[i].join()  # or its exit code might not be there yet
        bad = next((i for i in ended if self.processes[i].exitcode != 0), None)
        if bad is None:
            return not self._waiting
        for p in self.processes:
            if p.is_alive():
                p.terminate()
            p.join(grace_period)
        process = self.processes[bad]
        try:
            said = self._pipes[bad].recv()
        except EOFError:  # it ended without a word
            said = ""
        if said:
            text = f"\n\n-- Process {bad} terminated with the following error:\n{said}"
            raise ProcessRaisedException(text, bad, process.pid)
        raise ProcessExitedException(
            f"process {bad} terminated with exit code {process.exitcode}", bad, process.pid, process.exitcode
        )


def get_all_sharing_strategies() -> set[str]:
    """PyTorch's ways of sharing memory; here tensors are copied, whatever is chosen."""
    return {"file_descriptor", "file_system"}


_strategy = "file_descriptor"


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` chose."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Remembered, without effect.  Raises AssertedError for an unknown one."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise ArgumentError(f"set_sharing_strategy: must be one of {sorted(get_all_sharing_strategies())}")
    _strategy = new_strategy


__all__ = [
    *multiprocessing.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip
