"""The order of the data as a pure function of the seed: any batch of any epoch can be made anew after a restart."""

from __future__ import annotations

import numpy as np

from cutaway.core.random import Generator, randint, randperm
from cutaway.core.tensor import Tensor
from cutaway.data.augment import shifted
from cutaway.train.settings import Settings
from cutaway.train.task import Examples

_ORDER, _SHIFT = 1, 2  # two streams of random numbers that do not meet


class Batches:
    """The batches of a run, numbered by step.  The last batch of an epoch may be smaller."""

    def __init__(self, examples: Examples, s: Settings) -> None:
        self._examples, self._settings = examples, s
        self.per_epoch = -(-len(examples) // s.batch_size)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def places(self, step: int) -> list[Tensor]:
        """What a step's batch is made of: [rows[B]], or [rows[B], down[B], right[B]] where images are moved."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._order = np.asarray(randperm(len(self._examples), generator=self._stream(_ORDER, epoch)))
            self._epoch = epoch
        size, most = self._settings.batch_size, self._settings.shift
        rows = self._order[position * size : (position + 1) * size]
        shifts = randint((2, len(rows)), -most, most + 1, generator=self._stream(_SHIFT, step)) if most else ()
        return [Tensor._wrap(a) for a in (rows, *shifts)]

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """(x[B, ...], y[B]) of the step."""
        rows, *shift = (t._data for t in self.places(step))
        x, y = self._examples.gather(rows)
        return (shifted(x, *shift) if shift else x), y

    def _stream(self, purpose: int, number: int) -> Generator:
        words = np.random.SeedSequence([self._settings.seed, purpose, number]).generate_state(1, np.uint64)
        return Generator().manual_seed(int(words[0]))
