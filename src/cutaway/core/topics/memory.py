"""Methods that tell of the memory behind a tensor: its storage, what shares it, the order of dimensions in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cutaway.core import derived as d
from cutaway.core.dtypes import as_dtype, check_device, get_default_dtype
from cutaway.core.errors import ArgumentTypeError, DTypeError, ShapeError
from cutaway.core.memory import TypedStorage, UntypedStorage, is_storage, root, typed
from cutaway.core.refusal import describe, function


class Memory:
    """Methods of Tensor that tell of its memory."""

    def storage(self: Any) -> TypedStorage:
        """The memory that this tensor shows (a part of), as elements; views share it.  Warns: deprecated."""
        return typed(self)

    def untyped_storage(self: Any) -> UntypedStorage:
        """The memory that this tensor shows (a part of), as bytes; views share it."""
        return UntypedStorage._behind(self)

    def storage_offset(self: Any) -> int:
        """Where it begins in the memory that it is a view of, counted in elements; 0 for what is no view."""
        a = self._settle()._data
        start: int = a.__array_interface__["data"][0] - root(self).__array_interface__["data"][0]
        return start // int(a.itemsize)

    def is_set_to(self: Any, tensor: Any) -> bool:
        """True if both show the same elements of the same memory, in the same shape and order."""
        d.need_tensor("is_set_to", tensor)
        same = self.data_ptr() == tensor.data_ptr() and self.stride() == tensor.stride()
        return bool(same and self._data.shape == tensor._data.shape and self._data.dtype == tensor._data.dtype)

    def _is_view(self: Any) -> bool:
        """True for a view that knows its base."""
        return self._base is not None

    def set_(
        self: Any, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
    ) -> Any:
        """Show the memory of another tensor, or of a storage by `size` and `stride` (row-major if left out)."""
        if is_storage(source):
            array = source.untyped()._bytes.view(self._data.dtype)
            shape = (array.size - storage_offset,) if size is None else d.sizes_of("set_", (size,))
            source = d.constant(array)[storage_offset:]
            if stride is None:
                source = source[: int(np.prod(shape, dtype=np.int64))].reshape(shape)
            else:
                source = source.as_strided(shape, stride)
        source = d.constant(np.zeros(0, self._data.dtype)) if source is None else d.need_tensor("set_", source)
        if source._data.dtype != self._data.dtype:
            raise DTypeError(f"set_: {source.dtype} is not this tensor's {self.dtype}; convert it first")
        self.data = source
        return self

    def __dlpack__(self: Any, **options: Any) -> Any:
        """The memory in the form that array libraries hand to one another."""
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self: Any) -> tuple[Any, int]:
        """The CPU, as that form names it."""
        found: tuple[Any, int] = self._data.__dlpack_device__()
        return found

    def dim_order(self: Any) -> tuple[int, ...]:
        """The dimensions in the order in which they lie in memory, the widest step first."""
        steps = self.stride()
        return tuple(sorted(range(len(steps)), key=lambda k: -steps[k]))


def strided_memory(name: str, size: Any, stride: Any, kind: np.dtype) -> np.ndarray:
    """Zeros of a size whose elements lie `stride` apart.  Raises ShapeError for sizes and strides that do not fit."""
    shape, steps = d.sizes_of(name, (size,)), d.sizes_of(name, (stride,))
    if len(shape) != len(steps) or min((*shape, *steps, 0)) < 0:
        raise ShapeError(f"{name}: size {list(shape)} and stride {list(steps)} must be equally many, none of them negative")
    reach = 1 + sum((n - 1) * k for n, k in zip(shape, steps, strict=True)) if all(shape) else 0
    return as_strided(np.zeros(reach, kind), shape, [k * kind.itemsize for k in steps])


def order_of(name: str, dims: Any, n: int) -> list[int]:
    """A permutation of n dimensions.  Raises ShapeError for what is none."""
    order = [*dims] if isinstance(dims, (list, tuple)) else [dims]
    if sorted(k if isinstance(k, int) else -1 for k in order) != list(range(n)):
        raise ShapeError(f"{name}: expected an order of {n} dimensions, got {describe(dims)}")
    return order


@function
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Zeros (PyTorch leaves what lies in memory) of a size, whose elements lie `stride` apart."""
    check_device(device)
    kind = (get_default_dtype() if dtype is None else as_dtype(dtype, "empty_strided")).np
    y = d.constant(strided_memory("empty_strided", size, stride, kind))
    y._view = True
    return y.requires_grad_() if requires_grad else y


@function
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """Zeros (PyTorch leaves what lies in memory) of a size, whose dimensions lie in memory in the order given."""
    shape = d.sizes_of("empty_permuted", (size,))
    order = order_of("empty_permuted", physical_layout, len(shape))
    steps, step = [0] * len(shape), 1
    for k in reversed(order):
        steps[k], step = step, step * max(shape[k], 1)
    return empty_strided(shape, steps, dtype=dtype, device=device, requires_grad=requires_grad)


@function
def from_dlpack(ext_tensor: Any) -> Any:
    """A tensor on the memory of another library's array, by `__dlpack__`.  Raises ArgumentTypeError for what has none."""
    if not hasattr(ext_tensor, "__dlpack__"):
        raise ArgumentTypeError(f"from_dlpack: {describe(ext_tensor)} has no __dlpack__; pass an array of such a library")
    if hasattr(ext_tensor, "_data"):
        return ext_tensor.detach()
    from cutaway.core.creation import from_numpy  # which is made of Tensors, and so of this file

    return from_numpy(ext_tensor if isinstance(ext_tensor, np.ndarray) else np.from_dlpack(ext_tensor))


def to_dlpack(tensor: Any) -> Any:
    """`tensor.__dlpack__()`."""
    return d.need_tensor("to_dlpack", tensor).__dlpack__()
