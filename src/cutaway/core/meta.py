"""Tensors of the device `meta`: shape and dtype, and no numbers. Operations on them follow the ops' shape rules.

Until the first of them is made no operation looks for one; from then on each does, and a function that looks at
values and meets none is called once more as a tracer would call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cutaway.core.aval import Aval, row_major
from cutaway.core.errors import NoData
from cutaway.core.op import STAGE, Op


class _Flags:
    writeable = True

    def __init__(self, c_contiguous: bool) -> None:
        self.c_contiguous = c_contiguous


class Nothing:
    """What stands in a meta tensor's `_data`. Questions of shape and dtype have answers; others raise NoData."""

    __slots__ = ("__weakref__", "dtype", "shape", "strides")

    base = "meta"  # never memory of one's own: gradients are added up by ops, not in place

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, strides: tuple[int, ...] | None = None) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.strides = self._row_major() if strides is None else strides

    def _row_major(self) -> tuple[int, ...]:
        return tuple(s * self.dtype.itemsize for s in row_major(self.shape))

    @property
    def ndim(self) -> int:
        """As an array's."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """As an array's."""
        return Aval(self.shape, self.dtype).size

    @property
    def itemsize(self) -> int:
        """As an array's."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """As an array's."""
        return self.size * self.dtype.itemsize

    @property
    def flags(self) -> _Flags:
        """As an array's."""
        return _Flags(self._array().flags.c_contiguous)

    def may_be_seen(self, shape: tuple[int, ...]) -> bool:
        """Whether memory that lies so could be seen in this shape without a copy."""
        try:
            self._array().view().shape = shape
        except AttributeError:
            return False
        return True

    def _array(self) -> np.ndarray:
        """An array with this shape and these strides, on memory that no one may touch."""
        return as_strided(np.zeros(1, self.dtype), self.shape, self.strides)

    def copy(self) -> Nothing:
        """Another one, in row-major order."""
        return Nothing(self.shape, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __iadd__(self, other: Any) -> Nothing:  # type: ignore[misc]  # there is no __add__ beside it
        return self

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.copyto and isinstance(args[0], Nothing):
            return None  # numbers written here are not kept
        return self._refuse()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NoData(
            f"a tensor on the meta device, {Aval(self.shape, self.dtype)}, has no data: only its shape and dtype are known; "
            "make it on the CPU, or call the model's to_empty(device='cpu') and load its values"
        )

    __array__ = __array_ufunc__ = __bool__ = __float__ = __int__ = __index__ = __iter__ = __getitem__ = _refuse
    __eq__ = __setitem__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __mul__ = __sub__ = __truediv__ = _refuse
    __neg__ = __matmul__ = __and__ = __or__ = __invert__ = _refuse
    item = tolist = min = max = sum = any = all = mean = astype = reshape = transpose = view = nonzero = argsort = _refuse
    argmax = argmin = flat = tobytes = _refuse
    __hash__ = None  # type: ignore[assignment]


def is_meta(t: Any) -> bool:
    """True for a tensor without data."""
    return t._strided and type(t._data) is Nothing


# --- operations -------------------------------------------------------------------------------------------------------


def infer(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """What the op's shape rule says of the result, as a meta tensor; its history is recorded as that of any other."""
    from cutaway.core.autograd import RECORDING
    from cutaway.core.eager import record
    from cutaway.core.promote import coerce
    from cutaway.core.tensor import Tensor
    from cutaway.core.views import remember

    tensors = coerce(op, inputs)
    aval = op.shape(*[Aval(tuple(t._data.shape), t._data.dtype) for t in tensors], **attrs)
    source: Any = tensors[0]._data if tensors else None
    viewed = op.view == "view" and type(source) is Nothing and (op.name != "reshape" or source.flags.c_contiguous)
    strides = op.forward(source._array(), **attrs).strides if viewed else None
    y = Tensor._wrap(Nothing(aval.shape, aval.dtype, strides))  # type: ignore[arg-type]
    if viewed:
        y._cell, y._epoch, y._view = tensors[0]._cell, tensors[0]._epoch, True
        remember(y, tensors[0], op, attrs)
    if op.rules and RECORDING.get() and any(t._node is not None for t in tensors):
        record(op, tensors, attrs, y)
    return y


class _Stage:
    """What a tracer answers, for code that would look at values or keep state in Python."""

    born = 0

    def number(self, read: Any, dtype: np.dtype, name: str, shape: tuple[int, ...] = (), steady: Any = None) -> Any:
        """A number that is nowhere."""
        return empty(shape, dtype)

    def store(self, *args: Any) -> None:
        """Nothing is kept."""

    adopt = unknown = store


@contextmanager
def staged() -> Iterator[None]:
    """Inside, values are not looked at: the general case is followed."""
    token = STAGE.set(_Stage())
    try:
        yield
    finally:
        STAGE.reset(token)


def again(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], met: NoData) -> Any:
    """The call once more, now that it has looked for values and met none, as a tracer would make it."""
    if STAGE.get() is not None:
        raise met
    with staged():
        return fn(*args, **kwargs)


# --- making them ------------------------------------------------------------------------------------------------------


def empty(shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """A meta tensor."""
    from cutaway.core.tensor import Tensor

    begin()
    return Tensor._wrap(Nothing(shape, dtype))  # type: ignore[arg-type]


def begin() -> None:
    """From now on operations look whether an input has data."""
    if Op.eager is not either:
        _eager.append(Op.eager)
        Op.eager = either


_eager: list[Any] = []


def either(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """The op on values, or on shapes where an input has nothing else."""
    for x in inputs:
        if type(getattr(x, "_data", None)) is Nothing:
            return infer(op, inputs, attrs)
    return _eager[0](op, inputs, attrs)
