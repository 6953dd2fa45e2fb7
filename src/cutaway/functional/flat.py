"""Functions that PyTorch has in `torch` itself, with their arguments in another order than those of nn.functional."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor
from cutaway.functional import norm, padding, pool
from cutaway.functional.embedding import embedding as lookup

__all__ = ["adaptive_max_pool1d", "batch_norm", "constant_pad_nd", "embedding", "group_norm", "instance_norm", "layer_norm"]


@guarded
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:
    """nn.functional.layer_norm; cudnn_enable changes nothing."""
    return norm.layer_norm(input, normalized_shape, weight, bias, eps)


@guarded
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:
    """nn.functional.group_norm; cudnn_enabled changes nothing."""
    return norm.group_norm(input, num_groups, weight, bias, eps)


@guarded
def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """nn.functional.batch_norm; cudnn_enabled changes nothing."""
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@guarded
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """nn.functional.instance_norm; cudnn_enabled changes nothing."""
    return norm.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


@guarded
def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """nn.functional.embedding, the table first; padding_idx -1 stands for none."""
    row = None if padding_idx == -1 else padding_idx
    return lookup(indices, weight, row, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


@guarded
def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """nn.functional.pad with a constant."""
    return padding.pad(input, pad, "constant", value)


@guarded
def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Any:
    """nn.functional.adaptive_max_pool1d with its indices: (values, indices)."""
    return pool.adaptive_max_pool1d(input, output_size, True)
