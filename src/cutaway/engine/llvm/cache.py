"""The object cache: machine code on disk, keyed by what it depends on.

A file is a header (magic, SHA-256 of the body, the full key) and the body. It is written under a temporary name and renamed,
so concurrent writers and a kill leave whole files; a file with any byte changed fails its digest and is made anew. Beyond
LIMIT bytes, those files go that were not read for the longest time: now and then, as there may be tens of thousands.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MAGIC = b"cutaway-object-1\n"
LIMIT = 1 << 29  # bytes of all files
STALE = 3600  # seconds after which no one is still writing a temporary file
ONE_IN = 128  # so many files written, the folder is looked through


def folder() -> Path | None:
    """Where objects are kept: $CUTAWAY_CACHE/objects or the user's cache folder; None if CUTAWAY_CACHE is "off"."""
    chosen = os.environ.get("CUTAWAY_OBJECT_CACHE", "")
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen)
    root = os.environ.get("CUTAWAY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache"), "cutaway"
    )
    return Path(root) / "objects"


def pack(key: str, body: bytes) -> bytes:
    """Header and body."""
    k = key.encode()
    return MAGIC + hashlib.sha256(k + body).digest() + len(k).to_bytes(4, "little") + k + body


def unpack(key: str, blob: bytes) -> bytes | None:
    """The body, or None if the file is of another key, cut short or changed."""
    k = key.encode()
    start = len(MAGIC) + 32
    if blob[: len(MAGIC)] != MAGIC or blob[start : start + 4] != len(k).to_bytes(4, "little"):
        return None
    rest = blob[start + 4 :]
    if rest[: len(k)] != k or hashlib.sha256(rest).digest() != blob[len(MAGIC) : start]:
        return None
    return rest[len(k) :]


def get_or_make(key: str, make: Callable[[], bytes]) -> bytes:
    """The body for `key`: read if a sound file is there, else made and kept (if the folder can be written)."""
    body = find(key)
    if body is None:
        body = make()
        put(key, body)
    return body


def find(key: str) -> bytes | None:
    """The body for `key`, if a sound file is there."""
    path = _path(key)
    if path is None:
        return None
    with contextlib.suppress(OSError):
        body = unpack(key, path.read_bytes())
        if body is not None:
            os.utime(path)
            return body
    return None


def put(key: str, body: bytes) -> None:
    """Keep a body, if the folder can be written."""
    path = _path(key)
    if path is None:
        return
    root = path.parent
    with contextlib.suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
        if int(path.stem, 16) % ONE_IN == 0:  # by the key, which is as good as by chance
            _clear(root, len(body))
        handle, temporary = tempfile.mkstemp(dir=root, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(pack(key, body))
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _path(key: str) -> Path | None:
    """The file for `key`."""
    root = folder()
    return None if root is None else root / (hashlib.sha256(key.encode()).hexdigest()[:32] + ".o")


def _clear(root: Path, coming: int) -> None:
    """Remove what killed writers left, and make room for so many bytes."""
    now = time.time()
    kept: list[tuple[float, int, str]] = []
    with os.scandir(root) as files:
        for f in files:
            with contextlib.suppress(OSError):
                found = f.stat()
                if f.name.endswith(".o"):
                    kept.append((found.st_mtime, found.st_size, f.path))
                elif f.name.endswith(".tmp") and now - found.st_mtime > STALE:
                    os.unlink(f.path)
    surplus = sum([size for _, size, _ in kept]) + coming - LIMIT
    for _, size, path in sorted(kept):
        if surplus <= 0:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            surplus -= size
