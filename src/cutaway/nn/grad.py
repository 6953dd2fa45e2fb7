"""PyTorch's `torch.nn.grad`: the two gradients of a convolution, each from the other factor and the result's gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cutaway import functional as F
from cutaway.core.absent import absent
from cutaway.core.autograd import enable_grad, grad
from cutaway.core.creation import zeros
from cutaway.core.errors import ShapeError
from cutaway.core.tensor import Tensor

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _gradient(name: str, conv: Callable[..., Tensor], wanted: Tensor, arriving: Tensor, *given: Any) -> Tensor:
    """The gradient of `conv(*given)` towards `wanted`, of which only the shape counts: the result is linear in it."""
    with enable_grad():
        y = conv(*given)
        if y.shape != arriving.shape:
            raise ShapeError(
                f"{name}: grad_output has shape {list(arriving.shape)}, but the convolution's result has {list(y.shape)}; "
                "check stride, padding and dilation"
            )
        (found,) = grad(y, wanted, arriving, create_graph=arriving.requires_grad or any(
            isinstance(x, Tensor) and x is not wanted and x.requires_grad for x in given
        ))  # fmt: skip
    return found  # type: ignore[no-any-return]


def _called(name: str, factor: str, gradient: Any) -> Any:
    """The function, under its name and with its docstring."""
    gradient.__name__ = gradient.__qualname__ = name
    gradient.__doc__ = (
        f"The gradient of {name.partition('_')[0]} towards its {factor}, of shape `{factor}_size`.  Raises ShapeError where "
        "`grad_output` is no gradient of the result."
    )
    return gradient


def _of_input(n: int) -> Any:
    conv, name = getattr(F, f"conv{n}d"), f"conv{n}d_input"

    def towards_input(
        input_size: Sequence[int], weight: Tensor, grad_output: Tensor,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        x = zeros(tuple(input_size), dtype=weight.dtype, requires_grad=True)
        return _gradient(name, conv, x, grad_output, x, weight, None, stride, padding, dilation, groups)

    return _called(name, "input", towards_input)


def _of_weight(n: int) -> Any:
    conv, name = getattr(F, f"conv{n}d"), f"conv{n}d_weight"

    def towards_weight(
        input: Tensor, weight_size: Sequence[int], grad_output: Tensor,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        w = zeros(tuple(weight_size), dtype=input.dtype, requires_grad=True)
        return _gradient(name, conv, w, grad_output, input, w, None, stride, padding, dilation, groups)

    return _called(name, "weight", towards_weight)


conv1d_input, conv2d_input, conv3d_input = map(_of_input, (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = map(_of_weight, (1, 2, 3))


def __getattr__(name: str) -> object:
    raise absent("cutaway.nn.grad", name, __all__)
