"""Order: running extremes, places in sorted rows, membership, runs of equals, differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.returned import TYPES


class Order:
    """Scans and look-ups beyond cumsum and sort."""

    def cummax(self: Any, dim: int) -> Any:
        """The largest so far along `dim`: (values, indices), of equals the last."""
        return _running("cummax", self, dim, np.greater_equal)

    def cummin(self: Any, dim: int) -> Any:
        """The smallest so far along `dim`: (values, indices), of equals the last."""
        return _running("cummin", self, dim, np.less_equal)

    def logcumsumexp(self: Any, dim: int) -> Any:
        """log(cumsum(exp(self))) along `dim`, without overflow: by doubling, log2(n) times logaddexp."""
        at = normalize_dim(dim, self._data.ndim, "logcumsumexp")
        d.floating("logcumsumexp", self)
        x, by = self, 1
        while self._data.ndim and by < self._data.shape[at]:
            head, rest = x.narrow(at, 0, by), x.narrow(at, by, x._data.shape[at] - by)
            x = d.cat([head, rest.logaddexp(x.narrow(at, 0, x._data.shape[at] - by))], at)
            by *= 2
        return ew.copy(self) if x is self else x

    def diff(self: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
        """Differences of neighbours along `dim`, n times."""
        if not self._data.ndim:
            raise ShapeError("diff: needs at least one dimension, got a 0-d tensor")
        at = normalize_dim(dim, self._data.ndim, "diff")
        x = d.cat([p for p in (prepend, self, append) if p is not None], at)
        for _ in range(n):
            size = x._data.shape[at]
            left, right = x.narrow(at, 0, max(size - 1, 0)), x.narrow(at, min(1, size), max(size - 1, 0))
            x = ew.ne(right, left) if x._data.dtype.kind == "b" else right - left
        return x

    def msort(self: Any) -> Any:
        """Sorted along the first dimension."""
        return d.sort(self, 0).values

    def argwhere(self: Any) -> Any:
        """The positions of elements that are not zero: [n, ndim]."""
        return d.nonzero(self)

    def unique_consecutive(
        self: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
    ) -> Any:
        """Runs of equal elements (or slices) as one, with inverse and counts if asked for."""
        at = 0 if dim is None else normalize_dim(dim, self._data.ndim, "unique_consecutive")
        a = d.values(self)
        a = a.reshape(-1) if dim is None else np.moveaxis(a, at, 0)
        new = np.ones(len(a), bool)
        if len(a):
            new[1:] = (a[1:] != a[:-1]).reshape(len(a) - 1, -1).any(1)
        first = np.flatnonzero(new)
        values = np.ascontiguousarray(np.moveaxis(a[first], 0, at))
        found = [d.constant(values)]
        if return_inverse:
            inverse = np.cumsum(new) - 1
            found.append(d.constant(inverse.reshape(self._data.shape) if dim is None else inverse))
        if return_counts:
            found.append(d.constant(np.diff(np.append(first, len(a)))))
        return tuple(found) if len(found) > 1 else found[0]


def _running(name: str, x: Any, dim: int, wins: Any) -> Any:
    if x._data.dtype.kind == "c":
        d.floating(name, x)
    at = normalize_dim(dim, x._data.ndim, name)
    if not x._data.ndim or not x._data.size:
        return TYPES[name](ew.copy(x), d.constant(np.zeros(x._data.shape, np.int64)))
    a = np.moveaxis(d.values(x), at, 0)
    found = np.zeros(a.shape, np.int64)
    best, where = a[0].copy(), np.zeros(a.shape[1:], np.int64)
    for k in range(1, len(a)):
        new = wins(a[k], best) | (a[k] != a[k])  # once there is a NaN, it stays
        best, where = np.where(new, a[k], best), np.where(new, k, where)
        found[k] = where
    index = d.constant(np.ascontiguousarray(np.moveaxis(found, 0, at)))
    return TYPES[name](x.gather(at, index), index)


def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Any = None,
) -> Any:  # fmt: skip
    """Where each value would be inserted into a sorted row: the first place that keeps the order (`right`: the last).

    sorted_sequence[N] and input of any shape, or sorted_sequence[..., N] and input[..., M], row by row.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right' and agree with right={right}, got {side!r}")
    rows = sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter)
    a, v = d.values(rows), d.values(input) if hasattr(input, "_data") else np.asarray(input)
    where: Any = "right" if right or side == "right" else "left"
    if a.ndim == 1:
        found = np.searchsorted(a, v, where)
    elif v.ndim != a.ndim or v.shape[:-1] != a.shape[:-1]:
        raise ShapeError(
            f"searchsorted: {show(rows)} and values of shape {list(v.shape)} must agree in all but the last dimension"
        )
    else:
        lines = zip(a.reshape(-1, a.shape[-1]), v.reshape(-1, v.shape[-1]), strict=True)
        found = np.array([np.searchsorted(x, y, where) for x, y in lines]).reshape(v.shape)
    return d.constant(np.asarray(found, np.int32 if out_int32 else np.int64))


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The bucket of each value between sorted `boundaries`[N]: 0 to N."""
    if boundaries._data.ndim != 1:
        raise ShapeError(f"bucketize: the boundaries must be a vector, got {show(boundaries)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """True where an element is among `test_elements`; either may be a number."""
    d.no_bools("isin", elements, test_elements)
    a, b = (d.values(x) if hasattr(x, "_data") else np.asarray(x) for x in (elements, test_elements))
    return d.constant(np.asarray(np.isin(a, b, invert=invert)))
