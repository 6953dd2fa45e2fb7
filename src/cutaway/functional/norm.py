"""Normalisation: values shifted and scaled to mean 0 and variance 1, over dimensions that differ from kind to kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import is_grad_enabled, no_grad
from cutaway.core.aval import show
from cutaway.core.dtypes import is_narrow, limits
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.op import composite
from cutaway.core.ops.movement import pad as pad_op
from cutaway.core.ops.window import windows
from cutaway.functional._check import floating, is_tensor

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


def half_in_single(norm: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """float16 and bfloat16 are normalised in float32; running statistics and parameters are used as they are."""

    @wraps(norm)
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if hasattr(input, "_data") and is_narrow(input._data.dtype):
            return norm(input.float(), *args, **kwargs).to(input.dtype)
        return norm(input, *args, **kwargs)

    return call


@composite(r"\gamma\,\frac{x - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta")
@half_in_single
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel normalised over the batch and over space (Ioffe & Szegedy 2015, arXiv 1502.03167; book, 6.3).
    x[N, C] or [N, C, ...]; running_mean, running_var, weight, bias [C].

    training=True uses the batch's own mean and variance, and moves the running ones towards them in place by `momentum`
    (the running variance is the unbiased one); training=False uses the running ones.

    Raises ShapeError for parameters that are not [C], ArgumentError when there is one value a channel only in training,
    or no running statistics outside training.
    """
    op = "batch_norm"
    is_tensor(op, input=input)
    floating(op, input)
    if input.ndim < 2:
        raise ShapeError(f"{op}: expected x[N, C, ...] with at least 2 dimensions, got {show(input)}")
    channels = input.shape[1]
    for name, part in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if part is not None and tuple(part.shape) != (channels,):
            raise ShapeError(
                f"{op}: {name} {show(part)} must hold one number a channel, [{channels}], for input {show(input)}"
            )
    column = (channels,) + (1,) * (input.ndim - 2)
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                f"{op}: outside training running_mean and running_var are needed; pass training=True without"
            )
        return _rescaled(input, running_mean, running_var, weight, bias, column, eps)
    count = input.numel() // channels if channels else 0
    if count == 1:
        raise ArgumentError(
            f"{op}: one value a channel has no variance: input {show(input)} in training; use a larger batch, or "
            ".eval()"
        )
    dims = (0, *range(2, input.ndim))
    mean = input.mean(dims, keepdim=True)
    centred = input - mean
    var = (centred * centred).mean(dims, keepdim=True)
    if running_mean is not None and count:
        _follow(running_mean, mean.detach().reshape((channels,)), momentum)
    if running_var is not None and count:
        _follow(running_var, var.detach().reshape((channels,)) * (count / (count - 1)), momentum)
    scale = (var + eps).rsqrt()
    if weight is not None:
        scale = scale * weight.reshape(column)
    y = centred * scale
    return y if bias is None else y + bias.reshape(column)


def _rescaled(
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    column: tuple[int, ...],
    eps: float,
) -> Tensor:
    """Known statistics make normalisation an affine map: x * scale + shift, computed a channel.

    The slope towards the weight would be a difference of large numbers then, where the mean is; so not where it is wanted.
    """
    scale = (var + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
        if weight.requires_grad and is_grad_enabled():
            y = (x - mean.reshape(column)) * scale.reshape(column)
            return y if bias is None else y + bias.reshape(column)
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.reshape(column) + shift.reshape(column)


def _follow(running: Tensor, seen: Tensor, momentum: float) -> None:
    """running += momentum * (seen - running), in place."""
    with no_grad():
        running.mul_(1.0 - momentum).add_(seen * momentum)


@composite(r"\gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta")
@half_in_single
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each example normalised over its last dimensions (Ba et al. 2016, arXiv 1607.06450).
    x[..., *normalized_shape]; weight, bias [*normalized_shape].

    Raises ShapeError when the last dimensions of x, or weight or bias, are not normalized_shape.
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight, bias)
    centred = input - input.mean(dims, keepdim=True)
    y = centred * ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


