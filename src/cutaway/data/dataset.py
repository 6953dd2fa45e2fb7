"""Datasets: something with a length and an item at each index, or something to iterate over.

A Dataset that can fetch many items faster together than one by one has a method `gather(indices) -> batch`; the
DataLoader then calls it once per batch.  `gather(indices)` equals `default_collate([self[i] for i in indices])`.
"""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from cutaway.core import random
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    AssertedError,
    AssertedShape,
    IndexOutOfRange,
    NotWritten,
)
from cutaway.core.random import Generator
from cutaway.core.refusal import guard_class, guarded
from cutaway.core.tensor import Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Items by index: write `__getitem__(index)` and `__len__()`.  `a + b` is the one after the other."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard_class(cls)

    def __getitem__(self, index: int) -> T:
        raise NotWritten(f"{type(self).__name__} has no __getitem__(index); a Dataset must define it")

    def __add__(self, other: Dataset[T]) -> ConcatDataset[T]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Items from a stream: write `__iter__()`.  It has no index, so no sampler and no shuffling."""

    def __iter__(self) -> Iterator[T]:
        raise NotWritten(f"{type(self).__name__} has no __iter__(); an IterableDataset must define it")

    def __add__(self, other: Dataset[T]) -> ChainDataset[T]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors of equal length, x[N, ...], y[N, ...], ...; item i is (x[i], y[i], ...).

    Raises ShapeError (PyTorch's AssertionError) if the lengths differ.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        for t in tensors:
            if not isinstance(t, Tensor):
                raise ArgumentTypeError(f"TensorDataset: {type(t).__name__} is no tensor; use cutaway.tensor(...)")
        if not tensors or any(t.ndim == 0 or t.shape[0] != tensors[0].shape[0] for t in tensors):
            raise AssertedShape(
                f"TensorDataset: the first dimensions disagree, got {_shapes(tensors)}; "
                "all tensors must have one row per item"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def gather(self, indices: Sequence[int]) -> list[Tensor]:
        """[x[B, ...], y[B, ...], ...] of the B items at `indices`, in one read per tensor."""
        rows = as_rows(indices, len(self), "TensorDataset")
        return [t[rows] if t.requires_grad else Tensor._wrap(t._data.take(rows, axis=0)) for t in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side: item i is a tuple of their items i, or a dict for `StackDataset(a=.., b=..)`.

    Raises ArgumentError if the lengths differ, or for both kinds at once.
    """

    datasets: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ArgumentError("StackDataset: give the datasets one after the other, or all by name")
        self.datasets = args or kwargs
        lengths = [len(d) for d in args or kwargs.values()]
        if any(n != lengths[0] for n in lengths):
            raise ArgumentError(f"StackDataset: the datasets must have one length, got {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class Subset(Dataset[T]):
    """The items of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        if not hasattr(indices, "__getitem__"):
            raise ArgumentTypeError(f"Subset: indices must be a list of positions, got {indices!r}")
        self.dataset = dataset
        self.indices = indices

    @guarded
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[index]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T]:
        rows = [self.indices[i] for i in indices]
        many = bulk_reader(self.dataset, "__getitems__")
        return many(rows) if many else [self.dataset[i] for i in rows]

    @property
    def gather(self) -> Callable[[Sequence[int]], Any]:
        """The dataset's own `gather`, through the indices; absent (AttributeError) where the dataset has none."""
        inner = bulk_reader(self.dataset, "gather")
        if inner is None:
            raise AttributeError(f"{type(self.dataset).__name__} has no gather")
        return lambda indices: inner([self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T]):
    """Several datasets, one after another.  Raises ArgumentError for none, ArgumentTypeError for an iterable one."""

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertedError("ConcatDataset: needs at least one dataset, got none")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise ArgumentTypeError(f"ConcatDataset: {type(d).__name__} has no index; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> T:
        index = operator.index(index)
        n = len(self)
        if not -n <= index < n:
            raise IndexOutOfRange(f"ConcatDataset: index {index} is out of range for {n} items")
        index %= n
        which = bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T]):
    """Several iterable datasets, one after another."""

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets = list(datasets)
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise ArgumentTypeError(f"ChainDataset: {type(d).__name__} is no IterableDataset; use ConcatDataset")

    def __iter__(self) -> Iterator[T]:
        return itertools.chain.from_iterable(self.datasets)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type, misc]


@guarded
def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Cut a dataset at random into Subsets of these lengths, or of these fractions, which then sum to 1.

    With fractions each length is rounded down and what is left goes to the first ones, one each.
    Warns for an empty part.  Raises ArgumentError if the lengths do not sum to len(dataset).
    """
    n = len(dataset)  # type: ignore[arg-type]
    counts = list(lengths)
    if math.isclose(sum(counts), 1) and sum(counts) <= 1:
        for i, fraction in enumerate(counts):
            if not 0 <= fraction <= 1:
                raise ArgumentError(f"random_split: fraction {fraction} at index {i} is not between 0 and 1")
        parts = [math.floor(n * fraction) for fraction in counts]
        for i in range(n - sum(parts)):
            parts[i % len(parts)] += 1
        counts = [*parts]
        for i, count in enumerate(counts):
            if not count:
                warnings.warn(f"random_split: part {i} of {list(lengths)} is empty: only {n} items", stacklevel=2)
    if sum(counts) != n or any(not _is_count(c) for c in counts):
        raise ArgumentError(
            f"random_split: the lengths {counts} sum to {sum(counts)}, the dataset has {n} items; "
            "give counts that sum to it, or fractions that sum to 1"
        )
    order = random.randperm(n, generator=generator).tolist()
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, order[end - count : end]) for count, end in zip(counts, ends, strict=True)]


def bulk_reader(dataset: Any, method: str) -> Callable[[Sequence[int]], Any] | None:
    """`dataset.gather` or `dataset.__getitems__`, or None where there is none.

    Also None where a subclass redefined `__getitem__` and not the method: its items are then read one by one.
    """
    if method == "gather" and not isinstance(dataset, Dataset):  # Tensor.gather, for one, is another thing
        return None
    for cls in type(dataset).__mro__:
        if method in vars(cls):
            return getattr(dataset, method, None)
        if "__getitem__" in vars(cls):
            return None
    return None


def as_rows(indices: Sequence[int], n: int, owner: str) -> np.ndarray:
    """Indices as int64[B], negative ones counted from the end.  Raises IndexOutOfRange."""
    rows = np.asarray(indices, np.int64)
    if rows.size and not (-n <= rows.min() and rows.max() < n):
        wrong = rows[(rows < -n) | (rows >= n)][0]
        raise IndexOutOfRange(f"{owner}: index {wrong} is out of range for {n} items")
    return rows


def _is_count(x: Any) -> bool:
    return hasattr(x, "__index__") and x >= 0


def _shapes(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{t.dtype.name}{list(t.shape)}" for t in tensors) or "no tensors"
