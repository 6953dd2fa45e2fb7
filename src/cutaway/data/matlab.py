"""MATLAB's files of version 5: a header of 128 bytes, then elements of (type, length, content), of which arrays are read.

An element of type 15 is others, compressed with zlib; one of type 14 an array: its class, shape, name, and numbers, which
lie column by column. Nothing but numbers is read: no cells, structures, objects or functions.
The MathWorks, "MAT-File Format", chapter 1.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from cutaway.core.errors import FileFormatError

# element types, and the classes of arrays of numbers
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
ARRAY, COMPRESSED, MOST = 14, 15, 1 << 33


def parse(content: bytes, path: str) -> dict[str, np.ndarray]:
    """The arrays of numbers in a file, by name; what else there is passed over.  Raises FileFormatError."""
    if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
        raise FileFormatError(f"{path}: not a MATLAB file of version 5; files of 7.3 are HDF5, save with -v7")
    order = "<" if content[126:128] == b"IM" else ">"
    found = {}
    try:
        for kind, body in _elements(content[128:], order):
            if kind == COMPRESSED:
                engine = zlib.decompressobj()
                inner = engine.decompress(body, MOST)
                if engine.unconsumed_tail:
                    raise FileFormatError(f"{path}: an element holds more than {MOST} bytes")
                (kind, body), *_ = _elements(inner, order)
            if kind == ARRAY and (made := _array(body, order)) is not None:
                found[made[0]] = made[1]
    except (struct.error, zlib.error, ValueError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise FileFormatError(f"{path}: broken off or corrupt ({type(error).__name__}: {error})") from None
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each element; small ones hold theirs in the tag."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # the length is in the upper half
            kind, size = kind & 0xFFFF, kind >> 16
            yield kind, data[at + 4 : at + 4 + size]
            at += 8
            continue
        body = data[at + 8 : at + 8 + size]
        if len(body) < size:
            raise ValueError(f"an element of {size} bytes, of which {len(body)} are there")
        yield kind, body
        at += 8 + size + (-size % 8 if kind != COMPRESSED else 0)


def _array(body: bytes, order: str) -> tuple[str, np.ndarray] | None:
    parts = _elements(body, order)
    (_, flags), (_, shape), (_, name) = next(parts), next(parts), next(parts)
    (word,) = struct.unpack_from(order + "I", flags)
    if word & 0xFF not in CLASSES or word & 0x800:  # cells, structures, text; complex numbers
        return None
    sizes = np.frombuffer(shape, order + "i4").tolist()
    kind, numbers = next(parts, (1, b""))
    if min(sizes, default=0) < 0:
        raise ValueError(f"an array of shape {sizes}")
    values = np.frombuffer(numbers, order + TYPES[kind]).astype(CLASSES[word & 0xFF])
    return name.decode("ascii"), values.reshape(sizes, order="F")
