"""New tensors: from data, filled, counted, or drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from cutaway.core import dtypes, meta, random
from cutaway.core.aval import broadcast_shapes, show
from cutaway.core.derived import along_memory, memory_order, sizes_of
from cutaway.core.dtypes import CPU, FLOATING, INEXACT, as_dtype, fitting, from_numpy_dtype, goes_to_meta
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    ComplexError,
    CutawayError,
    DTypeError,
    KindError,
    NotForSparse,
    ShapeError,
)
from cutaway.core.evenly import evenly
from cutaway.core.layouts import strided
from cutaway.core.meta import Nothing
from cutaway.core.op import STAGE
from cutaway.core.refusal import function, guarded
from cutaway.core.strict import is_lenient, warn_of, warn_once
from cutaway.core.tensor import Tensor


def _made(array: np.ndarray | Nothing, requires_grad: bool = False, device: Any = None) -> Tensor:
    if device is not CPU and goes_to_meta(device):
        t: Tensor = meta.empty(array.shape, array.dtype)
    else:
        t = Tensor._wrap(array)  # type: ignore[arg-type]
    return t.requires_grad_() if requires_grad else t


def _drawn(
    shape: tuple[int, ...], dtype: np.dtype, draw: Callable[[], np.ndarray], generator: Any,
    requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of random numbers; in a staged program an input that is drawn anew at each call."""
    if goes_to_meta(device):
        t: Tensor = meta.empty(shape, dtype)
        return t.requires_grad_() if requires_grad else t
    stage = STAGE.get()
    if stage is None:
        return _made(draw(), requires_grad, device)
    first = random.rehearse(draw, generator)
    t = stage.number(draw, first.dtype, "random", first.shape)
    return t.requires_grad_() if requires_grad else t


def _float(dtype: Any, op: str) -> np.dtype:
    return dtypes.get_default_dtype().np if dtype is None else as_dtype(dtype, op).np


def _from_data(data: Any, dtype: Any, op: str) -> np.ndarray:
    """Data as a NumPy array of a dtype we have: Python floats become the default dtype."""
    if isinstance(data, Tensor):
        array = data._data
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    else:
        if type(data) is list and data and type(data[0]) is np.ndarray and data[0].ndim:
            warn_once("tensor: a list of NumPy arrays is read slowly; stack them first, as in tensor(np.array(arrays))")
        try:
            array = np.asarray(_plain(data))
        except CutawayError:
            raise
        except (ValueError, OverflowError):
            raise KindError(
                f"{op}: the data is ragged or mixed; nested lists must have equal lengths at each level"
            ) from None
        if dtype is None and array.dtype.kind in INEXACT:
            with np.errstate(over="ignore"):  # 1e40 is inf in float32, as in PyTorch
                array = array.astype(_floating_dtype(data))
        if dtype is not None and array.size and array.dtype.kind == "c":
            if (array.imag != 0).any() and not as_dtype(dtype, op).is_complex:
                raise ArgumentTypeError(f"{op}: complex numbers do not fit {dtype}; pass dtype=cutaway.cfloat")
        elif dtype is not None and array.size and array.dtype.kind in "iuf" + FLOATING:
            fitting(op, array.min(), as_dtype(dtype, op).np)
            fitting(op, array.max(), as_dtype(dtype, op).np)
    past = array.dtype == np.uint64 and not isinstance(data, (np.ndarray, np.generic))
    if past or (array.dtype.kind == "O" and all(isinstance(x, int) for x in array.flat)):
        raise ArgumentError(f"{op}: an integer of the data does not fit int64, which ends at 2**63 - 1; write it as a float")
    if array.dtype.kind not in "biu" + INEXACT:
        raise KindError(
            f"{op}: cannot make a tensor from {type(data).__name__} ({array.dtype}); pass numbers, nested lists or arrays"
        )
    if dtype is not None:
        with np.errstate(all="ignore"):
            return array.astype(as_dtype(dtype, op).np)
    return array.astype(from_numpy_dtype(array.dtype, op).np, copy=False)


def _plain(data: Any) -> Any:
    """Nested sequences with tensors of one element inside as nested lists of numbers and arrays."""
    if isinstance(data, Tensor):
        if data._data.size != 1:
            raise ArgumentError(
                f"tensor: a list may hold tensors of one element, got {show(data)} in it; use cutaway.stack for more"
            )
        data._warn_of_history()
        return data._data.reshape(())
    if isinstance(data, (list, tuple)) and any(isinstance(x, (Tensor, list, tuple)) for x in data):
        return [_plain(x) for x in data]
    return data


