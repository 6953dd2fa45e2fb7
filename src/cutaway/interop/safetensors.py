"""safetensors, both ways: a dict of tensors by name in a file that can hold nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.core.dtypes import ALL, UNSIGNED, check_device
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, FileFormatError
from cutaway.core.replace import replacing
from cutaway.core.tensor import Tensor

_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
          "I16": "int16", "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
          "BOOL": "bool", "C64": "complex64"}  # fmt: skip


def save_file(
    tensors: Mapping[str, Tensor], filename: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors by name; the file is replaced whole or not at all.

    Raises as `save` does.
    """
    data = save(tensors, metadata)
    with replacing(Path(filename), "save_file") as f:
        f.write(data)


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The same as bytes.

    Raises ArgumentTypeError for anything but texts to Tensors, ArgumentError where two of them show the same memory: the
    format cannot say that, so loading would give two tensors where there was one.
    """
    from safetensors.numpy import save as to_bytes

    if not isinstance(tensors, Mapping):
        raise ArgumentTypeError(f"save_file: expected a dict of tensors, got {type(tensors).__name__}")
    arrays: dict[str, np.ndarray] = {}
    for name, t in tensors.items():
        if not isinstance(name, str) or not isinstance(t, Tensor):
            raise ArgumentTypeError(
                f"save_file: {name!r} is a {type(t).__name__}; a safetensors file holds tensors under texts, "
                "cutaway.save(x, 'name.pt') writes other values"
            )
        arrays[name] = t._settle()._data
    for (a, x), (b, y) in zip(by_address := sorted(arrays.items(), key=lambda i: _span(i[1])[0]), by_address[1:]):
        if x.size and y.size and _span(x)[1] > _span(y)[0]:
            raise ArgumentError(
                f"save_file: {a!r} and {b!r} show the same memory, which a safetensors file cannot say; save one of "
                "them, or a clone(), or write 'name.pt'"
            )
    if metadata is not None and not all(isinstance(v, str) for kv in metadata.items() for v in kv):
        raise ArgumentTypeError("save_file: metadata must be a dict of texts; write str(x)")
    whole: bytes = to_bytes(
        {k: np.asarray(a, order="C") for k, a in arrays.items()}, None if metadata is None else dict(metadata)
    )
    return whole


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Raises FileFormatError if it is damaged, DTypeError for numbers that do not exist here (8-bit floats).
    """
    check_device(device)
    with open(filename, "rb") as f:
        return load(f.read(), repr(os.fspath(filename)))


def load(data: bytes, what: str = "the file") -> dict[str, Tensor]:
    """The tensors of a safetensors file that is in memory already."""
    from safetensors import SafetensorError, deserialize

    try:
        parts = deserialize(data)
    except (SafetensorError, ValueError, OverflowError) as e:
        raise FileFormatError(f"load: {what}: damaged, or no safetensors file ({e})") from None
    tensors: dict[str, Tensor] = {}
    for name, part in sorted(parts):
        kind = _NAMES.get(part["dtype"])
        if kind is None:
            raise DTypeError(
                f"load: {what}: {name!r} holds {part['dtype']} numbers, which Cutaway does not have; convert them with "
                "PyTorch (`x.float()`) and save again"
            )
        d = next(x for x in (*ALL, *UNSIGNED) if x.name == kind).np
        if d.kind == "V":  # ml_dtypes knows this machine's order of bytes only
            array = np.frombuffer(part["data"], "<u2").astype(np.uint16).view(d).reshape(part["shape"])
        else:
            array = np.frombuffer(part["data"], d.newbyteorder("<")).astype(d).reshape(part["shape"])
        tensors[name] = Tensor._wrap(array)
    return tensors


def _span(a: np.ndarray) -> tuple[int, int]:
    """Addresses of the first byte and behind the last."""
    low, high = np.lib.array_utils.byte_bounds(a)
    return int(low), int(high)
