"""Normalisation by the statistics of the batch (Ioffe & Szegedy 2015, arXiv 1502.03167; book, section 6.3)."""

from __future__ import annotations

from typing import Any

from cutaway import functional as F
from cutaway.core.aval import show
from cutaway.core.dtypes import int64
from cutaway.core.errors import ShapeError
from cutaway.core.functions import ones, tensor, zeros
from cutaway.core.tensor import Tensor
from cutaway.nn import init
from cutaway.nn.linear import counts
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter, blank


class _ChannelNorm(Module):
    """Scale and shift for each channel, and running statistics: what batch norm and instance norm share."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _version = 2  # 2 added num_batches_tracked
    ndims: tuple[int, ...] = ()
    layouts = ""

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        counts(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", blank((num_features,), device, dtype) if affine else None)
        self.register_parameter("bias", blank((num_features,), device, dtype) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=int64, device=device) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and the running statistics anew."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check(self, input: Tensor) -> None:
        if input.dim() not in self.ndims:
            raise ShapeError(f"{type(self).__name__}: expected {self.layouts}, got {show(input)}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        key = prefix + "num_batches_tracked"
        if (local_metadata.get("version") or 1) < 2 and self.num_batches_tracked is not None and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the plain mean of all batches so far
                factor = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or self.running_mean is None
        keep = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if keep else None,
            self.running_var if keep else None,
            self.weight,
            self.bias,
            by_batch,
            factor,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """x[N, C] or [N, C, L], normalised over N and L in each channel, then scaled by weight[C] and shifted by bias[C].

    In training the batch's mean and variance are used, and running_mean[C], running_var[C] follow them with `momentum`
    (None: the mean of all batches); in evaluation the running ones are used.
    Raises ShapeError for other shapes, or for a single value per channel in training.
    """

    ndims, layouts = (2, 3), "[N, C] or [N, C, L]"


class BatchNorm2d(_BatchNorm):
    """x[N, C, H, W], normalised over N, H and W in each channel.  Otherwise as BatchNorm1d."""

    ndims, layouts = (4,), "[N, C, H, W]"


class BatchNorm3d(_BatchNorm):
    """x[N, C, D, H, W], normalised over N, D, H and W in each channel.  Otherwise as BatchNorm1d."""

    ndims, layouts = (5,), "[N, C, D, H, W]"


class SyncBatchNorm(_BatchNorm):
    """x[N, C, ...], as BatchNorm: statistics are those of this process, which is PyTorch's where there is but one.

    `convert_sync_batchnorm(module)` puts it in the place of each BatchNorm.
    """

    layouts = "[N, C, ...]"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ShapeError(f"SyncBatchNorm: expected {self.layouts}, got {show(input)}")

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """`module` with a SyncBatchNorm, of the same tensors, for each BatchNorm in it; or the one for it."""
        made = module
        if isinstance(module, _BatchNorm):
            made = cls(
                module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group,
                bias=module.bias is not None,
            )  # fmt: skip
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
            made.training = module.training
        for name, child in module.named_children():
            made.register_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        x = input.unsqueeze(0) if input.ndim == self.ndims[0] else input
        if x.shape[1] != self.num_features and self.affine:
            raise ShapeError(f"{type(self).__name__}: {self.num_features} features were declared, got {show(input)}")
        y = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y.squeeze(0) if input.ndim == self.ndims[0] else y


class InstanceNorm1d(_InstanceNorm):
    """x[N, C, L] or [C, L], normalised over L for each sample and channel.  Raises ShapeError for other shapes."""

    ndims, layouts = (2, 3), "[N, C, L] or [C, L]"


class InstanceNorm2d(_InstanceNorm):
    """x[N, C, H, W] or [C, H, W], normalised over H and W in each channel (Ulyanov et al. 2016, arXiv 1607.08022)."""

    ndims, layouts = (3, 4), "[N, C, H, W] or [C, H, W]"


class InstanceNorm3d(_InstanceNorm):
    """x[N, C, D, H, W] or [C, D, H, W], normalised over D, H and W for each sample and channel."""

    ndims, layouts = (4, 5), "[N, C, D, H, W] or [C, D, H, W]"
