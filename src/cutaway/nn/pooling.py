"""Pooling: one number for each window, the largest or the mean (book, section 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway import functional as F
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.functional._check import n_tuple
from cutaway.functional.fractional import ratio_is_fraction
from cutaway.nn.module import Module

Ints = int | Sequence[int]


class _MaxPool(Module):
    function = ""

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Largest of each window.  x[N, C, L] -> y[N, C, L'].  Options as in MaxPool2d."""

    function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """Largest of each window.  x[N, C, H, W] or [C, H, W] -> y[N, C, H', W'].

    stride is the kernel size if not given; ceil_mode lets a last window hang over the border; return_indices also gives
    the places of the maxima.  Raises ShapeError when no window fits, ArgumentError for an impossible option.
    """

    function = "max_pool2d"


class MaxPool3d(_MaxPool):
    """Largest of each window.  x[N, C, D, H, W] -> y[N, C, D', H', W'].  Options as in MaxPool2d."""

    function = "max_pool3d"


class AvgPool1d(Module):
    """Mean of each window.  x[N, C, L] -> y[N, C, L'].  Options as in AvgPool2d."""

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = n_tuple("AvgPool1d", "kernel_size", kernel_size, 1, 1)
        self.stride = n_tuple("AvgPool1d", "stride", kernel_size if stride is None else stride, 1, 1)
        self.padding = n_tuple("AvgPool1d", "padding", padding, 1, 0)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """Mean of each window.  x[N, C, H, W] or [C, H, W] -> y[N, C, H', W'].

    count_include_pad=False leaves padding out of the mean; divisor_override divides by that number instead.
    Raises ShapeError when no window fits, ArgumentError for an impossible option.
    """

    function = "avg_pool2d"

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """Mean of each window.  x[N, C, D, H, W] -> y[N, C, D', H', W'].  Options as in AvgPool2d."""

    function = "avg_pool3d"


class _AdaptiveAvgPool(Module):
    function = ""

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of output_size windows that cover the signal.  x[N, C, L] -> y[N, C, output_size]."""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of a grid of windows that cover the image, whatever its size.  x[N, C, H, W] -> y[N, C, *output_size].

    output_size is an int or a pair; None keeps a size; 1 is the mean of the whole image.
    """

    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of a grid of windows that cover the volume.  x[N, C, D, H, W] -> y[N, C, *output_size]."""

    function = "adaptive_avg_pool3d"


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: int | Sequence[int | None] | None, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima of output_size windows that cover the signal.  x[N, C, L] -> y[N, C, output_size]."""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima of a grid of windows that cover the image.  x[N, C, H, W] -> y[N, C, *output_size]."""

    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima of a grid of windows that cover the volume.  x[N, C, D, H, W] -> y[N, C, *output_size]."""

    function = "adaptive_max_pool3d"


class LPPool1d(Module):
    """The p-norm of each window, p = norm_type.  x[N, C, L] -> y[N, C, L']."""

    function = "lp_pool1d"

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool2d(LPPool1d):
    """The p-norm of each window, p = norm_type.  x[N, C, H, W] -> y[N, C, H', W']."""

    function = "lp_pool2d"


class LPPool3d(LPPool1d):
    """The p-norm of each window, p = norm_type.  x[N, C, D, H, W] -> y[N, C, D', H', W']."""

    function = "lp_pool3d"


class _FractionalMaxPool(Module):
    ndim = 0
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Ints,
        output_size: Ints | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name, n = type(self).__name__, self.ndim
        self.kernel_size = n_tuple(name, "kernel_size", kernel_size, n, 1)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(f"{name}: give output_size or output_ratio, and not both")
        self.output_size = None if output_size is None else n_tuple(name, "output_size", output_size, n, 1)
        self.output_ratio: Any = None
        if output_ratio is not None:
            ratio_is_fraction(name, output_ratio, n)
            single = isinstance(output_ratio, (int, float))
            self.output_ratio = (output_ratio,) * n if single else tuple(output_ratio)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Any:
        pool = getattr(F, f"fractional_max_pool{self.ndim}d")
        return pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """Largest of windows at drawn places (Graham 2014).  x[N, C, H, W] -> y of output_size, or of H, W times output_ratio.

    Raises ArgumentError unless one of the two is given, and for a ratio that is not between 0 and 1.
    """

    ndim = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The same in three dimensions.  x[N, C, T, H, W]."""

    ndim = 3


class _MaxUnpool(Module):
    ndim = 0

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        name, n = type(self).__name__, self.ndim
        self.kernel_size = n_tuple(name, "kernel_size", kernel_size, n, 1)
        self.stride = self.kernel_size if stride is None else n_tuple(name, "stride", stride, n, 1)
        self.padding = n_tuple(name, "padding", padding, n, 0)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Any:
        unpool = getattr(F, f"max_unpool{self.ndim}d")
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Each maximum where MaxPool1d(return_indices=True) found it, zeros elsewhere.  y[N, C, L'] -> x[N, C, L]."""

    ndim = 1


class MaxUnpool2d(_MaxUnpool):
    """Each maximum where MaxPool2d(return_indices=True) found it, zeros elsewhere.  y[N, C, H', W'] -> x[N, C, H, W]."""

    ndim = 2


class MaxUnpool3d(_MaxUnpool):
    """Each maximum where MaxPool3d(return_indices=True) found it, zeros elsewhere."""

    ndim = 3
