"""Reductions and scans: many elements of a dimension become one, or a running total."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.aval import Aval, Shape, normalize_dim, normalize_dims, show
from cutaway.core.errors import IndexOutOfRange
from cutaway.core.op import Op, Sample
from cutaway.core.ops.elementwise import cast, exp
from cutaway.core.ops.movement import expand, flip, pad, reshape, slice_

INT64 = np.dtype(np.int64)
BOOL = np.dtype(bool)


def kept(shape: Shape, dim: Shape) -> Shape:
    """`shape` with the reduced dimensions at size 1."""
    return tuple(1 if d in dim else n for d, n in enumerate(shape))


def _wide(g: Any, A: Aval, dim: Shape, keepdim: bool) -> Any:
    """The gradient of a reduction, back at the dimensions it came from."""
    return g if keepdim else reshape(g, shape=kept(A.shape, dim))


def reduction(
    name: str,
    forward: Callable[..., np.ndarray],
    grad: Any = (),
    *,
    result: Callable[[np.dtype], np.dtype] = lambda d: d,
    empty: bool = True,
    **record: Any,
) -> Op:
    """A reduction over dims `dim` (sorted, not negative); `empty`: it has a value over no elements."""

    def shape(a: Aval, dim: Shape, keepdim: bool) -> Aval:
        dim = normalize_dims(dim, a.ndim, name)
        if not empty and a.size == 0 and any(a.shape[d] == 0 for d in dim):
            raise IndexOutOfRange(
                f"{name}: {show(a)} has no elements along dim {list(dim)}, and an empty {name} has no value"
            )
        out = kept(a.shape, dim)
        return Aval(out if keepdim else tuple(n for d, n in enumerate(out) if d not in dim), result(a.dtype))

    def samples() -> list[Sample]:
        some = [
            Sample(((3, 4),), {"dim": (0,), "keepdim": False}),
            Sample(((2, 3, 4),), {"dim": (0, 2), "keepdim": True}),
            Sample(((2, 3),), {"dim": (0, 1), "keepdim": False}),
            Sample(((),), {"dim": (), "keepdim": False}),
        ]
        return [*some, Sample(((2, 0),), {"dim": (1,), "keepdim": False})] if empty else some

    def errors() -> list[Sample]:
        bad = [Sample(((2, 3),), {"dim": (2,), "keepdim": False}, error="dim 2 is out of range")]
        return bad if empty else [*bad, Sample(((2, 0),), {"dim": (1,), "keepdim": False}, error="no elements")]

    record.setdefault("samples", samples)
    record.setdefault("errors", errors)
    record.setdefault("oracle", lambda t, a, dim, keepdim: getattr(t, name)(a, dim, keepdim) if dim else a.clone())
    return Op(name, "reduce", forward, shape, grad, **record)


# NumPy's stubs know ufunc.reduce for one axis and one kind of dtype only.
_add_all: Callable[..., np.ndarray] = np.add.reduce
_multiply_all: Callable[..., np.ndarray] = np.multiply.reduce


def _sum(a: np.ndarray, dim: Shape, keepdim: bool) -> np.ndarray:
    if a.dtype.kind in "bui":
        return _add_all(a, axis=dim, dtype=INT64, keepdims=keepdim)
    if a.size > _LONG and not (len(dim) == a.ndim and a.flags.c_contiguous):  # all of it: one run
        return _long_sum(a, dim, keepdim)
    return _add_all(a, axis=dim, keepdims=keepdim)


_LONG = 256  # terms that may be added one by one


def _long_sum(a: np.ndarray, dim: Shape, keepdim: bool) -> np.ndarray:
    """A sum in parts. NumPy adds by halves along the dimension that is innermost in memory, and along all others one by
    one: the mean of a channel of 32 images that lie channels-last was off by 3e-5 where it can be right to 1e-7.
    """
    run = _innermost(a, dim)
    rest = [d for d in dim if d not in run and a.shape[d] > 1]
    if math.prod([a.shape[d] for d in rest]) <= _LONG:
        return _add_all(a, axis=dim, keepdims=keepdim)
    y = _add_all(a, axis=run, keepdims=True) if run else a
    for d in sorted(rest, key=lambda d: abs(a.strides[d])):
        y = _in_parts(y, d)
    return y if keepdim else y.reshape([n for d, n in enumerate(a.shape) if d not in dim])


def _innermost(a: np.ndarray, dim: Shape) -> Shape:
    """Those of `dim` that lie innermost in memory, one after the other without gaps."""
    step, run = a.itemsize, []
    for d in sorted(range(a.ndim), key=lambda d: abs(a.strides[d])):
        if a.shape[d] > 1:
            if d not in dim or a.strides[d] != step:
                break
            step *= a.shape[d]
            run.append(d)
    return tuple(run)


def _in_parts(a: np.ndarray, d: int) -> np.ndarray:
    """The sum along one dimension, kept at size 1, by parts of about the square root of its length."""
    n = a.shape[d]
    if n <= _LONG:
        return _add_all(a, axis=d, keepdims=True)
    size = math.isqrt(n)
    before, after, whole = a.shape[:d], a.shape[d + 1 :], n - n % size
    at: Any = (slice(None),) * d
    y = _add_all(a[(*at, slice(whole))].reshape(*before, whole // size, size, *after), axis=d + 1)
    y = _in_parts(y, d)
    return y if whole == n else y + _add_all(a[(*at, slice(whole, n))], axis=d, keepdims=True)


sum: Op = reduction(
    "sum",
    _sum,
    (lambda g, A, dim, keepdim: expand(_wide(g, A, dim, keepdim), shape=A.shape),),
    result=lambda d: INT64 if d.kind in "bui" else d,
    formula=r"\sum a",
    onnx="ReduceSum",
)


def _extreme_grad(g: Any, y: Any, a: Any, dim: Shape, keepdim: bool) -> Any:
    """Elements that tie share the gradient, as in PyTorch's amax."""
    A = Aval(a.shape, a._data.dtype)
    won = cast(a == _wide(y, A, dim, keepdim), dtype=A.dtype)
    return won * (_wide(g, A, dim, keepdim) / sum(won, dim=dim, keepdim=True))


