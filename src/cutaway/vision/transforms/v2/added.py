"""Transforms that only v2 has: noise, a jitter of the scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.creation import randn
from cutaway.core.dtypes import float32, int16, uint8
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.transforms import draws
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.interpolation import InterpolationMode, mode_of
from cutaway.vision.transforms.v2.sample import over_images


def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """A tensor with normal noise added, from 0 to 1 (bytes from 0 to 255) with `clip`; mean and sigma in parts of white.

    Raises ArgumentError for Pillow's images and other dtypes, and for a negative sigma.
    """
    if not isinstance(inpt, Tensor):
        raise ArgumentError("Gaussian Noise is not implemented for PIL images.")
    if sigma < 0:
        raise ArgumentError(f"sigma shouldn't be negative. Got {sigma}")
    shape = tuple(inpt.shape)
    if inpt.dtype.is_floating_point:
        y: Tensor = inpt + (mean + randn(shape, dtype=inpt.dtype) * sigma)
        return y.clamp(0, 1) if clip else y
    if inpt.dtype != uint8:
        raise ArgumentError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={inpt.dtype}")
    whole: Tensor = inpt.to(int16) + (mean * 255 + randn(shape, dtype=float32) * (sigma * 255)).to(int16)
    return (whole.clamp(0, 255) if clip else whole).to(uint8)


class GaussianNoise(Module):
    """Normal noise added to tensors; `clip` keeps floats from 0 to 1, bytes from 0 to 255."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def forward(self, *inputs: Any) -> Any:
        """The sample, noisy."""
        return over_images(lambda image: gaussian_noise(image, self.mean, self.sigma, self.clip), inputs)

    def extra_repr(self) -> str:
        return f"mean={self.mean}, sigma={self.sigma}, clip={self.clip}"


class ScaleJitter(Module):
    """Resized to fit into target_size (H, W), times a factor drawn of scale_range."""

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: Sequence[float] = (0.1, 2.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size, self.scale_range = target_size, scale_range
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, *inputs: Any) -> Any:
        """The sample, larger or smaller."""
        return over_images(self._resized, inputs)

    def _resized(self, image: Any) -> Any:
        _, h, w = F.get_dimensions(image)
        low, high = self.scale_range
        scale = low + draws.uniform(0.0, 1.0) * (high - low)
        r = min(self.target_size[1] / h, self.target_size[0] / w) * scale
        return F.resize(image, [int(h * r), int(w * r)], self.interpolation, antialias=self.antialias)

    def extra_repr(self) -> str:
        return (
            f"target_size={self.target_size}, scale_range={self.scale_range}, "
            f"interpolation={mode_of(self.interpolation).value}, antialias={self.antialias}"
        )
