"""Pooling: each window of an image becomes one number, its largest or its mean (book, section 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import cat, from_numpy, zeros
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.core.ops.movement import pad as pad_op
from cutaway.core.ops.window import window_argmax, window_gather, windows
from cutaway.functional._check import floating, integer, is_tensor, known, n_tuple

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

Ints = int | Sequence[int]

# --- the largest ------------------------------------------------------------------------------------------------------


@composite(r"\max_{k} x_{si + dk}")
def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window.  x[N, C, L] or [C, L] -> y[N, C, L'].  Options and errors as in max_pool2d."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite(r"\max_{k} x_{si + dk}")
def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window.  x[N, C, H, W] or [C, H, W] -> y[N, C, H', W'] with
    H' = (H + 2 padding - dilation (K - 1) - 1) // stride + 1; stride is the kernel size if not given.

    ceil_mode=True rounds up: a last window may hang over the border. return_indices=True also gives where each
    maximum was found, as int64 positions in the flattened image. The gradient goes to the first maximum of a window.

    Raises ShapeError when no window fits, ArgumentError for an impossible option (padding is at most half the kernel).
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite(r"\max_{k} x_{si + dk}")
def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window.  x[N, C, D, H, W] -> y[N, C, D', H', W'].

    Options and errors as in max_pool2d.
    """
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# --- the mean ---------------------------------------------------------------------------------------------------------