def _floating_dtype(data: Any) -> np.dtype:
    """The dtype of floating data: the default for Python's floats, NumPy's scalars and tensors bring their own."""
    found = {d for d in _leaf_dtypes(data) if d.kind in INEXACT} or {dtypes.get_default_dtype().np}
    return max(found, key=lambda d: (d.kind == "c", d.itemsize))


def _leaf_dtypes(data: Any) -> set[np.dtype]:
    if isinstance(data, Tensor):
        return {data._data.dtype}
    if isinstance(data, (np.ndarray, np.generic)):
        return {data.dtype}
    if not isinstance(data, (list, tuple)):
        return {dtypes.default_complex().np if isinstance(data, complex) else dtypes.get_default_dtype().np}
    kinds = set(map(type, data))
    if kinds <= {float, int, bool}:
        return {dtypes.get_default_dtype().np} if float in kinds else set()
    return {d for x in data for d in _leaf_dtypes(x)}


@guarded
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested lists, arrays.  Raises ArgumentError for ragged lists."""
    if isinstance(data, Tensor) and is_lenient():
        warn_of("tensor: to copy a tensor, write x.clone() or x.detach().clone(): this one has no history")
    return _made(np.array(_from_data(data, dtype, "tensor")), requires_grad, device)


@guarded
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory where it can."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    t = _made(_from_data(data, dtype, "as_tensor"), False, device)
    t._view = not t._data.flags.c_contiguous  # the strides are the user's
    return t


@guarded
def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of a NumPy array.  Raises ArgumentTypeError for dtypes that have no counterpart."""
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}; use cutaway.tensor")
    if array.dtype.kind == "V":
        raise ArgumentTypeError(f"from_numpy: no tensor can lie on {array.dtype} memory; pass array.astype('float32')")
    native = from_numpy_dtype(array.dtype, "from_numpy").np
    t = Tensor._wrap(array.astype(native, copy=False))
    t._view = not array.flags.c_contiguous  # the strides are the user's
    return t


