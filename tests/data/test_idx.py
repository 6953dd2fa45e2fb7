"""IDX files: what is written is read, and a broken file is refused by name."""

import gzip
import lzma
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cutaway.core.errors import ArgumentTypeError, FileFormatError
from cutaway.data import idx

PIXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def file(tmp_path):
    """A function that writes bytes to a file and returns its path."""

    def write(content: bytes):
        path = tmp_path / "some-idx3-ubyte"
        path.write_bytes(content)
        return path

    return write


def content(array=PIXELS) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_the_bytes_are_those_of_the_format(tmp_path):
    idx.write(tmp_path / "a", np.array([[1.0, -2.0]], np.float32))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000d02 00000001 00000002 3f800000 c0000000")


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_read_tells_the_container_by_its_content(file, compress):
    assert np.array_equal(idx.read(file(compress(content()))), PIXELS)


@given(
    st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64]).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    )
)
def test_every_type_and_shape_comes_back(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "round-trip"
    idx.write(path, array)
    for back in (idx.read(path), idx.parse(path.read_bytes(), "x")):
        assert back.dtype == array.dtype and back.shape == array.shape
        assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "broken, message",
    [
        (b"", "truncated: the magic number needs 4 bytes, the file ends after 0"),
        (b"\0\0\x08", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file: the magic number is 89504e47"),
        (b"\0\1" + content()[2:], "not an IDX file"),
        (b"\0\0\x0a\x01" + bytes(8), "not an IDX file: the magic number is 00000a01"),
        (b"\0\0\x08\0", "not an IDX file"),
        (b"\0\0\x08\x40" + b"\0\0\0\1" * 64 + b"\0", "not an IDX file"),
        (content()[:9], "header of 3 dimensions"),
        (content()[:-1], r"truncated: uint8\[2, 3, 4\] needs 24 bytes, the file ends after 23"),
        (content() + b"\0", r"left over after uint8\[2, 3, 4\]"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "absurd dimensions"),
        (b"\0\0\x0e\x20" + b"\xff" * 128, "absurd dimensions"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), "absurd dimensions"),
        (b"\0\0\x08\x02" + struct.pack(">2I", 2**19, 2**20) + bytes(100), "needs 549755813888 bytes"),
    ],
)
def test_a_broken_file_is_refused_by_name(file, broken, message):
    for read in (lambda: idx.read(file(broken)), lambda: idx.parse(broken, "/x/some-idx3-ubyte")):
        with pytest.raises(FileFormatError, match=f"some-idx3-ubyte: .*{message}"):
            read()


@pytest.mark.parametrize(
    "compressed, message",
    [
        (gzip.compress(content())[:-9], "truncated"),
        (gzip.compress(content())[:-8] + bytes(8), "corrupt"),
        (gzip.compress(content())[:10] + b"\xff" * 40, "corrupt"),
        (b"\x1f\x8b" + bytes(30), "corrupt"),
        (lzma.compress(content())[:-10], "truncated"),
        (lzma.compress(content())[:24] + bytes(60), "corrupt"),
        (gzip.compress(content()[:-1]), "truncated: uint8"),
        (gzip.compress(content()) + gzip.compress(b"more"), "left over"),
    ],
    ids=["gz-cut", "gz-checksum", "gz-garbage", "gz-header", "xz-cut", "xz-garbage", "short-inside", "two-files"],
)
def test_a_broken_compressed_file_is_refused_by_name(file, compressed, message):
    with pytest.raises(FileFormatError, match=f"some-idx3-ubyte: .*{message}"):
        idx.read(file(compressed))


def test_a_promise_of_gigabytes_costs_no_memory(file):
    import tracemalloc

    header = b"\0\0\x08\x02" + struct.pack(">2I", 2**18, 2**20)
    path = file(header + zlib.compress(bytes(1000)))
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError):
            idx.read(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("array", [np.zeros(3, np.int64), np.array(1, np.uint8), np.array(["a"]), np.zeros(2, complex)])
def test_write_refuses_what_the_format_cannot_hold(tmp_path, array):
    with pytest.raises(ArgumentTypeError, match=r"idx\.write"):
        idx.write(tmp_path / "x", array)


def test_read_says_when_there_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        idx.read(tmp_path / "none")
