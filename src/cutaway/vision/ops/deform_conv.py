"""Deformable convolution (Dai et al. 2017, arXiv 1703.06211): where the kernel looks is moved by learnt offsets."""

from __future__ import annotations

import math
from typing import Any

from cutaway.core.aval import show
from cutaway.core.creation import arange
from cutaway.core.errors import ArgumentError, AssertedShape, ShapeError
from cutaway.core.functions import empty
from cutaway.core.op import composite
from cutaway.core.ops.contract import einsum
from cutaway.core.tensor import Tensor
from cutaway.functional._check import floating, is_tensor, n_tuple
from cutaway.functional.sampling import pixels, sides
from cutaway.nn import Module, Parameter, init

__all__ = ["DeformConv2d", "deform_conv2d"]


@composite(r"y_{n,o,i} = b_o + \sum_{c,k} m_{n,k,i}\, x_{nc}(si + dk + u_{n,k,i})\, w_{o,c,k}")
def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """conv2d that reads each pixel an offset away, between pixels, 0 outside; times `mask`, if given (Zhu et al. 2019,
    arXiv 1811.11168).
    x[N, C, H, W], offset[N, 2 G KH KW, H', W'] of (y, x) in pixels, weight[O, C/groups, KH, KW], bias[O],
    mask[N, G KH KW, H', W'] -> y[N, O, H', W'].  Each of G groups of channels has offsets of its own.

    Raises ShapeError (of an offset without a channel for each place, also an AssertionError).
    """
    op = "deform_conv2d"
    is_tensor(op, input=input, offset=offset, weight=weight)
    floating(op, input)
    if input.ndim != 4 or offset.ndim != 4 or weight.ndim != 4:
        raise ShapeError(
            f"{op}: expected input[N, C, H, W], offset[N, 2 G KH KW, H', W'] and weight[O, C/groups, KH, KW], got "
            f"{show(input)}, {show(offset)} and {show(weight)}"
        )
    strides, pads = n_tuple(op, "stride", stride, 2, 1), n_tuple(op, "padding", padding, 2, 0)
    steps = n_tuple(op, "dilation", dilation, 2, 1)
    (n, c, *image), (o, each, *kernel) = input.shape, weight.shape
    taps = math.prod(kernel)
    out = [(s + 2 * p - d * (k - 1) - 1) // r + 1 for s, p, d, k, r in zip(image, pads, steps, kernel, strides)]
    groups, shares = c // each, offset.shape[1] // (2 * taps)
    if not shares or offset.shape[1] != shares * 2 * taps or c % shares:
        raise AssertedShape(
            f"{op}: the shape of the offset tensor at dimension 1 is not valid. It should be a multiple of "
            f"2 * weight.size[2] * weight.size[3] = {2 * taps}, and that multiple a divisor of {c} channels; "
            f"got {show(offset)}"
        )
    if min(out) < 1 or tuple(offset.shape) != (n, shares * 2 * taps, *out):
        fits = [n, shares * 2 * taps, *out]
        raise ShapeError(f"{op}: offset should be {fits} for such an output, got {show(offset)}")
    if groups * each != c or o % groups:
        raise ShapeError(f"{op}: weight {show(weight)} does not fit {c} channels")
    if mask is not None and tuple(mask.shape) != (n, shares * taps, *out):
        raise ShapeError(f"{op}: mask should be {[n, shares * taps, *out]}, got {show(mask)}")
    moved = offset.reshape(n * shares, kernel[0], kernel[1], 2, *out)
    y = moved[:, :, :, 0] + _grid(0, kernel, out, strides, pads, steps, input)
    x = moved[:, :, :, 1] + _grid(1, kernel, out, strides, pads, steps, input)
    columns = _between(input.reshape(n * shares, c // shares, *image), x.flatten(1), y.flatten(1))
    columns = columns.reshape(n, shares, c // shares, taps, *out)
    if mask is not None:
        columns = columns * mask.reshape(n, shares, 1, taps, *out)
    columns = columns.reshape(n, groups, each * taps, -1)
    kernels = weight.reshape(groups, o // groups, each * taps)
    found = einsum(kernels, columns, spec="gok,ngkp->ngop").reshape(n, o, *out)
    return found if bias is None else found + bias.reshape(-1, 1, 1)


def _grid(axis: int, kernel: Any, out: Any, stride: Any, padding: Any, dilation: Any, like: Tensor) -> Tensor:
    """Where the kernel looks along an axis if nothing moves it: [KH, KW, H', W'], but for axes of length 1."""
    taps = arange(kernel[axis], dtype=like.dtype) * dilation[axis]
    places = arange(out[axis], dtype=like.dtype) * stride[axis] - padding[axis]
    shape: Any = [1, 1, 1, 1]
    shape[axis] = kernel[axis]
    placed: Any = [1, 1, 1, 1]
    placed[2 + axis] = out[axis]
    return taps.reshape(shape) + places.reshape(placed)


def _between(image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """image[N, C, H, W] at the places x, y [N, P], between pixels: [N, C, P]; 0 outside."""
    total: Tensor | None = None
    for top, wy in sides(y):
        for left, wx in sides(x):
            part = pixels(image, [left, top]) * (wy * wx).unsqueeze(1)
            total = part if total is None else total + part
    assert total is not None
    return total


class DeformConv2d(Module):
    """deform_conv2d with a weight and a bias of its own; it is called with (input, offset, mask=None).

    Raises ArgumentError unless groups divides in_channels and out_channels.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ArgumentError(f"{what} must be divisible by groups, got {channels} and {groups}")
        name = type(self).__name__
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = n_tuple(name, "kernel_size", kernel_size, 2, 1)
        self.stride, self.dilation = n_tuple(name, "stride", stride, 2, 1), n_tuple(name, "dilation", dilation, 2, 1)
        self.padding = n_tuple(name, "padding", padding, 2, 0)
        self.weight = Parameter(empty(out_channels, in_channels // groups, *self.kernel_size))
        self.register_parameter("bias", Parameter(empty(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values, those of Conv2d."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(
            input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask=mask
        )

    def __repr__(self) -> str:
        options = f", kernel_size={self.kernel_size}, stride={self.stride}"
        options += f", padding={self.padding}" * (self.padding != (0, 0))
        options += f", dilation={self.dilation}" * (self.dilation != (1, 1))
        options += f", groups={self.groups}" * (self.groups != 1) + ", bias=False" * (self.bias is None)
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}{options})"
