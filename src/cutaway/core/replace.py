"""Files that are replaced whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cutaway.core.errors import ArgumentError


@contextmanager
def replacing(path: Path, op: str) -> Iterator[IO[bytes]]:
    """A file to write into, which takes the place of `path` when the block ends well; else `path` stays as it was.

    What is there but is no plain file (a pipe, /dev/null) is written directly.
    Raises ArgumentError if the folder is missing.
    """
    place = Path(os.path.realpath(path))
    if not place.parent.is_dir():
        raise ArgumentError(f"{op}: the folder {str(path.parent)!r} does not exist; make it with os.makedirs before")
    if place.is_dir():
        raise IsADirectoryError(f"{op}: {str(path)!r} is a folder; add a file's name")
    if place.exists() and not place.is_file():
        with open(place, "wb") as f:
            yield f
        return
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
