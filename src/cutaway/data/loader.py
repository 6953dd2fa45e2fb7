"""DataLoader: a dataset in batches."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.random import Generator
from cutaway.core.refusal import guarded
from cutaway.data.collate import default_collate, default_convert
from cutaway.data.dataset import IterableDataset
from cutaway.data.fetch import END, fetcher
from cutaway.data.sampler import BatchSampler, RandomSampler, SequentialSampler

T = TypeVar("T", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[T]):
    """Iterates over `dataset` in batches, each epoch anew; same arguments and same order as PyTorch's.

    `batch_size=None` switches batching off: items come one by one.  `shuffle=True` draws a new order each epoch from
    `generator`, or from the default one.  `sampler` yields indices, `batch_sampler` lists of indices, instead.
    `collate_fn` makes a batch of a list of items.  A dataset with a method `gather(indices)`, such as TensorDataset,
    is read once per batch instead of once per item.

    `num_workers`: with 0, batches are made when asked for.  With W > 0, W worker *processes* make up to
    W * `prefetch_factor` batches ahead, each in its turn and on one thread: batches and the random numbers inside items
    are PyTorch's for the same seed.  Each has its own copy of the dataset and knows itself by `get_worker_info()`; an
    IterableDataset is read by each, so it must give each a share of its own.  `worker_init_fn(i)` runs once in worker i;
    `timeout` (seconds) bounds the wait for a batch; `persistent_workers` live until the loader is dropped;
    `multiprocessing_context` ("fork", "spawn", "forkserver", or a context of multiprocessing) says how they start;
    with `in_order=False` batches come as they are ready.  `pin_memory=True` warns, as there
    is no accelerator, and `pin_memory_device` changes nothing.

    Raises ArgumentError for contradictory or impossible arguments; exceptions of the dataset reach the caller, from workers
    with their traceback in the text; WorkerError if a worker dies.
    """

    @guarded
    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, prefetch_factor, timeout, persistent_workers)
        for name, fn in (("collate_fn", collate_fn), ("worker_init_fn", worker_init_fn)):
            if fn is not None and not callable(fn):
                raise ArgumentTypeError(f"DataLoader: {name} must be a function, got {fn!r}")
        if generator is not None and not isinstance(generator, Generator):
            raise ArgumentTypeError(f"DataLoader: generator must be a cutaway.Generator, got {generator!r}")
        _check_choice(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None and not isinstance(dataset, IterableDataset):
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler if sampler is not None else _endless(), batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _context(num_workers, multiprocessing_context)
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._workers: Any = None  # that outlive an epoch
        self._ready = True

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warnings.warn("DataLoader: pin_memory=True changes nothing, there is no accelerator", stacklevel=2)
        return Epoch(self.starting_at(0), self)

    def starting_at(self, batch: int) -> Iterator[Any]:
        """Iterate over an epoch from its batch number `batch` on, without reading the ones before.

        The samplers draw as for a whole epoch: a run that is resumed in mid-epoch with the generator as it was at the
        epoch's start sees the very batches that it would have seen.  A stream (IterableDataset) has to be read.
        """
        jobs = self._jobs()
        if self._workers is not None:
            return self._workers.begin(itertools.islice(jobs, batch, None))
        # PyTorch draws its workers' seed here, with and without workers; the orders after it agree only if we do.
        seed = int(random.random((), generator=self.generator))
        reading = self.dataset, self.collate_fn, self.batch_sampler is not None, self.batch_size, self.drop_last
        stream = isinstance(self.dataset, IterableDataset)
        if not self.num_workers:
            fetch = fetcher(*reading)
            if stream:
                return itertools.islice(itertools.takewhile(lambda b: b is not END, map(fetch, jobs)), batch, None)
            return (fetch(job) for job in itertools.islice(jobs, batch, None))  # not map(): a StopIteration would end it
        from cutaway.data.workers import Workers

        assert self.prefetch_factor is not None
        workers = Workers(
            reading, self.num_workers, self.prefetch_factor, seed, self.worker_init_fn, self.multiprocessing_context,
            self.timeout, self.persistent_workers, self.in_order,
        )  # fmt: skip
        if self.persistent_workers:
            self._workers = workers
        if stream:
            return itertools.islice(workers.begin(jobs), batch, None) if batch else workers.begin(jobs)
        return workers.begin(itertools.islice(jobs, batch, None))

    def _jobs(self) -> Iterator[Any]:
        """Indices, or lists of them; for a stream nothing, again and again.  Draws when it is first asked."""
        if isinstance(self.dataset, IterableDataset):
            return itertools.repeat(None)
        jobs = self.sampler if self.batch_sampler is None else self.batch_sampler
        assert jobs is not None
        return iter(jobs)

    def __len__(self) -> int:
        """Batches in an epoch.  TypeError if the dataset or the sampler has no length."""
        if isinstance(self.dataset, IterableDataset):
            n: int = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_ready" in self.__dict__:
            raise ArgumentError(f"DataLoader: {name} cannot be changed after it was made; make a new DataLoader")
        super().__setattr__(name, value)


class Epoch:
    """What a loop over a DataLoader runs through; `len` is the loader's."""

    def __init__(self, batches: Iterator[Any], loader: DataLoader[Any]) -> None:
        self._batches, self._loader = batches, loader

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._batches)

    def __len__(self) -> int:
        return len(self._loader)