@composite(r"\gamma\,\frac{x}{\sqrt{\overline{x^2} + \epsilon}}")
@half_in_single
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Layer normalisation without the mean (Zhang & Sennrich 2019, arXiv 1910.07467).
    x[..., *normalized_shape]; weight [*normalized_shape]; eps is the dtype's machine epsilon if not given.

    Raises ShapeError when the last dimensions of x, or weight, are not normalized_shape.
    """
    dims = _last_dims("rms_norm", input, normalized_shape, weight, None)
    if eps is None:
        eps = float(limits(input.dtype.np).eps)
    y = input * ((input * input).mean(dims, keepdim=True) + eps).rsqrt()
    return y if weight is None else y * weight


def _last_dims(
    op: str, x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None
) -> tuple[int, ...]:
    is_tensor(op, input=x)
    floating(op, x)
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if not all(hasattr(n, "__index__") for n in shape):
        raise ArgumentTypeError(f"{op}: normalized_shape must be an int or several, got {normalized_shape!r}")
    if not shape:
        raise ArgumentError(f"{op}: normalized_shape must name at least one dimension, got {normalized_shape!r}")
    if tuple(x.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"{op}: the last dimensions of input {show(x)} are not normalized_shape {list(shape)}; "
            "give the sizes of the dimensions to be normalised over"
        )
    for name, part in (("weight", weight), ("bias", bias)):
        if part is not None and tuple(part.shape) != shape:
            raise ShapeError(f"{op}: {name} {show(part)} must have shape {list(shape)}")
    return tuple(range(-len(shape), 0))


@composite(r"\gamma\,\frac{x - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + \beta")
@half_in_single
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Each example normalised over groups of channels and over space (Wu & He 2018, arXiv 1803.08494).
    x[N, C, ...]; weight, bias [C]; num_groups divides C.

    Raises ShapeError when it does not, or when weight or bias is not [C].
    """
    op = "group_norm"
    is_tensor(op, input=input)
    floating(op, input)
    if input.ndim < 2:
        raise ShapeError(f"{op}: expected x[N, C, ...] with at least 2 dimensions, got {show(input)}")
    n, channels, *space = input.shape
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"{op}: num_groups={num_groups} must divide the {channels} channels of input {show(input)}")
    for name, part in (("weight", weight), ("bias", bias)):
        if part is not None and tuple(part.shape) != (channels,):
            raise ShapeError(f"{op}: {name} {show(part)} must hold one number a channel, [{channels}]")
    if n * (channels // num_groups) * math.prod(space) == 1:
        raise ArgumentError(f"{op}: {show(input)} leaves one value a group, whose variance is 0; use larger groups")
    x = input.reshape((n, num_groups, channels // num_groups, *space))
    dims = tuple(range(2, x.ndim))
    centred = x - x.mean(dims, keepdim=True)
    y = centred * ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    y = y.reshape(input.shape)
    column = (channels,) + (1,) * len(space)
    if weight is not None:
        y = y * weight.reshape(column)
    return y if bias is None else y + bias.reshape(column)


@composite(r"\gamma\,\frac{x - \mu_{nc}}{\sqrt{\sigma_{nc}^2 + \epsilon}} + \beta")
@half_in_single
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each example normalised over space (Ulyanov et al. 2016, arXiv 1607.08022).
    x[N, C, ...]; running_mean, running_var, weight, bias [C].

    Raises ArgumentError when there is one value a channel only, or no running statistics with use_input_stats=False;
    ShapeError for parameters that are not [C].
    """
    op = "instance_norm"
    is_tensor(op, input=input)
    floating(op, input)
    if input.ndim < 3:
        raise ShapeError(
            f"{op}: expected x[N, C, ...] with dimensions of space, got {show(input)}; add them with unsqueeze"
        )
    channels, space = input.shape[1], tuple(input.shape[2:])
    for name, part in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if part is not None and tuple(part.shape) != (channels,):
            raise ShapeError(
                f"{op}: {name} {show(part)} must hold one number a channel, [{channels}], for input {show(input)}"
            )
    column = (channels,) + (1,) * len(space)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError(f"{op}: use_input_stats=False needs running_mean and running_var")
        return _rescaled(input, running_mean, running_var, weight, bias, column, eps)
    count = int(np.prod(space))
    if count == 1:
        raise ArgumentError(f"{op}: one value a channel has no variance: input {show(input)}; use a larger image")
    dims = tuple(range(2, input.ndim))
    mean = input.mean(dims, keepdim=True)
    centred = input - mean
    var = (centred * centred).mean(dims, keepdim=True)
    if running_mean is not None and input.numel():
        _follow(running_mean, mean.detach().reshape((-1, channels)).mean(0), momentum)
    if running_var is not None and input.numel():
        _follow(running_var, var.detach().reshape((-1, channels)).mean(0) * (count / (count - 1)), momentum)
    scale = (var + eps).rsqrt()
    y = centred * (scale if weight is None else scale * weight.reshape(column))
    return y if bias is None else y + bias.reshape(column)


@composite(r"x_c \Big/ \Big(k + \tfrac{\alpha}{n} \sum_{c'} x_{c'}^2\Big)^{\beta}")
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each value held down by its `size` neighbours across channels (Krizhevsky et al. 2012, section 3.3).

    x[N, C, ...] -> y of the same shape.

    Raises ShapeError for less than 3 dimensions, ArgumentError for a size below 1.
    """
    op = "local_response_norm"
    is_tensor(op, input=input)
    if input.ndim < 3:
        raise ShapeError(f"{op}: expected x[N, C, ...] with at least 3 dimensions, got {show(input)}")
    if size < 1:
        raise ArgumentError(f"{op}: size must be at least 1, got {size}")
    n, channels, *space = input.shape
    low = (0, size // 2, *(0,) * len(space))
    squares = pad_op(input * input, low=low, step=(1,) * input.ndim, shape=(n, channels + size - 1, *space), value=0.0)
    near = windows(squares, dims=(1,), kernel=(size,), stride=(1,), dilation=(1,)).mean(2)
    return input / (near * alpha + k) ** beta
