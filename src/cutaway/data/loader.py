"""DataLoader: a dataset in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.random import Generator
from cutaway.core.refusal import guarded
from cutaway.data.collate import default_collate, default_convert
from cutaway.data.dataset import IterableDataset, bulk_reader
from cutaway.data.prefetch import Prefetch
from cutaway.data.sampler import BatchSampler, RandomSampler, SequentialSampler

T = TypeVar("T", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[T]):
    """Iterates over `dataset` in batches, each epoch anew; same arguments and same order as PyTorch's.

    `batch_size=None` switches batching off: items come one by one.  `shuffle=True` draws a new order each epoch from
    `generator`, or from the default one.  `sampler` yields indices, `batch_sampler` lists of indices, instead.
    `collate_fn` makes a batch of a list of items.  A dataset with a method `gather(indices)`, such as TensorDataset,
    is read once per batch instead of once per item.

    `num_workers`: with 0, batches are made when asked for.  With W > 0, W background *threads* (not processes as in
    PyTorch) make up to W * `prefetch_factor` batches ahead.  NumPy, file and network reads release the interpreter
    lock and overlap with training; pure Python code in a dataset does not run in parallel.  The dataset is shared,
    not copied: `get_worker_info()` is None, an IterableDataset is read once, by one thread, and random draws inside
    items come from the one default generator.  `worker_init_fn(i)` runs once in thread i; `timeout` (seconds) bounds
    the wait for a batch.  `pin_memory`, `pin_memory_device`, `multiprocessing_context`, `persistent_workers` and
    `in_order` are accepted for PyTorch's programs and change nothing: batches are always in order.

    Raises ArgumentError for contradictory or impossible arguments; exceptions of the dataset reach the caller.
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
        self.multiprocessing_context = multiprocessing_context
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._ready = True

    def __iter__(self) -> Iterator[Any]:
        return self.starting_at(0)

    def starting_at(self, batch: int) -> Iterator[Any]:
        """Iterate over an epoch from its batch number `batch` on, without reading the ones before.

        The samplers draw as for a whole epoch: a run that is resumed in mid-epoch with the generator as it was at the
        epoch's start sees the very batches that it would have seen.  A stream (IterableDataset) has to be read.
        """
        random.random(
            (), generator=self.generator
        )  # PyTorch draws a seed for its workers here; the orders after it agree only if we do
        if isinstance(self.dataset, IterableDataset):
            return itertools.islice(self._streamed(), batch, None)
        jobs = self.sampler if self.batch_sampler is None else self.batch_sampler
        assert jobs is not None
        return self._done(self._fetch(), itertools.islice(jobs, batch, None), self.num_workers)

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

    def _fetch(self) -> Callable[[Any], Any]:
        """The function from a job (an index, or a list of them) to what the caller gets."""
        dataset, collate = self.dataset, self.collate_fn
        if self.batch_sampler is None:
            return lambda index: collate(dataset[index])
        gather = bulk_reader(dataset, "gather")
        if gather and collate is default_collate:
            return gather
        many = bulk_reader(dataset, "__getitems__")
        if many:
            return lambda indices: collate(many(indices))
        return lambda indices: collate([dataset[i] for i in indices])

    def _streamed(self) -> Iterator[Any]:
        """Batches of an IterableDataset, read by at most one thread."""
        items = iter(self.dataset)
        collate, size, drop_last = self.collate_fn, self.batch_size, self.drop_last
        end: Any = object()

        def fetch(_: Any) -> Any:
            if size is None:
                item = next(items, end)
                return end if item is end else collate(item)
            batch = list(itertools.islice(items, size))
            done = not batch or (drop_last and len(batch) < size)
            return end if done else collate(batch)

        batches = self._done(fetch, _endless(), min(self.num_workers, 1))
        return itertools.takewhile(lambda batch: batch is not end, batches)

    def _done(self, fetch: Callable[[Any], Any], jobs: Iterable[Any], threads: int) -> Iterator[Any]:
        if not threads:
            return (fetch(job) for job in jobs)  # not map(): a StopIteration in the dataset would pass for the end
        assert self.prefetch_factor is not None
        depth = max(1, self.num_workers * self.prefetch_factor)
        return Prefetch(fetch, jobs, threads, depth, self.timeout, self.worker_init_fn)


def get_worker_info() -> None:
    """None: the calling code does not run in a worker that has its own copy of the dataset (see DataLoader)."""
    return None


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
