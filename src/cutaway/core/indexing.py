"""`x[key]` and `x[key] = v`: from Python's brackets to slice, reshape and index ops.

PyTorch's rule where it differs from NumPy's: integers are taken first, and only tensors, arrays and lists are "advanced".
"""

from __future__ import annotations

import operator
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

import cutaway.core.tensor as _t
from cutaway.core.aval import Aval
from cutaway.core.dtypes import FLOATING, INEXACT, fitting
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    IndexOutOfRange,
    IndexTypeError,
    ShapeError,
)
from cutaway.core.grad_names import tell
from cutaway.core.op import APART, INTERPRETER, STAGE, Op
from cutaway.core.ops.index import index as index_op
from cutaway.core.ops.index import index_put
from cutaway.core.ops.movement import pad, reshape, slice_
from cutaway.core.refusal import describe
from cutaway.core.strict import is_lenient, refuse_or_warn, warn_of

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

_FULL = slice(None)


def _items(key: Any, shape: tuple[int, ...]) -> list[Any]:
    """The key as a list with one entry a dimension (None entries extra); Ellipsis written out, masks as index arrays."""
    items: list[Any] = []
    if isinstance(key, list) and is_lenient() and any(map(_is_part, key)):
        warn_of("index: a list of lists, tensors or slices is read as a tuple, as by PyTorch; write x[tuple(key)]")
        key = tuple(key)
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, _t.Tensor) and (type(k._data) is np.ndarray or k._data.dtype.char in "?B"):
            k = np.asarray(k._data)  # a staged mask says that its values are not there yet
        if isinstance(k, np.ndarray) and k.dtype == np.uint8:  # what masks were before PyTorch had bool
            warnings.warn("index: uint8 numbers are read as a mask, as by PyTorch; convert them with .bool() or .long()",
                          UserWarning, stacklevel=4)  # fmt: skip
            k = np.asarray(k != 0)
        if isinstance(k, (list, tuple, range)):
            k = _listed(k)
            if k.size == 0:
                k = k.astype(np.int64)
        if isinstance(k, np.bool_) or k is True or k is False:
            error = ArgumentTypeError("index: a single bool is no index; write x if condition else x[:0], or use where")
            refuse_or_warn(error, "it adds a dimension of 0 or 1")
            k = np.asarray(bool(k))
        if isinstance(k, np.ndarray) and k.ndim and k.dtype == np.uint8:
            warn_of("index: a uint8 tensor is read as a mask, as by PyTorch; convert it with .bool() or .long()")
            k = k.astype(bool)
        if isinstance(k, np.ndarray) and k.ndim == 0 and k.dtype.kind in "iu":
            k = int(k)
        items.append(k)
    used = sum(
        0 if k is None or k is Ellipsis else k.ndim if isinstance(k, np.ndarray) and k.dtype.kind == "b" else 1
        for k in items
    )
    if used > len(shape):
        raise IndexOutOfRange(f"index: too many indices ({used}) for a tensor of shape {list(shape)}")
    dots = [n for n, k in enumerate(items) if k is Ellipsis]
    if len(dots) > 1:  # the first stands for all dimensions that are left
        after = items[dots[1] :]
        if len(shape) > used and any(k is not Ellipsis for k in after):
            raise IndexOutOfRange(f"index: the second ... of {len(dots)} has no dimensions left; write one")
        items = items[: dots[1]] + [k for k in after if k is not Ellipsis]
    missing = [_FULL] * (len(shape) - used)
    return items[: dots[0]] + missing + items[dots[0] + 1 :] if dots else items + missing


def _is_part(k: Any) -> bool:
    """True for what makes PyTorch read the list that it stands in as a tuple."""
    return k is None or k is Ellipsis or isinstance(k, (list, tuple, range, slice, np.ndarray, _t.Tensor))


def _listed(k: Any) -> np.ndarray:
    try:
        return np.asarray([i._data if isinstance(i, _t.Tensor) else i for i in k])
    except ValueError:
        raise ArgumentError(f"index: the lists in {k!r} must have equal lengths at each level") from None


