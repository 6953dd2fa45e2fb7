"""Window ops: convolution is `windows` contracted with the weight, pooling is `windows` reduced.

`windows` replaces each dimension in `dims` by its number of output positions and puts the kernel's dimensions behind them:
x[N, H, W, C] with dims (1, 2) gives [N, OH, OW, KH, KW, C]. It is a view; its adjoint `fold` adds the windows up again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from cutaway.core.aval import Aval, Shape, show
from cutaway.core.bits import keep
from cutaway.core.dtypes import FLOATING
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.op import Op, Sample
from cutaway.core.ops.contract import BLOCK_BYTES


def positions(size: int, kernel: int, stride: int, dilation: int) -> int:
    """How many places a kernel has along a dimension: floor((size - dilation (kernel - 1) - 1) / stride) + 1."""
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def output_sizes(op: str, a: Aval, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """Positions along each of `dims`.  Raises ArgumentError for non-positive settings, ShapeError for a kernel too large."""
    for name, values in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if any(v < 1 for v in values) or len(values) != len(dims):
            raise ArgumentError(f"{op}: {name} must be {len(dims)} numbers of at least 1, got {list(values)}")
    for d, k, di in zip(dims, kernel, dilation, strict=True):
        if di * (k - 1) + 1 > a.shape[d]:
            raise ShapeError(
                f"{op}: the kernel {list(kernel)} with dilation {list(dilation)} is larger than dimension {d} "
                f"({a.shape[d]}) of {show(a)}; use a smaller kernel or more padding"
            )
    return tuple(positions(a.shape[d], k, s, di) for d, k, s, di in zip(dims, kernel, stride, dilation, strict=True))


def _windows_shape(a: Aval, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Aval:
    out = output_sizes("windows", a, dims, kernel, stride, dilation)
    return Aval((*a.shape[: dims[0]], *out, *kernel, *a.shape[dims[-1] + 1 :]), a.dtype)


def _windows(a: np.ndarray, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> np.ndarray:
    first, last = dims[0], dims[-1] + 1
    steps = a.strides
    shape = _windows_shape(Aval(a.shape, a.dtype), dims, kernel, stride, dilation).shape
    strides = (
        *steps[:first],
        *(steps[d] * s for d, s in zip(dims, stride, strict=True)),
        *(steps[d] * s for d, s in zip(dims, dilation, strict=True)),
        *steps[last:],
    )
    return np.lib.stride_tricks.as_strided(a, shape, strides)


def _taps(
    dims: Shape, out: Shape, kernel: Shape, stride: Shape, dilation: Shape, ndim: int
) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
    """For each place in the kernel: its offsets, and the slice of the input that meets it."""
    for offsets in product(*(range(k) for k in kernel)):
        key = [slice(None)] * ndim
        for d, n, o, s, di in zip(dims, out, offsets, stride, dilation, strict=True):
            key[d] = slice(o * di, o * di + (n - 1) * s + 1, s)
        yield offsets, tuple(key)


def _fold_shape(g: Aval, shape: Shape, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Aval:
    want = _windows_shape(Aval(tuple(shape), g.dtype), dims, kernel, stride, dilation)
    if want.shape != g.shape:
        raise ShapeError(f"fold: windows of {list(shape)} have shape {list(want.shape)}, got {show(g)}")
    return Aval(tuple(shape), g.dtype)


def _fold(g: np.ndarray, shape: Shape, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> np.ndarray:
    _fold_shape(Aval(g.shape, g.dtype), shape, dims, kernel, stride, dilation)
    y = np.zeros(shape, g.dtype)
    first, n = dims[0], len(dims)
    out = g.shape[first : first + n]
    taps = [(k, (slice(None),) * (first + n) + o) for o, k in _taps(dims, out, kernel, stride, dilation, len(shape))]
    # Image by image, so that what is added to stays in the cache.
    step = max(1, (BLOCK_BYTES * len(y) // max(y.nbytes, 1))) if first else len(y)
    for i in range(0, len(y), max(step, 1)):
        part, source = y[i : i + step], g[i : i + step]
        for place, tap in taps:
            part[place] += source[tap]
    return y


def _setting(kernel: Shape, stride: Shape, dilation: Shape, dims: Shape, **more: Any) -> dict[str, Any]:
    return {"dims": dims, "kernel": kernel, "stride": stride, "dilation": dilation, **more}


def _torch_windows(t: Any, a: Any, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Any:
    for d, k, s, di in zip(dims, kernel, stride, dilation, strict=True):
        a = a.unfold(d, di * (k - 1) + 1, s)[..., ::di]
    n, first = len(dims), dims[0]
    lead = list(range(first + n))
    kernel_axes = list(range(a.ndim - n, a.ndim))
    return a.permute(lead + kernel_axes + list(range(first + n, a.ndim - n)))


def _torch_fold(t: Any, g: Any, shape: Shape, setting: dict[str, Any]) -> Any:
    y = t.zeros(shape, dtype=g.dtype)
    position = t.arange(y.numel()).reshape(shape)
    return y.reshape(-1).index_add(0, _torch_windows(t, position, **setting).reshape(-1), g.reshape(-1)).reshape(shape)


windows: Op = Op(
    "windows",
    "window",
    _windows,
    _windows_shape,
    (
        lambda g, A, dims, kernel, stride, dilation: fold(
            g, shape=A.shape, dims=dims, kernel=kernel, stride=stride, dilation=dilation
        ),
    ),
    view="layout",
    formula=r"a_{s i + d k}",
    oracle=_torch_windows,
    samples=lambda: [
        Sample(((2, 5, 6, 3),), _setting((3, 2), (1, 1), (1, 1), (1, 2))),
        Sample(((1, 7, 7, 2),), _setting((3, 3), (2, 2), (1, 1), (1, 2))),
        Sample(((2, 2, 9),), _setting((3,), (2,), (2,), (2,))),
        Sample(((0, 4, 4, 1),), _setting((2, 2), (2, 2), (1, 1), (1, 2))),
    ],
    errors=lambda: [
        Sample(((1, 2, 5, 1),), _setting((3, 3), (1, 1), (1, 1), (1, 2)), error="larger than dimension 1"),
        Sample(((1, 5, 5, 1),), _setting((3, 3), (0, 1), (1, 1), (1, 2)), error="stride"),
    ],
)
fold: Op = Op(
    "fold",
    "window",
    _fold,
    _fold_shape,
    (lambda g, dims, kernel, stride, dilation: windows(g, dims=dims, kernel=kernel, stride=stride, dilation=dilation),),
    formula=r"\sum_{s i + d k = j} a_{i k}",
    oracle=lambda t, g, shape, **setting: _torch_fold(t, g, shape, setting),
    samples=lambda: [
        Sample(((2, 3, 5, 3, 2, 3),), _setting((3, 2), (1, 1), (1, 1), (1, 2), shape=(2, 5, 6, 3))),
        Sample(((1, 3, 3, 3, 3, 2),), _setting((3, 3), (2, 2), (1, 1), (1, 2), shape=(1, 7, 7, 2))),
        Sample(((2, 2, 3, 3),), _setting((3,), (2,), (2,), (2,), shape=(2, 2, 9))),
    ],
    errors=lambda: [
        Sample(((1, 3, 3, 3),), _setting((3,), (1,), (1,), (1,), shape=(1, 9, 3)), error="windows of"),
    ],
)

# --- the largest in each window ---------------------------------------------------------------------------------------


def _pooled_shape(op: str, a: Aval, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    out = output_sizes(op, a, dims, kernel, stride, dilation)
    return (*a.shape[: dims[0]], *out, *a.shape[dims[-1] + 1 :])


def _code_dtype(kernel: Shape) -> np.dtype:
    """A place in the kernel, counted row by row, in the smallest type that holds it."""
    return np.dtype(np.uint8) if int(np.prod(kernel)) <= 256 else np.dtype(np.int64)


def _window_argmax_shape(a: Aval, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Aval:
    return Aval(_pooled_shape("window_argmax", a, dims, kernel, stride, dilation), _code_dtype(kernel))


def _window_argmax(a: np.ndarray, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> np.ndarray:
    out = output_sizes("window_argmax", Aval(a.shape, a.dtype), dims, kernel, stride, dilation)
    best: np.ndarray | None = None
    code: np.ndarray | None = None
    for k, (_, key) in enumerate(_taps(dims, out, kernel, stride, dilation, a.ndim)):
        tap = a[key]
        if best is None or code is None:
            best, code = tap.copy("K"), np.zeros_like(tap, _code_dtype(kernel))
            continue
        # Later winners have larger numbers, so the code is a running maximum.
        won = tap > best
        if a.dtype.kind in FLOATING:
            won |= tap != tap  # a NaN is never lost
        np.maximum(code, won.view(np.uint8) * code.dtype.type(k), out=code)
        np.maximum(best, tap, out=best)
    assert code is not None
    return code


def _window_gather_shape(a: Aval, code: Aval, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Aval:
    shape = _pooled_shape("window_gather", a, dims, kernel, stride, dilation)
    if code.shape != shape:
        raise ShapeError(f"window_gather: {show(a)} has windows {list(shape)}, but the code is {show(code)}")
    return Aval(shape, a.dtype)


def _window_gather(
    a: np.ndarray, code: np.ndarray, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> np.ndarray:
    shape = _window_gather_shape(
        Aval(a.shape, a.dtype), Aval(code.shape, code.dtype), dims, kernel, stride, dilation
    ).shape
    out = shape[dims[0] : dims[-1] + 1]
    y: np.ndarray | None = None
    for k, (_, key) in enumerate(_taps(dims, out, kernel, stride, dilation, a.ndim)):
        tap = keep(code == k, a[key])
        y = tap if y is None else np.add(y, tap, out=y)
    assert y is not None
    return y


def _window_scatter_shape(
    g: Aval, code: Aval, shape: Shape, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> Aval:
    want = _pooled_shape("window_scatter", Aval(tuple(shape), g.dtype), dims, kernel, stride, dilation)
    if not want == g.shape == code.shape:
        raise ShapeError(f"window_scatter: windows of {list(shape)} are {list(want)}, got {show(g, code)}")
    return Aval(tuple(shape), g.dtype)


def _window_scatter(
    g: np.ndarray, code: np.ndarray, shape: Shape, dims: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> np.ndarray:
    _window_scatter_shape(Aval(g.shape, g.dtype), Aval(code.shape, code.dtype), shape, dims, kernel, stride, dilation)
    order = sorted(range(g.ndim), key=lambda d: (-g.strides[d], d))
    back = [order.index(d) for d in range(g.ndim)]
    y = np.zeros([shape[d] for d in order], g.dtype).transpose(back)  # in the memory order of g
    out = g.shape[dims[0] : dims[-1] + 1]
    apart = all(s >= di * (k - 1) + 1 for k, s, di in zip(kernel, stride, dilation, strict=True))
    for k, (_, key) in enumerate(_taps(dims, out, kernel, stride, dilation, len(shape))):
        if apart:
            y[key] = keep(code == k, g)
        else:
            y[key] += keep(code == k, g)
    return y


def _torch_code_positions(t: Any, code: Any, shape: Shape, setting: dict[str, Any]) -> Any:
    position = _torch_windows(t, t.arange(int(np.prod(shape))).reshape(shape), **setting)
    n, first = len(setting["dims"]), setting["dims"][0]
    moved = position.flatten(first + n, first + 2 * n - 1).movedim(first + n, -1)
    return moved.gather(-1, code.long().unsqueeze(-1)).squeeze(-1)


_CODE = np.array([[[3], [0]], [[1], [2]]], np.uint8).reshape(1, 2, 2, 1)
_POOL = _setting((2, 2), (2, 2), (1, 1), (1, 2))
_OVERLAP = _setting((2, 2), (1, 1), (1, 1), (1, 2))


def _torch_argmax(t: Any, a: Any, **setting: Any) -> Any:
    n, first = len(setting["dims"]), setting["dims"][0]
    found = _torch_windows(t, a, **setting).flatten(first + n, first + 2 * n - 1).argmax(first + n)
    return found.to(t.uint8)


window_argmax: Op = Op(
    "window_argmax",
    "window",
    _window_argmax,
    _window_argmax_shape,
    formula=r"\arg\max_k a_{s i + d k}",
    oracle=_torch_argmax,
    samples=lambda: [Sample(((2, 4, 6, 3),), _POOL), Sample(((1, 5, 5, 2),), _OVERLAP), Sample(((0, 4, 4, 1),), _POOL)],
    errors=lambda: [Sample(((1, 1, 4, 1),), _POOL, error="larger than dimension 1")],
)
window_gather: Op = Op(
    "window_gather",
    "window",
    _window_gather,
    _window_gather_shape,
    (
        lambda g, b, A, dims, kernel, stride, dilation: window_scatter(
            g, b, shape=A.shape, dims=dims, kernel=kernel, stride=stride, dilation=dilation
        ),
        None,
    ),
    formula=r"a_{s i + d b_i}",
    oracle=lambda t, a, b, **setting: a.reshape(-1)[_torch_code_positions(t, b, tuple(a.shape), setting)],
    samples=lambda: [Sample(((1, 4, 4, 1), _CODE), _POOL), Sample(((1, 3, 3, 1), _CODE), _OVERLAP)],
    errors=lambda: [Sample(((1, 6, 4, 1), _CODE), _POOL, error="but the code is")],
)
window_scatter: Op = Op(
    "window_scatter",
    "window",
    _window_scatter,
    _window_scatter_shape,
    (
        lambda g, b, dims, kernel, stride, dilation: window_gather(
            g, b, dims=dims, kernel=kernel, stride=stride, dilation=dilation
        ),
        None,
    ),
    formula=r"y_{s i + d b_i} \mathrel{+}= a_i",
    oracle=lambda t, g, b, shape, **setting: (
        t.zeros(int(np.prod(shape)), dtype=g.dtype)
        .index_add(0, _torch_code_positions(t, b, shape, setting).reshape(-1), g.reshape(-1))
        .reshape(shape)
    ),
    samples=lambda: [
        Sample(((1, 2, 2, 1), _CODE), {**_POOL, "shape": (1, 4, 4, 1)}),
        Sample(((1, 2, 2, 1), _CODE), {**_OVERLAP, "shape": (1, 3, 3, 1)}),
        Sample(((1, 2, 2, 1), _CODE), {**_POOL, "shape": (1, 5, 4, 1)}),
    ],
    errors=lambda: [Sample(((1, 2, 2, 1), _CODE), {**_POOL, "shape": (1, 6, 4, 1)}, error="windows of")],
)
