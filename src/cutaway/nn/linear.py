"""Weighted sums: every output sees every input."""

from __future__ import annotations

import math
from typing import Any

from cutaway import functional as F
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.nn import init
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter, blank


def counts(layer: str, **numbers: int) -> None:
    """Raise ArgumentTypeError unless each number is an int, ArgumentError unless it is at least 1."""
    for name, n in numbers.items():
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise ArgumentTypeError(f"{layer}: {name} must be a positive int, got {describe(n)}")
        if n < 1:
            raise ArgumentError(f"{layer}: {name} must be a positive int, got {n!r}")


class Identity(Module):
    """Gives back its input; takes any arguments, so that it can stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x Wᵀ + b.  x[..., in] -> y[..., out]; weight[out, in], bias[out].

    Initial values: uniform in ±1/√in.  Raises ArgumentError for sizes below 1, ShapeError for another last axis.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        counts("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = blank((out_features, in_features), device, dtype)
        self.register_parameter("bias", blank((out_features,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """PyTorch's name of the Linear behind an attention, which prints it."""


class Bilinear(Module):
    """y_k = x₁ᵀ W_k x₂ + b_k.  x1[..., in1], x2[..., in2] -> y[..., out]; weight[out, in1, in2], bias[out].

    Initial values: uniform in ±1/√in1.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        counts("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = blank((out_features, in1_features, in2_features), device, dtype)
        self.register_parameter("bias", blank((out_features,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
