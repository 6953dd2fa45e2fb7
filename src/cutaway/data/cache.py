"""The user's cache folder: where it is, one writer at a time, no half-written file.

A file appears under its name by a rename, whole.  What is read back is checked by SHA-256, so nothing is flushed to
the disk by force: a file torn by a power cut is found out and made again.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_TEMPORARY = ".tmp"


def folder() -> str:
    """The cache folder of Cutaway.  It may not exist yet.

    `$CUTAWAY_CACHE`, else `$XDG_CACHE_HOME/cutaway`, else the place of the platform: `~/.cache/cutaway` on Linux,
    `~/Library/Caches/cutaway` on macOS, `%LOCALAPPDATA%\\cutaway\\Cache` on Windows.
    """
    chosen = os.environ.get("CUTAWAY_CACHE")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG specification: a relative path is to be ignored
        return os.path.join(xdg, "cutaway")
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Local")
        return os.path.join(local, "cutaway", "Cache")
    parts = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return os.path.join(os.path.expanduser("~"), *parts, "cutaway")


@contextlib.contextmanager
def locked(directory: str) -> Iterator[bool]:
    """Make `directory` and be its only writer, waiting for another process to finish.

    Yields False where the file system has no locks (some network ones): then writers may meet, and must use
    names of their own.  The system releases the lock of a killed process; what such a process left half-written
    is removed here.  Raises OSError if the folder cannot be made or written.
    """
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, ".lock"), "ab") as f:
        exclusive = _acquire(f.fileno())
        try:
            if exclusive:
                _sweep(directory)
            yield exclusive
        finally:
            if exclusive:
                _release(f.fileno())


def write(path: str, content: bytes | bytearray) -> None:
    """Put `content` at `path`: all of it or nothing.  Raises OSError."""
    import threading

    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.{threading.get_ident()}{_TEMPORARY}")
    try:
        with open(temporary, "wb") as f:
            f.write(content)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str) -> None:
    """Delete a file if it is there and can be deleted."""
    with contextlib.suppress(OSError):
        os.remove(path)


def _sweep(directory: str) -> None:
    for name in os.listdir(directory):
        if name.startswith(".") and name.endswith(_TEMPORARY):
            remove(os.path.join(directory, name))


if sys.platform == "win32":
    import msvcrt

    def _acquire(fd: int) -> bool:
        while True:
            try:
                os.lseek(fd, 0, os.SEEK_SET)
                msvcrt.locking(fd, msvcrt.LK_LOCK, 1)  # tries for ten seconds, then raises
                return True
            except OSError as e:
                if e.errno not in (13, 36):  # EACCES, EDEADLOCK: held by another
                    return False

    def _release(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            return True
        except OSError:
            return False

    def _release(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
