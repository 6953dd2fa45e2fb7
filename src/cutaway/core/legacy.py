"""PyTorch's old type names as constructors: `FloatTensor(2, 3)`, `LongTensor([1, 2])`, `isinstance(x, FloatTensor)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import dtypes
from cutaway.core.creation import tensor, zeros
from cutaway.core.dtypes import FLOATING, check_device, dtype
from cutaway.core.errors import ArgumentTypeError
from cutaway.core.tensor import Tensor


class LegacyType(type):
    """The type of such a name: its instances are the Tensors of its dtype."""

    dtype: dtype

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor) and x._strided and x.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        """A tensor of these sizes (filled with zeros), or of this data."""
        check_device(device)
        name = cls.__name__
        if len(args) == 1 and isinstance(args[0], Tensor):
            if args[0].dtype is not cls.dtype:
                raise ArgumentTypeError(f"{name}: got a tensor of {args[0].dtype}; convert it with .to({cls.dtype})")
            return args[0].detach()
        if (
            len(args) == 1
            and isinstance(args[0], (list, tuple, np.ndarray, range))
            and not isinstance(args[0], _size())
        ):
            data = tensor(args[0])._data
            if data.dtype.kind in FLOATING and cls.dtype.category < 2:
                data = data.astype(cls.dtype.np)  # towards zero, as PyTorch does
                return tensor(data)
            return tensor(args[0], dtype=cls.dtype)
        return zeros(*args or (0,), dtype=cls.dtype)  # type: ignore[no-any-return]


def _size() -> type:
    from cutaway.core.tensor import Size

    return Size


def _made(d: dtype) -> Any:
    name = f"{dtypes.type_name(d)}Tensor"
    text = f"Tensors of {d.name}: `{name}(2, 3)` of a size, `{name}([1, 2])` of data; isinstance looks at the dtype."
    return LegacyType(name, (), {"dtype": d, "__doc__": text, "__module__": "cutaway"})


(
    BoolTensor, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, HalfTensor, BFloat16Tensor, FloatTensor,
    DoubleTensor,
) = map(_made, [d for d in dtypes.ALL if not d.is_complex])  # fmt: skip
