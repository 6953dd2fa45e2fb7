"""From a data set's name to the verified bytes of its files.

In order: the cache, the package itself, folders of the system, the network.  What was unpacked or downloaded is
kept in the cache, so the next run reads plain files.  Two processes that start at once do the work once.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping

from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.data import cache
from cutaway.data.download import Progress, download
from cutaway.data.sources import SOURCES, File, Source
from cutaway.data.unpack import check_digest, digest_of_file, read_verified

Contents = dict[str, bytes | bytearray]
SUFFIXES = ("", ".gz", ".xz")


def obtain(source: Source, progress: Progress | None = None) -> Contents:
    """The content of each file of `source`, from wherever it can be had.

    Warns, and works in memory, if the cache cannot be written.  Raises DownloadError, and FileFormatError for a
    corrupt file of the package, of the system or of every mirror; a corrupt file in the cache is made anew.
    """
    directory = os.path.join(cache.folder(), source.name)
    held = _cached(source, directory)
    if len(held) == len(source.files):
        return held
    with contextlib.ExitStack() as stack:
        try:
            exclusive = stack.enter_context(cache.locked(directory))
            writable = True
        except OSError as e:
            exclusive = writable = False
            _warn_unwritable(source, directory, e)
        else:
            held = _cached(source, directory)  # who held the lock before may have done the work
        workplace = stack.enter_context(
            contextlib.nullcontext(directory) if exclusive else tempfile.TemporaryDirectory(prefix="cutaway-")
        )
        for name, content in _unpacked(source, _missing(source, held), workplace, progress):
            held[name] = content
            if writable:
                try:
                    cache.write(os.path.join(directory, name), content)
                except OSError as e:
                    writable = False
                    _warn_unwritable(source, directory, e)
    return {name: held[name] for name in source.files}


def at_hand(source: Source) -> Contents | None:
    """What `obtain` would give, if no network is needed for it; else None."""
    held = _cached(source, os.path.join(cache.folder(), source.name))
    if len(held) == len(source.files):
        return held
    missing = _missing(source, held)
    near = any(all(find(directory, name) for name in missing) for directory in source.folders)
    return obtain(source) if near else None


def from_folder(source: Source, root: str) -> Contents:
    """The content of each file of `source` in the folder `root`: plain, gz or xz, or inside its archive.

    Raises ArgumentError if files are missing or are those of another data set (MNIST and Fashion-MNIST name theirs
    alike), FileFormatError for a corrupt file.
    """
    directories = [root, *(os.path.join(root, sub) for sub in source.subfolders)]
    for directory in directories:
        paths = {name: path for name in source.files if (path := find(directory, name))}
        if len(paths) == len(source.files):
            return {name: _read(path, name, source) for name, path in paths.items()}
    for directory in directories:
        archives = {os.path.join(directory, archive.remote.name): archive for archive in source.archives}
        if archives and all(map(os.path.isfile, archives)):
            held: Contents = {}
            for path, archive in archives.items():
                check_digest(path, digest_of_file(path), archive.remote.sha256)
                held.update(archive.unpack(path, {name: source.files[name] for name in archive.files}))
            return held
    raise ArgumentError(_what_is_missing(source, root))


def _read(path: str, name: str, source: Source) -> bytearray:
    try:
        return read_verified(path, *source.files[name])
    except FileFormatError:
        for other in SOURCES.values():
            if other.name != source.name and name in other.files:
                with contextlib.suppress(FileFormatError):
                    read_verified(path, *other.files[name])
                    raise ArgumentError(
                        f"load: {path} belongs to {other.title}, not to {source.title}; load {other.name!r} from there"
                    ) from None
        raise


def _cached(source: Source, directory: str) -> Contents:
    held: Contents = {}
    for name, file in source.files.items():
        try:
            held[name] = read_verified(os.path.join(directory, name), *file)
        except (OSError, FileFormatError):
            continue
    return held


def _missing(source: Source, held: Contents) -> dict[str, File]:
    return {name: file for name, file in source.files.items() if name not in held}


def _unpacked(
    source: Source, missing: Mapping[str, File], workplace: str, progress: Progress | None
) -> Iterator[tuple[str, bytes | bytearray]]:
    """(name, verified content) of the missing files, one after another."""
    for directory in source.folders:
        paths = {name: path for name in missing if (path := find(directory, name))}
        if len(paths) == len(missing):
            for name, path in paths.items():
                yield name, read_verified(path, *missing[name])
            return
    if not source.archives:
        raise FileFormatError(
            f"{source.title}: {', '.join(missing)} not found in {source.folders[0]}; the installation is damaged: "
            "install Cutaway again"
        )
    for archive in source.archives:
        wanted = {name: missing[name] for name in archive.files if name in missing}
        if wanted:
            path = download(archive.remote, workplace, progress=progress)
            try:
                yield from archive.unpack(path, wanted)
            finally:
                cache.remove(path)


def find(directory: str, name: str) -> str | None:
    """The path of a file in `directory`: plain, .gz or .xz; None if it is not there."""
    for candidate in (name, name.replace("-idx", ".idx")):  # the second: as some mirrors of MNIST spell it
        for suffix in SUFFIXES:
            path = os.path.join(directory, candidate + suffix)
            if os.path.isfile(path):
                return path
    return None


def _warn_unwritable(source: Source, directory: str, reason: OSError) -> None:
    warnings.warn(
        f"{source.title}: the cache folder {directory} cannot be written ({reason.strerror or reason}); the files are "
        "unpacked in memory each time. Set CUTAWAY_CACHE to a folder that can be written",
        stacklevel=5,
    )


def _what_is_missing(source: Source, root: str) -> str:
    if not os.path.isdir(root):
        return f"load: root {root!r} is not a folder; give the one that holds {source.title}, or leave root out"
    names = [name for name in source.files if not find(root, name)]
    pickled = os.path.join(root, "cifar-10-batches-py")
    hint = ""
    if source.name == "cifar10" and (os.path.isdir(pickled) or os.path.isfile(os.path.join(root, "data_batch_1"))):
        hint = " (the folder has the pickled version, which vision.datasets.CIFAR10 reads)"
    archives = "".join(f", or {archive.remote.name}" for archive in source.archives if len(archive.files) > 1)
    return (
        f"load: no {source.title} in {root}: {', '.join(names)} not found, plain, .gz or .xz{archives}{hint}. "
        "Put the files there, or leave root out and they are fetched"
    )
