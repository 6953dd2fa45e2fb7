"""Patches as columns and back, and channels as pixels: rearrangements of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cutaway.core.aval import show
from cutaway.core.derived import owned
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.op import composite
from cutaway.core.ops.window import fold as fold_op
from cutaway.core.ops.window import windows
from cutaway.functional._check import batched, is_tensor, n_tuple
from cutaway.functional.padding import pad

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

Ints = int | Sequence[int]


def _positions(
    size: Sequence[int], kernel: Sequence[int], padding: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    return tuple(
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, k, p, t, d in zip(size, kernel, padding, stride, dilation, strict=True)
    )


@composite(r"\mathrm{im2col}(x)")
def unfold(input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Tensor:
    """Every patch as a column: the book's im2col (section 7.4.2).
    x[N, C, H, W] or [C, H, W] -> [N, C KH KW, L], L the number of patches, row by row.

    Raises ShapeError when the kernel is larger than the padded image.
    """
    is_tensor("unfold", input=input)
    x, with_batch = batched("unfold", input, 2, "[N, C, H, W]")
    kernel = n_tuple("unfold", "kernel_size", kernel_size, 2, 1)
    dilation = n_tuple("unfold", "dilation", dilation, 2, 1)
    padding = n_tuple("unfold", "padding", padding, 2, 0)
    stride = n_tuple("unfold", "stride", stride, 2, 1)
    if min(_positions(x.shape[2:], kernel, padding, stride, dilation)) < 1:
        raise ShapeError(
            f"unfold: kernel {kernel} with dilation {dilation} is larger than input {show(input)} with padding "
            f"{padding}; "
            "use a smaller kernel or more padding"
        )
    if any(padding):
        x = pad(x, (padding[1], padding[1], padding[0], padding[0]))
    n, c = x.shape[:2]
    patches = windows(x, dims=(2, 3), kernel=kernel, stride=stride, dilation=dilation)  # [N, C, OH, OW, KH, KW]
    _, _, oh, ow, kh, kw = patches.shape
    y = patches.permute((0, 1, 4, 5, 2, 3)).reshape((n, c * kh * kw, oh * ow))
    return y if with_batch else y.squeeze(0)


@composite(r"\mathrm{col2im}(x)")
def fold(
    input: Tensor, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:
    """The adjoint of unfold: patches are added up where they overlap (the book's col2im).
    x[N, C KH KW, L] or [C KH KW, L] -> [N, C, H, W] with (H, W) = output_size.

    Raises ShapeError when the number of rows or columns does not belong to that output size.
    """
    is_tensor("fold", input=input)
    x, with_batch = batched("fold", input, 1, "[N, C KH KW, L]")
    size = n_tuple("fold", "output_size", output_size, 2, 1)
    kernel = n_tuple("fold", "kernel_size", kernel_size, 2, 1)
    dilation = n_tuple("fold", "dilation", dilation, 2, 1)
    padding = n_tuple("fold", "padding", padding, 2, 0)
    stride = n_tuple("fold", "stride", stride, 2, 1)
    n, rows, columns = x.shape
    taps = kernel[0] * kernel[1]
    oh, ow = _positions(size, kernel, padding, stride, dilation)
    if rows % taps:
        raise ShapeError(
            f"fold: input {show(input)} has {rows} rows, not a multiple of the kernel's {taps} elements {kernel}"
        )
    if oh < 1 or ow < 1 or oh * ow != columns:
        raise ShapeError(
            f"fold: output_size {size} has {oh} x {ow} = {max(oh, 0) * max(ow, 0)} patches, but input {show(input)} "
            f"holds {columns}; check kernel_size, stride, padding and dilation"
        )
    c, (ph, pw) = rows // taps, padding
    patches = x.reshape((n, c, *kernel, oh, ow)).permute((0, 1, 4, 5, 2, 3))
    full = (n, c, size[0] + 2 * ph, size[1] + 2 * pw)
    y = fold_op(patches, shape=full, dims=(2, 3), kernel=kernel, stride=stride, dilation=dilation)
    if ph:
        y = y.narrow(2, ph, size[0])
    if pw:
        y = y.narrow(3, pw, size[1])
    return owned(y if with_batch else y.squeeze(0))


@composite(r"y_{c,\,rh+i,\,rw+j} = x_{cr^2 + ri + j,\,h,\,w}")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become pixels: x[..., C r^2, H, W] -> y[..., C, H r, W r] (Shi et al. 2016, arXiv 1609.05158).

    Raises ShapeError unless r^2 divides the number of channels.
    """
    r = upscale_factor
    if r < 1:
        raise ArgumentError(f"pixel_shuffle: upscale_factor must be at least 1, got {r}")
    if input.ndim < 3 or input.shape[-3] % (r * r):
        raise ShapeError(
            f"pixel_shuffle: expected x[..., C r^2, H, W] with a multiple of {r * r} channels, got {show(input)}"
        )
    *batch, rows, h, w = input.shape
    b, c = len(batch), rows // (r * r)
    x = input.reshape((*batch, c, r, r, h, w))
    x = x.permute((*range(b + 1), b + 3, b + 1, b + 4, b + 2))
    return x.reshape((*batch, c, h * r, w * r))


@composite(r"y_{cr^2 + ri + j,\,h,\,w} = x_{c,\,rh+i,\,rw+j}")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of pixel_shuffle: x[..., C, H r, W r] -> y[..., C r^2, H, W].

    Raises ShapeError unless r divides height and width.
    """
    r = downscale_factor
    if r < 1:
        raise ArgumentError(f"pixel_unshuffle: downscale_factor must be at least 1, got {r}")
    if input.ndim < 3 or input.shape[-2] % r or input.shape[-1] % r:
        raise ShapeError(f"pixel_unshuffle: height and width of {show(input)} must be multiples of {r}")
    *batch, c, h, w = input.shape
    b = len(batch)
    x = input.reshape((*batch, c, h // r, r, w // r, r))
    x = x.permute((*range(b + 1), b + 2, b + 4, b + 1, b + 3))
    return x.reshape((*batch, c * r * r, h // r, w // r))


@composite(r"y_{jg + i} = x_{i C/g + j}")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of g groups dealt out in turn: x[N, C, ...] -> y[N, C, ...] (Zhang et al. 2018, arXiv 1707.01083).

    Raises ShapeError unless groups divides the number of channels, ArgumentError for groups below 1.
    """
    is_tensor("channel_shuffle", input=input)
    if groups < 1:
        raise ArgumentError(f"channel_shuffle: groups must be at least 1, got {groups}")
    if input.ndim < 3 or input.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: expected x[N, C, ...] with a multiple of {groups} channels, got {show(input)}"
        )
    n, c, *space = input.shape
    return input.reshape((n, groups, c // groups, *space)).transpose(1, 2).reshape((n, c, *space))
