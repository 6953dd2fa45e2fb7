"""Samplers: in which order the items of a dataset are visited.

A sampler yields indices; a batch sampler yields lists of them.  Given equal generators, each yields the same
indices as PyTorch's sampler of the same name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ArgumentTypeError, NotWritten
from cutaway.core.random import Generator
from cutaway.core.refusal import guard_class
from cutaway.core.tensor import Tensor

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """Write `__iter__()`, which yields the indices of one epoch, and `__len__()` if it is known."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard_class(cls)

    def __iter__(self) -> Iterator[T]:
        raise NotWritten(f"{type(self).__name__} has no __iter__(); a Sampler must define it")


class SequentialSampler(Sampler[int]):
    """0, 1, ..., len(data_source) - 1."""

    def __init__(self, data_source: Sized) -> None:
        if data_source is None or isinstance(data_source, (int, float)):
            raise ArgumentTypeError(f"SequentialSampler: expected a dataset, got {data_source!r}")
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new random order each epoch; with `replacement` each index is drawn afresh.

    `num_samples` indices are drawn, len(data_source) if None; without replacement a larger number runs through
    several permutations.  Without `generator` a seed is drawn from the default one at the start of each epoch.
    Raises ArgumentError unless num_samples > 0.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise ArgumentTypeError(f"RandomSampler: replacement must be True or False, got {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not _is_positive_int(self.num_samples):
            what = "the dataset is empty" if num_samples is None else f"got num_samples={num_samples!r}"
            raise ArgumentError(f"RandomSampler: needs at least one sample to draw; {what}")

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has; follows a dataset that grows."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), self.num_samples
        generator = self.generator or Generator().manual_seed(int(random.random(())))
        if self.replacement:
            for _ in range(count // 32):  # in blocks of 32, as PyTorch consumes the stream
                yield from random.randint((32,), 0, n, generator=generator).tolist()
            yield from random.randint((count % 32,), 0, n, generator=generator).tolist()
        else:
            for _ in range(count // n):
                yield from random.randperm(n, generator=generator).tolist()
            yield from random.randperm(n, generator=generator).tolist()[: count % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in a new random order each epoch."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        if not hasattr(indices, "__getitem__"):
            raise ArgumentTypeError(f"SubsetRandomSampler: indices must be a list of positions, got {indices!r}")
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in random.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probability in proportion to weights[N], which need not sum to 1.

    Raises ArgumentError for num_samples <= 0, weights that are not one-dimensional, negative, not finite or all
    zero, and for more samples than items without replacement.
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Generator | None = None
    ) -> None:
        if not _is_positive_int(num_samples):
            raise ArgumentError(f"WeightedRandomSampler: num_samples must be a positive int, got {num_samples!r}")
        if not isinstance(replacement, bool):
            raise ArgumentError(f"WeightedRandomSampler: replacement must be True or False, got {replacement!r}")
        w = np.array(weights.detach().numpy() if isinstance(weights, Tensor) else weights, np.float64)
        if w.ndim != 1:
            raise ArgumentError(f"WeightedRandomSampler: expected weights[N], one per item, got shape {list(w.shape)}")
        if not np.isfinite(w).all() or (w < 0).any() or not w.any():
            raise ArgumentError(
                "WeightedRandomSampler: weights must be finite, not negative and not all zero, "
                f"got {np.array2string(w, threshold=6, edgeitems=3)}"
            )
        self.weights = Tensor._wrap(w)
        if not replacement and num_samples > len(w):
            raise ArgumentError(
                f"WeightedRandomSampler: cannot draw {num_samples} of {len(w)} items without replacement"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        w = self.weights._data
        return iter(random.multinomial(w, self.num_samples, self.replacement, self.generator).tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The indices of `sampler` in lists of `batch_size`; the last may be shorter, or is left out with `drop_last`.

    Raises ArgumentError unless batch_size is a positive int.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not hasattr(sampler, "__iter__") and not hasattr(sampler, "__getitem__"):
            raise ArgumentTypeError(f"BatchSampler: sampler must give indices one by one, got {sampler!r}")
        if not _is_positive_int(batch_size):
            raise ArgumentError(f"BatchSampler: batch_size must be a positive int, got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ArgumentError(f"BatchSampler: drop_last must be True or False, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        n: int = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _is_positive_int(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x > 0
