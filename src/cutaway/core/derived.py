"""Functions made of ops that every tensor has as a method: mean, softmax, max, sort, split, stack, einsum and the like.

Gradients of any order and shape checks come from the ops inside.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import cutaway.core.tensor as _t
from cutaway.core import meta, random
from cutaway.core.aval import broadcast_shapes, normalize_dim, normalize_dims, show
from cutaway.core.dtypes import FLOATING, INEXACT, as_dtype, fitting, get_default_dtype, goes_to_meta, is_narrow, limits
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    ComplexError,
    DTypeError,
    IndexOutOfRange,
    KindError,
    ShapeError,
)
from cutaway.core.grad_names import tell
from cutaway.core.narrow import in_single
from cutaway.core.op import INTERPRETER, STAGE, castable, composite
from cutaway.core.ops import contract, elementwise, movement, reduce
from cutaway.core.ops import index as index_ops
from cutaway.core.refusal import describe, function, guarded
from cutaway.core.returned import TYPES
from cutaway.core.strict import warn_once

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

Dims = int | Sequence[int] | None


def constant(array: np.ndarray) -> Tensor:
    """A Tensor on `array`, without history."""
    return _t.Tensor._wrap(array)


def is_index(n: Any) -> bool:
    """True for one integer: Python's, NumPy's, or a Tensor of no dimension."""
    return isinstance(n, (int, np.integer)) or (isinstance(n, _t.Tensor) and not n._data.ndim)


def values(x: Tensor) -> np.ndarray:
    """The elements, for what must look at them.  Raises TraceError under a tracer: they may change before it runs."""
    return x._data if STAGE.get() is None else elementwise.copy(x)._data


def need_tensors(name: str, tensors: Any) -> list[Tensor]:
    """The tensors as a list.  Raises ArgumentTypeError for anything else among them, ArgumentError for none."""
    if isinstance(tensors, _t.Tensor) or not isinstance(tensors, (list, tuple)):
        raise ArgumentTypeError(f"{name}: expected a list or tuple of Tensors, got {type(tensors).__name__}")
    for x in tensors:
        if not isinstance(x, _t.Tensor):
            raise ArgumentTypeError(
                f"{name}: expected Tensors, got {type(x).__name__} among them; wrap it with cutaway.tensor(...)"
            )
    if not tensors:
        raise ArgumentError(f"{name}: needs at least one tensor, got an empty list")
    return list(tensors)


def default_float() -> Any:
    """The dtype of new floating tensors."""
    return get_default_dtype()


def floating(name: str, x: Tensor) -> None:
    """Raise DTypeError unless x is floating."""
    if x._data.dtype.kind not in FLOATING:
        if x._data.dtype.kind == "c":
            raise ComplexError(f"{name}: not defined for complex numbers, got {show(x)}; take .abs(), .real or .imag first")
        raise DTypeError(f"{name}: needs a floating tensor, got {show(x)}; convert it with .float()")


def inexact(name: str, x: Tensor) -> None:
    """Raise DTypeError unless x is floating or complex."""
    if x._data.dtype.kind not in INEXACT:
        raise DTypeError(f"{name}: needs a floating or complex tensor, got {show(x)}; convert it with .float()")


BOOL = np.dtype(bool)


def no_bools(name: str, *operands: Any) -> None:
    """Raise DTypeError if a Tensor among them is of bools."""
    if builtins.any(isinstance(x, _t.Tensor) and x._data.dtype is BOOL for x in operands):
        listed = show(*[x for x in operands if isinstance(x, _t.Tensor)])
        raise DTypeError(f"{name}: not implemented for 'Bool', got {listed}; convert with .int() or .float()")


# --- statistics -------------------------------------------------------------------------------------------------------


def sum(x: Tensor, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The sum over `dim` (all without one); integers sum to int64."""
    x = x if dtype is None else x.to(as_dtype(dtype, "sum"))
    y = reduce.sum(x, dim=normalize_dims(_or_all(dim), x._data.ndim, "sum"), keepdim=keepdim)
    return y if dtype is None else y.to(dtype)


def _or_all(dim: Dims) -> Dims:
    """An empty list of dims stands for all, in the reductions that PyTorch had first."""
    return None if isinstance(dim, (tuple, list)) and not dim else dim


def count(x: Tensor, dim: Dims) -> int:
    """How many elements a reduction over `dim` joins."""
    n = 1
    for d in normalize_dims(_or_all(dim), x._data.ndim, "count"):
        n *= x._data.shape[d]
    return n


