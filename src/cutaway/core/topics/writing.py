"""In place: `x.tan_()` is `x.tan()` written into x. One line of names for all those that follow this rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
        heaviside hypot index_copy index_fill lcm le less less_equal lgamma log10 log1p log2 logit lt masked_scatter
        multiply nan_to_num ne negative not_equal rad2deg scatter_reduce sgn sinc sinh subtract tan true_divide xlogy
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

    def ndimension(self: Any) -> int:
        """Number of dimensions."""
        return int(self.ndim)
