"""IDX, the format of MNIST: a magic number, the dimensions, the elements, all big-endian.

    byte 0, 1    zero
    byte 2       element type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte 3       number of dimensions D
    4 + 4 D      the dimensions, uint32 each
    then         the elements, the last dimension running fastest

LeCun, Cortes & Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import io
import math
import os
from typing import BinaryIO

import numpy as np

from cutaway.core.errors import ArgumentTypeError, FileFormatError
from cutaway.data.unpack import expect_end, open_any, read_exactly

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_BYTES, _MAX_DIMENSIONS = 1 << 40, 32


def read(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an IDX file, plain or compressed with gzip or xz; native byte order.

    Raises FileFormatError, naming the file, for a bad magic number, absurd dimensions, a truncated or over-long
    file, a broken compressed stream.  Raises FileNotFoundError.
    """
    path = os.fspath(path)
    with open_any(path) as stream:
        return _read(stream, path)


def parse(content: bytes | bytearray, path: str) -> np.ndarray:
    """The array in the bytes of an IDX file, a view of them where it can be; `path` is for the errors.
    Raises as `read`."""
    dtype, shape = _header(io.BytesIO(memoryview(content)[: 4 + 4 * _MAX_DIMENSIONS]), path)
    body = memoryview(content)[4 + 4 * len(shape) :]
    if len(body) != math.prod(shape) * dtype.itemsize:
        return _read(io.BytesIO(content), path)  # says what is wrong
    return _array(body, dtype, shape)


def write(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write `array` as an IDX file.  Raises ArgumentTypeError for a dtype that IDX cannot hold."""
    by_type = {np.dtype(name).newbyteorder("="): code for code, name in TYPES.items()}
    code = by_type.get(array.dtype.newbyteorder("="))
    if code is None or not 1 <= array.ndim <= _MAX_DIMENSIONS:
        raise ArgumentTypeError(
            f"idx.write: an array {array.dtype}{list(array.shape)} cannot be written; "
            f"IDX holds {', '.join(str(d) for d in by_type)} with 1 to {_MAX_DIMENSIONS} dimensions"
        )
    with open(path, "wb") as f:
        f.write(bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes())
        f.write(np.ascontiguousarray(array, TYPES[code]).tobytes())


def _read(stream: BinaryIO, path: str) -> np.ndarray:
    dtype, shape = _header(stream, path)
    what = f"{dtype.newbyteorder('=')}{shape}"
    body = read_exactly(stream, math.prod(shape) * dtype.itemsize, path, what)
    expect_end(stream, path, what)
    return _array(body, dtype, shape)


def _header(stream: BinaryIO, path: str) -> tuple[np.dtype, list[int]]:
    zero, kind, ndim = np.frombuffer(read_exactly(stream, 4, path, "the magic number"), ">u2, u1, u1")[0].item()
    if zero or kind not in TYPES or not 1 <= ndim <= _MAX_DIMENSIONS:
        raise FileFormatError(
            f"{path}: not an IDX file: the magic number is {zero:04x}{kind:02x}{ndim:02x}; "
            "00000803 opens a file of images, 00000801 one of labels"
        )
    dtype = np.dtype(TYPES[kind])
    shape = np.frombuffer(read_exactly(stream, 4 * ndim, path, f"a header of {ndim} dimensions"), ">u4").tolist()
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize > _MAX_BYTES:
        raise FileFormatError(f"{path}: absurd dimensions {shape}, more than {_MAX_BYTES} bytes; the header is corrupt")
    return dtype, shape


def _array(body: bytearray | memoryview, dtype: np.dtype, shape: list[int]) -> np.ndarray:
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
