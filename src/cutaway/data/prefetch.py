"""Work done ahead of need on background threads, handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future


class Prefetch:
    """An iterator over `work(job) for job in jobs`, with up to `depth` results computed ahead by `threads` threads.

    `jobs` is advanced in the caller's thread only.  An exception in `work` reaches the caller at the place of its
    result, with the thread's traceback, and ends the iteration.  The threads end when the iterator is exhausted,
    closed, or dropped.  With `timeout` > 0, waiting longer than that many seconds raises TimeoutError.
    """

    def __init__(
        self,
        work: Callable[[Any], Any],
        jobs: Iterable[Any],
        threads: int,
        depth: int,
        timeout: float = 0.0,
        start: Callable[[int], None] | None = None,
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._work = work if start is None else _started(work, start)
        self._jobs = iter(jobs)
        self._timeout = timeout or None
        self._pool = ThreadPoolExecutor(threads, "cutaway-data")
        self._ahead: deque[Future[Any]] = deque()
        for _ in range(depth):
            self._submit()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._ahead:
            self.close()
            raise StopIteration
        future = self._ahead.popleft()
        try:
            result = future.result(self._timeout)
        except TimeoutError:
            if future.done():  # the work's own error, not ours
                self.close()
                raise
            self.close(wait=False)
            raise TimeoutError(
                f"DataLoader: no batch within {self._timeout} s; raise timeout=, or see what the dataset waits for"
            ) from None
        except StopIteration as e:  # would pass for our own end: PEP 479
            self.close()
            raise RuntimeError("DataLoader: the dataset raised StopIteration") from e
        except BaseException:
            self.close()
            raise
        self._submit()
        return result

    def close(self, wait: bool = True) -> None:
        """Drop what was computed ahead and end the threads, after the items they are in the middle of."""
        self._ahead.clear()
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def __del__(self) -> None:
        if hasattr(self, "_ahead"):
            self.close(wait=False)  # waiting here could mean waiting for this very thread

    def _submit(self) -> None:
        from concurrent.futures import Future

        try:
            job = next(self._jobs)
        except StopIteration:
            return
        except Exception as e:  # the sampler's error has its place behind the batches that are under way
            failed: Future[Any] = Future()
            failed.set_exception(e)
            self._ahead.append(failed)
        else:
            self._ahead.append(self._pool.submit(self._work, job))


def _started(work: Callable[[Any], Any], start: Callable[[int], None]) -> Callable[[Any], Any]:
    """`work`, with `start(i)` called before the first job of thread i."""
    from threading import local

    state = local()
    numbers = count()

    def first_start(job: Any) -> Any:
        if not hasattr(state, "number"):
            state.number = next(numbers)
            start(state.number)
        return work(job)

    return first_start
