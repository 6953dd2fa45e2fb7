"""Lazy layers: the input size is read from the first input; then the layer becomes the ordinary one.

net = nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
net(x)          # sizes are found, initial values drawn
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.aval import show
from cutaway.core.creation import full
from cutaway.core.errors import CutawayError, NotWritten, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.functional._check import is_tensor
from cutaway.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from cutaway.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from cutaway.nn.linear import Linear
from cutaway.nn.module import Module, say_where
from cutaway.nn.parameter import UninitializedParameter

Ints = int | Sequence[int]


class LazyModule(Module):
    """What lazy layers share. Each says which size an input, or a saved weight, shows, and which shapes follow from it.

    The ordinary layer's __init__ runs with a stand-in size of 1; then its parameters are put off.
    """

    becomes: type[Module]
    weight: Any
    bias: Any

    def reset_parameters(self) -> None:
        """Nothing to draw yet; the ordinary layer draws."""

    def has_uninitialized_params(self) -> bool:
        """True: once the size is known, this is no lazy module any more."""
        return True

    def _put_off(self) -> None:
        for name, p in self._parameters.items():
            if p is not None:
                self._parameters[name] = UninitializedParameter(p.requires_grad, dtype=p.dtype)

    def _size_of_input(self, input: Tensor) -> int:
        raise NotWritten(f"{type(self).__name__}: a lazy layer says what its sizes are")

    def _size_of_weight(self, weight: Tensor) -> int:
        raise NotWritten(f"{type(self).__name__}: a lazy layer says what its sizes are")

    def _set_size(self, size: int) -> dict[str, tuple[int, ...]]:
        """Note the size; returns the shapes of the parameters."""
        raise NotWritten(f"{type(self).__name__}: a lazy layer says what its sizes are")

    def _become(self, size: int) -> None:
        for name, shape in self._set_size(size).items():
            p = self._parameters[name]
            if isinstance(p, UninitializedParameter):
                p.materialize(shape)
        self.__class__ = self.becomes  # type: ignore[assignment]

    def initialize_parameters(self, input: Tensor) -> None:
        """Take the size from an input, draw the initial values and become the ordinary layer."""
        self._become(self._size_of_input(input))
        self.reset_parameters()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            return super().__call__()  # Python says which argument is missing
        input = args[0] if args else next(iter(kwargs.values()))
        try:
            is_tensor(type(self).__name__, input=input)
            self.initialize_parameters(input)
        except CutawayError as error:
            say_where(error, self, args, kwargs)
            raise
        return self(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "weight", state_dict.get(prefix + "running_mean"))
        if saved is None:
            super()._load_from_state_dict(state_dict, prefix, *args)  # which reports it as missing
        elif not isinstance(saved, UninitializedParameter) and saved.shape != (0,):
            self._become(self._size_of_weight(saved))
            self._load_from_state_dict(state_dict, prefix, *args)


def _channels(layer: str, input: Tensor, batched: int) -> int:
    """The number of channels of x[N, C, ...] or [C, ...]."""
    if input.ndim not in (batched - 1, batched):
        raise ShapeError(
            f"{layer}: expected {batched} dimensions, or {batched - 1} without the batch, got {show(input)}"
        )
    return input.shape[1 - batched]


class LazyLinear(LazyModule, Linear):
    """Linear whose in_features is the last size of the first input."""

    becomes = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(1, out_features, bias, device, dtype)
        self.in_features = 0
        self._put_off()

    def _size_of_input(self, input: Tensor) -> int:
        return input.shape[-1]

    def _size_of_weight(self, weight: Tensor) -> int:
        return weight.shape[1]

    def _set_size(self, size: int) -> dict[str, tuple[int, ...]]:
        self.in_features = size
        return {"weight": (self.out_features, size), "bias": (self.out_features,)}


class _LazyConv(LazyModule):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            groups, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.in_channels = 0
        self._put_off()

    def _size_of_input(self, input: Tensor) -> int:
        return _channels(type(self).__name__, input, self.ndim + 2)

    def _size_of_weight(self, weight: Tensor) -> int:
        return weight.shape[1] * self.groups

    def _set_size(self, size: int) -> dict[str, tuple[int, ...]]:
        if size % self.groups:
            raise ShapeError(f"{type(self).__name__}: {size} channels do not divide into groups={self.groups}")
        self.in_channels = size
        return {"weight": (self.out_channels, size // self.groups, *self.kernel_size), "bias": (self.out_channels,)}


class LazyConv1d(_LazyConv, Conv1d):
    """Conv1d whose in_channels is that of the first input."""

    becomes = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """Conv2d whose in_channels is that of the first input."""

    becomes = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """Conv3d whose in_channels is that of the first input."""

    becomes = Conv3d


class _LazyTransposed(LazyModule):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            groups, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode,
            device, dtype,
        )  # fmt: skip
        self.in_channels = 0
        self._put_off()

    def _size_of_input(self, input: Tensor) -> int:
        return _channels(type(self).__name__, input, self.ndim + 2)

    def _size_of_weight(self, weight: Tensor) -> int:
        return weight.shape[0]

    def _set_size(self, size: int) -> dict[str, tuple[int, ...]]:
        if size % self.groups:
            raise ShapeError(f"{type(self).__name__}: {size} channels do not divide into groups={self.groups}")
        self.in_channels = size
        return {"weight": (size, self.out_channels // self.groups, *self.kernel_size), "bias": (self.out_channels,)}


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """ConvTranspose1d whose in_channels is that of the first input."""

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """ConvTranspose2d whose in_channels is that of the first input."""

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """ConvTranspose3d whose in_channels is that of the first input."""

    becomes = ConvTranspose3d


class _LazyBatchNorm(LazyModule):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(1, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.num_features = 0
        self._put_off()
        for name in ("running_mean", "running_var"):
            if (b := self._buffers[name]) is not None:
                self._buffers[name] = b[:0]

    def _size_of_input(self, input: Tensor) -> int:
        self._check(input)
        return input.shape[1]

    def _size_of_weight(self, weight: Tensor) -> int:
        return weight.shape[0]

    def _set_size(self, size: int) -> dict[str, tuple[int, ...]]:
        self.num_features = size
        for name, first in (("running_mean", 0.0), ("running_var", 1.0)):
            if (b := self._buffers[name]) is not None:
                self._buffers[name] = full((size,), first, dtype=b.dtype)
        return {name: (size,) for name, p in self._parameters.items() if p is not None}


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """BatchNorm1d whose num_features is that of the first input."""

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """BatchNorm2d whose num_features is that of the first input."""

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """BatchNorm3d whose num_features is that of the first input."""

    becomes = BatchNorm3d


class _LazyInstanceNorm(_LazyBatchNorm):
    def _size_of_input(self, input: Tensor) -> int:
        self._check(input)
        return input.shape[1] if input.ndim == self.ndims[1] else input.shape[0]


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """InstanceNorm1d whose num_features is that of the first input."""

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """InstanceNorm2d whose num_features is that of the first input."""

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """InstanceNorm3d whose num_features is that of the first input."""

    becomes = InstanceNorm3d
