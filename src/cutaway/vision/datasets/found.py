"""What is said where a data set's files are missing: nothing is fetched, and how to have them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NoReturn

from cutaway.core.errors import ArgumentError, FileFormatError


def missing(title: str, where: str | os.PathLike[str], files: Iterable[str], source: str, download: bool) -> NoReturn:
    """Raise FileFormatError (a RuntimeError, as torchvision's): which files belong where, and whence they come."""
    asked = "download=True fetches nothing here" if download else "It is not fetched here"
    raise FileFormatError(
        f"Dataset not found or corrupted. {asked}: get {title} from {source} and put {', '.join(files)} into "
        f"{os.fspath(where)}"
    )


def one_of(name: str, value: str, valid: Iterable[str]) -> str:
    """`value`.  Raises ArgumentError unless it is one of `valid`."""
    known = list(valid)
    if value not in known:
        listed = ", ".join(map(repr, known))
        raise ArgumentError(f"Unknown value {value!r} for argument {name}. Valid values are {{{listed}}}.")
    return value


def all_there(folder: str | os.PathLike[str], names: Iterable[str]) -> bool:
    """Whether the folder holds all of these."""
    return all(os.path.exists(os.path.join(folder, name)) for name in names)


def content_of(path: str) -> bytes:
    """The bytes of a file."""
    with open(path, "rb") as f:
        return f.read()
