"""Storages: pieces of memory that tensors are views of, on the way in and on the way out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.dtypes import ALL, dtype, type_name
from cutaway.core.errors import ArgumentError, DTypeError, FileFormatError
from cutaway.core.tensor import Tensor

# What PyTorch calls a storage of each dtype.
NAMES: dict[dtype, str] = {d: f"{type_name(d)}Storage" for d in ALL}
DTYPES: dict[str, dtype] = {name: d for d, name in NAMES.items()}
# dtypes of PyTorch that Cutaway lacks
ELSEWHERE = frozenset(
    """complex32 qint8 quint8 qint32 quint4x2 quint2x4 bits8 bits16
    bits1x8 bits2x4 bits4x2 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2
    chalf""".split()
)
_ELSEWHERE_STORAGES = {
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32", "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}  # fmt: skip


def lacking(name: str) -> DTypeError | None:
    """The error about a dtype or a storage of PyTorch that has no counterpart here, or None."""
    name = _ELSEWHERE_STORAGES.get(name, name)
    if name not in ELSEWHERE:
        return None
    wider = "x.to(torch.complex64)" if name[0] == "c" else "x.float()" if "float" in name else "x.to(torch.int64)"
    return DTypeError(
        f"load: the file holds {name} numbers, which Cutaway does not have; convert them in PyTorch "
        f"(`{wider}` for each such tensor x), and save again"
    )


class StorageClass(NamedTuple):
    """What a checkpoint calls `torch.FloatStorage`: the dtype of a storage's elements."""

    dtype: dtype


class Storage:
    """Memory that was read from a file.

    data  uint8[bytes], writable    dtype  of its elements    numel  how many    location  where it was when it was saved
    """

    __slots__ = ("cell", "data", "dtype", "location", "numel")

    def __init__(self, data: np.ndarray, kind: dtype, numel: int, location: str) -> None:
        self.data, self.dtype, self.numel, self.location = data, kind, numel, location
        self.cell = [0, 0]

    def cpu(self) -> Storage:
        """Itself: what a `map_location` function is given may be asked for that."""
        return self

    @property
    def device(self) -> str:
        """Where it was when it was saved."""
        return self.location

    def nbytes(self) -> int:
        """Bytes in all."""
        return self.data.nbytes


def view(storage: Storage, offset: Any, size: Any, stride: Any) -> Tensor:
    """The tensor of this size and stride, `offset` elements into the storage; all such tensors share its memory.

    Raises FileFormatError for what is no offset, size or stride, and for elements that lie outside.
    """
    d = storage.dtype
    if not _counts((offset,)) or not _counts(size) or not _counts(stride) or len(size) != len(stride):
        raise FileFormatError(
            f"load: a tensor has offset {_short(offset)}, size {_short(size)} and stride {_short(stride)}; "
            "these must be as many whole numbers, 0 or more: the file is damaged"
        )
    item = d.itemsize
    room = storage.data.nbytes // item
    empty = 0 in size
    last = offset if empty else offset + sum((n - 1) * s for n, s in zip(size, stride))
    if len(size) > 64 or last >= room + empty or _product(size) * item >= 2**63:
        raise FileFormatError(
            f"load: a {d.name} tensor of size {_short(size)}, stride {_short(stride)} and offset {offset} does not fit "
            f"its storage of {room} elements; the file is damaged"
        )
    if empty:
        array = np.empty(tuple(size), d.np)
    else:
        strides = tuple(s * item for s in stride)
        array = np.ndarray(tuple(size), d.np, storage.data, offset * item, strides)
        if any(n > 1 and s == 0 for n, s in zip(size, stride)):
            array.flags.writeable = False
    t = Tensor._wrap(array)
    t._cell, t._view = storage.cell, not array.flags.c_contiguous
    return t


def in_our_order(data: np.ndarray, kind: dtype, order: str) -> np.ndarray:
    """uint8 bytes whose elements another kind of machine wrote, in this machine's order."""
    if order == sys.byteorder or kind.itemsize == 1:
        return data
    width = kind.to_real().itemsize  # of a complex number's parts, each
    return data.reshape(-1, width)[:, ::-1].reshape(-1)


def _counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _product(size: Sequence[int]) -> int:
    total = 1
    for n in size:
        total *= n
        if total >= 2**63:
            break
    return total


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_short(v) for v in value[:8])}{', ...' if len(value) > 8 else ''})"
    if type(value) is int:
        return str(value) if abs(value) < 2**70 else f"an integer of {value.bit_length()} bits"
    return f"a {type(value).__name__}"


# --- out --------------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a tensor lies: in storage number `key`, which has `numel` elements, with this offset and these strides."""

    key: int
    numel: int
    offset: int
    stride: tuple[int, ...]


def divide(arrays: Sequence[np.ndarray]) -> tuple[list[Place], list[np.ndarray]]:
    """Divide the memory behind arrays into storages: (each array's place, the storages as contiguous 1-d arrays).

    Arrays whose memory overlaps share a storage, which reaches from the first element of any to the last; memory that
    none of them shows is not part of it. Strides are 0 or more; `plain` sees to that.
    Raises ArgumentError for arrays of different dtypes on the same memory, which the format cannot say.
    """
    spans = [(a.__array_interface__["data"][0], a) for a in arrays]
    order = sorted((i for i, (_, a) in enumerate(spans) if a.size), key=lambda i: spans[i][0])
    groups: list[list[int]] = []
    end = -1
    for i in order:
        low, a = spans[i]
        if low >= end:
            groups.append([])
        groups[-1].append(i)
        end = max(end, low + _extent(a))
    group_of = {i: g for g in groups for i in g}
    places: list[Place | None] = [None] * len(arrays)
    storages: list[np.ndarray] = []
    for i, a in enumerate(arrays):
        if places[i] is not None:
            continue
        group = group_of.get(i)
        if group is None:  # no elements
            places[i] = Place(len(storages), 0, 0, tuple(s // a.itemsize for s in a.strides))
            storages.append(a.reshape(-1))
            continue
        low, first = spans[group[0]]
        high = max(spans[j][0] + _extent(spans[j][1]) for j in group)
        item = first.itemsize
        for j in group:
            if spans[j][1].dtype != first.dtype or (spans[j][0] - low) % item:
                raise ArgumentError(
                    f"save: a {first.dtype} and a {spans[j][1].dtype} tensor show the same memory, which a "
                    "checkpoint cannot say; clone() one of them"
                )
            offset, strides = (spans[j][0] - low) // item, tuple(s // item for s in spans[j][1].strides)
            places[j] = Place(len(storages), (high - low) // item, offset, strides)
        storages.append(np.lib.stride_tricks.as_strided(first, ((high - low) // item,), (item,), writeable=False))
    return [p for p in places if p is not None], storages


def plain(t: Tensor) -> np.ndarray:
    """The array of a tensor as PyTorch could hold it: strides that are 0 or more and whole elements; else a copy."""
    a: np.ndarray = t._settle()._data
    if any(s < 0 or s % a.itemsize for s in a.strides) or not a.flags.aligned or not a.dtype.isnative:
        a = np.ascontiguousarray(a).astype(a.dtype.newbyteorder("="), copy=False)
    return a


def _extent(a: np.ndarray) -> int:
    """Bytes from the first element to the end of the last."""
    return sum((n - 1) * s for n, s in zip(a.shape, a.strides)) + a.itemsize