def _endless() -> Iterator[Any]:
    return itertools.repeat(None)


def _check_workers(num_workers: int, prefetch_factor: int | None, timeout: float, persistent_workers: bool) -> None:
    if not isinstance(num_workers, int) or num_workers < 0:
        raise ArgumentError(f"DataLoader: num_workers must be an int >= 0, got {num_workers!r}; 0 prefetches nothing")
    if timeout < 0:
        raise ArgumentError(f"DataLoader: timeout must be >= 0 seconds, got {timeout}; 0 waits for ever")
    if prefetch_factor is not None and (not num_workers or prefetch_factor < 0):
        raise ArgumentError(
            f"DataLoader: prefetch_factor={prefetch_factor} with num_workers={num_workers}; "
            "it must be >= 0, and needs num_workers > 0"
        )
    if persistent_workers and not num_workers:
        raise ArgumentError("DataLoader: persistent_workers needs num_workers > 0, got 0")


def _context(num_workers: int, context: Any) -> Any:
    """How workers start: a context of multiprocessing, or None for Python's own choice."""
    if context is None:
        return None
    if not num_workers:
        raise ArgumentError("DataLoader: multiprocessing_context needs num_workers > 0, got 0")
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        known = multiprocessing.get_all_start_methods()
        if context not in known:
            raise ArgumentError(f"DataLoader: multiprocessing_context must be one of {known}, got {context!r}")
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise ArgumentTypeError(
            f"DataLoader: multiprocessing_context must be a name or a context of multiprocessing, got {context!r}"
        )
    return context


def _check_choice(
    dataset: Any, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    orders = {"shuffle": shuffle, "sampler": sampler, "batch_sampler": batch_sampler}
    given = [name for name, value in orders.items() if value is not None and value is not False]
    if isinstance(dataset, IterableDataset):
        if given:
            raise ArgumentError(f"DataLoader: an IterableDataset has an order of its own; leave out {', '.join(given)}")
    elif not hasattr(dataset, "__getitem__"):
        raise ArgumentTypeError(
            f"DataLoader: {type(dataset).__name__} is no dataset: it has no __getitem__; "
            "to read a stream derive from IterableDataset"
        )
    if len(given) > 1:
        raise ArgumentError(f"DataLoader: {' and '.join(given)} contradict each other; give one of them")
    if batch_sampler is not None and (batch_size != 1 or drop_last):
        raise ArgumentError("DataLoader: batch_sampler makes the batches; leave out batch_size and drop_last")
    if batch_size is None and drop_last:
        raise ArgumentError("DataLoader: drop_last needs batches; give a batch_size, or leave out drop_last")
