"""CIFAR-10's two versions.  The binary one is records of a label byte and 32 x 32 pixels in three planes (red, green, blue).

The Python one is a pickle of a dict with the planes `data` uint8[N, 3072] and `labels`.  Reading a pickle runs whatever
it names; `parse_pickle` gives every name but those of an array's parts an error, and those stand for classes of its own.
Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cutaway.core.errors import FileFormatError, UnsafeFileError

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
CLASSES = 10


def parse(content: bytes | bytearray, path: str) -> tuple[np.ndarray, np.ndarray]:
    """images uint8[N, 3, 32, 32] and labels uint8[N] in the bytes of one `.bin` file.

    Raises FileFormatError for a part of a record, or a label that is not one of the ten.
    """
    if not content or len(content) % RECORD:
        raise FileFormatError(f"{path}: {len(content)} bytes are not a whole number of records of {RECORD} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].copy()
    if labels.max() >= CLASSES:
        raise FileFormatError(f"{path}: record {labels.argmax()} has label {labels.max()}; CIFAR-10 has 0 to 9")
    return records[:, 1:].reshape(-1, *SHAPE), labels


class _Part:
    """Stands for NumPy's functions and classes in a pickle: keeps what it was made of."""

    def __init__(self, *made_of: object) -> None:
        self.made_of = made_of
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype"):
            return _Part
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no file of CIFAR holds")


def parse_pickle(
    content: bytes, path: str, key: str = "labels", classes: int = CLASSES
) -> tuple[np.ndarray, np.ndarray]:
    """images uint8[N, 3, 32, 32] and labels uint8[N], which lie under `key`, in the bytes of one file of the Python version.

    Raises FileFormatError for anything else, and UnsafeFileError if it names code.
    """
    try:
        held = _entries(content)
        _, shape, _, columns_first, raw = held["data"].state
        images = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if columns_first else "C").reshape(-1, *SHAPE)
        labels = np.array(held[key], np.uint8)
    except pickle.UnpicklingError as e:
        raise UnsafeFileError(f"{path}: {e}") from None
    except Exception as e:
        raise FileFormatError(f"{path}: not a file of CIFAR's Python version ({type(e).__name__}: {e})") from None
    if labels.shape != images.shape[:1] or labels.max(initial=0) >= classes:
        raise FileFormatError(f"{path}: {labels.shape} labels up to {labels.max(initial=0)} for images {images.shape}")
    return images, labels


def _entries(content: bytes) -> dict[str, Any]:
    entry = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    return {key.decode() if isinstance(key, bytes) else key: value for key, value in entry.items()}


def parse_names(content: bytes, path: str, key: str) -> list[str]:
    """The names of classes under `key` in the file that lists them.  Raises FileFormatError, UnsafeFileError."""
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in _entries(content)[key]]
    except pickle.UnpicklingError as e:
        raise UnsafeFileError(f"{path}: {e}") from None
    except Exception as e:
        raise FileFormatError(f"{path}: no list of the names of classes ({type(e).__name__}: {e})") from None


def members(archive: str, sizes: Mapping[str, int]) -> Iterable[tuple[str, bytes]]:
    """(name, content) of the files named in `sizes`, read from a tar.gz without unpacking it anywhere.

    Folders in member names are ignored, links and other files passed over.  Raises FileFormatError for a broken
    archive, a member of another size, one that is missing.
    """
    import tarfile
    import zlib

    wanted = dict(sizes)
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if name not in wanted or not member.isfile():
                    continue
                if member.size != wanted.pop(name):
                    raise FileFormatError(f"{archive}: {member.name} has {member.size} bytes, expected {sizes[name]}")
                content = tar.extractfile(member)
                assert content is not None
                yield name, content.read()
                if not wanted:
                    return
    except (tarfile.TarError, EOFError, OSError, zlib.error) as e:
        if isinstance(e, FileNotFoundError):
            raise
        raise FileFormatError(f"{archive}: not a readable tar.gz archive ({e})") from None
    raise FileFormatError(f"{archive}: {', '.join(wanted)} missing in the archive")
