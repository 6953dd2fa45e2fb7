"""The error about a name that does not exist: it says so, and names the nearest that does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from cutaway.core.errors import MissingAttribute

# Where the nearest thing is not the one spelled alike.
INSTEAD = {
    "gelu": "nn.functional.gelu",
    "layer_norm": "nn.functional.layer_norm",
    "one_hot": "nn.functional.one_hot",
    "complex32": "complex64",
    "chalf": "complex64",
    "fx": "compile, whose graph() shows the program",
    "quantization": "float16",
    "from_dlpack": "from_numpy",
    "hub": "load",
    "distributed": "nn.parallel",
    "sparse_bsr_tensor": "sparse_csr_tensor",
    "sparse_bsc_tensor": "sparse_csc_tensor",
    "sparse_compressed_tensor": "sparse_csr_tensor",
    "to_sparse_bsr": "to_sparse_csr",
    "to_sparse_bsc": "to_sparse_csc",
    "CrossMapLRN2d": "LocalResponseNorm",
    "FractionalMaxPool2d": "AdaptiveMaxPool2d",
}


def absent(where: str, name: str, known: Iterable[str]) -> MissingAttribute:
    """The error to raise where `where` (cutaway.nn) has no `name`."""
    if name[:2] == "__":  # asked by Python and its tools, which expect the answer no
        return MissingAttribute(f"{where} has no attribute {name!r}")
    return MissingAttribute(f"{where} has no attribute {name!r}; {_nearest(name, known)}")


class Absent:
    """In the place of a method that a class has not: it says what there is instead, to who asks for it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        # Python's own class: inside a call, the guard of core/refusal.py makes a refusal of the argument out of it.
        raise AttributeError(str(absent(f"{owner.__name__!r} object", self.name, ())))


def _nearest(name: str, known: Iterable[str]) -> str:
    if name in INSTEAD:
        return f"use {INSTEAD[name]}"
    from difflib import get_close_matches

    names = {n.lower(): n for n in known if n[:1] != "_"}
    close = get_close_matches(name.lower(), names, 1, 0.4)
    return f"the nearest name is {names[close[0]]!r}" if close else "dir() lists what it has"
