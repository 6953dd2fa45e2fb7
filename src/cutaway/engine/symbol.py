"""Symbol: what stands in a Tensor's `_data` while a program is traced: shape and dtype, and no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from cutaway.core.aval import row_major
from cutaway.core.errors import TraceError

if TYPE_CHECKING:
    from cutaway.engine.graph import Value
    from cutaway.engine.trace import Tracer


class _Flags:
    c_contiguous = True
    writeable = True


class Symbol:
    """A value that is not there yet. Questions of shape and dtype have answers; questions of value raise TraceError."""

    __slots__ = ("__weakref__", "cell", "tracer", "value", "version")

    flags = _Flags()
    base = "staged"  # never memory of one's own: gradients are added up by ops, not in place

    def __init__(self, tracer: Tracer, value: Value) -> None:
        self.tracer, self.value = tracer, value
        # The write counter of the memory that this stands for, and what it counted then.
        self.cell: list[int] | None = None
        self.version = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array's."""
        return self.value.aval.shape

    @property
    def dtype(self) -> np.dtype:
        """As an array's."""
        return self.value.aval.dtype

    @property
    def ndim(self) -> int:
        """As an array's."""
        return len(self.value.aval.shape)

    @property
    def size(self) -> int:
        """As an array's."""
        return self.value.aval.size

    @property
    def itemsize(self) -> int:
        """As an array's."""
        return self.value.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """As an array's."""
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Row-major."""
        return tuple(s * self.itemsize for s in row_major(self.shape))

    @property
    def view_strides(self) -> tuple[int, ...]:
        """Those that the views taken in the program will have when it runs op by op; row-major if it is none."""
        views, v = [], self.value
        while v.op is not None and v.op.view == "view":
            views.append(v)
            v = v.inputs[0]
        like = np.empty(v.aval.shape, v.aval.dtype) if views else self  # never touched: no memory is spent
        for view in reversed(views):
            assert view.op is not None
            like = view.op.forward(like, **view.attrs)
        return tuple(like.strides)

    def __len__(self) -> int:
        return self.shape[0]

    def __iadd__(self, other: Any) -> Symbol:  # type: ignore[misc]  # there is no __add__ beside it
        """`t._data += g._data`: how gradients are added up at a leaf."""
        return self.tracer.add(self, other)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TraceError(
            f"compile: the program asks for the values of a tensor, {self.value.aval}, which are known only when it runs"
            f"{self.tracer.where()}; write the condition with cutaway.where, or move this line out of the compiled function"
        )

    __array__ = __bool__ = __float__ = __int__ = __index__ = __iter__ = __getitem__ = __setitem__ = __eq__ = _refuse  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __mul__ = __sub__ = __truediv__ = __neg__ = __matmul__ = _refuse
    item = tolist = min = max = sum = any = all = mean = copy = astype = reshape = view = nonzero = _refuse
    __hash__ = None  # type: ignore[assignment]
