"""Batch norm folded into the layer before it, for evaluation; and layers made without drawing their values."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from cutaway.core.creation import ones_like, zeros_like
from cutaway.core.errors import AssertedError
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter

M = TypeVar("M", bound=Module)


@guarded
def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    """A copy of the convolution that does what conv and then bn do in evaluation.  Raises AssertedError in training."""
    return _fused(conv, bn, fuse_conv_bn_weights, transpose)


@guarded
def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A copy of the linear layer that does what linear and then bn do in evaluation.  Raises AssertedError in training."""
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertedError(
            f"fuse_linear_bn_eval: {linear.out_features} features of the layer, {bn.num_features} of the batch norm"
        )
    return _fused(linear, bn, fuse_linear_bn_weights)


def _fused(layer: Any, bn: Any, weights: Any, *options: Any) -> Any:
    if layer.training or bn.training:
        raise AssertedError("fusion is for evaluation; call eval() on both layers first")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertedError("fusion needs a batch norm with running statistics (track_running_stats=True)")
    made = copy.deepcopy(layer)
    made.weight, made.bias = weights(
        made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *options
    )
    return made


@guarded
def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused convolution; with `transpose` of a transposed one."""
    shape = [1, -1] if transpose else [-1, 1]
    return _weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [*shape, *[1] * (conv_w.ndim - 2)])


@guarded
def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused linear layer."""
    return _weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _weights(w: Any, b: Any, mean: Any, variance: Any, eps: float, scale: Any, shift: Any, shape: Any) -> Any:
    kind = w.dtype if b is None else b.dtype
    b = zeros_like(mean) if b is None else b
    scale = ones_like(mean) if scale is None else scale
    shift = zeros_like(mean) if shift is None else shift
    factor = scale * (variance + eps).rsqrt()
    weight = (w * factor.reshape(shape)).to(w.dtype).detach()
    bias = ((b - mean) * factor + shift).to(kind).detach()
    return Parameter(weight, w.requires_grad), Parameter(bias, b.requires_grad)


@guarded
def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """`module_cls(*args, **kwargs)`, whose values are not to be relied on; here they are drawn all the same.

    Raises AssertedError for what is no class of modules.
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise AssertedError(f"skip_init: expected a subclass of nn.Module, got {module_cls!r}")
    return module_cls(*args, **kwargs)


@guarded
def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """The module itself: the machine chooses the order of convolutions' weights in memory."""
    return module


convert_conv3d_weight_memory_format = convert_conv2d_weight_memory_format
