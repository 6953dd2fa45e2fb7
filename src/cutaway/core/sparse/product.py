"""Sparse times dense, and its gradients: two ops that are each other's. They run eagerly; a trace sees index ops instead.

NumPy takes the rows' entries in rounds, the first of each row, then the second, ..., each at once for all rows; the few rows
that are long are a product each. Once the engine is loaded it may do the whole (engine/eager/entries.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import accelerate
from cutaway.core.aval import Aval, show
from cutaway.core.errors import ShapeError
from cutaway.core.op import APART, INTERPRETER, Op, Sample
from cutaway.core.ops.index import index, index_put, zeros
from cutaway.core.sparse.pattern import Pattern


def product(values: Any, pattern: Pattern, x: Any) -> Any:
    """y[N, D] = S x, where S[N, M] has `values` at the places of `pattern`, and x is [M, D]."""
    if INTERPRETER.get() is None and type(values._data) is type(x._data) is np.ndarray:
        return spmm(values, x, pattern=pattern)
    rows, cols = (_constant(a) for a in (pattern.rows, pattern.cols))
    y = zeros((pattern.shape[0], x.shape[1]), x._data.dtype)
    return index_put(y, values.unsqueeze(-1) * index(x, cols, dims=(0,)), rows, dims=(0,), accumulate=True)


def _constant(a: np.ndarray) -> Any:
    from cutaway.core.tensor import Tensor

    return Tensor._wrap(a)


def _spmm(values: np.ndarray, x: np.ndarray, pattern: Pattern) -> np.ndarray:
    if x.ndim != 2 or len(x) != pattern.shape[1]:
        raise ValueError("the sizes differ")
    v, cols = pattern.by_row(values), pattern.columns
    y = np.zeros((pattern.shape[0], x.shape[1]), x.dtype)
    native = accelerate.entries
    if native is not None and native("spmm", (pattern.starts, cols), (v, x), y):
        return y
    if x.shape[1] == 1:
        if len(v):
            y[pattern.filled, 0] = np.add.reduceat(v * x[cols, 0], pattern.starts[pattern.filled])
        return y
    rows, rounds = pattern.rounds
    sums = np.zeros((len(rows), x.shape[1]), x.dtype)
    for entries, columns in rounds:
        sums[: len(entries)] += v[entries, None] * x[columns]
    y[rows] = sums
    for row, part in pattern.long:
        y[row] = v[part] @ x[cols[part]]
    return y


def _sddmm(a: np.ndarray, b: np.ndarray, pattern: Pattern) -> np.ndarray:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or (len(a), len(b)) != pattern.shape:
        raise ValueError("the sizes differ")
    y = np.empty(len(pattern.rows), a.dtype)
    native = accelerate.entries
    if native is not None and native("sddmm", (pattern.rows, pattern.cols), (a, b), y):
        return y
    for part in pattern.chunks(a.shape[1]):
        y[part] = np.einsum("ij,ij->i", a[pattern.rows[part]], b[pattern.cols[part]])
    return y


def _spmm_shape(values: Aval, x: Aval, pattern: Pattern) -> Aval:
    n, m = pattern.shape
    if x.ndim != 2 or x.shape[0] != m:
        raise ShapeError(f"mm: a sparse matrix of {[n, m]} and {show(x)} do not fit; a matrix of {m} rows is needed")
    return Aval((n, x.shape[1]), x.dtype)


def _sddmm_shape(a: Aval, b: Aval, pattern: Pattern) -> Aval:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or (a.shape[0], b.shape[0]) != pattern.shape:
        raise ShapeError(f"sampled product: {show(a, b)} do not fit a pattern of {list(pattern.shape)}")
    return Aval((len(pattern.rows),), a.dtype)


def _example() -> Pattern:
    return Pattern(np.array([0, 2, 2, 0, 3, 2]), np.array([1, 0, 1, 1, 2, 2]), (4, 3))


spmm: Op = Op(
    "spmm",
    APART,
    _spmm,
    _spmm_shape,
    (lambda g, b, pattern: sddmm(g, b, pattern=pattern), lambda g, a, pattern: spmm(a, g, pattern=pattern.turned)),
    promote="equal",
    formula="S b",
    oracle=lambda t, a, b, pattern: t.sparse.mm(_theirs(t, a, pattern), b),
    samples=lambda: [
        Sample(((6,), (3, 2)), {"pattern": _example()}),
        Sample(((6,), (3, 1)), {"pattern": _example()}),
        Sample(((40,), (2, 3)), {"pattern": Pattern(np.arange(40) // 39, np.arange(40) % 2, (3, 2))}),
    ],
    errors=lambda: [Sample(((6,), (4, 2)), {"pattern": _example()}, error="a matrix of 3 rows is needed")],
)
sddmm: Op = Op(
    "sddmm",
    APART,
    _sddmm,
    _sddmm_shape,
    (lambda g, b, pattern: spmm(g, b, pattern=pattern), lambda g, a, pattern: spmm(g, a, pattern=pattern.turned)),
    promote="equal",
    formula=r"(a b^\top)_{ij},\ ij \in S",
    oracle=lambda t, a, b, pattern: (a @ b.mT)[pattern.rows, pattern.cols],
    samples=lambda: [Sample(((4, 2), (3, 2)), {"pattern": _example()})],
    errors=lambda: [Sample(((4, 2), (3, 1)), {"pattern": _example()}, error="do not fit a pattern")],
)


def _theirs(t: Any, values: Any, pattern: Pattern) -> Any:
    return t.sparse_coo_tensor(np.stack([pattern.rows, pattern.cols]), values, pattern.shape, check_invariants=True)
