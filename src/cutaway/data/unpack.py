"""Reading a file that may be compressed, and being sure of what was read.

The container is told by its first bytes, not by its name: gzip, xz or none.
"""

from __future__ import annotations

from typing import BinaryIO

from cutaway.core.errors import FileFormatError

CHUNK = 1 << 20
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


def open_any(path: str) -> BinaryIO:
    """A stream of the decompressed bytes of `path`.  Raises FileNotFoundError, or FileFormatError for an xz file
    where Python was built without xz."""
    with open(path, "rb") as f:
        head = f.read(6)
    if head.startswith(_GZIP):
        import gzip

        return gzip.open(path, "rb")  # type: ignore[return-value]
    if head == _XZ:
        try:
            import lzma
        except ImportError:
            raise FileFormatError(
                f"{path}: an xz file, and this Python was built without the lzma module; "
                "install a Python that has it, or unpack the file with xz -d"
            ) from None
        return lzma.open(path, "rb")  # type: ignore[return-value]
    return open(path, "rb")


def read_exactly(stream: BinaryIO, count: int, path: str, what: str) -> bytearray:
    """The next `count` bytes.  Memory grows with what is there, not with what a header promises.

    Raises FileFormatError if the stream ends early or does not decompress.
    """
    held = bytearray()
    while len(held) < count:
        chunk = _read(stream, min(CHUNK, count - len(held)), path)
        if not chunk:
            raise FileFormatError(f"{path}: truncated: {what} needs {count} bytes, the file ends after {len(held)}")
        held += chunk
    return held


def expect_end(stream: BinaryIO, path: str, what: str) -> None:
    """Raise FileFormatError unless the stream is at its end; a compressed stream's own checksum is compared here."""
    if _read(stream, 1, path):
        raise FileFormatError(f"{path}: bytes are left over after {what}; something was appended")


def read_verified(path: str, size: int, sha256: str) -> bytearray:
    """The decompressed content of `path`, known to be `size` bytes with this SHA-256.

    Raises FileFormatError naming the file, what was expected and what was found.
    """
    with open_any(path) as stream:
        content = read_exactly(stream, size, path, "the content")
        expect_end(stream, path, f"the expected {size}")
    check_digest(path, digest(content), sha256)
    return content


def digest(content: bytes | bytearray) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: str) -> str:
    """SHA-256 of a file as it lies on the disk."""
    import hashlib

    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_digest(path: str, got: str, expected: str) -> None:
    """Raise FileFormatError if two digests differ."""
    if got != expected:
        raise FileFormatError(
            f"{path}: corrupt, or another file: expected SHA-256 {expected}, got {got}; delete it and try again"
        )


def _read(stream: BinaryIO, count: int, path: str) -> bytes:
    try:
        return stream.read(count)
    except EOFError:
        raise FileFormatError(f"{path}: truncated: the compressed stream ends early") from None
    except Exception as e:  # BadGzipFile, zlib.error and LZMAError have no common base
        if type(e).__module__ in ("gzip", "zlib", "lzma", "_lzma"):
            raise FileFormatError(f"{path}: the compressed stream is corrupt ({e})") from None
        raise
