"""Fetching a file of known size and SHA-256 over HTTP: mirrors in turn, broken transfers resumed, nothing believed.

The bytes collect in a `.part` file beside the target.  It survives a broken connection, a Ctrl-C or a kill, and the
next attempt asks the server for the rest (`Range`, RFC 9110 section 14).  Only a file with the right digest gets
the target's name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cutaway.core.errors import DownloadError, FileFormatError
from cutaway.data.cache import remove
from cutaway.data.unpack import CHUNK, check_digest, digest_of_file

Progress = Callable[[str, int, int], None]
"""Called with (file name, bytes so far, bytes in all) as a download goes on."""

TRIES = 5
"""Broken connections in a row that are put up with from one mirror, while each try brings new bytes."""


class Remote(NamedTuple):
    """A file on the network: its name, size in bytes, SHA-256, and where it can be had, best first."""

    name: str
    size: int
    sha256: str
    urls: Sequence[str]


def download(remote: Remote, directory: str, *, progress: Progress | None = None, timeout: float = 30.0) -> str:
    """Fetch `remote` into `directory`, which must exist; returns the path.  `timeout` is in seconds without a byte.

    Raises FileFormatError if every mirror delivered a whole but different file, DownloadError listing each
    mirror's failure otherwise.  What was received in a broken transfer is kept, and continued the next time.
    """
    target = os.path.join(directory, remote.name)
    part = target + ".part"
    failures: list[tuple[str, Exception]] = []
    for url in remote.urls:
        try:
            _from_mirror(url, remote, part, progress, timeout)
        except (_Broken, FileFormatError) as e:
            failures.append((url, e))
        else:
            os.replace(part, target)
            return target
    lines = "".join(f"\n  {url}: {e}" for url, e in failures)
    if all(isinstance(e, FileFormatError) for _, e in failures):
        raise FileFormatError(f"{remote.name}: every mirror sent a wrong file:{lines}")
    kept = _size(part)
    again = f"{kept} of {remote.size} bytes are kept, run it again to continue" if kept else "check the connection"
    raise DownloadError(
        f"{remote.name}: no mirror could deliver it ({again}, or give root= a folder that has the file):{lines}"
    )


class _Broken(Exception):
    """The network or the server failed; the text says how."""


def _from_mirror(url: str, remote: Remote, part: str, progress: Progress | None, timeout: float) -> None:
    """Bring `part` to the whole, verified file.  Raises _Broken, or FileFormatError (and then removes `part`)."""
    resumed = _size(part) > 0
    breaks = 0
    while True:
        before = _size(part)
        try:
            _continue(url, remote, part, progress, timeout)
        except _Broken:
            breaks += 1
            if breaks == TRIES or _size(part) <= before:
                raise
            continue
        try:
            return check_digest(f"{remote.name} from {url}", digest_of_file(part), remote.sha256)
        except FileFormatError:
            remove(part)
            if not resumed:
                raise
            resumed = False  # the bytes held before may be to blame: once more, from the start


def _continue(url: str, remote: Remote, part: str, progress: Progress | None, timeout: float) -> None:
    """One request: append to `part` until it has `remote.size` bytes.  Raises _Broken."""
    held = _size(part)
    if held > remote.size:
        remove(part)
        held = 0
    if held == remote.size:
        return
    position, chunks = _request(url, held, remote.size, timeout)
    with _writing(part, remote.name) as write:
        write(b"", position)
        for chunk in chunks:
            if progress is not None:
                progress(remote.name, position, remote.size)
            write(chunk, position)
            position += len(chunk)
    if position != remote.size:
        raise _Broken(f"the connection broke after {position} of {remote.size} bytes")
    if progress is not None:
        progress(remote.name, position, remote.size)


@contextlib.contextmanager
def _writing(part: str, name: str) -> Iterator[Callable[[bytes, int], None]]:
    """A function that writes a chunk at a position of `part` and cuts off what lay behind.  It raises DownloadError."""

    def failed(e: OSError) -> DownloadError:
        return DownloadError(f"{name}: {part} cannot be written ({e.strerror or e}); free space, or set CUTAWAY_CACHE")

    def write(chunk: bytes, position: int) -> None:
        try:
            f.seek(position)
            f.truncate()
            f.write(chunk)
        except OSError as e:
            raise failed(e) from e

    try:
        f = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "r+b", buffering=0)
    except OSError as e:
        raise failed(e) from e
    with f:
        yield write


def _request(url: str, start: int, size: int, timeout: float) -> tuple[int, Iterator[bytes]]:
    """Ask for bytes `start:size`; returns where the answer really starts and its chunks.  Raises _Broken."""
    import http.client
    import urllib.error
    import urllib.request

    network = (urllib.error.URLError, http.client.HTTPException, OSError)  # URLError is an OSError; said for the reader
    headers = {"User-Agent": "cutaway", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as e:
        e.close()
        if start and e.code == 416:  # the server's file is not longer than what is held: begin anew
            return _request(url, 0, size, timeout)
        raise _Broken(f"HTTP {e.code} {e.reason}") from None
    except urllib.error.URLError as e:
        raise _Broken(str(e.reason)) from None
    except network as e:
        raise _Broken(str(e) or type(e).__name__) from None

    begins, total = _extent(answer.status, answer.headers, start)
    if total not in (None, size) or begins not in (0, start):
        answer.close()
        raise _Broken(f"it has a file of {total} bytes from byte {begins} on, wanted {size} bytes from {start} on")

    def chunks() -> Iterator[bytes]:
        position = begins
        with answer:
            while position < size:
                try:
                    chunk = answer.read1(min(CHUNK, size - position))
                except network as e:
                    raise _Broken(f"the connection broke after {position} of {size} bytes ({e})") from None
                if not chunk:
                    return
                position += len(chunk)
                yield chunk

    return begins, chunks()


def _extent(status: int, headers: object, start: int) -> tuple[int, int | None]:
    """The first byte of an answer, and the size of the whole file if the server tells.  200 means: from the start."""
    get = headers.get  # type: ignore[attr-defined]
    if status == 206:
        span, _, total = get("Content-Range", "").removeprefix("bytes ").partition("/")
        first = span.partition("-")[0]
        return int(first) if first.isdigit() else start, int(total) if total.isdigit() else None
    length = get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
