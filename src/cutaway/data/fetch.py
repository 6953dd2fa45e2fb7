"""From a job of the sampler's to what the loop gets: items read, and made a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from cutaway.data.collate import default_collate
from cutaway.data.dataset import IterableDataset, bulk_reader

END: Any = object()  # instead of a batch: the stream has ended


def fetcher(
    dataset: Any, collate: Callable[[Any], Any], batched: bool, size: int | None, drop_last: bool
) -> Callable[[Any], Any]:
    """The function from a job (an index, or with `batched` a list of them) to a batch; a stream is read on instead."""
    if isinstance(dataset, IterableDataset):
        return _stream(dataset, collate, size, drop_last)
    if not batched:
        return lambda index: collate(dataset[index])
    gather = bulk_reader(dataset, "gather")
    if gather and collate is default_collate:
        return gather
    many = bulk_reader(dataset, "__getitems__")
    if many:
        return lambda indices: collate(many(indices))
    return lambda indices: collate([dataset[i] for i in indices])


def _stream(
    dataset: Any, collate: Callable[[Any], Any], size: int | None, drop_last: bool
) -> Callable[[Any], Any]:
    items = iter(dataset)

    def fetch(_: Any) -> Any:
        if size is None:
            item = next(items, END)
            return END if item is END else collate(item)
        batch = list(itertools.islice(items, size))
        done = not batch or (drop_last and len(batch) < size)
        return END if done else collate(batch)

    return fetch
