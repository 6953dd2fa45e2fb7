"""PyTorch's names for the order of elements in memory. Here users see row-major order, and the machine chooses its own."""

from __future__ import annotations

from cutaway.core.errors import ArgumentTypeError
from cutaway.core.package import package
from cutaway.core.refusal import describe


class layout:
    """How elements are stored: `strided`, or only some of them: `sparse_coo`, `sparse_csr`, `sparse_csc`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"{package()}.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format(layout):
    """An order of dimensions that a program may ask for: `contiguous_format`, `channels_last`, ...

    Asking for it changes nothing: images lie channels-last inside wherever that is faster, whatever was asked.
    """


strided = layout("strided")
sparse_coo, sparse_csr, sparse_csc = layout("sparse_coo"), layout("sparse_csr"), layout("sparse_csc")
sparse_bsr, sparse_bsc = layout("sparse_bsr"), layout("sparse_bsc")  # names: no tensor has these
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def check_format(op: str, value: object) -> None:
    """Raise ArgumentTypeError for what is no memory format (None is one)."""
    if value is not None and not isinstance(value, memory_format):
        raise ArgumentTypeError(
            f"{op}: memory_format must be one such as cutaway.channels_last, got {describe(value)}; leave it out"
        )
