"""`x.float()`, `x.to(...)`: the same values in another dtype.

A class of its own, since methods named `int`, `float` and `bool` would hide the types of those names from Tensor's body.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cutaway.core import dtypes, meta
from cutaway.core.dtypes import as_dtype, check_device, goes_to_meta
from cutaway.core.errors import ArgumentTypeError, NoData
from cutaway.core.layouts import check_format
from cutaway.core.ops.elementwise import cast
from cutaway.core.ops.elementwise import copy as copy_op
from cutaway.core.package import package

if TYPE_CHECKING:
    import numpy as np

    from cutaway.core.tensor import Tensor


class Conversions:
    """The conversion methods of Tensor."""

    _data: np.ndarray

    def to(
        self,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        copy: bool = False,
        non_blocking: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """In another dtype; a device is accepted if it is the CPU.  Returns itself where nothing changes."""
        for a in args:
            if isinstance(a, Conversions):
                dtype, device = dtypes.FROM_NUMPY[a._data.dtype], a.device  # type: ignore[attr-defined]
            elif isinstance(a, (dtypes.dtype, type)) or a is None:
                if dtype is not None and a is not None:
                    raise ArgumentTypeError(f"to: one dtype is needed, got {dtype} and {a}")
                dtype = a if a is not None else dtype
            elif isinstance(a, bool):
                copy = copy or a
            else:
                device = a
        if device is not None:
            to_meta = goes_to_meta(device)
            if to_meta is not self.is_meta:  # type: ignore[attr-defined]
                return self._moved(to_meta, dtype)
        check_format("to", memory_format)
        target = self._data.dtype if dtype is None else as_dtype(dtype, "to").np
        if target == self._data.dtype:
            return copy_op(self) if copy else self  # type: ignore[return-value]
        if self._data.dtype.kind == "c" and target.kind not in "cb":
            warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=2)
        return cast(self, dtype=target)

    def _moved(self, to_meta: Any, dtype: Any) -> Tensor:
        """On the other device: without its data.  Raises NoData where they would have to come from nowhere."""
        if not to_meta:
            raise NoData(
                "to: Cannot copy out of meta tensor; no data! Make one with empty_like(x, device='cpu'), and for a module "
                "call to_empty(device='cpu')"
            )
        target = self._data.dtype if dtype is None else as_dtype(dtype, "to").np
        return meta.empty(self._data.shape, target)  # type: ignore[no-any-return]

    def type(self, dtype: Any = None) -> Any:
        """The name of the type, or the tensor in another dtype."""
        if dtype is None:
            return f"{package()}.{dtypes.type_name(dtypes.FROM_NUMPY[self._data.dtype])}Tensor"
        return self.to(dtypes.from_type_name(dtype) if isinstance(dtype, str) else dtypes.as_dtype(dtype, "type"))

    def type_as(self, other: Tensor) -> Tensor:
        """In the dtype of `other`."""
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """Itself.  Raises NoData for a meta tensor."""
        if meta.is_meta(self):
            return self._moved(False, None)
        return self  # type: ignore[return-value]

    def cuda(self, device: Any = None) -> Tensor:
        """Raises DeviceError: there is no GPU here."""
        check_device(f"cuda:{device}" if isinstance(device, int) else device or "cuda")
        return self  # type: ignore[return-value]

    def float(self) -> Tensor:
        """As float32."""
        return self.to(dtypes.float32)

    def double(self) -> Tensor:
        """As float64."""
        return self.to(dtypes.float64)

    def half(self) -> Tensor:
        """As float16."""
        return self.to(dtypes.float16)

    def bfloat16(self) -> Tensor:
        """As bfloat16: float32's range with 8 bits of precision."""
        return self.to(dtypes.bfloat16)

    def cfloat(self) -> Tensor:
        """As complex64."""
        return self.to(dtypes.complex64)

    def cdouble(self) -> Tensor:
        """As complex128."""
        return self.to(dtypes.complex128)

    def long(self) -> Tensor:
        """As int64."""
        return self.to(dtypes.int64)

    def int(self) -> Tensor:
        """As int32."""
        return self.to(dtypes.int32)

    def bool(self) -> Tensor:
        """As bool: True where not zero."""
        return self.to(dtypes.bool_)

    def byte(self) -> Tensor:
        """As uint8."""
        return self.to(dtypes.uint8)

    def short(self) -> Tensor:
        """As int16."""
        return self.to(dtypes.int16)

    def char(self) -> Tensor:
        """As int8."""
        return self.to(dtypes.int8)
