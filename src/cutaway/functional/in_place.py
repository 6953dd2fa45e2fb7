"""Activations written over their input: `relu_(x)` is `relu(x, inplace=True)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cutaway.functional import activation

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

__all__ = ["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"]


def _over(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def written(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return fn(input, *args, **kwargs, inplace=True)

    written.__name__ = written.__qualname__ = f"{fn.__name__}_"
    written.__doc__ = f"{fn.__name__}, written over its input."
    return written


relu_, leaky_relu_, elu_ = _over(activation.relu), _over(activation.leaky_relu), _over(activation.elu)
selu_, celu_, hardtanh_ = _over(activation.selu), _over(activation.celu), _over(activation.hardtanh)
threshold_, rrelu_ = _over(activation.threshold), _over(activation.rrelu)
