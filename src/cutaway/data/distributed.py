"""DistributedSampler: each of several processes visits its own part of a dataset."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sized

from cutaway.core import random
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.random import Generator
from cutaway.data.sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index from `rank` on, of an order that all processes shuffle alike.

    So that all get the same number, some indices are visited twice, or with `drop_last` some not at all.
    `num_replicas` and `rank` come from the environment (WORLD_SIZE, RANK) if None: 1 and 0 in a run of one process.
    Call `set_epoch(n)` before each epoch for another order.  Raises ArgumentError for a rank out of range.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if not hasattr(dataset, "__len__"):
            raise ArgumentTypeError(f"DistributedSampler: the dataset must have a length, got {type(dataset).__name__}")
        self.num_replicas = int(os.environ.get("WORLD_SIZE", "1")) if num_replicas is None else num_replicas
        self.rank = int(os.environ.get("RANK", "0")) if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ArgumentError(f"DistributedSampler: rank must be 0 to {self.num_replicas - 1}, got {self.rank}")
        self.dataset, self.shuffle, self.seed, self.drop_last, self.epoch = dataset, shuffle, seed, drop_last, 0
        n = len(dataset)
        if drop_last and n % self.num_replicas:
            n -= self.num_replicas
        self.num_samples = math.ceil(n / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            order = random.randperm(n, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        else:
            order = list(range(n))
        if self.drop_last:
            order = order[: self.total_size]
        elif order:
            order = (order * math.ceil(self.total_size / n))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """The order of the next epoch is shuffled with seed + epoch."""
        self.epoch = epoch
