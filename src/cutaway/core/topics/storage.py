"""Storages: the memory of a tensor as PyTorch's programs ask for it, to see what is shared and how large it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cutaway.core.dtypes import CPU, FROM_NUMPY
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange


def memory(t: Any) -> np.ndarray:
    """The array that holds all of what `t` and its views show, flat.  Raises ArgumentTypeError for what is no Tensor."""
    if not hasattr(t, "_settle"):
        raise ArgumentTypeError(f"storage: expected a Tensor, got {type(t).__name__}; memory is made by tensors here")
    a = t._settle()._data
    while isinstance(a.base, np.ndarray):
        a = a.base
    if not a.flags.c_contiguous:  # a window of memory that is not NumPy's, in another order
        low = min([0, *[(n - 1) * s for n, s in zip(a.shape, a.strides, strict=True) if s < 0 and n]])
        if low:
            raise ArgumentError("storage: the memory runs backwards, which PyTorch has not; clone() the tensor first")
        a = a.transpose(np.argsort([-s for s in a.strides], kind="stable"))
    return np.ravel(a)


class UntypedStorage:
    """A tensor's memory in bytes.  It is looked at; only what `copy_` and `x[i] = v` write goes into it."""

    def __init__(self, t: Any) -> None:
        self._bytes = memory(t).view(np.uint8)

    device = CPU
    is_cuda = is_sparse = False

    def data_ptr(self) -> int:
        """The address."""
        return int(self._bytes.__array_interface__["data"][0])

    _cdata = property(data_ptr)

    def nbytes(self) -> int:
        """Bytes in all."""
        return self._bytes.size

    size = __len__ = nbytes

    def element_size(self) -> int:
        """1."""
        return 1

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes.tolist()  # type: ignore[no-any-return]

    def is_shared(self) -> bool:
        """False: other processes get copies."""
        return False

    def resize_(self, size: int) -> UntypedStorage:
        """Itself.  Raises ArgumentError for another size: tensors hold their memory here, and it goes when they go."""
        if size != self.nbytes():
            raise ArgumentError(
                f"resize_: a storage of {self.nbytes()} bytes keeps its size, got {size}; to free memory, delete the tensor"
            )
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """The bytes of another storage of the same size."""
        if source.nbytes() != self.nbytes():
            raise ArgumentError(f"copy_: {source.nbytes()} bytes do not fit {self.nbytes()}")
        self._bytes[:] = source._bytes
        return self

    def __getitem__(self, i: int) -> Any:
        return _item(self._bytes, i)

    def __setitem__(self, i: int, value: int) -> None:
        self._bytes[i] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __repr__(self) -> str:
        lines = "\n".join(f" {n}" for n in self._bytes)
        return f"{lines}\n[torch.storage.UntypedStorage(device=cpu) of size {self.nbytes()}]"


class TypedStorage:
    """A tensor's memory in elements of its dtype."""

    def __init__(self, t: Any) -> None:
        self._tensor, self._elements = t, memory(t)
        self.dtype = FROM_NUMPY[self._elements.dtype]

    device = CPU
    is_cuda = is_sparse = False

    def untyped(self) -> UntypedStorage:
        """The same in bytes."""
        return UntypedStorage(self._tensor)

    def data_ptr(self) -> int:
        """The address."""
        return int(self._elements.__array_interface__["data"][0])

    def nbytes(self) -> int:
        """Bytes in all."""
        return self._elements.nbytes

    def size(self) -> int:
        """The number of elements."""
        return self._elements.size

    __len__ = size

    def element_size(self) -> int:
        """Bytes an element."""
        return self._elements.itemsize

    def tolist(self) -> list[Any]:
        """The numbers."""
        return self._elements.tolist()  # type: ignore[no-any-return]

    def is_shared(self) -> bool:
        """False: other processes get copies."""
        return False

    def __getitem__(self, i: int) -> Any:
        return _item(self._elements, i)

    def __setitem__(self, i: int, value: Any) -> None:
        self._elements[i] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __repr__(self) -> str:
        lines = "\n".join(f" {n}" for n in self.tolist())
        return f"{lines}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {self.size()}]"


def _item(a: np.ndarray, i: int) -> Any:
    if not -a.size <= i < a.size:
        raise IndexOutOfRange(f"storage: index {i} is out of range for storage of size {a.size}")
    return a[i].item()


class Storages:
    """Methods of Tensor."""

    __slots__ = ()

    def untyped_storage(self: Any) -> UntypedStorage:
        """The memory that this tensor and its views share, in bytes."""
        return UntypedStorage(self)

    def storage(self: Any) -> TypedStorage:
        """The memory that this tensor and its views share, in elements."""
        return TypedStorage(self)