amax: Op = reduction(
    "amax",
    lambda a, dim, keepdim: np.maximum.reduce(a, axis=dim, keepdims=keepdim),
    (_extreme_grad,),
    promote="ordered",
    empty=False,
    formula=r"\max a",
    onnx="ReduceMax",
)
amin: Op = reduction(
    "amin",
    lambda a, dim, keepdim: np.minimum.reduce(a, axis=dim, keepdims=keepdim),
    (_extreme_grad,),
    promote="ordered",
    empty=False,
    formula=r"\min a",
    onnx="ReduceMin",
)


def _logsumexp(a: np.ndarray, dim: Shape, keepdim: bool) -> np.ndarray:
    top = np.maximum.reduce(a, axis=dim, keepdims=True) if a.size else np.zeros(kept(a.shape, dim), a.dtype)
    top = np.where(np.isfinite(top), top, 0).astype(a.dtype, copy=False)
    y: np.ndarray = np.log(_sum(np.exp(a - top), dim, True)) + top
    return y if keepdim else y.reshape([n for d, n in enumerate(a.shape) if d not in dim])


logsumexp: Op = reduction(
    "logsumexp",
    _logsumexp,
    (lambda g, y, a, A, dim, keepdim: _wide(g, A, dim, keepdim) * exp(a - _wide(y, A, dim, keepdim)),),
    promote="float",
    formula=r"\log \sum e^{a}",
    onnx="ReduceLogSumExp",
)


def _truth(d: np.dtype) -> np.dtype:
    """PyTorch's answer about bytes is a byte."""
    return d if d == np.uint8 else BOOL


any_: Op = reduction(
    "any",
    lambda a, dim, keepdim: np.logical_or.reduce(a, axis=dim, keepdims=keepdim).astype(_truth(a.dtype), copy=False),
    result=_truth,
    formula=r"\exists a",
    oracle=lambda t, a, dim, keepdim: t.any(a, dim, keepdim) if dim else a.bool(),
)
all_: Op = reduction(
    "all",
    lambda a, dim, keepdim: np.logical_and.reduce(a, axis=dim, keepdims=keepdim).astype(_truth(a.dtype), copy=False),
    result=_truth,
    formula=r"\forall a",
    oracle=lambda t, a, dim, keepdim: t.all(a, dim, keepdim) if dim else a.bool(),
)

# --- one dimension at a time ------------------------------------------------------------------------------------------


