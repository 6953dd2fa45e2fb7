"""Movement ops: the same numbers at other places. The adjoint of a movement is a movement (or, for expand, a sum)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from cutaway.core.aval import Aval, Shape, broadcast_shapes, normalize_dim, numel, show
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.op import Op, Sample

# --- reshape, permute, expand -----------------------------------------------------------------------------------------


def _reshape_shape(a: Aval, shape: Shape) -> Aval:
    if any(n < 0 for n in shape) or numel(shape) != a.size:
        raise ShapeError(
            f"reshape: {show(a)} holds {a.size} elements, which do not fit shape {list(shape)} of {numel(shape)}; "
            "leave one size as -1 to have it computed"
        )
    return Aval(shape, a.dtype)


def _reshape(a: np.ndarray, shape: Shape) -> np.ndarray:
    return a.reshape(shape)


reshape: Op = Op(
    "reshape",
    "movement",
    _reshape,
    _reshape_shape,
    (lambda g, A: reshape(g, shape=A.shape),),
    view="view",
    formula=r"\mathrm{reshape}(a)",
    onnx="Reshape",
    oracle=lambda t, a, shape: a.reshape(shape),
    samples=lambda: [
        Sample(((2, 6),), {"shape": (3, 4)}),
        Sample(((2, 3, 2),), {"shape": (12,)}),
        Sample(((),), {"shape": (1, 1)}),
        Sample(((0, 3),), {"shape": (3, 0)}),
    ],
    errors=lambda: [Sample(((2, 3),), {"shape": (4,)}, error="6 elements")],
)


def _permute_shape(a: Aval, dims: Shape, name: str = "permute") -> Aval:
    if sorted(d % max(a.ndim, 1) for d in dims) != list(range(a.ndim)):
        raise ShapeError(
            f"{name}: dims {list(dims)} must name each of the {a.ndim} dimensions of {show(a)} once; "
            "to swap two dimensions write x.transpose(i, j)"
        )
    return Aval(tuple(a.shape[d] for d in dims), a.dtype)


def _permute(a: np.ndarray, dims: Shape) -> np.ndarray:
    return a.transpose(dims)


def inverse(dims: Shape) -> Shape:
    """The permutation that undoes `dims`."""
    out = [0] * len(dims)
    for i, d in enumerate(dims):
        out[d] = i
    return tuple(out)


_permute_record: dict[str, Any] = {
    "formula": r"\mathrm{permute}(a)",
    "onnx": "Transpose",
    "oracle": lambda t, a, dims: a.permute(dims),
    "samples": lambda: [
        Sample(((2, 3),), {"dims": (1, 0)}),
        Sample(((2, 3, 4),), {"dims": (2, 0, 1)}),
        Sample(((2, 0, 4),), {"dims": (1, 2, 0)}),
        Sample(((),), {"dims": ()}),
    ],
    "errors": lambda: [
        Sample(((2, 3),), {"dims": (0, 0)}, error="once"),
        Sample(((2, 3),), {"dims": (0, 1, 2)}, error="once"),
    ],
}
permute: Op = Op(
    "permute",
    "movement",
    _permute,
    _permute_shape,
    (lambda g, dims: permute(g, dims=inverse(dims)),),
    view="view",
    **_permute_record,
)
# A permutation whose memory order is the machine's own business: convolutions run channels-last inside, and what they
# return reports row-major strides like any tensor that is no view.
layout: Op = Op(
    "layout",
    "movement",
    _permute,
    partial(_permute_shape, name="layout"),
    (lambda g, dims: layout(g, dims=inverse(dims)),),
    view="layout",
    **_permute_record,
)


def _expand_shape(a: Aval, shape: Shape) -> Aval:
    if len(shape) < a.ndim or min(shape, default=0) < 0 or broadcast_shapes(a.shape, shape, op="expand") != tuple(shape):
        raise ShapeError(
            f"expand: {show(a)} cannot be expanded to {list(shape)}: only sizes of 1 stretch, use repeat for others"
        )
    return Aval(shape, a.dtype)


def _expand(a: np.ndarray, shape: Shape) -> np.ndarray:
    y = np.broadcast_to(a, shape)
    return a.reshape(shape) if y.size == a.size else y  # where nothing is repeated, the view may be written to


expand: Op = Op(
    "expand",
    "movement",
    _expand,
    _expand_shape,
    (lambda g: g,),  # the walker sums over what was stretched
    view="view",
    formula=r"\mathrm{expand}(a)",
    onnx="Expand",
    oracle=lambda t, a, shape: a.expand(shape),
    samples=lambda: [
        Sample(((3, 1),), {"shape": (3, 4)}),
        Sample(((3,),), {"shape": (2, 3)}),
        Sample(((),), {"shape": (2, 2)}),
        Sample(((1, 2),), {"shape": (0, 2)}),
    ],
    errors=lambda: [Sample(((3,),), {"shape": (4,)}, error="expand")],
)

# --- slice and pad: each is the other's adjoint -----------------------------------------------------------------------


def _slices(start: Shape, step: Shape, size: Shape) -> tuple[Any, ...]:
    return tuple(slice(s, s + (n - 1) * k + 1 if n else s, k) for s, k, n in zip(start, step, size, strict=True))


def _slice_shape(a: Aval, start: Shape, step: Shape, size: Shape) -> Aval:
    for d, (s, k, n) in enumerate(zip(start, step, size, strict=True)):
        if s < 0 or k < 1 or n < 0 or (n and s + (n - 1) * k >= a.shape[d]):
            raise IndexOutOfRange(f"slice: {n} elements from {s} by {k} leave dimension {d} of {show(a)}")
    return Aval(tuple(size), a.dtype)


def _slice(a: np.ndarray, start: Shape, step: Shape, size: Shape) -> np.ndarray:
    y: np.ndarray = a[(*_slices(start, step, size), ...)]  # with ..., a 0-d slice is a view, too
    if y.shape != tuple(size):
        raise IndexError("slice leaves the tensor")
    return y


slice_: Op = Op(
    "slice",
    "movement",
    _slice,
    _slice_shape,
    (lambda g, A, start, step: pad(g, low=start, step=step, shape=A.shape, value=0.0),),
    view="view",
    formula=r"a_{\mathrm{start}:\mathrm{stop}:\mathrm{step}}",
    onnx="Slice",
    oracle=lambda t, a, start, step, size: a[_slices(start, step, size)],
    samples=lambda: [
        Sample(((4, 5),), {"start": (1, 0), "step": (1, 2), "size": (2, 3)}),
        Sample(((6,),), {"start": (5,), "step": (3,), "size": (1,)}),
        Sample(((3, 2),), {"start": (0, 1), "step": (1, 1), "size": (0, 1)}),
    ],
    errors=lambda: [Sample(((4,),), {"start": (2,), "step": (1,), "size": (3,)}, error="dimension 0")],
)


def _pad_shape(a: Aval, low: Shape, step: Shape, shape: Shape, value: float) -> Aval:
    for d, (s, k, n) in enumerate(zip(low, step, shape, strict=True)):
        if s < 0 or k < 1 or (a.shape[d] and s + (a.shape[d] - 1) * k >= n):
            raise ShapeError(
                f"pad: {show(a)} does not fit into {list(shape)} at offset {list(low)} by {list(step)}: dimension {d}"
            )
    return Aval(tuple(shape), a.dtype)


def _pad(a: np.ndarray, low: Shape, step: Shape, shape: Shape, value: float) -> np.ndarray:
    # Channels-last data stays channels-last: the padded copy takes the order of the original's memory.
    order = sorted(range(a.ndim), key=lambda d: (-a.strides[d], d))
    y = np.empty([shape[d] for d in order], a.dtype).transpose(inverse(tuple(order)))
    if y.size != a.size:
        y.fill(value)
    y[_slices(low, step, a.shape)] = a
    return y


pad: Op = Op(
    "pad",
    "movement",
    _pad,
    _pad_shape,
    (lambda g, A, low, step: slice_(g, start=low, step=step, size=A.shape),),
    formula=r"\mathrm{pad}(a)",
    onnx="Pad",
    oracle=lambda t, a, low, step, shape, value: _torch_pad(t, a, low, step, shape, value),
    samples=lambda: [
        Sample(((2, 3),), {"low": (1, 0), "step": (1, 2), "shape": (4, 6), "value": 0.0}),
        Sample(((3,),), {"low": (2,), "step": (1,), "shape": (5,), "value": -1.5}),
        Sample(((0, 2),), {"low": (0, 1), "step": (1, 1), "shape": (2, 4), "value": 0.0}),
    ],
    errors=lambda: [
        Sample(((3,),), {"low": (2,), "step": (1,), "shape": (4,), "value": 0.0}, error="does not fit"),
    ],
)


def _torch_pad(t: Any, a: Any, low: Shape, step: Shape, shape: Shape, value: float) -> Any:
    y = t.full(shape, value, dtype=a.dtype)
    y[_slices(low, step, tuple(a.shape))] = a
    return y


# --- flip, concatenate ------------------------------------------------------------------------------------------------


def _flip_shape(a: Aval, dims: Shape) -> Aval:
    for d in dims:
        normalize_dim(d, a.ndim, "flip")
    return a


def _flip(a: np.ndarray, dims: Shape) -> np.ndarray:
    return np.flip(a, dims).copy()


flip: Op = Op(
    "flip",
    "movement",
    _flip,
    _flip_shape,
    (lambda g, dims: flip(g, dims=dims),),
    formula=r"\mathrm{flip}(a)",
    oracle=lambda t, a, dims: t.flip(a, dims),
    samples=lambda: [
        Sample(((3, 4),), {"dims": (0, 1)}),
        Sample(((5,),), {"dims": (0,)}),
        Sample(((0, 2),), {"dims": (1,)}),
    ],
    errors=lambda: [Sample(((3, 4),), {"dims": (2,)}, error="dim 2 is out of range")],
)


def _concatenate_shape(*avals: Aval, dim: int) -> Aval:
    if not avals:
        raise ArgumentError("concatenate: needs at least one tensor, got none")
    first = avals[0]
    dim = normalize_dim(dim, first.ndim, "concatenate")
    for other in avals[1:]:
        if other.ndim != first.ndim:
            raise ShapeError(
                f"concatenate: {show(first, other)} have different numbers of dimensions; use unsqueeze or stack"
            )
        for d in range(first.ndim):
            if d != dim and other.shape[d] != first.shape[d]:
                raise ShapeError(
                    f"concatenate along dim {dim}: {show(first, other)} disagree at dimension {d} "
                    f"({first.shape[d]} and {other.shape[d]}); all dimensions but dim must be equal"
                )
        if other.dtype != first.dtype:
            raise DTypeError(f"concatenate: {show(first, other)} have different dtypes; convert one with .to()")
    size = sum(a.shape[dim] for a in avals)
    return Aval((*first.shape[:dim], size, *first.shape[dim + 1 :]), first.dtype)


def _concatenate(*arrays: np.ndarray, dim: int) -> np.ndarray:
    return np.concatenate(arrays, dim)


def _concatenate_grad(g: Any, i: int, avals: Sequence[Aval], dim: int) -> Any:
    dim = dim % g.ndim
    before = sum(a.shape[dim] for a in avals[:i])
    start = tuple(before if d == dim else 0 for d in range(g.ndim))
    return slice_(g, start=start, step=(1,) * g.ndim, size=avals[i].shape)


concatenate: Op = Op(
    "concatenate",
    "movement",
    _concatenate,
    _concatenate_shape,
    (_concatenate_grad,),
    promote="same",
    formula=r"[a, b, \dots]",
    onnx="Concat",
    oracle=lambda t, *inputs, dim: t.cat(inputs, dim),
    samples=lambda: [
        Sample(((2, 3), (2, 1), (2, 2)), {"dim": 1}),
        Sample(((2, 3), (1, 3)), {"dim": 0}),
        Sample(((2,), (0,)), {"dim": -1}),
        Sample(((2, 2),), {"dim": 0}),
    ],
    errors=lambda: [
        Sample(((2, 3), (3, 3)), {"dim": 1}, error="disagree at dimension 0"),
        Sample(((2, 3), (2,)), {"dim": 0}, error="numbers of dimensions"),
        Sample((), {"dim": 0}, error="at least one"),
    ],
)
