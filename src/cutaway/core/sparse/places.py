"""Places: the indices of a sparse tensor, and what is found out about them once: their order, and which are equal."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from cutaway.core.aval import Shape
from cutaway.core.sparse.pattern import Pattern

INT64 = np.dtype(np.int64)


class Places:
    """Entry k stands at `at[:, k]` of a tensor of this size.  at int64 [D, nnz]; coalesced: in order, and each once."""

    def __init__(self, at: np.ndarray, size: Shape, coalesced: bool) -> None:
        self.at, self.size, self.coalesced = at, tuple(size), coalesced

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(self.at.shape[1])

    @cached_property
    def flat(self) -> np.ndarray:
        """The index of each entry in row-major order.  int64 [nnz]"""
        found = np.zeros(self.count, INT64)
        for n, along in zip(self.size, self.at, strict=True):
            found = found * n + along
        return found

    @cached_property
    def in_order(self) -> bool:
        """True if they are coalesced in fact."""
        return self.coalesced or bool((self.flat[1:] > self.flat[:-1]).all())

    @cached_property
    def gathered(self) -> tuple[Places, np.ndarray]:
        """The places in order, each once; and which of them each entry stands at, int64 [nnz]."""
        _, first, which = np.unique(self.flat, return_index=True, return_inverse=True)
        return Places(self.at[:, first], self.size, True), which.reshape(-1)

    @cached_property
    def pattern(self) -> Pattern:
        """Of a matrix; of a batch of matrices, as blocks on the diagonal of one matrix."""
        rows, cols = self.at[-2], self.at[-1]
        shape = self.size[-2:]
        if len(self.size) == 3:
            rows, cols = self.at[0] * shape[0] + rows, self.at[0] * shape[1] + cols
            shape = (self.size[0] * shape[0], self.size[0] * shape[1])
        return Pattern(rows, cols, (shape[0], shape[1]))

    def only(self, dims: tuple[int, ...]) -> Places:
        """The same entries with these of their indices, which may then be equal."""
        return Places(self.at[list(dims)], tuple(self.size[d] for d in dims), False)


def expanded(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs laid end to end: which one each element belongs to, and starts[run] + 0, 1, ... (counts[run] of them)."""
    run = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return run, np.arange(len(run)) - before[run] + starts[run]