def along(
    name: str,
    forward: Callable[..., Any],
    grad: Any = (),
    *,
    result: Callable[[np.dtype], np.dtype] = lambda d: d,
    keeps_size: bool = False,
    empty: bool = True,
    **record: Any,
) -> Op:
    """An op that works along one dimension `dim` of a tensor with at least one."""

    def shape(a: Aval, dim: int, **attrs: Any) -> Aval:
        dim = normalize_dim(dim, a.ndim, name)
        if not empty and a.ndim and a.shape[dim] == 0:
            raise IndexOutOfRange(
                f"{name}: {show(a)} has no elements along dim {dim}, and an empty {name} has no value"
            )
        if keeps_size or not a.ndim:
            return Aval(a.shape, result(a.dtype))
        return Aval(a.shape[:dim] + ((1,) if attrs["keepdim"] else ()) + a.shape[dim + 1 :], result(a.dtype))

    more = {} if keeps_size else {"keepdim": True}
    record.setdefault(
        "samples",
        lambda: [
            Sample(((3, 4),), {"dim": 1, **more}),
            Sample(((5,),), {"dim": 0, **more}),
            Sample(((2, 3, 2),), {"dim": 1, **more}),
        ],
    )
    record.setdefault("errors", lambda: [Sample(((3, 4),), {"dim": 2, **more}, error="dim 2 is out of range")])
    record.setdefault("oracle", lambda t, a, **attrs: getattr(t, name)(a, **attrs))
    return Op(name, "reduce", forward, shape, grad, **record)


argmax: Op = along(
    "argmax",
    lambda a, dim, keepdim: np.argmax(a, dim, keepdims=keepdim) if a.ndim else np.array(0),
    result=lambda d: INT64,
    promote="ordered",
    empty=False,
    formula=r"\arg\max a",
    onnx="ArgMax",
)
argmin: Op = along(
    "argmin",
    lambda a, dim, keepdim: np.argmin(a, dim, keepdims=keepdim) if a.ndim else np.array(0),
    result=lambda d: INT64,
    promote="ordered",
    empty=False,
    formula=r"\arg\min a",
    onnx="ArgMin",
)


def _widened(d: np.dtype) -> np.dtype:
    return INT64 if d.kind in "bui" else d


def _cumsum(a: np.ndarray, dim: int) -> np.ndarray:
    if not a.ndim:
        return a.astype(_widened(a.dtype))
    if a.dtype == np.float32:  # the rounding of a thousand terms would add up
        total: np.ndarray = np.cumsum(a, dim, dtype=np.float64).astype(a.dtype)
        return total
    return np.cumsum(a, dim, dtype=_widened(a.dtype))


cumsum: Op = along(
    "cumsum",
    _cumsum,
    (lambda g, dim: flip(cumsum(flip(g, dims=(dim,)), dim=dim), dims=(dim,)) if g.ndim else g,),
    result=_widened,
    keeps_size=True,
    formula=r"\sum_{j \le i} a_j",
    onnx="CumSum",
)


def _shift(x: Any, by: int, dim: int) -> Any:
    """x moved `by` places up along dim, ones coming in below."""
    n, axes = x.shape[dim], range(x.ndim)
    body = slice_(
        x, start=(0,) * x.ndim, step=(1,) * x.ndim, size=tuple(n - by if d == dim else x.shape[d] for d in axes)
    )
    return pad(
        body, low=tuple(by if d == dim else 0 for d in axes), step=(1,) * x.ndim, shape=tuple(x.shape), value=1.0
    )


def running_product(x: Any, dim: int) -> Any:
    """Products of the first 1, 2, 3, ... elements, by doubling (Hillis & Steele 1986): log2(n) multiplications."""
    by = 1
    while by < x.shape[dim]:
        x = x * _shift(x, by, dim)
        by *= 2
    return x


def _prod_grad(g: Any, a: Any, dim: int, keepdim: bool) -> Any:
    """The product of all the others, without a division: right where elements are zero, and at any order."""
    if not a.ndim:
        return g
    before = _shift(running_product(a, dim), 1, dim) if a.shape[dim] else a
    turned = flip(a, dims=(dim,))
    after = flip(_shift(running_product(turned, dim), 1, dim), dims=(dim,)) if a.shape[dim] else a
    return (g if keepdim else g.unsqueeze(dim)) * before * after


def _prod(a: np.ndarray, dim: int, keepdim: bool) -> np.ndarray:
    if not a.ndim:
        return a.astype(_widened(a.dtype))
    return _multiply_all(a, axis=dim, dtype=_widened(a.dtype), keepdims=keepdim)


prod: Op = along(
    "prod",
    _prod,
    (_prod_grad,),
    result=_widened,
    formula=r"\prod a",
    onnx="ReduceProd",
)
__all__ = [
    "all_", "amax", "amin", "any_", "argmax", "argmin", "cumsum", "kept", "logsumexp", "prod", "running_product", "sum",
]  # fmt: skip
