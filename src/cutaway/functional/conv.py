"""Convolution in any number of spatial dimensions, and its adjoint, the transposed convolution.

A convolution is a contraction over windows: `windows` shows every patch of the image as a view, and one einsum
multiplies all patches by the kernel (the book's im2col, section 7.4, without writing its copy out). Channels lie last
inside, so that a patch row is contiguous; what comes out is NCHW by a free permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cutaway.core.aval import show
from cutaway.core.derived import owned
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.core.ops.contract import einsum
from cutaway.core.ops.movement import layout
from cutaway.core.ops.movement import pad as pad_op
from cutaway.core.ops.window import fold as fold_op
from cutaway.core.ops.window import windows
from cutaway.functional._check import batched, is_tensor, n_tuple

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

Ints = int | Sequence[int]


@composite(r"y_{n,o,i} = b_o + \sum_{c,k} x_{n,c,\,si + dk}\, w_{o,c,k}")
@in_single
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over one dimension.  x[N, C, L] or [C, L], weight[O, C/groups, K], bias[O] -> y[N, O, L'].

    Options and errors as in conv2d.
    """
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@composite(r"y_{n,o,i} = b_o + \sum_{c,k} x_{n,c,\,si + dk}\, w_{o,c,k}")
@in_single
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over two dimensions (book, section 7.2).
    x[N, C, H, W] or [C, H, W], weight[O, C/groups, KH, KW], bias[O] -> y[N, O, H', W'] with
    H' = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    stride, padding, dilation: an int or a pair. padding="valid" adds nothing, "same" keeps H and W (stride 1 only).
    groups: channels are split into so many independent convolutions; groups = C is the depthwise one.

    Raises ShapeError when channels disagree or the kernel is larger than the padded image, DTypeError when dtypes
    differ, ArgumentError for an impossible option.
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@composite(r"y_{n,o,i} = b_o + \sum_{c,k} x_{n,c,\,si + dk}\, w_{o,c,k}")
@in_single
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over three dimensions.  x[N, C, D, H, W] or [C, D, H, W], weight[O, C/groups, KD, KH, KW], bias[O]
    -> y[N, O, D', H', W'].  Options and errors as in conv2d.
    """
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@composite(r"y_{n,o,\,si + dk} \mathrel{+}= x_{n,c,i}\, w_{c,o,k}")
@in_single
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Transposed convolution over one dimension.  x[N, C, L] or [C, L], weight[C, O/groups, K], bias[O] -> y[N, O, L'].

    Options and errors as in conv_transpose2d.
    """
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(r"y_{n,o,\,si + dk} \mathrel{+}= x_{n,c,i}\, w_{c,o,k}")
@in_single
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """The gradient of conv2d towards its image, as a layer: every pixel stamps the kernel on a larger image.
    x[N, C, H, W] or [C, H, W], weight[C, O/groups, KH, KW], bias[O] -> y[N, O, H', W'] with
    H' = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1 (Zeiler et al. 2010; Dumoulin 2016,
    arXiv 1603.07285).

    Raises ShapeError when channels disagree or nothing is left of the output, DTypeError when dtypes differ,
    ArgumentError for an impossible option (output_padding must be smaller than stride or dilation).
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(r"y_{n,o,\,si + dk} \mathrel{+}= x_{n,c,i}\, w_{c,o,k}")
@in_single
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Transposed convolution over three dimensions.  x[N, C, D, H, W], weight[C, O/groups, KD, KH, KW], bias[O]
    -> y[N, O, D', H', W'].  Options and errors as in conv_transpose2d.
    """
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


class _Plan(NamedTuple):
    """What depends on the number of spatial dimensions and on grouping only: permutations and einsum specs."""

    layout: str  # of the input, for error texts
    dims: tuple[int, ...]  # of space, with the channels last
    image_last: tuple[int, ...]  # x[N, (G,) C, *S] -> [N, *S, (G,) C]
    kernel_last: tuple[int, ...]  # w[(G,) O, C, *K] -> [*K, (G,) C, O]
    kernel_turned: tuple[int, ...]  # w[(G,) C, O, *K] -> [*K, (G,) C, O]
    image_first: tuple[int, ...]  # y[N, *S, O] -> [N, O, *S]
    contract: str  # windows x kernel -> image
    spread: str  # image x kernel -> windows


@lru_cache(16)
def _plan(n: int, grouped: bool) -> _Plan:
    space, taps, g = "hwd"[:n], "ijk"[:n], "g" if grouped else ""
    d = len(g)
    s, k = tuple(range(1, n + 1)), tuple(range(2 + d, 2 + d + n))
    group = (0,) if grouped else ()
    return _Plan(
        "[N, C, " + ", ".join(("L",) if n == 1 else ("D", "H", "W")[3 - n :]) + "]",
        s,
        (0, *range(2 + d, 2 + d + n), *range(1, 2 + d)),
        (*k, *group, 1 + d, d),
        (*k, *group, d, 1 + d),
        (0, n + 1, *s),
        f"n{space}{taps}{g}c,{taps}{g}co->n{space}{g}o",
        f"n{space}{g}c,{taps}{g}co->n{space}{taps}{g}o",
    )


def _convolution(
    op: str,
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: int,
) -> Tensor:
    is_tensor(op, input=input, weight=weight)
    plan = _plan(n, groups != 1)
    x, with_batch = batched(op, input, n, plan.layout)
    stride = n_tuple(op, "stride", stride, n, 1)
    dilation = n_tuple(op, "dilation", dilation, n, 1)
    wshape = weight.shape
    kernel = tuple(wshape[2:])
    _check_parts(op, n, input, weight, bias, groups, x.shape[1], "[O, C/groups, K...]")
    outputs, per_group = wshape[0], wshape[1]
    if per_group * groups != x.shape[1] or outputs % groups:
        raise ShapeError(_channel_hint(op, input, weight, x.shape[1], groups))
    low, high = _paddings(op, padding, kernel, dilation, stride, n)
    size = tuple(x.shape[2:])
    if (
        0 in kernel
        or 0 in size
        or any(s + lo + hi < d * (k - 1) + 1 for s, lo, hi, k, d in zip(size, low, high, kernel, dilation, strict=True))
    ):
        raise ShapeError(
            f"{op}: the kernel of weight {show(weight)} with dilation {dilation} does not fit into input {show(input)} "
            f"with padding {padding!r}; use a larger padding, a smaller kernel, or fewer poolings before"
        )
    if groups != 1:
        x = x.reshape((x.shape[0], groups, per_group, *size))
        weight = weight.reshape((groups, outputs // groups, per_group, *kernel))
    x = layout(x, dims=plan.image_last)
    if any(low) or any(high):
        x = _zeros_around(x, low, high)
    patches = windows(x, dims=plan.dims, kernel=kernel, stride=stride, dilation=dilation)
    y = einsum(patches, weight.permute(plan.kernel_last), spec=plan.contract)
    return _finish(y, bias, outputs, groups, plan, with_batch)


def _transposed(
    op: str,
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Tensor:
    is_tensor(op, input=input, weight=weight)
    plan = _plan(n, groups != 1)
    x, with_batch = batched(op, input, n, plan.layout)
    stride = n_tuple(op, "stride", stride, n, 1)
    dilation = n_tuple(op, "dilation", dilation, n, 1)
    crop = n_tuple(op, "padding", padding, n, 0)
    extra = n_tuple(op, "output_padding", output_padding, n, 0)
    kernel, channels, per_group = tuple(weight.shape[2:]), x.shape[1], weight.shape[1]
    _check_parts(op, n, input, weight, bias, groups, channels, "[C, O/groups, K...]")
    if weight.shape[0] != channels or channels % groups:
        raise ShapeError(_channel_hint(op, input, weight, channels, groups, transposed=True))
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise ArgumentError(
                f"{op}: output_padding {output_padding!r} must be smaller than stride {stride} or dilation {dilation}"
            )
    size = tuple(x.shape[2:])
    full = tuple((i - 1) * s + d * (k - 1) + 1 for i, s, k, d in zip(size, stride, kernel, dilation, strict=True))
    out = tuple(f - 2 * c + e for f, c, e in zip(full, crop, extra, strict=True))
    if 0 in kernel or 0 in size or min(out) < 1:
        raise ShapeError(
            f"{op}: output size {list(out)} is empty for input {show(input)}, weight {show(weight)}, padding "
            f"{padding!r}; "
            "use a smaller padding"
        )
    if groups != 1:
        x = x.reshape((x.shape[0], groups, channels // groups, *size))
        weight = weight.reshape((groups, channels // groups, per_group, *kernel))
    x = layout(x, dims=plan.image_last)
    stamps = einsum(x, weight.permute(plan.kernel_turned), spec=plan.spread)
    tail = (groups, per_group) if groups != 1 else (per_group,)
    y = fold_op(
        stamps, shape=(x.shape[0], *full, *tail), dims=plan.dims, kernel=kernel, stride=stride, dilation=dilation
    )
    if any(extra):
        y = _zeros_around(y, (0,) * n, extra)
    if any(crop):
        for d, c, o in zip(plan.dims, crop, out, strict=True):
            y = y.narrow(d, c, o)
    return _finish(y, bias, per_group * groups, groups, plan, with_batch)


def _finish(y: Tensor, bias: Tensor | None, outputs: int, groups: int, plan: _Plan, with_batch: bool) -> Tensor:
    """Groups merged, bias added while the channels are last, and back to channels first."""
    if groups != 1:
        y = y.reshape((*y.shape[:-2], outputs))
    if bias is not None:
        y = y + bias
    y = layout(y, dims=plan.image_first)
    return owned(y if with_batch else y.squeeze(0))


def _check_parts(
    op: str, n: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, channels: int, layout: str
) -> None:
    if weight.ndim != n + 2:
        raise ShapeError(f"{op}: weight must be {layout} with {n + 2} dimensions, got {show(weight)}")
    if input.dtype is not weight.dtype or (bias is not None and bias.dtype is not weight.dtype):
        raise DTypeError(
            f"{op}: input {show(input)}, weight {show(weight)}{'' if bias is None else f' and bias {show(bias)}'} "
            "must have the same dtype; convert the input with .to(weight.dtype)"
        )
    if groups < 1:
        raise ArgumentError(f"{op}: groups must be at least 1, got {groups}")
    if bias is not None:
        outputs = weight.shape[0] if layout[1] == "O" else weight.shape[1] * groups
        if tuple(bias.shape) != (outputs,):
            raise ShapeError(f"{op}: bias {show(bias)} must hold one number an output channel, [{outputs}]")


def _channel_hint(op: str, input: Tensor, weight: Tensor, channels: int, groups: int, transposed: bool = False) -> str:
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    text = (
        f"{op}: input {show(input)} has {channels} channels, weight {show(weight)} with groups={groups} takes "
        f"{expected}"
    )
    if channels == expected:
        return f"{op}: groups={groups} must divide the channels of input {show(input)} and weight {show(weight)}"
    if input.shape[-1] == expected:
        return text + "; the channels seem to be last: write x.movedim(-1, 1)"
    return text + "; give x[N, C, ...] with that many channels"


def _paddings(
    op: str, padding: Ints | str, kernel: tuple[int, ...], dilation: tuple[int, ...], stride: tuple[int, ...], n: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before and behind the image in each dimension of space."""
    if not isinstance(padding, str):
        both = n_tuple(op, "padding", padding, n, 0)
        return both, both
    if padding == "valid":
        return (0,) * n, (0,) * n
    if padding != "same":
        raise ArgumentError(f"{op}: padding {padding!r} is unknown; use 'valid', 'same', an int or {n} ints")
    if any(s != 1 for s in stride):
        raise ArgumentError(f"{op}: padding='same' needs stride 1, got {stride}; give the padding as a number")
    total = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)


def _zeros_around(x: Tensor, low: tuple[int, ...], high: tuple[int, ...]) -> Tensor:
    """x[N, *S, ...] with zeros before and behind each dimension of space."""
    n = len(low)
    rest = x.ndim - n - 1
    size = tuple(s + lo + hi for s, lo, hi in zip(x.shape[1 : n + 1], low, high, strict=True))
    return pad_op(
        x, low=(0, *low, *(0,) * rest), step=(1,) * x.ndim, shape=(x.shape[0], *size, *x.shape[n + 1 :]), value=0.0
    )