def _filled(name: str, value: Any) -> Any:
    def make(
        *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        layout: Any = None, pin_memory: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        if not sizes and size is None:
            raise ArgumentTypeError(f"{name}: the size is missing; write {name}(2, 3), or {name}(()) for a single number")
        shape = _sizes(name, sizes if size is None else (size,))
        if layout not in (None, strided):
            return _of_layout(name, shape, value, layout, dtype, device, requires_grad)
        return _made(_full(name, shape, value, _float(dtype, name), device), requires_grad, device)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A tensor of the given size filled with {value}.  Raises ShapeError for a negative size."
    return guarded(make, out=True)


def _of_layout(
    name: str, shape: tuple[int, ...], value: Any, layout: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A sparse tensor without entries.  Raises NotForSparse where its elements should be something else than 0."""
    from cutaway.core.sparse.making import other_layout, sparse_coo_tensor

    if value:
        raise NotForSparse(name)
    made = other_layout(name, sparse_coo_tensor(size=shape, dtype=dtype, device=device), layout)
    return made.requires_grad_(requires_grad)  # type: ignore[no-any-return]


def _sizes(name: str, args: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes that are integers and not negative."""
    shape = sizes_of(name, args)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: sizes cannot be negative, got {list(shape)}; only reshape and view take -1")
    return shape


def _full(name: str, shape: tuple[int, ...], value: Any, dtype: np.dtype, device: Any) -> np.ndarray | Nothing:
    if goes_to_meta(device):
        return Nothing(shape, dtype)
    return np.full(shape, fitting(name, value, dtype), dtype) if value else np.zeros(shape, dtype)


zeros = _filled("zeros", 0)
ones = _filled("ones", 1)
empty = _filled("empty", 0)


@function
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the given size filled with `fill_value`, whose type decides the dtype."""
    if isinstance(fill_value, Tensor) and fill_value._data.ndim:
        raise ArgumentTypeError(f"full: the value must be a number, got {show(fill_value)}; use expand for more")
    value = fill_value.item() if isinstance(fill_value, (Tensor, np.generic)) else fill_value
    if dtype is None:
        own = {float: dtypes.get_default_dtype, complex: dtypes.default_complex}.get(type(value))
        dtype = type(value) if own is None else own()
    d = as_dtype(dtype, "full").np
    return _made(_full("full", _sizes("full", (size,)), value, d, device), requires_grad, device)


def _like(name: str, value: Any) -> Any:
    def make(
        input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        layout: Any = None, pin_memory: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        _need(name, input)
        d = input._data.dtype if dtype is None else as_dtype(dtype, name).np
        where = input.device if device is None else device
        return _made(_full(name, input._data.shape, value, d, where), requires_grad, where)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A tensor of the shape and dtype of `input`, filled with {value}."
    return guarded(make, out=True)


def _need(name: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise ArgumentTypeError(f"{name}: expected a Tensor, got {type(x).__name__}; wrap it with cutaway.tensor(...)")


zeros_like = _like("zeros_like", 0)
ones_like = _like("ones_like", 1)
empty_like = _like("empty_like", 0)


@guarded
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of the shape and dtype of `input`, filled with `fill_value`."""
    return _like("full_like", fill_value)(input, dtype=dtype, device=device, requires_grad=requires_grad)  # type: ignore[no-any-return]


@function
def arange(
    *limits: Any, start: Any = None, end: Any = None, step: Any = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from start (0) to below end by step (1); int64 if all three are integers.  Raises ArgumentError for step 0."""
    places = {0: (), 1: ("end",), 2: ("start", "end"), 3: ("start", "end", "step")}.get(len(limits))
    if places is None or (not limits and end is None):
        raise ArgumentTypeError(f"arange: takes end, (start, end) or (start, end, step), got {len(limits)} numbers")
    if places == ("end",) and end is not None:  # arange(2, end=5)
        places = ("start",)
    named = {"start": start, "end": end, "step": step}
    named.update(zip(places, limits, strict=True))
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in named.values())
    start, step = 0 if start is None else start, 1 if step is None else step
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(f"arange: step {step} does not lead from {start} to {end}")
    whole = all(isinstance(v, (int, np.integer)) for v in (start, end, step))
    if dtype is not None and as_dtype(dtype, "arange").is_complex:
        raise ComplexError(f"arange: not defined for complex numbers, got dtype={dtype}; convert with .to({dtype})")
    d = as_dtype(dtype, "arange").np if dtype is not None else np.dtype(np.int64) if whole else _float(None, "arange")
    if d.kind in "iu":
        start, end, step, whole = int(start), int(end), int(step), True
    if whole:
        return _made(np.arange(start, end, step).astype(d), requires_grad, device)
    count = int(np.ceil((end - start) / step))
    return _made((start + step * np.arange(count, dtype=np.float64)).astype(d), requires_grad, device)


@function
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, both included."""
    if isinstance(start, str) or isinstance(end, str):
        raise ArgumentTypeError(f"linspace: start and end must be numbers, got {start!r} and {end!r}")
    if index(steps) < 0:
        raise ArgumentError(f"linspace: steps must not be negative, got {steps}")
    d = _float(dtype, "linspace")
    if d.kind == "b":
        raise DTypeError("linspace: bools are no numbers; use another dtype")
    first, last = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if isinstance(first, complex) or isinstance(last, complex) or d.kind == "c":
        kind = dtypes.default_complex() if dtype is None else dtype
        return _made(np.linspace(first, last, steps).astype(as_dtype(kind, "linspace").np), requires_grad, device)
    return _made(evenly(first, last, steps, d), requires_grad, device)


@function
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base**start to base**end, in equal ratios."""
    return _made(
        np.logspace(float(start), float(end), steps, base=base).astype(_float(dtype, "logspace")), requires_grad, device
    )


@function
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix [n, m]."""
    if n < 0 or (m or 0) < 0:
        raise ShapeError(f"eye: sizes cannot be negative, got {n} and {m}")
    return _made(np.eye(n, m, dtype=_float(dtype, "eye")), requires_grad, device)


# --- at random: the same numbers as PyTorch for the same seed ---------------------------------------------------------


@function
def rand(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform in [0, 1)."""
    shape, d = _sizes("rand", size), _float(dtype, "rand")
    draw = lambda: random.uniform_numbers(shape, 0.0, 1.0, d, generator)
    return _drawn(shape, d, draw, generator, requires_grad, device)


@function
def randn(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal with mean 0 and standard deviation 1."""
    shape, d = _sizes("randn", size), _float(dtype, "randn")
    draw = lambda: random.normal_numbers(shape, 0.0, 1.0, d, generator)
    return _drawn(shape, d, draw, generator, requires_grad, device)


@guarded
def rand_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform in [0, 1), of the shape and dtype of `input`; drawn along its memory."""
    _need("rand_like", input)
    d = input._data.dtype if dtype is None else as_dtype(dtype, "rand_like").np
    draw = along_memory(input, lambda shape: random.uniform_numbers(shape, 0.0, 1.0, d, generator))
    return _drawn(input.shape, d, draw, generator, requires_grad, input.device if device is None else device)


@guarded
def randn_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal, of the shape and dtype of `input`; drawn along its memory."""
    _need("randn_like", input)
    d = input._data.dtype if dtype is None else as_dtype(dtype, "randn_like").np
    plain = memory_order(input) is None
    draw = along_memory(input, lambda shape: random.normal_numbers(shape, 0.0, 1.0, d, generator, plain))
    return _drawn(input.shape, d, draw, generator, requires_grad, input.device if device is None else device)


@function
def randint(
    *args: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """`randint(high, size)` or `randint(low, high, size)`: integers in [low, high), int64."""
    if unknown := set(named) - {"size", "low", "high"}:
        raise ArgumentTypeError(f"randint: unknown argument {min(unknown)!r}; it takes low, high and size")
    limits, size = list(args), named.get("size")
    if size is None:
        if len(limits) < 2:
            raise ArgumentTypeError("randint: call randint(high, size) or randint(low, high, size)")
        size = limits.pop()
    low, high = named.get("low", 0), named.get("high")
    if len(limits) == 2:
        low, high = limits
    elif limits:
        low, high = (limits[0], high) if high is not None else (low, limits[0])
    if high is None:
        raise ArgumentTypeError("randint: the end of the range is missing; call randint(high, size)")
    d = np.dtype(np.int64) if dtype is None else as_dtype(dtype, "randint").np
    if d.kind == "c":
        raise DTypeError(f"randint: draws integers, which are not drawn as {dtype}; convert with .to({dtype})")
    shape, first, end = _sizes("randint", (size,)), index(low), index(high)
    draw = lambda: random.randint(shape, first, end, d, generator)
    return _drawn(shape, d, draw, generator, requires_grad, device)


@guarded
def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None) -> Tensor:
    """Integers in [low, high) (or [0, low)), of the shape and dtype of `input`; drawn along its memory."""
    _need("randint_like", input)
    d = input._data.dtype if dtype is None else as_dtype(dtype, "randint_like").np
    first, end = (0, index(low)) if high is None else (index(low), index(high))
    draw = along_memory(input, lambda shape: random.randint(shape, first, end, d))
    return _drawn(input.shape, d, draw, None, False, input.device)


@function
def randperm(n: int, *, generator: Any = None, dtype: Any = None, device: Any = None) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    d = np.dtype(np.int64) if dtype is None else as_dtype(dtype, "randperm").np
    return _drawn((index(n),), d, lambda: random.randperm(n, d, generator), generator, False, device)


@function
def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal with the given mean and standard deviation, each a number or a Tensor."""
    if size is not None:
        whole, d = _sizes("normal", (size,)), _float(dtype, "normal")
        draw = lambda: random.normal_numbers(whole, mean, std, d, generator)
        return _drawn(whole, d, draw, generator, requires_grad, device)
    like = mean if isinstance(mean, Tensor) else std
    if not isinstance(like, Tensor):
        raise ArgumentTypeError("normal: with a number for mean and std, say size=")
    if like._data.dtype.kind not in FLOATING:
        raise DTypeError(f"normal: needs floating tensors, got {show(like)}; convert with .float()")
    if (std._data < 0).any() if isinstance(std, Tensor) else std < 0:
        least = f"{float(std._data.min())} among {show(std)}" if isinstance(std, Tensor) else std
        raise ArgumentError(f"normal: std must be 0 or more, got {least}")
    shape = broadcast_shapes(*(x._data.shape for x in (mean, std) if isinstance(x, Tensor)), op="normal")
    kind = like._data.dtype
    made: Tensor = _drawn(shape, kind, lambda: random.normal(shape, 0.0, 1.0, kind, generator), generator) * std + mean
    return made
