"""Convolutions: one small weighted sum, slid over the input (book, chapter 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutaway import functional as F
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.functional._check import n_tuple
from cutaway.nn import init
from cutaway.nn.linear import counts
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter, blank

Ints = int | Sequence[int]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What all convolutions share: the sizes, the weights and their initial values (uniform in ±1/√fan_in)."""

    weight: Parameter
    bias: Parameter | None
    ndim = 0
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints | str,
        dilation: Ints,
        output_padding: Ints,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name, n = type(self).__name__, self.ndim
        later = name.startswith("Lazy")  # then in_channels is 0 and known at the first call
        counts(name, in_channels=1 if later else in_channels, out_channels=out_channels, groups=groups)
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ArgumentError(
                    f"{name}: {what}={channels} does not divide into groups={groups}; choose a divisor of it"
                )
        if padding_mode not in PADDING_MODES:
            raise ArgumentError(
                f"{name}: padding_mode {padding_mode!r} is unknown; use one of {', '.join(PADDING_MODES)}"
            )
        self.in_channels, self.out_channels, self.groups, self.padding_mode = (
            in_channels,
            out_channels,
            groups,
            padding_mode,
        )
        self.kernel_size = n_tuple(name, "kernel_size", kernel_size, n, 1)
        self.stride = n_tuple(name, "stride", stride, n, 1)
        self.dilation = n_tuple(name, "dilation", dilation, n, 1)
        self.output_padding = n_tuple(name, "output_padding", output_padding, n, 0)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ArgumentError(f"{name}: padding {padding!r} is unknown; use 'same', 'valid', an int or {n} ints")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ArgumentError(
                    f"{name}: padding='same' needs stride 1, got stride {self.stride}; give padding as a number"
                )
            self.padding: str | tuple[int, ...] = padding
        else:
            self.padding = n_tuple(name, "padding", padding, n, 0)
        shape = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = blank((*shape, *self.kernel_size), device, dtype)
        self.register_parameter("bias", blank((out_channels,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fans(self.weight)
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        n = self.ndim
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", (0,) * n), ("dilation", (1,) * n), ("output_padding", (0,) * n), ("groups", 1)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class _Forward(_Convolution):
    """A convolution that reads windows of its input."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _padded(self, input: Tensor) -> tuple[Tensor, Ints | str]:
        """The input, and what padding is left for the convolution itself: all of it when padding with zeros."""
        if self.padding_mode == "zeros":
            return input, self.padding
        sides: list[int] = []
        for d in reversed(range(self.ndim)):
            if self.padding == "same":
                total = self.dilation[d] * (self.kernel_size[d] - 1)
                sides += [total // 2, total - total // 2]
            else:
                sides += [0, 0] if self.padding == "valid" else [self.padding[d]] * 2  # type: ignore[list-item]
        return F.pad(input, sides, mode=self.padding_mode), 0


class Conv1d(_Forward):
    """x[N, C, L] -> y[N, O, L']; weight[O, C/groups, K], bias[O].  Options as in Conv2d."""

    ndim = 1

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Forward):
    """x[N, C, H, W] or [C, H, W] -> y[N, O, H', W'] with H' = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    weight[O, C/groups, KH, KW], bias[O].  padding: ints, "same" or "valid", filled by padding_mode: "zeros", "reflect",
    "replicate" or "circular".  groups = C is the depthwise convolution.
    Raises ArgumentError for impossible sizes, ShapeError for an input with other channels or smaller than the kernel.
    """

    ndim = 2

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Forward):
    """x[N, C, D, H, W] -> y[N, O, D', H', W']; weight[O, C/groups, KD, KH, KW], bias[O].  Options as in Conv2d."""

    ndim = 3

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class _Transposed(_Convolution):
    """The adjoint of a convolution: each input element adds the kernel, scaled, to a window of the output."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ArgumentError(f"{name}: only padding_mode='zeros' has a meaning here, got {padding_mode!r}")
        if isinstance(padding, str):
            raise ArgumentError(f"{name}: padding must be an int or {self.ndim} ints, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        convolve = getattr(F, f"conv_transpose{self.ndim}d")
        return convolve(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """Which output_padding gives `output_size`; a strided convolution maps several input sizes to one output."""
        if output_size is None:
            return self.output_padding
        n = self.ndim
        wanted = tuple(output_size)[-n:]
        assert not isinstance(self.padding, str)
        options = zip(input.shape[-n:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        least = tuple((size - 1) * s - 2 * p + d * (k - 1) + 1 for size, s, p, d, k in options)
        most = tuple(m + s - 1 for m, s in zip(least, self.stride, strict=True))
        if len(wanted) != n or any(not low <= w <= high for low, w, high in zip(least, wanted, most, strict=True)):
            raise ShapeError(
                f"{type(self).__name__}: output_size {list(output_size)} cannot come from input {show(input)}; "
                f"possible are {list(least)} to {list(most)}"
            )
        return tuple(w - low for w, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_Transposed):
    """x[N, C, L] -> y[N, O, L']; weight[C, O/groups, K], bias[O].  Options as in ConvTranspose2d."""

    ndim = 1


class ConvTranspose2d(_Transposed):
    """x[N, C, H, W] -> y[N, O, H', W'] with H' = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    weight[C, O/groups, KH, KW], bias[O].  forward(x, output_size=[H', W']) finds the output_padding itself.
    Raises ArgumentError for impossible sizes, ShapeError for an output_size that cannot be reached.
    """

    ndim = 2


class ConvTranspose3d(_Transposed):
    """x[N, C, D, H, W] -> y[N, O, D', H', W']; weight[C, O/groups, KD, KH, KW].  Options: see ConvTranspose2d."""

    ndim = 3
