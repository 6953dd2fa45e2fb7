"""A normalization with fixed statistics, folded into the layer before it: one layer less when a network is only used."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from cutaway.core.errors import AssertedError
from cutaway.core.functions import zeros_like
from cutaway.core.tensor import Tensor
from cutaway.nn.parameter import Parameter

Pair = tuple[Parameter, Parameter]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of `conv` that gives bn(conv(x)).  transpose: it is a transposed convolution.

    Raises AssertedError unless both are in eval(): in training the statistics are those of each batch.
    """
    return _fused("fuse_conv_bn_eval", conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of `linear` that gives bn(linear(x)).

    Raises AssertedError unless both are in eval(), and where their widths differ (bn of a third dimension).
    """
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertedError(
            f"fuse_linear_bn_eval: linear.out_features={linear.out_features}, but bn.num_features={bn.num_features}; "
            "they must be equal, or the second 1"
        )
    return _fused("fuse_linear_bn_eval", linear, bn, fuse_linear_bn_weights)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> Pair:
    """Weight[O, I, ...] ([I, O, ...] with transpose) and bias[O] of the convolution with the normalization in it."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _folded(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> Pair:
    """Weight[O, I] and bias[O] of the linear layer with the normalization in it."""
    return _folded(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fused(name: str, layer: Any, bn: Any, weights: Any, *more: Any) -> Any:
    if layer.training or bn.training:
        raise AssertedError(f"{name}: both must be in eval(): in training the statistics are those of each batch")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertedError(f"{name}: the normalization has no running statistics (track_running_stats=False)")
    made = deepcopy(layer)
    made.weight, made.bias = weights(
        made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *more
    )
    return made


def _folded(
    w: Tensor, b: Tensor | None, mean: Tensor, var: Tensor, eps: float, gain: Any, shift: Any, shape: list[int]
) -> Pair:
    """(w x + b - mean) gain / sqrt(var + eps) + shift = w' x + b'."""
    scale = (var + eps).rsqrt() if gain is None else gain * (var + eps).rsqrt()
    moved = ((zeros_like(mean) if b is None else b) - mean) * scale
    moved = moved if shift is None else moved + shift
    made = (w * scale.reshape(shape)).to(w.dtype), moved.to((w if b is None else b).dtype)
    kept = w.requires_grad, b is not None and b.requires_grad
    return tuple(Parameter(x.detach(), g) for x, g in zip(made, kept, strict=True))  # type: ignore[return-value]
