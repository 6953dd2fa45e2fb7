"""Statistics: sums and means that skip NaN, quantiles, counts, histograms, covariance."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.dtypes import FLOATING, INEXACT
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.ops import elementwise as ew
from cutaway.core.returned import TYPES

INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


class Statistics:
    """Reductions beyond sum, mean and extremes."""

    def nansum(self: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        """The sum, NaN counting as 0."""
        return d.sum(_without_nan(self), dim, keepdim, dtype)

    def nanmean(self: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        """The mean of what is not NaN."""
        d.floating("nanmean", self)
        n = d.sum(self == self, dim, keepdim)
        return d.sum(_without_nan(self), dim, keepdim, dtype) / n

    def nanmedian(self: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        """The lower median of what is not NaN; with `dim`, (values, indices)."""
        d.no_bools("nanmedian", self)
        if dim is None:
            flat = self.reshape(-1)
            good = flat[flat == flat] if self._data.dtype.kind in FLOATING else flat
            return d.median(good if good._data.size else flat)
        at = normalize_dim(dim, self._data.ndim, "nanmedian")
        if not self._data.ndim:
            return TYPES["nanmedian"](self, d.constant(np.zeros((), np.int64)))
        order = self.argsort(at)  # NaN last
        count = (self == self).sum(at, keepdim=True)
        where = order.gather(at, ((count - 1) // 2).clamp(min=0))
        return d.pair("nanmedian", self, where, at, keepdim)

    def quantile(self: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
        """The q-quantile, q in [0, 1], over `dim` or of all; several q give a first dimension. NaN if there is one."""
        return _quantile("quantile", self, q, dim, keepdim, interpolation)

    def nanquantile(
        self: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> Any:
        """The q-quantile of what is not NaN."""
        return _quantile("nanquantile", self, q, dim, keepdim, interpolation)

    def mode(self: Any, dim: int = -1, keepdim: bool = False) -> Any:
        """The most frequent value along `dim`, the smallest of equals: (values, indices), the last place of each."""
        at = normalize_dim(dim, self._data.ndim, "mode")
        if not self._data.ndim:
            return TYPES["mode"](self, d.constant(np.zeros((), np.int64)))
        a = np.moveaxis(d.values(self), at, -1)
        found = np.apply_along_axis(_most_frequent, -1, a) if a.size else np.zeros(a.shape[:-1], np.int64)
        where = d.constant(np.expand_dims(found, at))
        return d.pair("mode", self, where, at, keepdim)

    def kthvalue(self: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        """The k-th smallest along `dim`, counted from 1: (values, indices)."""
        d.no_bools("kthvalue", self)
        at = normalize_dim(dim, self._data.ndim, "kthvalue")
        n = self._data.shape[at] if self._data.ndim else 1
        if not 1 <= k <= n:
            raise IndexOutOfRange(f"kthvalue: k = {k} is out of range for dim {dim} of size {n} in {show(self)}")
        if not self._data.ndim:
            return TYPES["kthvalue"](self, d.constant(np.zeros((), np.int64)))
        where = d.contiguous(self.argsort(at).narrow(at, k - 1, 1))
        return d.pair("kthvalue", self, where, at, keepdim)

    def aminmax(self: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
        """(min, max), over `dim` or of all."""
        return TYPES["aminmax"](d.amin(self, dim, keepdim), d.amax(self, dim, keepdim))

    def bincount(self: Any, weights: Any = None, minlength: int = 0) -> Any:
        """How often each whole number from 0 on occurs, or the sum of its weights."""
        if self._data.dtype.kind not in "iu" or self._data.ndim != 1:
            kind = ShapeError if self._data.dtype.kind in "iu" else DTypeError
            raise kind(f"bincount: needs a vector of integers, got {show(self)}")
        a = d.values(self)
        if a.size and a.min() < 0:
            raise ArgumentError(f"bincount: the numbers must be 0 or more, got {a.min()} among {show(self)}")
        if weights is None:
            return d.constant(np.bincount(a, minlength=minlength).astype(np.int64, copy=False))
        if weights._data.shape != self._data.shape:
            raise ShapeError(f"bincount: {show(self)} and weights {show(weights)} must have one shape")
        y = np.bincount(a, d.values(weights), minlength)
        return d.constant(y.astype(np.float32 if weights._data.dtype == np.float32 else np.float64, copy=False))

    def histc(self: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
        """How many elements lie in each of `bins` equal parts of [min, max] (of the data's own range by default)."""
        d.floating("histc", self)
        if bins < 1 or max < min:
            raise ArgumentError(f"histc: needs bins > 0 and min <= max, got bins={bins}, min={min}, max={max}")
        a, low, high = d.values(self), float(min), float(max)
        if low == high and a.size:
            low, high = float(a.min()), float(a.max())
        if low == high:
            low, high = low - 1, high + 1
        if not np.isfinite([low, high]).all():
            raise ArgumentError(f"histc: the range [{low}, {high}] of {show(self)} is not finite; give min and max")
        dtype = self._data.dtype if self._data.itemsize > 2 else np.dtype(np.float32)
        a, ends = a.astype(dtype).ravel(), np.asarray([low, high], dtype)
        a = a[(a >= ends[0]) & (a <= ends[1])]
        at = ((a - ends[0]) * dtype.type(bins) / (ends[1] - ends[0])).astype(np.int64)  # in its own precision, as PyTorch
        return d.constant(np.bincount(np.minimum(at, bins - 1), minlength=bins).astype(self._data.dtype))

    def cov(self: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
        """Covariances of variables x[V, N] in rows: [V, V].

        fweights[N]: how often each observation was made; aweights[N]: how much each counts.
        """
        if self._data.ndim > 2:
            raise ShapeError(f"cov: needs at most 2 dimensions, got {show(self)}")
        x = self if self._data.ndim == 2 else self.reshape(1, -1)
        x = x if x._data.dtype.kind in INEXACT else x.to(d.default_float())
        if fweights is not None or aweights is not None:
            y = _weighted_cov(x, correction, fweights, aweights)
            return y if self._data.ndim == 2 else y.reshape(())
        apart = x - x.mean(1, keepdim=True)
        y = apart @ apart.mH / builtins.max(x._data.shape[1] - correction, 0)
        return y if self._data.ndim == 2 else y.reshape(())

    def corrcoef(self: Any) -> Any:
        """Correlations of variables x[V, N] in rows: [V, V]."""
        c = self.cov()
        if not c._data.ndim:
            return c / c
        deviation = c.diagonal().sqrt()
        y = c / deviation[:, None] / deviation[None, :]
        return d.limited_parts(y, -1, 1) if y.is_complex() else y.clamp(-1, 1)


def std_mean(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """(standard deviation, mean)."""
    dim, unbiased = (None, dim) if isinstance(dim, bool) else (dim, unbiased)
    return d.std(x, dim, unbiased, keepdim, correction=correction), d.mean(x, dim, keepdim)


def var_mean(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """(variance, mean)."""
    dim, unbiased = (None, dim) if isinstance(dim, bool) else (dim, unbiased)
    return d.var(x, dim, unbiased, keepdim, correction=correction), d.mean(x, dim, keepdim)


def _without_nan(x: Any) -> Any:
    if x._data.dtype.kind == "c":
        d.floating("nansum", x)
    return ew.where(x != x, 0.0, x) if x._data.dtype.kind in FLOATING else x


def _most_frequent(row: np.ndarray) -> int:
    values, counts = np.unique(row, return_counts=True)
    return int(np.flatnonzero(row == values[counts.argmax()])[-1])


def _quantile(name: str, x: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Any:
    d.floating(name, x)
    if interpolation not in INTERPOLATIONS:
        raise ArgumentError(f"{name}: interpolation must be one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
    at = np.asarray(d.values(q) if hasattr(q, "_data") else q, np.float64)
    if at.ndim > 1:
        raise ShapeError(f"{name}: q must be a number or a vector, got shape {list(at.shape)}")
    if hasattr(q, "_data") and q._data.dtype != x._data.dtype:
        raise DTypeError(f"{name}: q must be of the dtype of the input, got {q.dtype} for {x.dtype}")
    if not ((at >= 0) & (at <= 1)).all():
        raise ArgumentError(f"{name}: q must lie in [0, 1], got {q}")
    shape = [1] * x._data.ndim
    if dim is None:
        x, axis = x.reshape(-1), 0
    else:
        axis = normalize_dim(dim, x._data.ndim, name)
        shape = [1 if k == axis else n for k, n in enumerate(x._data.shape)]
        x = x.movedim(axis, -1) if x._data.ndim else x.reshape(1)
    n = x._data.shape[-1]
    if not n:
        raise ArgumentError(f"{name}: {show(x)} has no elements along the dimension")
    values = x.sort(-1)[0]
    bad = d.values((x != x).sum(-1)) if x._data.dtype.kind in FLOATING else np.zeros(x._data.shape[:-1], int)
    last = np.maximum(n - 1 - bad, 0) if name == "nanquantile" else np.full(bad.shape, n - 1)
    results = []
    for one in at.reshape(-1):
        place = one * last
        low, high = np.floor(place), np.ceil(place)
        low, high = {"lower": (low, low), "higher": (high, high), "nearest": (np.round(place),) * 2}.get(
            interpolation, (low, high)
        )
        weight = np.full(place.shape, 0.5) if interpolation == "midpoint" else place - low
        a, b = (values.gather(-1, d.constant(np.asarray(p, np.int64)[..., None])).squeeze(-1) for p in (low, high))
        y = a + (b - a) * d.constant(weight.astype(x._data.dtype)) if interpolation in ("linear", "midpoint") else a
        if name == "quantile":
            y = ew.where(d.constant(np.asarray(bad > 0)), float("nan"), y)
        results.append(y.reshape(shape) if keepdim else y)
    return d.stack(results) if at.ndim else results[0]


def _weighted_cov(x: Any, correction: int, fweights: Any, aweights: Any) -> Any:
    n = x._data.shape[1]
    for name, weights, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, FLOATING)):
        if weights is None:
            continue
        if weights._data.shape != (n,) or weights._data.dtype.kind not in kinds:
            wanted = "integers" if kinds == "iu" else "floating numbers"
            raise ShapeError(f"cov: {name} must be {wanted}, one for each of {n} observations, got {show(weights)}")
        if (d.values(weights) < 0).any():
            raise ArgumentError(f"cov: {name} must not be negative")
    w = aweights if fweights is None else fweights if aweights is None else fweights * aweights
    total = w.sum()
    if float(total) == 0:
        raise ArgumentError("cov: the weights add up to zero")
    apart = x - ((x * w).sum(1) / total).unsqueeze(1)
    lost = correction if aweights is None else correction * (w * aweights).sum() / total
    return (apart * w) @ apart.mH / (total - lost).clamp(min=0)