def mean(x: Tensor, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The average over `dim`.  Raises DTypeError for integers."""
    x = x if dtype is None else x.to(as_dtype(dtype, "mean"))
    inexact("mean", x)
    if is_narrow(x._data.dtype):
        return mean(x.float(), dim, keepdim).to(x.dtype)
    return sum(x, dim, keepdim) / float(count(x, dim))


def var(
    x: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: int | None = None
) -> Tensor:
    """The variance: squared distances from the mean, divided by n - correction (1 by default: Bessel's)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    inexact("var", x)
    if x._data.dtype.kind == "c":
        return var(x.real, dim, unbiased, keepdim, correction=correction) + var(
            x.imag, dim, unbiased, keepdim, correction=correction
        )
    less = correction if correction is not None else 0 if unbiased is False else 1
    if is_narrow(x._data.dtype):
        return var(x.float(), dim, keepdim=keepdim, correction=less).to(x.dtype)
    d = x - mean(x, dim, keepdim=True)
    n = count(x, dim)
    rest = sum(d.detach(), dim, keepdim)  # what the mean has lost in rounding (Chan, Golub & LeVeque 1983)
    squares = (sum(d * d, dim, keepdim) - rest * rest / float(n)).clamp(min=0)
    return squares / float(builtins.max(n - less, 0))


def std(
    x: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: int | None = None
) -> Tensor:
    """The square root of the variance."""
    if is_narrow(x._data.dtype):
        return std(x.float(), dim, unbiased, keepdim, correction=correction).to(x.dtype)
    return _flat_at_zero(elementwise.sqrt, var(x, dim, unbiased, keepdim, correction=correction))


def _flat_at_zero(root: Any, y: Tensor) -> Tensor:
    """root(y), whose gradient at 0 is 0 instead of infinite: so the norm of a zero vector has the gradient 0."""
    zero = y == 0
    return elementwise.where(zero, 0.0, root(elementwise.where(zero, 1.0, y)))


def norm(x: Tensor, p: Any = 2, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The p-norm: (sum |x|^p)^(1/p); p may be inf, -inf, 0 or "fro" (= 2)."""
    x = x if dtype is None else x.to(as_dtype(dtype, "norm"))
    inexact("norm", x)
    if x._data.dtype.kind == "c" and p != "nuc":
        if p in (2, "fro", None):
            return _flat_at_zero(elementwise.sqrt, sum(x.real * x.real + x.imag * x.imag, dim, keepdim))
        x = elementwise.abs(x)
    if is_narrow(x._data.dtype):
        return norm(x.float(), p, dim, keepdim).to(x.dtype)
    if p == "nuc":
        from cutaway.core.topics.linear import matrix_norm

        return matrix_norm(x, "nuc", (-2, -1) if dim is None else dim, keepdim)  # type: ignore[no-any-return]
    if isinstance(p, str) and p != "fro":
        raise KindError(f"norm: p must be a number, inf, -inf or 'fro', got {p!r}")
    p = 2.0 if p in ("fro", None) else float(p)
    if p == float("inf"):
        return amax(elementwise.abs(x), dim, keepdim)
    if p == -float("inf"):
        return amin(elementwise.abs(x), dim, keepdim)
    if p == 0:
        return sum(elementwise.where(x == 0, x * 0.0, 1.0), dim, keepdim)
    if p == 1:
        return sum(elementwise.abs(x), dim, keepdim)
    if p == 2:
        return _flat_at_zero(elementwise.sqrt, sum(x * x, dim, keepdim))
    return _flat_at_zero(lambda y: y ** (1 / p), sum(elementwise.abs(x) ** p, dim, keepdim))


def amax(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest element over `dim`; elements that tie share the gradient."""
    return reduce.amax(x, dim=normalize_dims(_or_all(dim), x._data.ndim, "amax"), keepdim=keepdim)


def amin(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest element over `dim`; elements that tie share the gradient."""
    return reduce.amin(x, dim=normalize_dims(_or_all(dim), x._data.ndim, "amin"), keepdim=keepdim)


def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, computed without overflow."""
    if x._data.dtype.kind == "c":
        top = amax(x.detach().real, dim, keepdim=True)
        y: Tensor = elementwise.log(sum(elementwise.exp(x - top), dim, keepdim)) + (top if keepdim else top.sum(dim))
        return y
    return reduce.logsumexp(x, dim=normalize_dims(dim, x._data.ndim, "logsumexp"), keepdim=keepdim)


def all(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """True where every element over `dim` is true (not zero)."""
    return reduce.all_(x, dim=normalize_dims(dim, x._data.ndim, "all"), keepdim=keepdim)


def any(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """True where some element over `dim` is true (not zero)."""
    return reduce.any_(x, dim=normalize_dims(dim, x._data.ndim, "any"), keepdim=keepdim)


@castable
def prod(x: Tensor, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The product over `dim`, or of all elements."""
    if dtype is not None:
        return prod(x.to(as_dtype(dtype, "prod")), dim, keepdim).to(dtype)
    if dim is None:
        return reduce.prod(movement.reshape(x, shape=(x._data.size,)), dim=0, keepdim=False)
    return reduce.prod(x, dim=normalize_dim(dim, x._data.ndim, "prod"), keepdim=keepdim)


def cumsum(x: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Running sums along `dim`."""
    if dtype is not None:
        return cumsum(x.to(as_dtype(dtype, "cumsum")), dim).to(dtype)
    return reduce.cumsum(x, dim=normalize_dim(dim, x._data.ndim, "cumsum"))


def cumprod(x: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Running products along `dim`."""
    if dtype is not None:
        return cumprod(x.to(as_dtype(dtype, "cumprod")), dim).to(dtype)
    if is_narrow(x._data.dtype):
        return cumprod(x.float(), dim).to(x.dtype)
    x = x.long() if x._data.dtype.kind in "bui" else x
    d = normalize_dim(dim, x._data.ndim, "cumprod")
    return reduce.running_product(x, d) if x._data.ndim and x._data.shape[d] > 1 else elementwise.copy(x)


# --- softmax ----------------------------------------------------------------------------------------------------------


@composite(formula=r"\frac{e^{x_i}}{\sum_j e^{x_j}}")
def softmax(x: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`; shifted by the largest element, so that exp cannot overflow."""
    x = x if dtype is None else x.to(as_dtype(dtype, "softmax"))
    floating("softmax", x)
    d = _softmax_dim("softmax", x, dim)
    if not x._data.size:
        return elementwise.copy(x)
    if is_narrow(x._data.dtype):
        return softmax(x.float(), d).to(x.dtype)
    e = elementwise.exp(x - amax(x.detach(), d, keepdim=True))
    return e / sum(e, d, keepdim=True)


@composite(formula=r"x_i - \log \sum_j e^{x_j}")
def log_softmax(x: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """The logarithm of softmax along `dim`, without forming softmax."""
    x = x if dtype is None else x.to(as_dtype(dtype, "log_softmax"))
    floating("log_softmax", x)
    d = _softmax_dim("log_softmax", x, dim)
    if not x._data.size:
        return elementwise.copy(x)
    if is_narrow(x._data.dtype):
        return log_softmax(x.float(), d).to(x.dtype)
    # Shifted before the logarithm: x - logsumexp(x) would round scores of 10,000 to a thousandth.
    z = x - amax(x.detach(), d, keepdim=True)
    return z - elementwise.log(sum(elementwise.exp(z), d, keepdim=True))


def given_dim(name: str, dim: int | None) -> int:
    """A dim that must be said.  Raises ArgumentTypeError for None."""
    if dim is None:
        raise ArgumentTypeError(f"{name}: dim must be an int, got None; write dim=-1 for the last dimension")
    return dim


def _softmax_dim(name: str, x: Tensor, dim: int | None) -> int:
    if dim is None:  # PyTorch's old default
        return 0 if x._data.ndim in (0, 1, 3) else 1
    return normalize_dim(dim, x._data.ndim, name)


# --- order ------------------------------------------------------------------------------------------------------------


def pair(name: str, x: Tensor, indices: Tensor, dim: int, keepdim: bool = True) -> Any:
    """(values, indices) along `dim` as function `name` returns them; without `keepdim` the dimension goes away."""
    found = index_ops.gather(x, indices, dim=dim)
    if not keepdim and x._data.ndim:
        found, indices = found.squeeze(dim), indices.squeeze(dim)
    return TYPES[name](found, indices)


def _extreme(name: str, x: Tensor, arg: Any, whole: Any, choose: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return whole(x)
    if isinstance(dim, _t.Tensor):
        return choose(x, dim)
    d = normalize_dim(dim, x._data.ndim, name)
    if x._node is None and INTERPRETER.get() is None:
        return TYPES[name](whole(x, d, keepdim), arg(x, dim=d, keepdim=keepdim))
    found = arg(x, dim=d, keepdim=True)
    return pair(name, x, found, d, keepdim)


def max(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with `dim`, (values, indices) along it; with a Tensor, the elementwise maximum."""
    return _extreme("max", x, reduce.argmax, amax, elementwise.maximum, dim, keepdim)


def min(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; with `dim`, (values, indices) along it; with a Tensor, the elementwise minimum."""
    return _extreme("min", x, reduce.argmin, amin, elementwise.minimum, dim, keepdim)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The position of the (first) largest element, of the flattened tensor without `dim`."""
    return _position(reduce.argmax, x, dim, keepdim)


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The position of the (first) smallest element, of the flattened tensor without `dim`."""
    return _position(reduce.argmin, x, dim, keepdim)


def _position(op: Any, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if x._data.dtype is BOOL:
        no_bools(op.name, x)
    if dim is not None:
        return op(x, dim=normalize_dim(dim, x._data.ndim, op.name), keepdim=keepdim)  # type: ignore[no-any-return]
    y = op(movement.reshape(x, shape=(x._data.size,)), dim=0, keepdim=False)
    return movement.reshape(y, shape=(1,) * x._data.ndim) if keepdim else y


def argsort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Positions that sort `x` along `dim` (always stable)."""
    return index_ops.argsort(x, dim=normalize_dim(dim, x._data.ndim, "argsort"), descending=descending)


def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values, indices) in order along `dim` (always stable)."""
    order = argsort(x, dim, descending)
    return TYPES["sort"](gather(x, dim, order), order)


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (or smallest) along `dim`, in order: (values, indices)."""
    d, k = normalize_dim(dim, x._data.ndim, "topk"), operator.index(k)
    n = x._data.shape[d] if x._data.ndim else 1
    if not 0 <= k <= n:
        raise IndexOutOfRange(f"topk: k = {k} is out of range for dim {dim} of size {n} in {show(x)}")
    no_bools("topk", x)
    order = argsort(x, d, descending=largest)
    order = contiguous(order.narrow(d, 0, k)) if order._data.ndim else order
    return TYPES["topk"](gather(x, d, order), order)


def median(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median, NaN if there is one; with `dim`, (values, indices) along it. Alone, ties share the gradient."""
    no_bools("median", x)
    if dim is None:
        flat = movement.reshape(x, shape=(x._data.size,))
        middle = flat[_middle(flat.detach(), 0)]
        if x._data.dtype.kind not in FLOATING:
            return middle.reshape(())
        middle, nan = middle.reshape(()), elementwise.isnan(middle).reshape(())
        if STAGE.get() is None and bool(nan):
            return middle
        ties = amax(elementwise.where(flat == middle, flat, -float("inf")))
        return ties if STAGE.get() is None else elementwise.where(nan, middle, ties)
    d = normalize_dim(dim, x._data.ndim, "median")
    return pair("median", x, _middle(x, d), d, keepdim)


def _middle(x: Tensor, d: int) -> Tensor:
    """Where the lower median lies along `d`, which stays with size 1; the first NaN if there is one."""
    if not x._data.ndim:
        return argsort(x)
    if not x._data.shape[d]:
        raise IndexOutOfRange(f"median: {show(x)} has no elements along dim {d}, and an empty median has no value")
    at = narrow(argsort(x, d), d, (x._data.shape[d] - 1) // 2, 1)
    if x._data.dtype.kind not in FLOATING:
        return at
    nan = elementwise.isnan(x)
    return elementwise.where(any(nan, d, keepdim=True), reduce.argmax(nan, dim=d, keepdim=True), at)


def unique(
    x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The distinct elements in order, with their inverse and counts if asked for."""
    if x._data.dtype.kind == "c":
        floating("unique", x)
    # NumPy's stubs have an overload for each choice of literal flags, and none for flags that are variables.
    out: Any = np.unique(  # type: ignore[call-overload]
        values(x), return_inverse=return_inverse, return_counts=return_counts, axis=dim, equal_nan=False
    )
    if not isinstance(out, tuple):
        return constant(out)
    shaped = [constant(np.asarray(a)) for a in out]
    if return_inverse and dim is None:
        shaped[1] = shaped[1].reshape(x._data.shape)
    return tuple(shaped)


# --- joining and parting ----------------------------------------------------------------------------------------------


@function
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors one after another along `dim`.  Raises ShapeError naming the dimension that disagrees."""
    parts = need_tensors("cat", tensors)
    old_empty = [p for p in parts if p._data.shape == (0,)]  # PyTorch lets 1-d empty tensors join anything
    if old_empty and builtins.any(p._data.ndim > 1 for p in parts):
        parts = [p for p in parts if p._data.shape != (0,)]
    if not parts[0]._data.ndim:
        raise ShapeError("cat: 0-d tensors cannot be concatenated; use stack")
    return movement.concatenate(*parts, dim=normalize_dim(dim, parts[0]._data.ndim, "cat"))


def _unobserved(parts: Sequence[Tensor]) -> bool:
    """Whether only the numbers count: arrays of one dtype, of which no one keeps a record."""
    if INTERPRETER.get() is not None:
        return False
    d, recording = parts[0]._data.dtype, _t.autograd.RECORDING.get()
    return builtins.all(type(p._data) is np.ndarray and p._data.dtype is d and not (recording and p._node) for p in parts)


@function
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of equal shape along a new dimension `dim`."""
    parts = need_tensors("stack", tensors)
    for p in parts[1:]:
        if p._data.shape != parts[0]._data.shape:
            raise ShapeError(
                f"stack: all tensors must have the same shape, got {show(parts[0], p)}; use cat to join along a dimension"
            )
    d = normalize_dim(dim, parts[0]._data.ndim + 1, "stack")
    if _unobserved(parts):
        return constant(np.stack([p._settle()._data for p in parts], d))
    return movement.concatenate(*[unsqueeze(p, d) for p in parts], dim=d)


@function
def hstack(tensors: Any) -> Tensor:
    """Side by side: along dim 1, or 0 for vectors."""
    parts = [atleast_1d(p) for p in need_tensors("hstack", tensors)]
    return cat(parts, 0 if parts[0]._data.ndim == 1 else 1)


@function
def vstack(tensors: Any) -> Tensor:
    """One below the other: along dim 0, vectors as rows."""
    return cat([p.reshape(1, -1) if p._data.ndim < 2 else p for p in need_tensors("vstack", tensors)], 0)


def atleast_1d(x: Tensor) -> Tensor:
    """A 0-d tensor as a vector of one."""
    return x if x._data.ndim else x.reshape(1)


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements from `start` along `dim`, as a view."""
    d = normalize_dim(dim, x._data.ndim, "narrow")
    start, length = operator.index(start), operator.index(length)
    n = x._data.shape[d] if x._data.ndim else 0
    start = start + n if start < 0 else start
    if start < 0 or length < 0 or start + length > n:
        raise IndexOutOfRange(f"narrow: start {start} and length {length} leave dim {d} of size {n} in {show(x)}")
    begin = tuple(start if k == d else 0 for k in range(x._data.ndim))
    size = tuple(length if k == d else m for k, m in enumerate(x._data.shape))
    return movement.slice_(x, start=begin, step=(1,) * x._data.ndim, size=size)


def split(x: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along `dim`: of one size (the last may be smaller), or of the sizes listed."""
    d = normalize_dim(dim, x._data.ndim, "split")
    if not x._data.ndim:
        raise ShapeError("split: a 0-d tensor has no dimension to split")
    if isinstance(split_size_or_sections, str):
        raise ArgumentTypeError(f"split: expected a size or a list of sizes, got {split_size_or_sections!r}")
    n = x._data.shape[d]
    if is_index(split_size_or_sections):
        split_size_or_sections = operator.index(split_size_or_sections)
        if split_size_or_sections < 1:
            raise ArgumentError(f"split: the size must be positive, got {split_size_or_sections}")
        step = split_size_or_sections
        sizes = [builtins.min(step, n - k) for k in range(0, n, step)] or [0]
    else:
        sizes = [int(k) for k in split_size_or_sections]
        if builtins.sum(sizes) != n or builtins.min(sizes, default=0) < 0:
            raise ShapeError(f"split: sizes {sizes} sum to {builtins.sum(sizes)}, but dim {d} of {show(x)} has {n}")
    starts = np.cumsum([0, *sizes])
    return tuple(narrow(x, d, int(s), k) for s, k in zip(starts, sizes, strict=False))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views along `dim`, of equal size but for the last."""
    chunks = operator.index(chunks)
    if chunks < 1:
        raise ArgumentError(f"chunk: chunks must be positive, got {chunks}")
    n = x._data.shape[normalize_dim(dim, x._data.ndim, "chunk")] if x._data.ndim else 0
    return split(x, -(-n // chunks), dim) if n else split(x, [0] * chunks, dim)


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, which goes away."""
    d = normalize_dim(dim, x._data.ndim, "unbind")
    if not x._data.ndim:
        raise IndexOutOfRange("unbind: a 0-d tensor has no dimension to take apart; use .item() for its value")
    return tuple(narrow(x, d, i, 1).squeeze(d) for i in range(x._data.shape[d]))


# --- shapes -----------------------------------------------------------------------------------------------------------


def sizes_of(name: str, args: tuple[Any, ...]) -> tuple[int, ...]:
    """`(2, 3)` from `f(2, 3)`, `f((2, 3))` or `f(Size)`.  Raises ArgumentTypeError for anything but integers."""
    items = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    try:
        return tuple([int(n.__index__()) for n in items])
    except (AttributeError, TypeError):
        raise ArgumentTypeError(f"{name}: sizes must be integers, got {args!r}") from None


def infer(name: str, x: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with a -1 computed from the number of elements."""
    if -1 not in shape:
        if shape and builtins.min(shape) < -1:
            raise ShapeError(f"{name}: sizes must be 0 or more, or -1 for what is left over, got {list(shape)}")
        return shape
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    if shape.count(-1) > 1 or known == 0 or x._data.size % known:
        raise ShapeError(
            f"{name}: {show(x)} of {x._data.size} elements does not fit shape {list(shape)}; only one size can be -1"
        )
    return tuple(x._data.size // known if n == -1 else n for n in shape)


def _given(name: str, sizes: tuple[Any, ...]) -> None:
    if not sizes:
        raise ArgumentTypeError(f"{name}: the argument is missing; write {name}(2, 3), or {name}(()) for none")


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape: a view where possible, else a copy."""
    _given("reshape", shape)
    y = movement.reshape(x, shape=infer("reshape", x, sizes_of("reshape", shape)))
    return y if y._node is None or not x._view else _told(x, y)


def _told(x: Tensor, y: Tensor) -> Tensor:
    """y, the view x in another shape, whose gradient is called as PyTorch does: by the way it came to be."""
    if type(y._data) is not np.ndarray or x.is_contiguous():
        return y
    return tell(y, "ReshapeAlias" if np.may_share_memory(x._data, y._data) else "UnsafeView", (), {})


def view(x: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape (or of another dtype).  Raises ShapeError where that takes a copy."""
    _given("view", shape)
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list, _t.Tensor, np.integer)):
        d = as_dtype(shape[0], "view")
        if d.np == x._data.dtype:
            return x
        last = x._data.shape[-1] if x._data.ndim else 1
        if last * x._data.itemsize % d.np.itemsize or (not x._data.ndim and d.np.itemsize != x._data.itemsize):
            raise ShapeError(
                f"view: the last dimension of {show(x)} has {last * x._data.itemsize} bytes, "
                f"which do not divide into {d.name} of {d.np.itemsize}; use .to({d!r}) for the same values"
            )
        return constant(x._settle()._data.view(d.np))
    y = movement.reshape(x, shape=infer("view", x, sizes_of("view", shape)))
    if y._data.size and not (
        np.may_share_memory(y._data, x._data) if type(y._data) is np.ndarray else _may_be_seen(x, y._data.shape)
    ):
        raise ShapeError(
            f"view: {show(x)} with strides {x.stride()} cannot be seen as {list(y.shape)} without a copy; "
            "use reshape, or contiguous() first"
        )
    return y


def _may_be_seen(x: Tensor, shape: tuple[int, ...]) -> bool:
    """While tracing: True if the memory that a value will have can be seen in this shape without a copy."""
    symbol: Any = x._data
    if meta.is_meta(x):
        return symbol.may_be_seen(shape)  # type: ignore[no-any-return]
    if type(symbol) is np.ndarray:  # a parameter, whose memory is there
        memory = x._settle()._data
        return np.may_share_memory(memory.reshape(shape), memory)
    steps = [s // symbol.itemsize for s in symbol.view_strides]
    memory = np.empty(builtins.sum((n - 1) * s for n, s in zip(symbol.shape, steps, strict=True)) + 1, np.int8)
    like = np.lib.stride_tricks.as_strided(memory, symbol.shape, steps)
    return np.may_share_memory(like.reshape(shape), memory)


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 at `dim`."""
    d = normalize_dim(dim, x._data.ndim + 1, "unsqueeze")
    return movement.reshape(x, shape=(*x._data.shape[:d], 1, *x._data.shape[d:]))


def squeeze(x: Tensor, dim: Dims = None) -> Tensor:
    """Without the dimensions of size 1 (or those of `dim` that have it)."""
    dims = normalize_dims(dim, x._data.ndim, "squeeze")
    return movement.reshape(x, shape=tuple(n for d, n in enumerate(x._data.shape) if not (d in dims and n == 1)))


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions from `start_dim` to `end_dim` joined to one."""
    if not x._data.ndim:
        return movement.reshape(x, shape=(1,))
    a, b = normalize_dim(start_dim, x._data.ndim, "flatten"), normalize_dim(end_dim, x._data.ndim, "flatten")
    if a > b:
        raise ShapeError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} in {show(x)}")
    if a == b:
        return x
    n = 1
    for k in x._data.shape[a : b + 1]:
        n *= k
    y = movement.reshape(x, shape=(*x._data.shape[:a], n, *x._data.shape[b + 1 :]))
    return y if y._node is None or not x._view else _told(x, y)


def unflatten(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension taken apart into several."""
    d = normalize_dim(dim, x._data.ndim, "unflatten")
    shape = sizes_of("unflatten", ((*x._data.shape[:d], *sizes, *x._data.shape[d + 1 :]),))
    return movement.reshape(x, shape=infer("unflatten", x, shape))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """Dimensions in another order, as a view."""
    order = sizes_of("permute", dims)
    return movement.permute(x, dims=tuple(normalize_dim(d, x._data.ndim, "permute") for d in order))


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped, as a view."""
    order = list(range(x._data.ndim))
    a, b = normalize_dim(dim0, x._data.ndim, "transpose"), normalize_dim(dim1, x._data.ndim, "transpose")
    if order:
        order[a], order[b] = order[b], order[a]
    return movement.permute(x, dims=tuple(order))


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; vectors stay as they are."""
    if x._data.ndim > 2:
        raise ShapeError(f"t: needs at most 2 dimensions, got {show(x)}; use transpose(i, j) or .mT")
    return transpose(x, 0, 1) if x._data.ndim == 2 else x


def movedim(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the rest in order."""
    src = [normalize_dim(d, x._data.ndim, "movedim") for d in ([source] if is_index(source) else source)]
    dst = [
        normalize_dim(d, x._data.ndim, "movedim")
        for d in ([destination] if is_index(destination) else destination)
    ]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise ShapeError(
            f"movedim: source {source} and destination {destination} must name equally many dimensions, each once"
        )
    order = [d for d in range(x._data.ndim) if d not in src]
    for at, d in sorted(zip(dst, src, strict=True)):
        order.insert(at, d)
    return movement.permute(x, dims=tuple(order))


def expand(x: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 stretched without a copy; -1 keeps a size."""
    want = sizes_of("expand", sizes)
    extra = len(want) - x._data.ndim
    full = tuple(x._data.shape[d - extra] if n == -1 and d >= extra else n for d, n in enumerate(want))
    return movement.expand(x, shape=full)


def repeat(x: Tensor, *repeats: Any) -> Tensor:
    """The tensor laid side by side `repeats` times along each dimension (a copy)."""
    times = sizes_of("repeat", repeats)
    if len(times) < x._data.ndim or builtins.min(times, default=0) < 0:
        raise ShapeError(
            f"repeat: {list(times)} must have a non-negative number for each of the {x._data.ndim} dimensions of {show(x)}"
        )
    shape = (1,) * (len(times) - x._data.ndim) + x._data.shape
    apart = movement.reshape(x, shape=tuple(k for n in shape for k in (1, n)))
    wide = movement.expand(apart, shape=tuple(k for r, n in zip(times, shape, strict=True) for k in (r, n)))
    y = movement.reshape(wide, shape=tuple(r * n for r, n in zip(times, shape, strict=True)))
    return elementwise.copy(y) if builtins.all(r == 1 for r in times) else contiguous(y)


def repeat_interleave(
    x: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element `repeats` times (a number or one per element), along `dim` or flattened; alone, each place x times."""
    if repeats is None:
        return repeat_interleave(constant(np.arange(x._data.size)), x, 0)
    if isinstance(repeats, float):
        raise ArgumentTypeError(f"repeat_interleave: repeats must be an int or a Tensor of ints, got {repeats}")
    if dim is None:
        x, dim = movement.reshape(x, shape=(x._data.size,)), 0
    d = normalize_dim(dim, x._data.ndim, "repeat_interleave")
    times = repeats._data if isinstance(repeats, _t.Tensor) else np.asarray(repeats)
    if times.dtype.kind not in "iu" or times.ndim > 1 or times.size not in (1, x._data.shape[d]) or (times < 0).any():
        raise ShapeError(
            f"repeat_interleave: repeats must be a number or {x._data.shape[d]} numbers of 0 or more, "
            f"one for each place along dim {d} of {show(x)}, got {times.tolist()}"
        )
    return index_select(x, d, constant(np.repeat(np.arange(x._data.shape[d]), times)))


def contiguous(x: Tensor) -> Tensor:
    """Itself if it lies in row-major order, else a copy that does."""
    steps = getattr(x._data, "view_strides", None)  # of one that is only being traced
    return x if (x.is_contiguous() if steps is None else steps == x._data.strides) else elementwise.copy(x)


def roll(x: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along `dims`, those that fall off coming back at the other end."""
    if dims is None:
        flat = movement.reshape(x, shape=(x._data.size,))
        return movement.reshape(roll(flat, shifts, 0), shape=x._data.shape)
    by, along = ([operator.index(n)] if is_index(n) else list(n) for n in (shifts, dims))
    if len(by) != len(along):
        raise ShapeError(f"roll: shifts {shifts} and dims {dims} must be equally many")
    y = x
    for s, dim in zip(by, along, strict=True):
        n = y.size(dim)
        k = s % n if n else 0
        if k:
            y = cat([narrow(y, dim, n - k, k), narrow(y, dim, 0, n - k)], dim)
    return elementwise.copy(x) if y is x else y


def flip(x: Tensor, *dims: Any) -> Tensor:
    """Reversed along `dims`."""
    _given("flip", dims)
    return movement.flip(x, dims=normalize_dims(sizes_of("flip", dims), x._data.ndim, "flip"))


@guarded
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids of vectors; "ij" (the default): the first varies along dim 0, "xy": along dim 1."""
    if indexing is None:
        indexing = "ij"
        warn_once("meshgrid: pass indexing='ij', which is assumed, or 'xy', NumPy's")
    parts = need_tensors(
        "meshgrid", tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], _t.Tensor) else list(tensors)
    )
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    for p in parts:
        if p._data.ndim > 1 or p._data.dtype != parts[0]._data.dtype:
            raise ShapeError(f"meshgrid: needs vectors of one dtype, got {show(*parts)}")
    n = len(parts)
    shape = tuple(p._data.size for p in parts)
    grids = []
    for d, p in enumerate(parts):
        grids.append(
            movement.expand(movement.reshape(p, shape=tuple(shape[d] if k == d else 1 for k in range(n))), shape=shape)
        )
    return tuple(transpose(g, 0, 1) for g in grids) if indexing == "xy" and n > 1 else tuple(grids)


# --- choosing ---------------------------------------------------------------------------------------------------------


@function
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, else `other`; alone, the positions where it holds."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return elementwise.where(condition, input, other)


def frac(x: Tensor) -> Tensor:
    """x - trunc(x).  Raises DTypeError for integers."""
    floating("frac", x)
    return x - elementwise.trunc(x)


def lerp(x: Tensor, end: Tensor, weight: Any) -> Tensor:
    """x + weight (end - x).  Raises DTypeError for integers and for dtypes that differ."""
    inexact("lerp", x)
    for other in (end, weight):
        if isinstance(other, _t.Tensor):
            alike("lerp", x, other)
    if not isinstance(end, _t.Tensor):
        raise ArgumentTypeError(f"lerp: end must be a Tensor, got {describe(end)}; pass cutaway.full_like(x, end)")
    # From the nearer end, so that weight 1 gives `end` itself.
    if not isinstance(weight, _t.Tensor):
        small = builtins.abs(weight) < 0.5
        return elementwise.add(x, (end - x) * weight) if small else end - (end - x) * (1 - weight)
    near = elementwise.abs(weight) < 0.5
    return elementwise.where(near, x, end) + (end - x) * elementwise.where(near, weight, weight - 1)


def scaled(name: str, x: Any, other: Any, alpha: Any) -> Any:
    """alpha other, for add and sub.  Raises DTypeError for a fraction of integers."""
    if isinstance(alpha, float) and not is_floating(x) and not is_floating(other):
        raise DTypeError(f"{name}: alpha must be a whole number where both are integers, got {alpha}")
    if isinstance(alpha, complex) and not any_complex(x, other):
        raise DTypeError(f"{name}: alpha must be a real number where both are real, got {alpha}")
    if isinstance(other, _t.Tensor) and other._data.dtype.kind == "b":  # alpha takes no part in the result's dtype
        return other & bool(alpha) if x._data.dtype.kind == "b" else other.to(x.dtype) * alpha
    return other * alpha


def any_complex(*operands: Any) -> bool:
    """True if one of them is complex."""
    return builtins.any(np.iscomplexobj(getattr(x, "_data", x)) for x in operands)


def need_tensor(name: str, other: Any) -> Tensor:
    """What has to be a Tensor.  Raises ArgumentTypeError for a number."""
    if not isinstance(other, _t.Tensor):
        raise ArgumentTypeError(
            f"{name}: the operand must be a Tensor, got {describe(other)}; wrap it with cutaway.tensor(...)"
        )
    return other


def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Elements limited to [min, max]; the limits are numbers or Tensors."""
    if min is None and max is None:
        raise ArgumentError("clamp: give min, max or both")
    if x._data.dtype.kind == "c":
        floating("clamp", x)
    if isinstance(min, _t.Tensor) or isinstance(max, _t.Tensor):
        y = x if min is None else elementwise.where(x < min, min, x)
        return y if max is None else elementwise.where(y > max, max, y)
    if isinstance(min, np.generic):  # of a dtype of its own, which the result must not take
        min = min.item()
    if isinstance(max, np.generic):
        max = max.item()
    for limit in (min, max):
        if not isinstance(limit, (int, float, type(None))):
            raise ArgumentTypeError(f"clamp: a limit must be a number or a Tensor, got {describe(limit)}")
    if x._data.dtype.kind not in FLOATING and (isinstance(min, float) or isinstance(max, float)):
        x = x.float()
    return elementwise.clamp(x, low=min, high=max)


def limited_parts(x: Tensor, low: float, high: float) -> Tensor:
    """Both parts of complex numbers, limited."""
    y: Tensor = x.real.clamp(low, high) + x.imag.clamp(low, high) * 1j
    return y


def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask is True."""
    masked("masked_fill", mask)
    return elementwise.where(mask, _one("masked_fill", value, x), x)


def filled(x: Tensor, value: Any) -> Tensor:
    """`value` everywhere, in the shape and dtype of x."""
    if isinstance(value, (list, tuple, np.ndarray, str)):
        raise ArgumentTypeError(f"fill_: the value must be a number or a 0-d tensor, got {describe(value)}; use copy_")
    if isinstance(value, _t.Tensor):
        return movement.expand(_one("fill_", value, x), shape=x._data.shape)
    return index_ops.full(shape=x._data.shape, value=fitting("fill_", value, x._data.dtype), dtype=x._data.dtype)


def _one(name: str, value: Any, x: Tensor) -> Tensor:
    """A number or a 0-d tensor in the dtype of x."""
    if not isinstance(value, _t.Tensor):
        return constant(np.asarray(fitting(name, value, x._data.dtype), x._data.dtype))
    if value._data.ndim:
        raise ShapeError(
            f"{name}: the value must be a number or a 0-d tensor, got {show(value)}; use where or copy_ for more"
        )
    return value.to(x.dtype)


def masked(name: str, mask: Any) -> None:
    """Raise unless the mask is a bool tensor."""
    if not isinstance(mask, _t.Tensor):
        raise ArgumentTypeError(f"{name}: the mask must be a bool tensor, got {describe(mask)}; compare, as in x > 0")
    if mask._data.dtype.kind != "b":
        raise DTypeError(f"{name}: the mask must be a bool tensor, got {show(mask)}; compare, or convert with .bool()")


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True, as a vector."""
    masked("masked_select", mask)
    shape = broadcast_shapes(x._data.shape, mask._data.shape, op="masked_select")
    y: Tensor = movement.expand(x, shape=shape)[movement.expand(mask, shape=shape)]
    return y


def nonzero(x: Tensor, as_tuple: bool = False) -> Any:
    """The positions of elements that are not zero: [n, ndim], or one vector per dimension."""
    a = values(x)
    found = np.nonzero(a) if a.ndim else np.nonzero(a.reshape(1))
    if as_tuple:
        return tuple(constant(np.asarray(f)) for f in found)
    n = len(found[0])
    return constant(np.stack(found, 1) if x._data.ndim else np.zeros((n, 0), np.int64))


def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i, j] = x[index[i, j], j] for dim 0, and so on."""
    return _along(index_ops.gather, x, dim, index)


def _along(op: Any, x: Tensor, dim: int, index: Any, *more: Any) -> Tensor:
    d = normalize_dim(dim, x._data.ndim, op.name)
    if isinstance(index, _t.Tensor) and index._data.dtype == np.int32:
        index = index.long()
    if not x._data.ndim and isinstance(index, _t.Tensor) and index._data.ndim == 1:
        y = op(x.reshape(1), index, *more, dim=0)
        return y if op is index_ops.gather else y.reshape(())  # type: ignore[no-any-return]
    return op(x, index, *more, dim=d)  # type: ignore[no-any-return]


def scatter(
    x: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy of x with x[index[i, j], j] = src[i, j] (for dim 0); `src` may be a number."""
    src = value if src is None else src
    if src is None:
        raise ArgumentTypeError("scatter: nothing to write; give src, a Tensor or a number")
    if not isinstance(src, _t.Tensor):
        src = constant(np.full(index._data.shape, fitting("scatter", src, x._data.dtype), x._data.dtype))
    if reduce == "add":
        return _along(index_ops.scatter_add, x, dim, index, src)
    if reduce == "multiply":
        y: Tensor = x.scatter_reduce(dim, index, src, "prod")
        return y
    if reduce is not None:
        raise ArgumentError(f"scatter: reduce must be None, 'add' or 'multiply', got {reduce!r}")
    return _along(index_ops.scatter, x, dim, index, src)


def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of x with x[index[i, j], j] += src[i, j] (for dim 0)."""
    return _along(index_ops.scatter_add, x, dim, index, src)


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `x` that the vector `index` names along `dim`."""
    d = normalize_dim(dim, x._data.ndim, "index_select")
    if index._data.ndim > 1 or index._data.dtype.kind not in "iu":
        raise IndexOutOfRange(f"index_select: the index must be a vector of integers, got {show(index)}")
    if type(index._data) is np.ndarray and index._data.size and index._data.min() < 0:
        raise IndexOutOfRange(f"index_select: index {index._data.min()} is out of range for dim {d} of {show(x)}")
    if x._data.ndim:
        return index_ops.index(x, atleast_1d(index), dims=(d,))
    if index._data.size != 1:
        raise ShapeError(f"index_select: a 0-d tensor has one element, the index {show(index)} must name just that")
    return index_select(movement.reshape(x, shape=(1,)), 0, index).reshape(())


def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy of x with the slices of `source` added at `index` along `dim`."""
    d = normalize_dim(dim, x._data.ndim, "index_add")
    moved = index_ops.index_put(
        movedim(x, d, 0), movedim(source if alpha == 1 else source * alpha, d, 0), index, dims=(0,), accumulate=True
    )
    return owned(movedim(moved, 0, d))


def owned(y: Tensor) -> Tensor:
    """`y`, whose memory was made on the way to it, as a result and not a view: row-major to the user, in whatever order
    the machine has put it."""
    if type(y._data) is not np.ndarray:
        return movement.layout(y, dims=tuple(range(y._data.ndim)))
    y._view, y._base, y._path = False, None, ()
    return y


def _triangle(x: Tensor, keep: np.ndarray) -> Tensor:
    return elementwise.where(constant(keep), x, constant(np.zeros((), x._data.dtype)))


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zero above the diagonal."""
    _matrix("tril", x)
    rows, columns = x._data.shape[-2:]
    return _triangle(x, np.tri(rows, columns, k=operator.index(diagonal), dtype=bool))


def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, zero below the diagonal."""
    _matrix("triu", x)
    rows, columns = x._data.shape[-2:]
    return _triangle(x, ~np.tri(rows, columns, k=operator.index(diagonal) - 1, dtype=bool))


def _matrix(name: str, x: Tensor) -> None:
    if x._data.ndim < 2:
        raise ShapeError(f"{name}: needs at least 2 dimensions, got {show(x)}")


def _diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as a new last dimension (a view)."""
    dim1, dim2 = (normalize_dim(d, x._data.ndim, "diagonal") for d in (dim1, dim2))
    if dim1 == dim2:
        raise ShapeError(f"diagonal: the two dimensions must differ, got dim {dim1} twice")
    moved = movedim(x, (dim1, dim2), (0, 1))
    n, m = moved._data.shape[:2]
    k = np.arange(builtins.max(0, builtins.min(n, m - offset) if offset >= 0 else builtins.min(n + offset, m)))
    picked = index_ops.index(
        moved, constant(k - builtins.min(offset, 0)), constant(k + builtins.max(offset, 0)), dims=(0, 1)
    )
    where_it_lies = {"offset": offset, "dim1": dim1, "dim2": dim2}
    y = onto(x, movedim(picked, 0, -1), lambda a: np.diagonal(a, offset, dim1, dim2))
    if y._view:
        _t.views.remember(y, x, Diagonal, where_it_lies)  # type: ignore[arg-type]
    return y


class Diagonal:
    """What a view's path says of a diagonal: the same again, of a Tensor or of an array."""

    def __new__(cls, x: Tensor, **attrs: int) -> Any:
        """On a Tensor."""
        return _diagonal(x, **attrs)

    @staticmethod
    def forward(a: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
        """On the array's own memory."""
        y = np.diagonal(a, offset, dim1, dim2)
        if a.flags.writeable:
            y.flags.writeable = True
        return y


def onto(x: Tensor, y: Tensor, see: Callable[[np.ndarray], np.ndarray], writeable: bool = True) -> Tensor:
    """`y`, which was copied out of x, on x's own memory: what is written to it is written to x."""
    if type(x._data) is np.ndarray:
        x._settle()
        y._data = see(x._data)
        if y._data.flags.writeable != (writeable and x._data.flags.writeable):
            y._data.flags.writeable = not y._data.flags.writeable
        y._cell, y._epoch, y._view = x._cell, x._epoch, True
    return y


diagonal = _diagonal


@castable
def trace(x: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    no_bools("trace", x)
    return sum(diagonal_of_matrix("trace", x))


def diagonal_of_matrix(name: str, x: Tensor) -> Tensor:
    """The diagonal of a tensor that must have two dimensions."""
    _exactly(name, 2, x)
    return _diagonal(x)


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector."""
    if x._data.ndim == 2:
        return _diagonal(x, diagonal).clone()  # a copy, as PyTorch's
    if x._data.ndim != 1:
        raise ShapeError(f"diag: needs a vector or a matrix, got {show(x)}")
    n = x._data.size + abs(diagonal)
    k = np.arange(x._data.size)
    return index_ops.index_put(
        constant(np.zeros((n, n), x._data.dtype)), x,
        constant(k - builtins.min(diagonal, 0)), constant(k + builtins.max(diagonal, 0)), dims=(0, 1), accumulate=False,
    )  # fmt: skip


# --- products ---------------------------------------------------------------------------------------------------------


@composite(formula="a b")
def matmul(a: Any, b: Any) -> Tensor:
    """Matrix product; vectors are rows on the left and columns on the right, leading dimensions are batches."""
    if not isinstance(a, _t.Tensor) or not isinstance(b, _t.Tensor):
        listed = " and ".join(show(x) if isinstance(x, _t.Tensor) else type(x).__name__ for x in (a, b))
        raise ArgumentTypeError(
            f"matmul: needs Tensors, got {listed}; use * for numbers, cutaway.tensor(...) for lists and arrays"
        )
    if not a._data.ndim or not b._data.ndim:
        raise ShapeError(f"matmul: needs Tensors of at least one dimension, got {show(a, b)}; use * for numbers")
    if a._data.ndim == 2 and b._data.ndim == 2:
        return contract.matmul(a, b)
    if a._data.ndim > 2 and b._data.ndim <= 2:  # one large product instead of many small ones
        rows = movement.reshape(a, shape=(int(np.prod(a._data.shape[:-1])), a._data.shape[-1]))
        return movement.reshape(matmul(rows, b), shape=(*a._data.shape[:-1], *b._data.shape[1:]))
    left = unsqueeze(a, 0) if a._data.ndim == 1 else a
    right = unsqueeze(b, -1) if b._data.ndim == 1 else b
    y = contract.matmul(left, right)
    if a._data.ndim == 1:
        y = squeeze(y, -2)
    return squeeze(y, -1) if b._data.ndim == 1 else y


def _exactly(name: str, dims: int, *tensors: Any) -> None:
    for x in tensors:
        if not isinstance(x, _t.Tensor) or x._data.ndim != dims:
            listed = " and ".join(show(t) if isinstance(t, _t.Tensor) else type(t).__name__ for t in tensors)
            if not isinstance(x, _t.Tensor):
                raise ArgumentTypeError(f"{name}: needs Tensors, got {listed}; wrap it with cutaway.tensor(...)")
            raise ShapeError(f"{name}: needs Tensors of {dims} dimensions, got {listed}; matmul takes any")


@castable
def mm(a: Tensor, b: Tensor) -> Tensor:
    """Product of two matrices, without broadcasting."""
    _exactly("mm", 2, a, b)
    return contract.matmul(a, b)


@castable
def bmm(a: Tensor, b: Tensor) -> Tensor:
    """Product of two batches of matrices a[B, N, K], b[B, K, M], without broadcasting."""
    _exactly("bmm", 3, a, b)
    if a._data.shape[0] != b._data.shape[0]:
        raise ShapeError(f"bmm: {show(a, b)} have different batch sizes ({a._data.shape[0]} and {b._data.shape[0]})")
    return contract.matmul(a, b)


def mv(a: Tensor, b: Tensor) -> Tensor:
    """Matrix times vector."""
    _exactly("mv", 2, a)
    _exactly("mv", 1, b)
    return squeeze(contract.matmul(a, unsqueeze(b, -1)), -1)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of two vectors."""
    _exactly("dot", 1, a, b)
    if a._data.shape != b._data.shape:
        raise ShapeError(f"dot: {show(a, b)} have different lengths")
    return contract.einsum(a, b, spec="i,i->")


def outer(a: Tensor, b: Tensor) -> Tensor:
    """All products of two vectors: [len(a), len(b)]."""
    _exactly("outer", 1, a, b)
    return unsqueeze(a, 1) * b


@castable
@in_single
def addmm(x: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta x + alpha (a b)."""
    return added(x, mm(a, b), beta, alpha)


@castable
@in_single
def baddbmm(x: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta x + alpha (a b) for batches."""
    return added(x, bmm(a, b), beta, alpha)


def added(x: Tensor, y: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta x + alpha y, of y's shape; where beta is 0, x is not looked at (it may hold NaN)."""
    y = y if alpha == 1 else y * alpha
    if beta == 0:
        return y
    broadcast_shapes(x._data.shape, y._data.shape, op="addmm")
    return (expand(x, y._data.shape) if x._data.ndim > y._data.ndim else x if beta == 1 else x * beta) + y


@guarded
@castable
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by Einstein's convention: "ij,jk->ik"; "..." stands for leading dimensions.

    Also `einsum(x, [0, 1], y, [1, 2], [0, 2])`, where numbers below 52 are the labels and ... is Ellipsis.

    Operands are contracted from left to right, each pair as one matrix product; a dimension of size 1 fits any size of
    its label, as in broadcasting.  Raises ShapeError naming the label that disagrees, ArgumentError for an equation that
    cannot be read.
    """
    if isinstance(equation, _t.Tensor):
        equation, operands = _equation_of_lists([equation, *operands])
    tensors = need_tensors(
        "einsum", list(operands[0]) if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else list(operands)
    )
    sides, arrow, out = equation.replace(" ", "").partition("->")
    labels = sides.split(",")
    if len(labels) != len(tensors):
        raise ArgumentError(f"einsum {equation!r}: {len(labels)} operands in the equation, {len(tensors)} given")
    labels, dots = _write_out_dots(equation, labels, tensors)
    if arrow:
        out = out.replace("...", dots)
    else:
        joined = "".join(labels)
        out = dots + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in dots))
    if not set(out) <= set("".join(labels)) or len(set(out)) != len(out):
        raise ArgumentError(
            f"einsum {equation!r}: the output labels {out!r} must be distinct and occur in the operands"
        )
    tensors = [*tensors]
    for n, (term, x) in enumerate(zip(labels, tensors, strict=True)):
        labels[n], tensors[n] = _diagonals(term, x)
    labels, tensors = _without_ones(equation, labels, tensors)
    term, y = labels[0], tensors[0]
    for n in range(1, len(tensors)):
        later = out + "".join(labels[n + 1 :])
        term, y = _sum_out(term, y, labels[n] + later)
        other, x = _sum_out(labels[n], tensors[n], term + later)
        both = term + "".join(c for c in other if c not in term)
        kept = "".join(c for c in both if c in later)
        y = contract.einsum(y, x, spec=f"{term},{other}->{kept}")
        term = kept
    term, y = _sum_out(term, y, out)
    if term == out:
        return y
    order = tuple(term.index(c) for c in out)
    return permute(y, *order) if len(tensors) == 1 else owned(movement.layout(y, dims=order))


def _equation_of_lists(arguments: list[Any]) -> tuple[str, tuple[Any, ...]]:
    """An equation and its operands, from tensors that are each followed by a list of numbers, and perhaps a last list."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def term(labels: Any) -> str:
        if not isinstance(labels, list | tuple):
            raise ArgumentTypeError(
                "einsum: expected an equation (a string) before the tensors, or a list of numbers behind each; got "
                f"{describe(labels)}"
            )
        for n in labels:
            if n is not ... and not 0 <= n < len(letters):
                raise ArgumentError(f"einsum: a label in a list must be 0 to {len(letters) - 1} or ..., got {n}")
        return "".join("..." if n is ... else letters[n] for n in labels)

    arrow = f"->{term(arguments.pop())}" if len(arguments) % 2 else ""
    return ",".join(map(term, arguments[1::2])) + arrow, tuple(arguments[::2])


def _write_out_dots(equation: str, labels: list[str], tensors: list[Tensor]) -> tuple[list[str], str]:
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in equation]
    longest = 0
    for term, x in zip(labels, tensors, strict=True):
        if "..." in term:
            longest = builtins.max(longest, x._data.ndim - (len(term) - 3))
    dots = "".join(spare[:longest])
    written = []
    for n, (term, x) in enumerate(zip(labels, tensors, strict=True)):
        if "..." in term:
            count_dots = x._data.ndim - (len(term) - 3)
            term = term.replace("...", dots[len(dots) - count_dots :] if count_dots else "")
        if len(term) != x._data.ndim or (term and not term.isalpha()):
            raise ArgumentError(
                f"einsum {equation!r}: operand {n} is {show(x)}, but {term!r} names {len(term)} dimensions"
            )
        written.append(term)
    return written, dots


def _diagonals(term: str, x: Tensor) -> tuple[str, Tensor]:
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x._data.shape[i] != x._data.shape[j]:
                raise ShapeError(
                    f"einsum: {show(x)} has sizes {x._data.shape[i]} and {x._data.shape[j]} for the one label {c!r}"
                )
            x = _diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return term, x


def _without_ones(equation: str, labels: list[str], tensors: list[Tensor]) -> tuple[list[str], list[Tensor]]:
    """Without each dimension of size 1 whose label is longer elsewhere: what is the same all along need not name it."""
    found: dict[str, int] = {}
    for term, x in zip(labels, tensors, strict=True):
        for c, n in zip(term, x._data.shape, strict=True):
            if found.setdefault(c, n) == 1:
                found[c] = n
            elif n not in (1, found[c]):
                raise ShapeError(f"einsum {equation!r}: {show(*tensors)} disagree at label {c!r} ({found[c]} and {n})")
    kept, rest = [], []
    for term, x in zip(labels, tensors, strict=True):
        ones = [d for d, c in enumerate(term) if x._data.shape[d] != found[c]]
        kept.append("".join(c for d, c in enumerate(term) if d not in ones))
        rest.append(squeeze(x, ones) if ones else x)
    return kept, rest


def _sum_out(term: str, x: Tensor, needed: str) -> tuple[str, Tensor]:
    lone = [d for d, c in enumerate(term) if c not in needed]
    return ("".join(c for c in term if c in needed), sum(x, lone)) if lone else (term, x)


# --- comparing tensors as a whole -------------------------------------------------------------------------------------


def isclose(a: Tensor, b: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|a - b| <= atol + rtol |b|, element by element.

    Raises ShapeError for shapes that do not broadcast, DTypeError for dtypes that differ.
    """
    alike("isclose", a, b)
    broadcast_shapes(a._data.shape, b._data.shape, op="isclose")
    return constant(np.asarray(np.isclose(values(a), values(b), rtol, atol, equal_nan)))


def allclose(a: Tensor, b: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """True if all elements are close.  Raises ShapeError for shapes that do not broadcast, DTypeError for two dtypes."""
    alike("allclose", a, b)
    broadcast_shapes(a._data.shape, b._data.shape, op="allclose")
    return bool(np.allclose(values(a), values(b), rtol, atol, equal_nan))


def alike(name: str, a: Tensor, b: Tensor) -> None:
    """Raise DTypeError unless both have one dtype."""
    if a._data.dtype != b._data.dtype:
        raise DTypeError(f"{name}: {show(a, b)} have different dtypes; convert one with .to(dtype)")


def equal(a: Tensor, b: Tensor) -> bool:
    """True if shapes and all elements are equal."""
    return bool(a._data.shape == b._data.shape and (values(a) == values(b)).all())


# --- numbers ----------------------------------------------------------------------------------------------------------


def pow(x: Any, exponent: Any) -> Tensor:
    """x to the power of `exponent`; whole and half powers that have a quicker form take it."""
    if not isinstance(x, _t.Tensor) and not isinstance(exponent, _t.Tensor):
        raise ArgumentTypeError(f"pow: needs a Tensor as base or exponent, got {describe(x)} and {describe(exponent)}")
    if isinstance(x, _t.Tensor) and type(exponent) in (int, float):
        if x._data.dtype.kind == "b" and type(exponent) is int:
            x = x.long()
        if exponent == 2 and (type(exponent) is int or x._data.dtype.kind in INEXACT):
            return elementwise.mul(x, x)
        if x._data.dtype.kind in INEXACT:
            if exponent == 0.5:
                return elementwise.sqrt(x)
            if exponent == 1:
                return elementwise.copy(x)
            if exponent == -1:
                return elementwise.div(1.0, x)
        elif x._data.dtype.kind in "iu" and isinstance(exponent, int) and exponent < 0:
            raise DTypeError(f"pow: {show(x)} to the negative power {exponent} is no integer; convert it with .float()")
    return elementwise.pow(x, exponent)


def trunc_divide(x: Tensor, other: Any) -> Tensor:
    """The quotient, rounded towards zero; exact for integers."""
    if is_floating(x) or is_floating(other):
        return elementwise.trunc(elementwise.div(x, other))
    x, other = _numbers(x, other)
    size = elementwise.floor_divide(elementwise.abs(x), abs(other))
    return elementwise.where((x < 0) != (other < 0), -size, size)


def is_floating(x: Any) -> bool:
    """True for a floating tensor and for a Python float."""
    return x._data.dtype.kind in FLOATING if isinstance(x, _t.Tensor) else isinstance(x, (float, np.floating))


def _numbers(x: Tensor, other: Any) -> tuple[Tensor, Any]:
    """Both as they are, but for a bool one, which takes the other's dtype."""
    if isinstance(other, _t.Tensor):
        kinds = x._data.dtype.kind, other._data.dtype.kind
        if kinds.count("b") == 1:
            return (x.to(other.dtype), other) if kinds[0] == "b" else (x, other.to(x.dtype))
    elif x._data.dtype.kind == "b":
        return x.to(default_float()) if isinstance(other, float) else x.long(), other
    return x, other


def fmod(x: Tensor, other: Any) -> Tensor:
    """The remainder of the quotient rounded towards zero: it has the sign of x."""
    if any_complex(x, other):
        raise ComplexError("fmod: not defined for complex numbers; take .real, .imag or .abs() first")
    x, other = _numbers(x, other)
    size = abs(other)
    return elementwise.where(x < 0, -elementwise.remainder(-x, size), elementwise.remainder(x, size))


def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN and infinities replaced by numbers (the dtype's extremes by default)."""
    if x._data.dtype.kind == "c":
        y: Tensor = x.real.nan_to_num(nan, posinf, neginf) + x.imag.nan_to_num(nan, posinf, neginf) * 1j
        return y
    if x._data.dtype.kind not in FLOATING:
        return x
    ends = limits(x._data.dtype)
    x = elementwise.where(elementwise.isnan(x), nan, x)
    x = elementwise.where(x == float("inf"), float(ends.max) if posinf is None else posinf, x)
    return elementwise.where(x == -float("inf"), float(ends.min) if neginf is None else neginf, x)


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """One slice along `dim`, which goes away (a view)."""
    d = normalize_dim(dim, x._data.ndim, "select")
    y: Tensor = x[(slice(None),) * d + (int(index),)]
    return y


def new(x: Tensor, values: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """Values as a new tensor, of x's dtype unless told otherwise."""
    to_meta = goes_to_meta(x.device if device is None else device)
    d = x._data.dtype if dtype is None else as_dtype(dtype).np
    if not isinstance(values, np.ndarray):
        from cutaway.core.creation import tensor

        values = tensor(values, dtype=dtype or x.dtype)._data if d.kind in "iu" else tensor(values)._data
    if values.dtype.kind == "c" and d.kind not in "cb":
        raise DTypeError(f"new_tensor: complex numbers do not fit {d.name}; pass dtype=cutaway.cfloat, or take .real")
    with np.errstate(all="ignore"):
        y = meta.empty(values.shape, d) if to_meta else constant(values.astype(d))
    return y.requires_grad_() if requires_grad else y


def new_filled(
    x: Tensor, shape: tuple[int, ...], value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A new tensor of this shape, full of `value`, of x's dtype unless told otherwise."""
    if not goes_to_meta(x.device if device is None else device):
        return new(x, np.full(shape, value), dtype, device, requires_grad)
    y: Tensor = meta.empty(shape, x._data.dtype if dtype is None else as_dtype(dtype).np)
    return y.requires_grad_() if requires_grad else y


# --- draws ------------------------------------------------------------------------------------------------------------


def memory_order(x: Tensor) -> list[int] | None:
    """The dimensions from the outermost in memory to the innermost; None where that is their own order.

    The argument of a compiled function counts as row-major.
    """
    steps = getattr(x._data, "view_strides", None) or x.stride()
    if 0 in steps:
        return None
    dims = sorted(range(len(steps)), key=lambda d: -steps[d])
    long = [d for d in dims if x._data.shape[d] > 1]
    return None if long == sorted(long) else dims


def along_memory(x: Tensor, draw: Callable[[tuple[int, ...]], np.ndarray]) -> Callable[[], np.ndarray]:
    """How to draw an array of the shape of x whose numbers come in the order in which x lies in memory."""
    shape, dims = x._data.shape, memory_order(x)
    if dims is None:
        return lambda: draw(shape)
    back = np.argsort(dims)
    return lambda: np.ascontiguousarray(draw(tuple([shape[d] for d in dims])).transpose(back))


def bernoulli(x: Tensor, p: Any = None, generator: Any = None) -> Tensor:
    """1 with the probability that stands in x (or p), else 0."""
    if meta.is_meta(x):
        return meta.empty(x._data.shape, x._data.dtype)  # type: ignore[no-any-return]
    chance = x._data if p is None else p
    return constant(random.bernoulli(x._data.shape, chance, x._data.dtype, generator))


def multinomial(x: Tensor, num_samples: int, replacement: bool = False, generator: Any = None) -> Tensor:
    """Positions drawn with weights x[..., C]: int64[..., num_samples]."""
    return constant(random.multinomial(x._data, num_samples, replacement, generator))


def random_values(shape: Sequence[int], limits: tuple[int, ...], dtype: np.dtype, generator: Any) -> np.ndarray:
    """What `random_` draws: over the whole range, below `to`, or in [from, to)."""
    if not limits:
        return random.random(shape, dtype, generator)
    low, high = (0, limits[0]) if len(limits) == 1 else limits
    return random.randint(shape, low, high, dtype, generator)