@composite(r"\tfrac1{|K|} \sum_{k} x_{si + k}")
@in_single
def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window.  x[N, C, L] or [C, L] -> y[N, C, L'].  Options and errors as in avg_pool2d."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@composite(r"\tfrac1{|K|} \sum_{k} x_{si + k}")
@in_single
def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window.  x[N, C, H, W] or [C, H, W] -> y[N, C, H', W'], sizes as in max_pool2d.

    count_include_pad=False leaves the zeros of the padding out of the mean; divisor_override divides by that number
    instead.

    Raises ShapeError when no window fits, ArgumentError for an impossible option, DTypeError for integers.
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@composite(r"\tfrac1{|K|} \sum_{k} x_{si + k}")
@in_single
def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window.  x[N, C, D, H, W] -> y[N, C, D', H', W'].  Options and errors as in avg_pool2d."""
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# --- so many windows as asked for -------------------------------------------------------------------------------------


@composite(r"\mathrm{mean}_{\lfloor iL/n \rfloor \le l < \lceil (i+1)L/n \rceil}\, x_l")
@in_single
def adaptive_avg_pool1d(input: Tensor, output_size: Ints) -> Tensor:
    """Means of output_size windows that cover the signal.  x[N, C, L] or [C, L] -> y[N, C, output_size]."""
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


@composite(r"\mathrm{mean}_{\lfloor iL/n \rfloor \le l < \lceil (i+1)L/n \rceil}\, x_l")
@in_single
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of a grid of windows that cover the image, whatever its size.
    x[N, C, H, W] or [C, H, W] -> y[N, C, *output_size].

    output_size: an int or a pair; None keeps a size. 1 is the global mean that ResNets end with.
    Raises ShapeError for an image without pixels.
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


@composite(r"\mathrm{mean}_{\lfloor iL/n \rfloor \le l < \lceil (i+1)L/n \rceil}\, x_l")
@in_single
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of a grid of windows that cover the volume.  x[N, C, D, H, W] -> y[N, C, *output_size]."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


@composite(r"\max_{\lfloor iL/n \rfloor \le l < \lceil (i+1)L/n \rceil} x_l")
def adaptive_max_pool1d(input: Tensor, output_size: Ints, return_indices: bool = False) -> Any:
    """Maxima of output_size windows that cover the signal.  x[N, C, L] or [C, L] -> y[N, C, output_size]."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


@composite(r"\max_{\lfloor iL/n \rfloor \le l < \lceil (i+1)L/n \rceil} x_l")
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of a grid of windows that cover the image.  x[N, C, H, W] or [C, H, W] -> y[N, C, *output_size].

    output_size: an int or a pair; None keeps a size. return_indices as in max_pool2d.
    Raises ShapeError for an image without pixels.
    """
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


@composite(r"\max_{\lfloor iL/n \rfloor \le l < \lceil (i+1)L/n \rceil} x_l")
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of a grid of windows that cover the volume.  x[N, C, D, H, W] or [C, D, H, W] -> y[N, C, *output_size]."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


# --- power means ------------------------------------------------------------------------------------------------------


@composite(r"(\sum_{k} x_{si + k}^p)^{1/p}")
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window, p = norm_type.  x[N, C, L] or [C, L] -> y[N, C, L'].  Sizes as in avg_pool1d."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


@composite(r"(\sum_{k} x_{si + k}^p)^{1/p}")
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window, p = norm_type.  x[N, C, H, W] or [C, H, W] -> y[N, C, H', W'].  Sizes as in avg_pool2d."""
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


@composite(r"(\sum_{k} x_{si + k}^p)^{1/p}")
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window, p = norm_type.  x[N, C, D, H, W] -> y[N, C, D', H', W'].  Sizes as in avg_pool3d."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


# --- back to where the largest was ------------------------------------------------------------------------------------


@composite(r"x_{i_k} = y_k")
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Each maximum where max_pool1d found it, zeros elsewhere.  y[N, C, L'], indices of its shape -> x[N, C, L]."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@composite(r"x_{i_k} = y_k")
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Each maximum where max_pool2d found it, zeros elsewhere.  y[N, C, H', W'], indices of its shape -> x[N, C, H, W].

    output_size says which of the sizes is meant that the pooling brings to H', W'; the smallest if it is not given.
    Raises ShapeError for an output_size that cannot be, and where the shapes differ.
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@composite(r"x_{i_k} = y_k")
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Each maximum where max_pool3d found it, zeros elsewhere.  y[N, C, D', H', W'] -> x[N, C, D, H, W]."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# --- how --------------------------------------------------------------------------------------------------------------


class _Grid(NamedTuple):
    """Where the windows lie: per dimension of space, in elements."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]
    behind: tuple[int, ...]  # padding at the far end, overhang of ceil_mode included

    def settings(self, ndim: int) -> dict[str, tuple[int, ...]]:
        """Attributes of the window ops, for an image with `ndim` dimensions, space last."""
        dims = tuple(range(ndim - len(self.kernel), ndim))
        return {"dims": dims, "kernel": self.kernel, "stride": self.stride, "dilation": self.dilation}


def _grid(
    op: str, n: int, x: Tensor, kernel_size: Ints, stride: Any, padding: Ints, dilation: Ints, ceil_mode: bool
) -> _Grid:
    is_tensor(op, input=x)
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{op}: expected [N, C{', D, H, W'[-3 * n :] if n > 1 else ', L'}] or the same without N, got {show(x)}; "
            "add the missing dimension with unsqueeze"
        )
    kernel = n_tuple(op, "kernel_size", kernel_size, n, 1)
    step = kernel if stride is None or stride == () or stride == [] else n_tuple(op, "stride", stride, n, 1)
    pad = n_tuple(op, "padding", padding, n, 0)
    apart = n_tuple(op, "dilation", dilation, n, 1)
    size = tuple(x.shape[-n:])
    out, behind = [], []
    for length, k, s, p, d in zip(size, kernel, step, pad, apart, strict=True):
        span = d * (k - 1) + 1
        if 2 * p > span:
            raise ArgumentError(f"{op}: padding {padding!r} must be at most half of kernel_size {kernel_size!r}")
        room = length + 2 * p - span
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= length + p:
            count -= 1  # a window has to start inside the image or the padding before it
        if count < 1 or not length:
            raise ShapeError(
                f"{op}: no window of kernel {kernel} fits into input {show(x)} with padding {padding!r} and dilation "
                f"{dilation!r}; use a smaller kernel, or fewer poolings before"
            )
        out.append(count)
        behind.append(max((count - 1) * s + span - length - p, 0) if ceil_mode else p)
    return _Grid(kernel, step, pad, apart, tuple(out), tuple(behind))


def _surrounded(x: Tensor, grid: _Grid, value: float) -> Tensor:
    if not any(grid.padding) and not any(grid.behind):
        return x
    n = len(grid.kernel)
    size = tuple(s + p + b for s, p, b in zip(x.shape[-n:], grid.padding, grid.behind, strict=True))
    low = (0,) * (x.ndim - n) + grid.padding
    return pad_op(x, low=low, step=(1,) * x.ndim, shape=(*x.shape[:-n], *size), value=value)


def _max_pool(
    op: str,
    n: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Any,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    grid = _grid(op, n, input, kernel_size, stride, padding, dilation, ceil_mode)
    lowest = -np.inf if input.dtype.is_floating_point else np.iinfo(input.dtype.np).min
    x = _surrounded(input, grid, lowest)
    settings = grid.settings(x.ndim)
    code = window_argmax(x.detach(), **settings)
    y = window_gather(x, code, **settings)
    if not return_indices:
        return y
    return y, _flat_positions(code, grid, tuple(input.shape[-n:]))


def _flat_positions(code: Tensor, grid: _Grid, size: tuple[int, ...]) -> Tensor:
    """Position of each maximum in the image, counted row by row, from its place within the window."""
    n = len(size)
    place = code.long()
    flat = None
    weight = 1
    for d in reversed(range(n)):
        offset = place % grid.kernel[d]
        place = place // grid.kernel[d]
        first = np.arange(grid.out[d]) * grid.stride[d] - grid.padding[d]
        at = offset * grid.dilation[d] + from_numpy(first.reshape((-1,) + (1,) * (n - 1 - d)))
        flat = at * weight if flat is None else flat + at * weight
        weight *= size[d]
    assert flat is not None
    return flat


def _avg_pool(
    op: str,
    n: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Any,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    grid = _grid(op, n, input, kernel_size, stride, padding, 1, ceil_mode)
    floating(op, input)
    if divisor == 0:
        raise ArgumentError(f"{op}: divisor_override must not be 0; leave it out for the mean")
    x = _surrounded(input, grid, 0.0)
    patches = windows(x, **grid.settings(x.ndim))
    total = patches.sum(tuple(range(patches.ndim - n, patches.ndim)))
    if divisor is not None:
        return total / divisor
    counts = _counts(grid, tuple(input.shape[-n:]), count_include_pad)
    if (counts == counts.flat[0]).all():
        return total * (1.0 / int(counts.flat[0]))
    return total / from_numpy(counts.astype(input.dtype.np))


def _counts(grid: _Grid, size: tuple[int, ...], with_padding: bool) -> np.ndarray:
    """How many elements each window averages; what hangs over the padded image never counts."""
    counts = np.ones((1,) * len(size), np.int64)
    for d, length in enumerate(size):
        p = grid.padding[d]
        first = np.arange(grid.out[d]) * grid.stride[d] - p
        last = np.minimum(first + grid.kernel[d], length + p)
        inside = last - first if with_padding else np.minimum(last, length) - np.maximum(first, 0)
        counts = counts * inside.reshape((-1,) + (1,) * (len(size) - 1 - d))
    return counts


def _adaptive_sizes(op: str, n: int, x: Tensor, output_size: Any) -> tuple[int, ...]:
    is_tensor(op, input=x)
    if x.ndim not in (n + 1, n + 2) or 0 in x.shape[-n:]:
        raise ShapeError(
            f"{op}: expected [N, C, ...] with {n} non-empty dimensions of space (N may be left out), got {show(x)}"
        )
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(sizes) == 1:
        sizes *= n
    if len(sizes) == n:
        sizes = tuple(have if o is None else o for o, have in zip(sizes, x.shape[-n:], strict=True))
    return n_tuple(op, "output_size", sizes, n, 1)


def _bins(length: int, count: int) -> list[tuple[int, int]]:
    """First and last + 1 of each of `count` windows that cover `length` elements; neighbours may share one."""
    return [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _adaptive_avg(op: str, n: int, input: Tensor, output_size: Any) -> Tensor:
    sizes = _adaptive_sizes(op, n, input, output_size)
    floating(op, input)
    lead = input.ndim - n
    if all(o == 1 for o in sizes):
        return input.mean(tuple(range(lead, input.ndim)), keepdim=True)
    y = input
    # A mean over a rectangle is a mean of means: one dimension after the other.
    for d, count in enumerate(sizes, lead):
        length = y.shape[d]
        if count == length:
            continue
        if length % count == 0:
            y = y.reshape((*y.shape[:d], count, length // count, *y.shape[d + 1 :])).mean(d + 1)
        else:
            y = cat([y.narrow(d, a, b - a).mean(d, keepdim=True) for a, b in _bins(length, count)], d)
    return y


def _adaptive_max(op: str, n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    sizes = _adaptive_sizes(op, n, input, output_size)
    size = tuple(input.shape[-n:])
    if all(length % count == 0 for length, count in zip(size, sizes, strict=True)):
        kernel = tuple(length // count for length, count in zip(size, sizes, strict=True))
        return _max_pool(op, n, input, kernel, None, 0, 1, False, return_indices)
    lead = input.ndim - n

    def cover(x: Tensor, d: int, origin: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Maxima and their places in the image, for the dimensions of space from d on."""
        if d == n:
            y, at = _max_pool(op, n, x, tuple(x.shape[-n:]), None, 0, 1, False, True)
            return y, _moved(at, tuple(x.shape[-n:]), origin, size)
        parts = [cover(x.narrow(lead + d, a, b - a), d + 1, (*origin, a)) for a, b in _bins(size[d], sizes[d])]
        return cat([p[0] for p in parts], lead + d), cat([p[1] for p in parts], lead + d)

    y, at = cover(input, 0, ())
    return (y, at) if return_indices else y


def _moved(at: Tensor, part: tuple[int, ...], origin: tuple[int, ...], whole: tuple[int, ...]) -> Tensor:
    """Flat positions within a part of the image as flat positions in the whole one."""
    flat, weight = None, 1
    for d in reversed(range(len(part))):
        place = at % part[d] + origin[d]
        at = at // part[d]
        flat = place * weight if flat is None else flat + place * weight
        weight *= whole[d]
    assert flat is not None
    return flat


def _lp_pool(op: str, n: int, input: Tensor, p: float, kernel_size: Ints, stride: Any, ceil_mode: bool) -> Tensor:
    kernel = n_tuple(op, "kernel_size", kernel_size, n, 1)
    mean = _avg_pool(op, n, input**p, kernel, stride, 0, ceil_mode, True, None)
    size = int(np.prod(kernel))
    return (mean.sign() * mean.abs().relu() * size) ** (1.0 / p)


def _max_unpool(
    op: str, n: int, y: Tensor, at: Tensor, kernel_size: Ints, stride: Any, padding: Ints, output_size: Any
) -> Tensor:
    is_tensor(op, input=y, indices=at)
    if y.ndim not in (n + 1, n + 2) or tuple(y.shape) != tuple(at.shape):
        raise ShapeError(f"{op}: expected input[N, C, ...] and indices of its shape, got {show(y)} and {show(at)}")
    integer(op, "indices", at)
    kernel = n_tuple(op, "kernel_size", kernel_size, n, 1)
    step = kernel if stride is None else n_tuple(op, "stride", stride, n, 1)
    pad = n_tuple(op, "padding", padding, n, 0)
    size = tuple((m - 1) * s + k - 2 * p for m, k, s, p in zip(y.shape[-n:], kernel, step, pad, strict=True))
    if output_size is not None:
        wanted = tuple(output_size)[-n:]
        if len(wanted) != n or any(not s - d < w < s + d for w, s, d in zip(wanted, size, step, strict=True)):
            raise ArgumentError(
                f"{op}: output_size {list(output_size)} cannot be pooled to {list(y.shape[-n:])}; "
                f"sizes near {list(size)} can"
            )
        size = wanted
    cells = int(np.prod(size))
    places = known(at)
    if places is not None and places.size and not (places.min() >= 0 and places.max() < cells):
        raise ArgumentError(f"{op}: indices run to {places.max()}, but output {list(size)} has {cells} elements")
    lead = tuple(y.shape[:-n])
    flat = zeros((*lead, cells), dtype=y.dtype).scatter(-1, at.reshape((*lead, -1)), y.reshape((*lead, -1)))
    return flat.reshape((*lead, *size))
