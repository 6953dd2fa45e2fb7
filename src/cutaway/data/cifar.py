"""CIFAR-10's binary version: records of one label byte and 32 x 32 pixels in three planes (red, green, blue).

The Python version of the data set is a pickle; reading one runs whatever code it holds, so it is not read.
Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from cutaway.core.errors import FileFormatError

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
