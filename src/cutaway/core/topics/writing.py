"""In place: `x.tan_()` is `x.tan()` written into x. One line of names for all those that follow this rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import derived as d
from cutaway.core.errors import GradError
from cutaway.core.layouts import strided


def _written(name: str) -> Callable[..., Any]:
    """The method that writes what the method `name` gives."""

    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        x = self if self._node is None else self.clone()  # what the parts save must not be overwritten
        return self._assign(getattr(x, name)(*args, **kwargs), f"{name}_")

    write.__name__ = write.__qualname__ = f"{name}_"
    write.__doc__ = f"`{name}`, written into this tensor."
    return write


class Writing:
    """The in-place methods that are made of the others."""

    for _name in """
        absolute acos acosh addbmm addcdiv addcmul addmv addr arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin
        asinh atan atan2 atanh baddbmm bitwise_left_shift bitwise_right_shift clamp_max clamp_min copysign cosh cumprod
        cumsum deg2rad digamma divide eq erfc erfinv exp2 expm1 fix float_power fmod frac gcd ge greater greater_equal gt
        heaviside hypot i0 igamma igammac index_copy index_fill index_reduce lcm ldexp le less less_equal lgamma
        log10 log1p log2 logit lt
        masked_scatter multiply mvlgamma nan_to_num ne negative nextafter not_equal polygamma rad2deg renorm
        scatter_reduce sgn
        sinc sinh subtract tan true_divide xlogy
    """.split():
        vars()[f"{_name}_"] = _written(_name)
    del _name

    def clip_(self: Any, min: Any = None, max: Any = None) -> Any:
        """`clamp`, written into this tensor."""
        return self.clamp_(min, max)

    def index_put_(self: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """`index_put`, written into this tensor."""
        return self._assign(self.index_put(indices, values, accumulate), "index_put_")

    def transpose_(self: Any, dim0: int, dim1: int) -> Any:
        """`transpose` of this handle."""
        return self._become(self.transpose(dim0, dim1), "transpose_")

    swapaxes_ = swapdims_ = transpose_

    def resize_(self: Any, *size: Any, memory_format: Any = None) -> Any:
        """Of another size: the first elements stay, new ones are 0.  Raises GradError if a gradient is recorded."""
        shape = d.sizes_of("resize_", size)
        if self.requires_grad:
            raise GradError("resize_: a tensor that requires grad cannot be resized; use reshape, or detach() it first")
        array = np.zeros(int(np.prod(shape)), self._data.dtype)
        n = min(array.size, self._data.size)
        array[:n] = self._data.reshape(-1)[:n]
        self._data, self._cell, self._view = array.reshape(shape), [self._cell[0] + 1, self._cell[1]], False
        return self

    def resize_as_(self: Any, other: Any) -> Any:
        """Of the size of `other`; see `resize_`."""
        return self.resize_(other.shape)

    def map2_(self: Any, x: Any, y: Any, callable: Any) -> Any:
        """As map_, of three elements."""
        wide = [np.broadcast_to(d.values(v), self._data.shape).reshape(-1).tolist() for v in (self, x, y)]
        found = [callable(*v) for v in zip(*wide, strict=True)]
        return self._assign(d.constant(np.array(found, self._data.dtype).reshape(self._data.shape)), "map2_")

    def apply_(self: Any, callable: Any) -> Any:
        """Each element replaced by what a Python function makes of it: slow."""
        found = [callable(v) for v in self._data.reshape(-1).tolist()]
        return self._assign(d.constant(np.array(found, self._data.dtype).reshape(self._data.shape)), "apply_")

    def map_(self: Any, tensor: Any, callable: Any) -> Any:
        """Each element replaced by what a Python function makes of it and of `tensor`'s: slow."""
        other = np.broadcast_to(d.need_tensor("map_", tensor)._data, self._data.shape).reshape(-1).tolist()
        found = [callable(v, w) for v, w in zip(self._data.reshape(-1).tolist(), other, strict=True)]
        return self._assign(d.constant(np.array(found, self._data.dtype).reshape(self._data.shape)), "map_")

    def put_(self: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
        """`put`, written into this tensor."""
        return self._assign(self.put(index, source, accumulate), "put_")

    def share_memory_(self: Any) -> Any:
        """Itself, and a warning: other processes get copies, so what one writes there is not seen here."""
        warnings.warn(
            "share_memory: processes get copies of tensors here, so what one writes no other sees; send results back "
            "through a Queue, or use threads, which share all",
            stacklevel=3,
        )
        return self

    def pin_memory(self: Any, device: Any = None) -> Any:
        """Itself: there is no device to copy to."""
        return self

    def is_shared(self: Any) -> bool:
        """False."""
        return False

    def is_pinned(self: Any, device: Any = None) -> bool:
        """False."""
        return False

    def get_device(self: Any) -> int:
        """-1: the CPU."""
        return -1

    def ndimension(self: Any) -> int:
        """Number of dimensions."""
        return int(self.ndim)

    is_cpu = property(lambda self: True, doc="True.")
    is_mps = is_meta = is_quantized = property(lambda self: False, doc="False.")
    layout = property(lambda self: strided, doc="Always strided.")
