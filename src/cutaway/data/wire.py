"""What a worker sends to its loader: a pickle in a pipe, and large arrays in memory that both see.

On Linux the bytes of arrays go into a file that exists in memory only and has no name (memfd_create(2)); its descriptor
passes through the pipe and the loader maps it, so a batch is copied once and nothing is left behind by whoever dies.
Elsewhere, and for small batches, the bytes follow in the pipe.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
from multiprocessing.reduction import ForkingPickler
from typing import Any

from cutaway.core.errors import GradError
from cutaway.core.tensor import Tensor

SHARED = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")
LARGE = 1 << 16  # bytes from which a file in memory is worth its system calls
LINE = 64  # arrays begin at multiples of it


class Packed:
    """A value as a pickle and the buffers that belong to it.  Raises what pickling raises."""

    def __init__(self, value: Any) -> None:
        self.buffers: list[memoryview] = []
        out = io.BytesIO()
        _Pickler(out, 5, True, lambda b: self.buffers.append(b.raw())).dump(value)
        self.pickled = out.getbuffer()
        self.sizes = [b.nbytes for b in self.buffers]

    def send(self, pipe: Any) -> None:
        """Write it into a multiprocessing Connection."""
        file = _filled(self.buffers) if SHARED and sum(self.sizes) >= LARGE else None
        pipe.send_bytes(pickle.dumps((self.sizes, file is not None)))
        pipe.send_bytes(self.pickled)
        if file is None:
            for b in self.buffers:
                pipe.send_bytes(b)
            return
        try:
            with socket.socket(fileno=os.dup(pipe.fileno())) as s:
                socket.send_fds(s, [b"."], [file])
        finally:
            os.close(file)


def receive(pipe: Any) -> Any:
    """The next value from a Connection.  Raises EOFError where the other end is closed."""
    sizes, shared = pickle.loads(pipe.recv_bytes())
    pickled = pipe.recv_bytes()
    buffers = _mapped(pipe, sizes) if shared else [bytearray(pipe.recv_bytes()) for _ in sizes]
    return pickle.loads(pickled, buffers=buffers)


class _Pickler(ForkingPickler):
    """Python's for other processes; arrays out of line, tensors without a history."""

    def reducer_override(self, x: Any) -> Any:
        if isinstance(x, Tensor) and x.requires_grad and not x.is_leaf:
            raise GradError(
                "a tensor with a history cannot go to another process: its graph stays here; write x.detach() for the values"
            )
        return NotImplemented


def _filled(buffers: list[memoryview]) -> int | None:
    """A file in memory that holds the buffers; None where the system gives none."""
    try:
        file = os.memfd_create("cutaway")
    except OSError:
        return None
    try:
        at = 0
        for b in buffers:
            done = 0
            while done < b.nbytes:
                done += os.pwrite(file, b[done:], at + done)
            at = _after(at, b.nbytes)
        os.ftruncate(file, at)
    except OSError:
        os.close(file)
        return None
    return file


def _mapped(pipe: Any, sizes: list[int]) -> list[memoryview]:
    with socket.socket(fileno=os.dup(pipe.fileno())) as s:
        _, files, _, _ = socket.recv_fds(s, 1, 1)
    if not files:
        raise EOFError
    try:
        total = 0
        for n in sizes:
            total = _after(total, n)
        whole = memoryview(mmap.mmap(files[0], total))
    finally:
        os.close(files[0])
    parts, at = [], 0
    for n in sizes:
        parts.append(whole[at : at + n])
        at = _after(at, n)
    return parts


def _after(at: int, n: int) -> int:
    """Where the next buffer begins."""
    return -(-(at + n) // LINE) * LINE
