"""Index ops: which element goes where is itself data (an integer or bool tensor)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from cutaway.core.aval import Aval, Shape, broadcast_shapes, normalize_dim, show
from cutaway.core.errors import DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.op import Op, Sample
from cutaway.core.ops.movement import pad

INT64 = np.dtype(np.int64)

# --- gather and scatter: along one dimension --------------------------------------------------------------------------


def mesh(index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """The full index of `index[...]` along `dim`: every other dimension keeps its own position."""
    ndim = index.ndim
    return tuple(
        index if d == dim else np.arange(n).reshape((-1,) + (1,) * (ndim - d - 1)) for d, n in enumerate(index.shape)
    )


def _refuse_out_of_range(a: np.ndarray, index: np.ndarray) -> None:
    """What NumPy would let pass: a negative index, and any index into a 0-d array."""
    if index.size and (index.min() < 0 or (not a.ndim and index.max() > 0)):
        raise IndexError("out of range")


def _check_along(op: str, a: Aval, index: Aval, dim: int) -> None:
    if index.dtype != INT64:
        raise DTypeError(f"{op}: the index must be int64, got {show(index)}; convert it with .long()")
    if a.ndim != index.ndim:
        raise ShapeError(
            f"{op}: {show(a)} and index {show(index)} must have equally many dimensions; add one with unsqueeze"
        )
    for d in range(a.ndim):
        if d != dim and index.shape[d] > a.shape[d]:
            raise ShapeError(
                f"{op} along dim {dim}: index {show(index)} is larger than {show(a)} at dimension {d} "
                f"({index.shape[d]} > {a.shape[d]})"
            )


def _gather_shape(a: Aval, index: Aval, dim: int) -> Aval:
    dim = normalize_dim(dim, a.ndim, "gather")
    _check_along("gather", a, index, dim)
    return Aval(index.shape, a.dtype)


def _gather(a: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    if index.dtype != INT64 or a.ndim != index.ndim or not -1 <= dim < max(a.ndim, 1):
        raise IndexError("index dtype, rank or dim")
    _refuse_out_of_range(a, index)
    y: np.ndarray = a[mesh(index, dim)] if a.ndim else a.copy()
    return y


gather: Op = Op(
    "gather",
    "index",
    _gather,
    _gather_shape,
    (lambda g, A, b, dim: scatter_add(zeros(A.shape, A.dtype), b, g, dim=dim), None),
    formula=r"a_{b_i}",
    onnx="GatherElements",
    oracle=lambda t, a, b, dim: t.gather(a, dim, b),
    samples=lambda: [
        Sample(((3, 4), np.array([[1, 0], [3, 3], [2, 1]])), {"dim": 1}),
        Sample(((3, 4), np.array([[2, 0, 1]])), {"dim": 0}),
        Sample(((5,), np.array([4, 4, 0])), {"dim": 0}),
    ],
    errors=lambda: [
        Sample(((3, 4), np.array([[4]])), {"dim": 1}, error="out of range"),
        Sample(((3, 4), np.array([[-1]])), {"dim": 1}, error="out of range"),
        Sample(((3, 4), np.array([1])), {"dim": 1}, error="equally many dimensions"),
        Sample(((3, 4), np.array([[1.0]])), {"dim": 1}, error="int64"),
        Sample(((3, 4), np.array([[0]])), {"dim": 2}, error="dim 2 is out of range"),
    ],
)


def zeros(shape: Shape, dtype: np.dtype) -> Any:
    """A constant of zeros, as the op `full` makes it."""
    return full(shape=shape, value=0.0, dtype=dtype)


full: Op = Op(
    "full",
    "index",
    lambda shape, value, dtype: np.full(shape, value, dtype) if value else np.zeros(shape, dtype),
    lambda shape, value, dtype: Aval(tuple(shape), dtype),
    formula=r"\mathrm{full}",
    onnx="ConstantOfShape",
    oracle=lambda t, shape, value, dtype: t.full(shape, value, dtype=getattr(t, dtype.name)),
    samples=lambda: [Sample((), {"shape": (2, 3), "value": 1.5, "dtype": np.dtype("float64")})],
)


def _scatter_shape(a: Aval, index: Aval, src: Aval, dim: int) -> Aval:
    dim = normalize_dim(dim, a.ndim, "scatter")
    _check_along("scatter", a, index, dim)
    for d in range(a.ndim):
        if index.shape[d] > src.shape[d]:
            raise ShapeError(f"scatter: index {show(index)} is larger than src {show(src)} at dimension {d}")
    if src.dtype != a.dtype:
        raise DTypeError(f"scatter: {show(a)} and src {show(src)} must have one dtype; convert src with .to()")
    return a


def _part(src: np.ndarray, shape: Shape) -> np.ndarray:
    part = src if src.shape == shape else src[tuple(slice(0, n) for n in shape)]
    if part.shape != shape:
        raise IndexError("the index is larger than src")
    return part


def _prepare_scatter(a: np.ndarray, index: np.ndarray, src: np.ndarray) -> None:
    if index.dtype != INT64 or a.ndim != index.ndim or src.dtype != a.dtype:
        raise IndexError("index dtype, rank or src dtype")
    _refuse_out_of_range(a, index)


def _scatter(a: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int) -> np.ndarray:
    _prepare_scatter(a, index, src)
    y = a.copy()
    y[mesh(index, dim)] = _part(src, index.shape)
    return y


def _scatter_add(a: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int) -> np.ndarray:
    _prepare_scatter(a, index, src)
    y = a.copy()
    np.add.at(y, mesh(index, dim), _part(src, index.shape))
    return y


_SCATTER_SAMPLES = [
    Sample(((3, 4), np.array([[1, 0], [3, 2], [2, 1]]), (3, 2)), {"dim": 1}),
    Sample(((4,), np.array([3, 0]), (2,)), {"dim": 0}),
    Sample(((3, 4), np.array([[2, 0, 1]]), (1, 3)), {"dim": 0}),
]
_SCATTER_ERRORS = [
    Sample(((3, 4), np.array([[4]]), (1, 1)), {"dim": 1}, error="out of range"),
    Sample(((3, 4), np.array([1]), (1, 1)), {"dim": 1}, error="equally many dimensions"),
    Sample(((3, 4), np.array([[1, 2]]), (1, 1)), {"dim": 1}, error="larger than src"),
]

scatter_add: Op = Op(
    "scatter_add",
    "index",
    _scatter_add,
    _scatter_shape,
    (lambda g: g, None, lambda g, b, C, dim: _grow(gather(g, b, dim=dim), C.shape)),
    formula=r"a_{b_i} \mathrel{+}= c_i",
    onnx="ScatterElements",
    oracle=lambda t, a, b, c, dim: t.scatter_add(a, dim, b, c),
    samples=lambda: [*_SCATTER_SAMPLES, Sample(((3,), np.array([1, 1, 1]), (3,)), {"dim": 0})],
    errors=lambda: _SCATTER_ERRORS,
)
scatter: Op = Op(
    "scatter",
    "index",
    _scatter,
    _scatter_shape,
    (
        lambda g, b, dim: scatter(g, b, zeros(b.shape, g._data.dtype), dim=dim),
        None,
        lambda g, b, C, dim: _grow(gather(g, b, dim=dim), C.shape),
    ),
    formula=r"a_{b_i} = c_i",
    onnx="ScatterElements",
    oracle=lambda t, a, b, c, dim: t.scatter(a, dim, b, c),
    samples=lambda: _SCATTER_SAMPLES,
    errors=lambda: _SCATTER_ERRORS,
)


def _grow(g: Any, shape: Shape) -> Any:
    """Gradient of the part of src that the index read: zero elsewhere."""
    if tuple(g.shape) == shape:
        return g
    return pad(g, low=(0,) * len(shape), step=(1,) * len(shape), shape=shape, value=0.0)


# --- advanced indexing: several dimensions, NumPy's rules -------------------------------------------------------------


def _key(ndim: int, dims: Shape, indices: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * ndim
    for d, index in zip(dims, indices, strict=True):
        key[d] = index
    return tuple(key)


def _index_shape(a: Aval, *indices: Aval, dims: Shape) -> Aval:
    for index in indices:
        if index.dtype.kind not in "iu":
            raise DTypeError(
                f"index: indices must be integers (or bool masks), got {show(index)}; convert with .long()"
            )
    wide = broadcast_shapes(*(i.shape for i in indices), op="index")
    adjacent = all(q - p == 1 for p, q in pairwise(dims))
    rest = [n for d, n in enumerate(a.shape) if d not in dims]
    at = dims[0] if adjacent else 0
    return Aval((*rest[:at], *wide, *rest[at:]), a.dtype)


def _index(a: np.ndarray, *indices: np.ndarray, dims: Shape) -> np.ndarray:
    if dims == (0,):
        return a[indices[0]] if indices[0].dtype.kind in "iu" else _bad_index(indices[0])
    y: np.ndarray = a[_key(a.ndim, dims, indices)]
    return y


def _bad_index(index: np.ndarray) -> np.ndarray:
    raise IndexError(f"index dtype {index.dtype}")


index: Op = Op(
    "index",
    "index",
    _index,
    _index_shape,
    (lambda g, A, indices, dims: index_put(zeros(A.shape, A.dtype), g, *indices, dims=dims, accumulate=True),),
    formula=r"a[i, j, \dots]",
    onnx="GatherND",
    oracle=lambda t, a, *indices, dims: a[_key(a.ndim, dims, indices)],
    samples=lambda: [
        Sample(((4, 3), np.array([0, 2, 2])), {"dims": (0,)}),
        Sample(((4, 3), np.array([[0, 1], [3, -1]]), np.array([2, 0])), {"dims": (0, 1)}),
        Sample(((2, 3, 4), np.array([1, 1, 0]), np.array([3, 0, 2])), {"dims": (0, 2)}),
        Sample(((2, 3, 4), np.array([1, 2])), {"dims": (1,)}),
        Sample(((2, 3), np.zeros(0, np.int64)), {"dims": (0,)}),
    ],
    errors=lambda: [
        Sample(((4, 3), np.array([4])), {"dims": (0,)}, error="out of range"),
        Sample(((4, 3), np.array([1, 2]), np.array([0, 1, 2])), {"dims": (0, 1)}, error="do not broadcast"),
        Sample(((4, 3), np.array([1.0])), {"dims": (0,)}, error="must be integers"),
    ],
)


def _index_put_shape(a: Aval, v: Aval, *indices: Aval, dims: Shape, accumulate: bool) -> Aval:
    region = _index_shape(a, *indices, dims=dims)
    if len(v.shape) > len(region.shape) or broadcast_shapes(v.shape, region.shape, op="index_put") != region.shape:
        raise ShapeError(
            f"index_put: value {show(v)} does not fit the indexed region {list(region.shape)} of {show(a)}"
        )
    if v.dtype != a.dtype:
        raise DTypeError(f"index_put: value {show(v)} and {show(a)} must have one dtype; convert with .to()")
    return a


def _index_put(a: np.ndarray, v: np.ndarray, *indices: np.ndarray, dims: Shape, accumulate: bool) -> np.ndarray:
    if v.dtype != a.dtype or any(i.dtype.kind not in "iu" for i in indices):
        raise IndexError("dtype")
    y = a.copy()
    if not accumulate:
        y[_key(a.ndim, dims, indices)] = v
    elif len(dims) == 1 and a.ndim > 1 and (rows := indices[0]).size and v.shape == (
        *a.shape[: dims[0]], *rows.shape, *a.shape[dims[0] + 1 :]
    ):  # fmt: skip
        d, n = dims[0], rows.ndim
        if d == 0:
            _add_rows(y, rows, v)
        else:
            _add_rows(np.moveaxis(y, d, 0), rows, np.moveaxis(v, tuple(range(d, d + n)), tuple(range(n))))
    else:
        # NumPy (2.4) reads past the end of values that `add.at` would have to stretch.
        region = _index_shape(Aval(a.shape, a.dtype), *(Aval(i.shape, i.dtype) for i in indices), dims=dims).shape
        np.add.at(y, _key(a.ndim, dims, indices), np.broadcast_to(v, region))
    return y


FEW = 8  # rows, for which sorting costs more than it saves


def _add_rows(y: np.ndarray, rows: np.ndarray, v: np.ndarray) -> None:
    """y[rows[i]] += v[i], repeated rows added up: sorted first, so that each row is written once (add.at is slower)."""
    if rows.min() < -len(y) or rows.max() >= len(y):
        raise IndexError("row index")
    flat = rows.reshape(-1) % len(y)
    if len(flat) <= FEW:
        for row, added in zip(flat.tolist(), v.reshape(len(flat), *y.shape[1:])):
            y[row] += added
        return
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    y[ordered[first]] += np.add.reduceat(v.reshape(len(flat), *y.shape[1:])[order], first, axis=0)


index_put: Op = Op(
    "index_put",
    "index",
    _index_put,
    _index_put_shape,
    (
        lambda g, indices, dims, accumulate: (
            g if accumulate else index_put(g, zeros((), g._data.dtype), *indices, dims=dims, accumulate=False)
        ),
        lambda g, indices, dims: index(g, *indices, dims=dims),
    ),
    formula=r"a[i, j, \dots] = b",
    onnx="ScatterND",
    oracle=lambda t, a, v, *indices, dims, accumulate: a.index_put(tuple(indices), v, accumulate=accumulate),
    samples=lambda: [
        Sample(((4, 3), (2, 3), np.array([3, 1])), {"dims": (0,), "accumulate": False}),
        Sample(((4, 3), (3, 3), np.array([2, 0, 2])), {"dims": (0,), "accumulate": True}),
        Sample(((4, 3), (2,), np.array([1, 1]), np.array([2, 2])), {"dims": (0, 1), "accumulate": True}),
        Sample(((4, 3), (), np.array([0, 2])), {"dims": (0,), "accumulate": False}),
    ],
    errors=lambda: [
        Sample(((4, 3), (2, 3), np.array([4, 0])), {"dims": (0,), "accumulate": False}, error="out of range"),
        Sample(((4, 3), (5, 3), np.array([1, 0])), {"dims": (0,), "accumulate": True}, error="do not broadcast"),
    ],
)


# --- order ------------------------------------------------------------------------------------------------------------


def _argsort_shape(a: Aval, dim: int, descending: bool) -> Aval:
    normalize_dim(dim, a.ndim, "argsort")
    return Aval(a.shape, INT64)


def _argsort(a: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    if not a.ndim:
        return np.zeros((), INT64)
    if not descending:
        return np.argsort(a, dim, kind="stable")
    # Stable in descending order too: sort the reversed sequence, then reverse the result.
    n = a.shape[dim]
    order: np.ndarray = n - 1 - np.flip(np.argsort(np.flip(a, dim), dim, kind="stable"), dim)
    return order


argsort: Op = Op(
    "argsort",
    "index",
    _argsort,
    _argsort_shape,
    promote="ordered",
    formula=r"\operatorname{argsort} a",
    oracle=lambda t, a, dim, descending: t.argsort(a, dim=dim, descending=descending, stable=True),
    samples=lambda: [
        Sample(((3, 5),), {"dim": 1, "descending": False}),
        Sample((np.array([2.0, 1.0, 2.0, 1.0]),), {"dim": 0, "descending": True}),
    ],
    errors=lambda: [Sample(((3,),), {"dim": 1, "descending": False}, error="dim 1 is out of range")],
)


def out_of_range(op: str, size: int, low: int, high: int, dim: int) -> IndexOutOfRange:
    """The error for indices that reach from `low` to `high` in a dimension of `size`."""
    bad = high if high >= size else low
    return IndexOutOfRange(
        f"{op}: index {bad} is out of range for dimension {dim} of size {size} (valid: 0 to {size - 1})"
    )


__all__ = ["argsort", "full", "gather", "index", "index_put", "mesh", "out_of_range", "scatter", "scatter_add", "zeros"]
