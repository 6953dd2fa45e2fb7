"""Counts of what falls between edges, of numbers and of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError
from cutaway.core.refusal import function
from cutaway.core.returned import TYPES


@function
def histogram(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """(hist, bin_edges): how many elements, or their weights, lie in each bin; the last one holds its upper edge.

    bins: how many equal ones in `range` (that of the data if not given), or a tensor of rising edges.  density: per width,
    and with a sum of 1.  Raises DTypeError unless floating, ArgumentError for impossible bins.
    """
    _floats("histogram", input)
    ranges = None if range is None else [tuple(range)]
    hist, (edges,) = _counted("histogram", input.reshape(-1, 1), [bins], ranges, weight, density)
    return TYPES["histogram"](hist, edges)


@function
def histogramdd(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """(hist[B_1, .., B_D], D tensors of edges) of vectors input[..., D].

    bins: an int, an int a dimension, or a tensor of edges a dimension.  range: low, high of each dimension in turn.
    Raises as histogram.
    """
    _floats("histogramdd", input)
    if input._data.ndim < 2:
        raise ShapeError(f"histogramdd: needs vectors [..., D], got {show(input)}")
    n = input._data.shape[-1]
    each = [bins] * n if isinstance(bins, int) else list(bins)
    if len(each) != n:
        raise ShapeError(f"histogramdd: {len(each)} bins for vectors of {n}")
    if range is not None and len(range) != 2 * n:
        raise ShapeError(f"histogramdd: range must hold {2 * n} numbers for vectors of {n}, got {len(range)}")
    ranges = None if range is None else [tuple(range[2 * k : 2 * k + 2]) for k in np.arange(n)]
    hist, edges = _counted("histogramdd", input.reshape(-1, n), each, ranges, weight, density)
    return TYPES["histogramdd"](hist, tuple(edges))


def _floats(op: str, x: Any) -> None:
    d.need_tensor(op, x)
    if x._data.dtype not in (np.float32, np.float64):
        raise DTypeError(f"{op}: needs float32 or float64, got {show(x)}; convert with .float()")


def _counted(op: str, x: Any, bins: Any, ranges: Any, weight: Any, density: bool) -> Any:
    a = d.values(x)
    w = np.ones(len(a), a.dtype) if weight is None else d.values(weight).reshape(-1).astype(a.dtype)
    if len(w) != len(a):
        raise ShapeError(f"{op}: {len(w)} weights for {len(a)} of them")
    edges = [_edges(op, a[:, k], b, None if ranges is None else ranges[k]) for k, b in enumerate(bins)]
    shape = tuple(len(e) - 1 for e in edges)
    place, inside = np.zeros(len(a), np.int64), np.ones(len(a), bool)
    for k, e in enumerate(edges):
        v = a[:, k]
        at = np.searchsorted(e, v, side="right") - 1
        at = np.where(v == e[-1], len(e) - 2, at)
        inside &= (v >= e[0]) & (v <= e[-1])
        place = place * shape[k] + np.clip(at, 0, shape[k] - 1)
    hist = np.bincount(place[inside], w[inside], int(np.prod(shape))).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for k, e in enumerate(edges):
            hist = hist / np.diff(e).reshape([-1 if i == k else 1 for i in np.arange(len(shape))])
    return d.constant(hist.astype(a.dtype)), [d.constant(e) for e in edges]


def _edges(op: str, a: np.ndarray, bins: Any, bounds: Any) -> np.ndarray:
    if hasattr(bins, "_data"):
        if bins._data.ndim != 1 or bins._data.dtype != a.dtype:
            raise ArgumentError(f"{op}: edges must be a vector of {a.dtype}, got {show(bins)}")
        return d.values(bins)
    if not isinstance(bins, int) or bins < 1:
        raise ArgumentError(f"{op}: bins must be an int above 0 or a tensor of edges, got {bins!r}")
    if bounds is not None:
        low, high = bounds
        if not low <= high:
            raise ArgumentError(f"{op}: range must rise, got {low} .. {high}")
    else:
        low, high = (float(a.min()), float(a.max())) if a.size else (0.0, 1.0)
        if not np.isfinite([low, high]).all():
            raise ArgumentError(f"{op}: the range {low} .. {high} of the data is not finite; give `range`")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1).astype(a.dtype)
