"""Storages: the memory that a tensor is a view of, as bytes or as elements, and memory that is a file.

What other libraries ask PyTorch's tensors for when they save and load them: where the memory begins, how many bytes it has,
which tensors share it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from cutaway.core.dtypes import device, dtype, type_name
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange
from cutaway.core.package import package


class _Span:
    """Bytes from an address on, of an array that is kept alive."""

    def __init__(self, owner: np.ndarray, start: int, count: int) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "data": (start, not owner.flags.writeable), "shape": (count,), "typestr": "|u1", "version": 3,
        }  # fmt: skip


def root(t: Any) -> np.ndarray:
    """The array that holds all of the memory that `t` is a view of; its own, if it is none."""
    a: np.ndarray = t._settle()._data
    while t._view and isinstance(a.base, np.ndarray):
        a = a.base
    return a


class Storage:
    """What storages of both kinds say of the place where they are."""

    @property
    def device(self) -> device:
        """The CPU."""
        return device("cpu")

    is_cuda = property(lambda self: False, doc="False.")

    def is_shared(self) -> bool:
        """False: other processes get copies."""
        return False


class UntypedStorage(Storage):
    """Memory as bytes: `UntypedStorage(8)`, `UntypedStorage([1, 2])`, `x.untyped_storage()`, or a file's (`from_file`)."""

    def __init__(self, *content: Any) -> None:
        if len(content) > 1:
            raise ArgumentTypeError(f"UntypedStorage: takes a size or a sequence of bytes, got {len(content)} arguments")
        given = content[0] if content else 0
        self._bytes: np.ndarray = np.zeros(given, np.uint8) if isinstance(given, int) else np.array(given, np.uint8)

    @classmethod
    def _of(cls, array: np.ndarray) -> UntypedStorage:
        storage = cls.__new__(cls)
        storage._bytes = array
        return storage

    @classmethod
    def _behind(cls, t: Any) -> UntypedStorage:
        """The whole memory that a tensor shows a part of."""
        a = root(t)
        if not a.size:
            return cls()
        steps = [(n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)]
        start = a.__array_interface__["data"][0] + sum(s for s in steps if s < 0)
        return cls._of(np.asarray(_Span(a, start, sum(map(abs, steps)) + a.itemsize)))

    @classmethod
    def from_file(cls, filename: str | os.PathLike[str], shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The first `nbytes` of a file as memory, read when they are used; what is written there reaches it if `shared`.

        Raises ArgumentError if a file that is not shared has fewer.
        """
        path = os.fspath(filename)
        if shared:
            with open(path, "ab") as f:
                f.truncate(max(nbytes, f.tell()))
        elif os.path.getsize(path) < nbytes:
            raise ArgumentError(f"from_file: {path} has {os.path.getsize(path)} bytes, {nbytes} are asked for")
        if not nbytes:
            return cls()
        return cls._of(np.asarray(np.memmap(path, np.uint8, "r+" if shared else "c", shape=(nbytes,))))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        interface: dict[str, Any] = self._bytes.__array_interface__
        return interface

    def data_ptr(self) -> int:
        """The address of the first byte; 0 if there is none."""
        return int(self._bytes.__array_interface__["data"][0]) if self._bytes.size else 0

    def nbytes(self) -> int:
        """How many bytes."""
        return int(self._bytes.size)

    size = __len__ = nbytes

    def element_size(self) -> int:
        """1."""
        return 1

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    cpu = untyped

    def clone(self) -> UntypedStorage:
        """A copy."""
        return self._of(self._bytes.copy())

    def copy_(self, source: UntypedStorage, non_blocking: bool | None = None) -> UntypedStorage:
        """Take over the bytes of another storage of the same size.  Raises ArgumentError for another size."""
        if len(source) != len(self):
            raise ArgumentError(f"copy_: {len(source)} bytes into a storage of {len(self)}")
        self._bytes[:] = source._bytes
        return self

    def resize_(self, size: int) -> UntypedStorage:
        """Itself.  Raises ArgumentError for another size: tensors hold their memory here, and it goes when they go."""
        if size != len(self):
            raise ArgumentError(f"resize_: a storage of {len(self)} bytes keeps its size, got {size}")
        return self

    def fill_(self, value: int) -> UntypedStorage:
        """Set every byte."""
        self._bytes[:] = value
        return self

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        numbers: list[int] = self._bytes.tolist()
        return numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            if at.step not in (None, 1):
                raise ArgumentError(f"UntypedStorage: slices have no step, got {at.step}")
            return self._of(self._bytes[at])
        return int(self._bytes[_inside(at, len(self))])

    def __setitem__(self, at: Any, value: Any) -> None:
        self._bytes[at if isinstance(at, slice) else _inside(at, len(self))] = value

    def __repr__(self) -> str:
        rows = "".join(f" {n}\n" for n in self.tolist())
        return f"{rows}[{package()}.storage.UntypedStorage(device=cpu) of size {len(self)}]"


class TypedStorage(Storage):
    """The same memory as elements of a dtype; deprecated in PyTorch, where old programs still have it."""

    def __init__(self, *, wrap_storage: UntypedStorage, dtype: dtype, _internal: bool = True) -> None:
        self._untyped_storage, self.dtype = wrap_storage, dtype

    def _elements(self) -> np.ndarray:
        elements: np.ndarray = self._untyped_storage._bytes.view(self.dtype.np)
        return elements

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    def size(self) -> int:
        """How many elements."""
        return len(self._untyped_storage) // self.dtype.itemsize

    __len__ = size

    def nbytes(self) -> int:
        """How many bytes."""
        return len(self._untyped_storage)

    def data_ptr(self) -> int:
        """The address of the first element; 0 if there is none."""
        return self._untyped_storage.data_ptr()

    def element_size(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize

    def tolist(self) -> list[Any]:
        """The elements as numbers."""
        return list(self)

    def type(self) -> str:
        """PyTorch's old name of the class, as "torch.FloatStorage"."""
        return f"{package()}.{type_name(self.dtype)}Storage"

    def cpu(self) -> TypedStorage:
        """Itself."""
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements().tolist())

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            raise ArgumentError("TypedStorage: slices are of bytes; write storage.untyped()[a:b]")
        return self._elements()[_inside(at, len(self))].item()

    def __setitem__(self, at: Any, value: Any) -> None:
        self._elements()[at if isinstance(at, slice) else _inside(at, len(self))] = value

    def __repr__(self) -> str:
        rows = "".join(f" {n}\n" for n in self)
        return f"{rows}[{package()}.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"


def _inside(at: Any, n: int) -> int:
    if isinstance(at, bool) or not isinstance(at, int):
        raise ArgumentTypeError(f"storage: an index must be an int or a slice, got {type(at).__name__}")
    if not -n <= at < n:
        raise IndexOutOfRange(f"storage: index {at} is out of range for {n} elements")
    return at


def typed(t: Any) -> TypedStorage:
    """`x.storage()`: with PyTorch's warning that it is deprecated."""
    warnings.warn(
        "TypedStorage is deprecated; use untyped_storage(), whose elements are bytes", UserWarning, stacklevel=3
    )
    return TypedStorage(wrap_storage=UntypedStorage._behind(t), dtype=t.dtype)


def is_storage(obj: Any) -> bool:
    """True for a storage."""
    return isinstance(obj, Storage)


__all__ = ["TypedStorage", "UntypedStorage", "is_storage"]
