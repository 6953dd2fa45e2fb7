"""Pattern: where the entries of a sparse matrix stand, and the orders of them that products need, each found once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

LONG = 32  # entries, from which on a row is worth a product of its own


class Pattern:
    """Entry k of an n x m matrix stands at (rows[k], cols[k]), in any order; entries at one place add up."""

    def __init__(self, rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> None:
        self.rows, self.cols, self.shape = rows, cols, shape
        self._turned: Pattern | None = None

    @property
    def turned(self) -> Pattern:
        """Of the transposed matrix."""
        if self._turned is None:
            self._turned = Pattern(self.cols, self.rows, self.shape[::-1])
            self._turned._turned = self
        return self._turned

    @cached_property
    def order(self) -> np.ndarray | None:
        """The entries by row; None if that is how they stand."""
        return None if (self.rows[1:] >= self.rows[:-1]).all() else np.argsort(self.rows, kind="stable")

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each row begins, once the entries are in order, int64[n + 1]: PyTorch's crow_indices."""
        ends = np.cumsum(np.bincount(self.rows, minlength=self.shape[0]))
        return np.concatenate(([0], ends)).astype(np.int64)

    @cached_property
    def filled(self) -> np.ndarray:
        """The rows that have entries."""
        return np.flatnonzero(np.diff(self.starts))

    def by_row(self, of_entries: np.ndarray) -> np.ndarray:
        """What belongs to the entries, by row."""
        return of_entries if self.order is None else of_entries[self.order]

    @cached_property
    def columns(self) -> np.ndarray:
        """The columns of the entries by row."""
        return self.by_row(self.cols)

    @cached_property
    def rounds(self) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """The rows that are not long, those with most entries first; and for k = 0, 1, ... the k-th (entries, their columns)
        of those that have so many.
        """
        counts = np.diff(self.starts)
        rows = np.flatnonzero((counts > 0) & (counts <= LONG))
        rows = rows[np.argsort(-counts[rows], kind="stable")]
        found = []
        for k in range(int(counts[rows].max(initial=0))):
            entries = self.starts[rows[: np.searchsorted(-counts[rows], -k)]] + k
            found.append((entries, self.columns[entries]))
        return rows, found

    @cached_property
    def long(self) -> list[tuple[int, slice]]:
        """(row, its entries) of the long rows."""
        return [
            (int(r), slice(int(self.starts[r]), int(self.starts[r + 1])))
            for r in np.flatnonzero(np.diff(self.starts) > LONG)
        ]

    def chunks(self, width: int) -> Iterator[slice]:
        """The entries in pieces that stay in the cache, when `width` numbers are looked up for each."""
        step = max(1, (1 << 16) // max(width, 1))
        for at in range(0, len(self.rows), step):
            yield slice(at, at + step)