class Selection:
    """A key read against a shape: first a slice, then a reshape, then index arrays.

    start, step, size  of each dimension
    shape              after integers have dropped their dimension and None has added one
    dims, arrays       the advanced part, by dimension of `shape`
    """

    __slots__ = ("arrays", "dims", "shape", "size", "start", "step", "whole")

    def __init__(self, key: Any, full: tuple[int, ...]) -> None:
        start, step, size, shape = [], [], [], []
        self.dims: list[int] = []
        self.arrays: list[np.ndarray] = []
        d = 0
        for k in _items(key, full):
            if k is None:
                shape.append(1)
                continue
            n = full[d] if d < len(full) else 0
            if isinstance(k, slice):
                first, last, by = self._bounds(k, n, d)
                count = max(0, -(-(last - first) // by))
                start.append(first if count else 0)
                step.append(by)
                size.append(count)
                shape.append(count)
                d += 1
            elif isinstance(k, np.ndarray) and not k.ndim and k.dtype.kind == "b":  # a 0-d mask adds a dimension of 0 or 1
                self.dims.append(len(shape))
                self.arrays.append(np.zeros(int(k), np.int64))
                shape.append(1)
            elif isinstance(k, np.ndarray):
                for array in self._advanced(k, full, d):
                    self.dims.append(len(shape))
                    self.arrays.append(array)
                    start.append(0)
                    step.append(1)
                    size.append(full[d])
                    shape.append(full[d])
                    d += 1
            elif isinstance(k, _t.Tensor) and k._data.dtype.kind in "iu":  # staged: its values are not there yet
                self.dims.append(len(shape))
                self.arrays.append(k._data)
                start.append(0)
                step.append(1)
                size.append(n)
                shape.append(n)
                d += 1
            else:
                i = self._integer(k, n, d)
                start.append(i)
                step.append(1)
                size.append(1)
                d += 1
        self.start, self.step, self.size, self.shape = tuple(start), tuple(step), tuple(size), tuple(shape)
        self.whole = self.size == full

    @staticmethod
    def _bounds(k: slice, n: int, d: int) -> tuple[int, int, int]:
        parts = [None if p is None else Selection._number(p) for p in (k.start, k.stop, k.step)]
        if parts[2] is not None and parts[2] <= 0:
            raise ArgumentError(
                f"index: the step of a slice must be positive, got {parts[2]} in dimension {d}; use flip to reverse"
            )
        return slice(*parts).indices(n)

    @staticmethod
    def _number(k: Any) -> int:
        try:
            return operator.index(k.item() if isinstance(k, _t.Tensor) else k)
        except TypeError:
            raise IndexTypeError(
                f"index: {describe(k)} is no index; use integers, slices, None, ..., or integer / bool tensors"
            ) from None

    @staticmethod
    def _integer(k: Any, n: int, d: int) -> int:
        i = Selection._number(k)
        if not -n <= i < n:
            raise IndexOutOfRange(f"index {i} is out of range for dimension {d} of size {n} (valid: {-n} to {n - 1})")
        return i + n if i < 0 else i

    @staticmethod
    def _advanced(k: np.ndarray, full: tuple[int, ...], d: int) -> list[np.ndarray]:
        if k.dtype.kind == "b":
            if k.shape != full[d : d + k.ndim]:
                raise IndexOutOfRange(
                    f"index: a mask of shape {list(k.shape)} does not match the tensor's {list(full[d : d + k.ndim])} "
                    f"from dimension {d} on (the tensor is {list(full)})"
                )
            return [np.asarray(a) for a in k.nonzero()]
        if k.dtype.kind not in "iu":
            raise IndexTypeError(
                f"index: tensors used as indices must be integer or bool, got {k.dtype.name}; convert with .long()"
            )
        n = full[d]
        if k.size and (k.max() >= n or k.min() < -n):
            bad = int(k.max()) if k.max() >= n else int(k.min())
            raise IndexOutOfRange(f"index {bad} is out of range for dimension {d} of size {n} (valid: {-n} to {n - 1})")
        return [k.astype(np.int64, copy=False)]


class _Brackets(Op):
    """`a[key]` for a basic key, as one op where NumPy does it at once: what a slice and a reshape are together."""

    def __call__(self, x: Tensor, key: Any) -> Tensor:
        """In a trace, the slice and the reshape."""
        return getitem(x, key)


class _Placed(Op):
    """Zeros[shape], in which [key] is `a`."""

    def __call__(self, g: Tensor, key: Any, shape: tuple[int, ...]) -> Tensor:
        """In a trace, a reshape and a pad."""
        if INTERPRETER.get() is None:
            return Op.eager(self, (g,), {"key": key, "shape": shape})
        s = Selection(key, shape)
        return pad(reshape(g, shape=tuple(s.size)), low=s.start, step=s.step, shape=shape, value=0.0)


def _place(a: np.ndarray, key: Any, shape: tuple[int, ...]) -> np.ndarray:
    y = np.zeros(shape, a.dtype)
    y[key] = a
    return y


_brackets: Op = _Brackets(
    "brackets",
    APART,
    lambda a, key: a[key],
    lambda a, key: Aval(Selection(key, a.shape).shape, a.dtype),
    (lambda g, A, key: _placed(g, key=key, shape=A.shape),),
    view="view",
    formula=r"a_{\mathrm{key}}",
)
_placed: Op = _Placed(
    "placed",
    APART,
    _place,
    lambda a, key, shape: Aval(shape, a.dtype),
    (lambda g, key: _brackets(g, key=key),),
    formula=r"\sum_i a_i e_{\mathrm{key}_i}",
)


def _is_plain(k: slice) -> bool:
    """True for a slice of ints that steps forward."""
    step = k.step
    return (
        (k.start is None or type(k.start) is int)
        and (k.stop is None or type(k.stop) is int)
        and (step is None or (type(step) is int and step > 0))
    )


def _at_once(x: Tensor, key: Any) -> Tensor | None:
    """NumPy's own view, where its rules are PyTorch's; None: take the long way."""
    if type(x._data) is not np.ndarray or INTERPRETER.get() is not None:
        return None
    recorded = x._node is not None and _t.autograd.RECORDING.get()
    if recorded and x._data.dtype.kind != "f":
        return None
    if x._view and x._epoch != x._cell[1]:
        return None
    parts = key if type(key) is tuple else (key,)
    dots = False
    for k in parts:
        if type(k) is int or k is None or (type(k) is slice and _is_plain(k)):
            continue
        if k is not Ellipsis or dots:
            return None
        dots = True
    if not dots:
        parts = (*parts, ...)  # with ..., a single element is a view, too
    try:
        if recorded:
            return tell(Op.eager(_brackets, (x,), {"key": parts}), _last(key), (), {})
        data = x._settle()._data[parts]
    except IndexError:
        return None
    y = _t.Tensor._wrap(data)
    y._cell, y._epoch, y._view = x._cell, x._epoch, True
    _t.views.remember(y, x, _brackets, {"key": parts})
    return y


def _rows(x: Tensor, key: Tensor) -> Tensor | None:
    """What a tensor of int64 alone picks, if it picks from what is there; None: take the long way."""
    k = key._data
    if type(k) is not np.ndarray or type(x._data) is not np.ndarray or k.dtype != np.int64 or not (k.ndim and x._data.ndim):
        return None
    if k.size and (k.max() >= x._data.shape[0] or k.min() < -x._data.shape[0]):
        return None
    return index_op(x, key, dims=(0,))


def getitem(x: Tensor, key: Any) -> Tensor:
    """`x[key]`: a view for integers, slices, None and Ellipsis; a copy once a tensor, array or list takes part."""
    y = _rows(x, key) if isinstance(key, _t.Tensor) else _at_once(x, key)
    if y is not None:
        return y
    s = Selection(key, x._data.shape)
    y = x
    if not s.whole or not s.arrays:
        y = slice_(y, start=s.start, step=s.step, size=s.size)
    if y._data.shape != s.shape:
        y = reshape(y, shape=s.shape)
    if not s.arrays and y._node is not None:
        return tell(y, _last(key), (), {})
    if s.arrays:
        try:
            y = index_op(y, *[_t.Tensor._wrap(a) for a in s.arrays], dims=tuple(s.dims))
        except ShapeError as error:  # of the indices among each other: PyTorch's IndexError
            raise IndexOutOfRange(str(error)) from None
    return y


def _last(key: Any) -> str:
    """What PyTorch does last for a key of integers, slices and None: it takes them one after the other."""
    for k in reversed(key if type(key) is tuple else (key,)):
        if k is None:
            return "Unsqueeze"
        if isinstance(k, slice):
            if k != _FULL:
                return "Slice"
        elif k is not Ellipsis:
            return "Select"
    return ""


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`, broadcast.  Raises ShapeError for a value that does not fit, GradError as in-place methods do."""
    s = Selection(key, x._data.shape)
    v = value if isinstance(value, _t.Tensor) else _t.Tensor._wrap(_as_array(value, x))
    if v._data.dtype.kind == "c" and x._data.dtype.kind != "c":
        if not isinstance(value, _t.Tensor):
            raise DTypeError(f"setitem: a complex number cannot be stored as {x.dtype}; convert the tensor with .cfloat()")
        v = v.to(x.dtype)  # warns
    whole = x._data.dtype.kind not in FLOATING
    if whole and v._data.dtype.kind in FLOATING and v._data.size and not np.isfinite(v._data).all():
        raise DTypeError(f"setitem: {v.dtype} values that are not finite cannot be stored as {x.dtype}")
    if STAGE.get() is not None and s.arrays and s.whole and s.shape == x._data.shape:
        indices = [_t.Tensor._wrap(a) for a in s.arrays]
        x._assign(index_put(x, v.to(x.dtype), *indices, dims=tuple(s.dims), accumulate=False), "setitem")
        return
    if STAGE.get() is None and not s.arrays and x._recording(v):
        place = getitem(x, key)
        place._assign(_fit(v.to(x.dtype), place._data.shape), "setitem")
        return
    if STAGE.get() is not None or x._recording(v):  # as an op: a tracer writes it down
        positions = np.arange(x._data.size).reshape(x._data.shape)[_basic(s)].reshape(s.shape)
        region = positions[_advanced_key(s)] if s.arrays else positions
        v = v.to(x.dtype)
        v = _fit(v, region.shape)
        flat = index_put(
            reshape(x, shape=(x._data.size,)), reshape(v, shape=(region.size,)), _t.Tensor._wrap(region.reshape(-1)),
            dims=(0,), accumulate=False,
        )  # fmt: skip
        x._assign(reshape(flat, shape=x._data.shape), "setitem")
        return
    x._assign_check("setitem")
    at: tuple[Any, ...] = (*_basic(s), ...)  # with ..., a 0-d place is an array, too
    place = x._data[at]
    x._cell[0] += 1
    try:
        if s.arrays or s.size != s.shape:
            place = place.reshape(s.shape)  # a view: only sizes of one come and go
        if s.arrays:
            place[_advanced_key(s)] = v._data
        else:
            place[...] = v._data
    except ValueError:
        where = list(place[_advanced_key(s)].shape if s.arrays else place.shape)
        raise _misfit(v, where) from None


def _misfit(v: Tensor, region: list[int]) -> ShapeError:
    return ShapeError(
        f"setitem: a value of shape {list(v._data.shape)} does not broadcast to the indexed region {region}; "
        "reshape it, or index differently"
    )


def _fit(v: Tensor, shape: tuple[int, ...]) -> Tensor:
    while v._data.ndim > len(shape) and v._data.shape[0] == 1:
        v = v.squeeze(0)
    try:
        return v.expand(shape)
    except ShapeError:
        raise _misfit(v, list(shape)) from None


def _basic(s: Selection) -> tuple[slice, ...]:
    return tuple(slice(a, a + (n - 1) * k + 1 if n else a, k) for a, k, n in zip(s.start, s.step, s.size, strict=True))


def _advanced_key(s: Selection) -> tuple[Any, ...]:
    key: list[Any] = [_FULL] * len(s.shape)
    for d, a in zip(s.dims, s.arrays, strict=True):
        key[d] = a
    return tuple(key)


def _as_array(value: Any, x: Tensor) -> np.ndarray:
    if type(value) is int and value > 0 and x._data.dtype.kind in "iu":
        return np.asarray(fitting("setitem", value, x._data.dtype), x._data.dtype)
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biu" + INEXACT:
        raise ArgumentTypeError(
            f"setitem: cannot store {type(value).__name__} {value!r} in a tensor of {x.dtype}; pass numbers or a Tensor"
        )
    return array
