"""`save` and `load`: PyTorch's zip checkpoints, both ways, and safetensors by suffix. Nothing in a file is ever executed.

archive.py    the zip file: read with distrust, written aligned
pickler.py    values -> pickle        unpickle.py  pickle -> values, by a machine that runs no code
known.py      what names in a pickle stand for, and the classes that the user vouches for
storage.py    memory that tensors share, laid out and checked
"""

from __future__ import annotations

import io
import mmap as memory_map
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from cutaway.core.dtypes import check_device, device
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError, DeviceError, FileFormatError
from cutaway.core.replace import replacing
from cutaway.interop.checkpoint import known
from cutaway.interop.checkpoint.archive import Reader, write
from cutaway.interop.checkpoint.pickler import pickle
from cutaway.interop.checkpoint.storage import Storage, StorageClass, in_our_order
from cutaway.interop.checkpoint.unpickle import unpickle

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickled magic number begins PyTorch's files from before 1.6
Where = Any  # of map_location: None, a device, a dict of devices, or a function


def save(
    obj: Any,
    f: str | os.PathLike[str] | IO[bytes],
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write tensors, containers, numbers and text to a file that `load`, here and in PyTorch, reads.

    f   a path, or an open binary file. A path is written under another name, forced to the disk and renamed, so a kill
        leaves the file that was there before. With the suffix `.safetensors` a dict of tensors is written in that format.

    Tensors that show the same memory still do after loading. Memory that none of them shows is not written: of a view's
    storage only the part from its first to its last element, where PyTorch writes all of it. The pickle's protocol is
    always 2. Whole objects, such as a network, are written by their class's name; only `load(f, weights_only=False)` in a
    program that has imported the class makes them again. Raises ArgumentTypeError for what could not be loaded at all:
    lambdas, classes inside functions, objects that are pickled by a function of their own.
    """
    if not _use_new_zipfile_serialization:
        raise ArgumentError("save: PyTorch's format from before version 1.6 is not written; leave out the argument")
    if isinstance(f, (str, os.PathLike)):
        path = Path(f)
        if path.suffix == ".safetensors":
            from cutaway.interop.safetensors import save_file

            save_file(obj, path)
            return
        data, storages = pickle(obj)
        with replacing(path, "save") as out:
            _write(out, path.stem or "archive", data, storages)
    elif hasattr(f, "write"):
        data, storages = pickle(obj)
        _write(f, "archive", data, storages)
    else:
        raise ArgumentTypeError(
            f"save: expected a path or an open binary file, got {type(f).__name__}; save(obj, path)"
        )


def _write(f: IO[bytes], folder: str, data: bytes, storages: list[Any]) -> None:
    import sys

    content = [("data.pkl", data), (".format_version", b"1"), (".storage_alignment", b"64")]
    content += [("byteorder", sys.byteorder.encode())]
    content += [(f"data/{i}", s) for i, s in enumerate(storages)]
    seekable = getattr(f, "seekable", lambda: hasattr(f, "tell"))()
    if seekable and not f.tell():
        write(f, folder, [*content, ("version", b"3\n")])
    else:  # an archive of its own, after what is there
        whole = io.BytesIO()
        write(whole, folder, [*content, ("version", b"3\n")])
        f.write(whole.getbuffer())


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: Where = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What `save`, here or in PyTorch, wrote: tensors, containers, numbers, text. A safetensors file gives its dict.

    f             a path, or an open binary file that can seek
    map_location  where tensors that were saved on another device go: "cpu", {"cuda:0": "cpu"}, or a function
    weights_only  False: whole objects, too, of classes in modules that the program has imported, made without __init__ and
                  given their state, by their __setstate__ if they have one. No function that the file names is called.
                  True: only objects of classes given to `cutaway.serialization.add_safe_globals`
    mmap          True maps the file into memory: values are read when they are touched, and writes stay in memory.
                  Checksums of storages are then not looked at

    Raises UnsafeFileError (also a pickle.UnpicklingError) where the file wants code to run, FileFormatError where it is
    damaged or of another format, DTypeError for numbers that do not exist here (complex32, qint8), DeviceError for
    tensors of another device without map_location.
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as opened:
            return _load(opened, f"{os.fspath(f)!r}", map_location, mmap, weights_only)
    if mmap:
        raise ArgumentError("load: mmap=True needs a path, got an open file; pass the file's name")
    if not all(hasattr(f, method) for method in ("read", "seek", "tell")):
        raise ArgumentTypeError(
            f"load: expected a path or an open binary file that can seek, got {type(f).__name__}; "
            "for bytes in memory pass io.BytesIO(data)"
        )
    return _load(f, "the file", map_location, None, weights_only)


def _load(f: IO[bytes], what: str, where: Where, mmap: bool | None, weights_only: bool | None) -> Any:
    base = f.tell()
    head = f.read(16)
    if isinstance(head, str):
        raise ArgumentTypeError("load: the file was opened as text; open it with mode 'rb'")
    mapped = None
    if head[:4] != b"PK\3\4":
        if head[8:9] == b"{":
            from cutaway.interop.safetensors import load as load_safetensors

            f.seek(base)
            _place(where, "cpu", None)
            return load_safetensors(f.read())
        raise FileFormatError(f"load: {what} {_not_ours(f, head, base)}")
    if mmap:
        mapped = memory_map.mmap(f.fileno(), 0, access=memory_map.ACCESS_COPY)
    reader = Reader(f, what, base, mapped)
    with nullcontext() if weights_only or weights_only is None else known.whole_objects():
        return _Archive(reader, where).load()


def _not_ours(f: IO[bytes], head: bytes, base: int) -> str:
    if not head:
        hint = "; it was read or written to its end: f.seek(0) before loading" if base else ""
        return f"is empty{hint}"
    if head.startswith(_LEGACY[: len(head)]):
        return (
            "is a checkpoint in PyTorch's format from before version 1.6; load it there with "
            "torch.load(path, weights_only=True) and torch.save it again"
        )
    if head[:1] == b"\x80":
        return "is a pickle, not a checkpoint, and pickles can run code; write it with save, or load it with pickle yourself"
    if head[:6] == b"\x93NUMPY":
        return "is a NumPy file; read it with numpy.load"
    return f"is not a checkpoint: it begins with {head[:8]!r}, where a zip file begins with b'PK'; the file is damaged"


class _Archive:
    """One load: storages are read when the pickle names them, each once."""

    def __init__(self, reader: Reader, where: Where) -> None:
        self.reader, self.where = reader, where
        self.storages: dict[str, Storage] = {}
        self.order = "little"

    def load(self) -> Any:
        reader = self.reader
        if "constants.pkl" in reader.records:
            raise FileFormatError(
                f"load: {reader.what} is a TorchScript archive, which holds a program; save the model's state_dict() instead"
            )
        if "byteorder" in reader.records:
            self.order = reader.read("byteorder").decode("latin1")
            if self.order not in ("little", "big"):
                raise reader.refuse(f"its byte order is {self.order[:20]!r}")
        if reader.read("version" if "version" in reader.records else ".data/version").strip() not in _VERSIONS:
            raise reader.refuse("its version is not one that PyTorch wrote (1 to 10)")
        try:
            return unpickle(reader.read("data.pkl"), self.storage)
        except CutawayError as e:
            if reader.what not in str(e):
                e.args = (f"load: {reader.what}: {str(e).removeprefix('load: ')}",)
            raise

    def storage(self, name: Any) -> Storage:
        """The storage of a persistent id ("storage", its class, key, location, number of elements)."""
        if type(name) is not tuple or len(name) != 5 or name[0] != "storage":
            raise FileFormatError("load: a persistent id names no storage; the file is damaged")
        _, kind, key, location, numel = name
        if (
            not isinstance(kind, StorageClass)
            or type(key) is not str
            or type(location) is not str
            or type(numel) is not int
        ):
            raise FileFormatError("load: a storage's name makes no sense; the file is damaged")
        known = self.storages.get(key)
        if known is not None:
            if (known.dtype, known.numel, known.location) != (kind.dtype, numel, location):
                raise FileFormatError(f"load: storage {key!r} is described in two ways; the file is damaged")
            return known
        if numel < 0:
            raise FileFormatError(f"load: storage {key!r} has {numel} elements; the file is damaged")
        data = self.reader.array(f"data/{key}", numel * kind.dtype.itemsize)
        data = in_our_order(data, kind.dtype, self.order)
        self.storages[key] = made = Storage(data, kind.dtype, numel, location)
        _place(self.where, location, made)
        return made


_VERSIONS = [str(n).encode() for n in range(1, 11)]


def _place(where: Where, location: str, storage: Storage | None) -> None:
    """Raise DeviceError unless what was saved at `location` goes to the CPU."""
    if where is None:
        pass
    elif isinstance(where, (str, device)):
        check_device(where)
        return
    elif isinstance(where, Mapping):
        location = str(where.get(location, location))
    elif callable(where):
        function: Callable[..., Any] = where
        if storage is None or function(storage, location) is not None:
            return
    else:
        raise ArgumentTypeError(
            f"load: map_location must be a device, a dict or a function, got {type(where).__name__}; write 'cpu'"
        )
    if location.partition(":")[0] != "cpu":
        raise DeviceError(
            f"load: a tensor was saved on {location[:40]!r}, and there is only the CPU here; load(f, map_location='cpu')"
        )
