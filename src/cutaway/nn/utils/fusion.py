"""A batch normalisation that is a fixed affine map in evaluation, folded into the layer before it."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from cutaway.core.creation import ones_like, zeros_like
from cutaway.core.errors import AssertedError
from cutaway.nn.parameter import Parameter


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """One convolution (of `transpose`, a transposed one) that computes bn(conv(x)) in evaluation: a copy of conv.

    Raises AssertedError while either is in training.
    """
    return _fused("fuse_conv_bn_eval", conv, bn, partial(fuse_conv_bn_weights, transpose=transpose))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """One linear layer that computes bn(linear(x)) in evaluation: a copy of linear.  Raises AssertedError in training."""
    return _fused("fuse_linear_bn_eval", linear, bn, fuse_linear_bn_weights)


def _fused(op: str, layer: Any, bn: Any, fuse: Any) -> Any:
    if layer.training or bn.training:
        raise AssertedError(f"{op}: both layers must be in evaluation; call .eval() first")
    made = copy.deepcopy(layer)
    made.weight, made.bias = fuse(made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return made


def fuse_conv_bn_weights(
    conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any, transpose: bool = False
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of the one convolution; conv_w[O, I, ...] ([I, O, ...] with `transpose`)."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of the one linear layer; linear_w[O, I]."""
    return _weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _weights(
    w: Any, b: Any, mean: Any, var: Any, eps: float, scale: Any, shift: Any, shape: list[int]
) -> tuple[Parameter, Parameter]:
    """scale / sqrt(var + eps) of what the layer gives without its mean, and shift."""
    b = zeros_like(mean) if b is None else b
    by = (ones_like(mean) if scale is None else scale) * (var + eps).rsqrt()
    bias = (b - mean) * by + (zeros_like(mean) if shift is None else shift)
    return (
        Parameter((w * by.reshape(shape)).to(w.dtype).detach(), w.requires_grad),
        Parameter(bias.to(b.dtype).detach(), b.requires_grad),
    )
