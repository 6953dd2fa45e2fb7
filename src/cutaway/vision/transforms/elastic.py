"""An image pulled about: each pixel comes from a place displaced by smoothed noise (Simard, Steinkraus & Platt 2003)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.creation import rand
from cutaway.core.derived import cat
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.arguments import fill_of
from cutaway.vision.transforms.interpolation import InterpolationMode


class ElasticTransform(Module):
    """Displaced by noise from -1 to 1, smoothed over `sigma` pixels and `alpha` times as strong; a number, or (x, y).

    Raises ArgumentError for negative sigmas and lists of another length.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha, self.sigma = _both("alpha", alpha), _both("sigma", sigma)
        self.interpolation = interpolation
        self.fill = [float(fill)] if isinstance(fill, (int, float)) else [float(f) for f in fill]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """The displacement [1, H, W, 2], in parts of half the size, drawn."""
        parts = []
        for strength, spread, side in zip(alpha, sigma, reversed(size), strict=True):
            noise = rand((1, 1, *size)) * 2 - 1
            if spread > 0.0:
                reach = int(8 * spread + 1)
                reach += 1 - reach % 2
                noise = F.gaussian_blur(noise, [reach, reach], list(sigma))
            parts.append(noise * strength / side)
        return cat(parts, 1).permute([0, 2, 3, 1])

    def forward(self, tensor: Any) -> Any:
        """The image, pulled about."""
        _, h, w = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [h, w])
        return F.elastic_transform(tensor, displacement, self.interpolation, fill_of(self.fill, tensor))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


def _both(name: str, value: float | Sequence[float]) -> list[float]:
    """One number for both directions, or two."""
    listed = [float(value)] * 2 if isinstance(value, (int, float)) else [float(v) for v in value]
    if len(listed) != 2:
        raise ArgumentError(f"ElasticTransform: {name} should be a number or two of them, got {value!r}")
    return listed
