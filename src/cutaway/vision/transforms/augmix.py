"""AugMix: an image mixed with several chains of changes of itself (Hendrycks et al. 2020, arXiv 1912.02781, algorithm 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import random
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.vision.transforms import draws
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.autoaugment import SIGNED, _evenly, _Policy
from cutaway.vision.transforms.interpolation import InterpolationMode

MOST = 10  # severities


class AugMix(_Policy):
    """mixture_width chains of up to 3 (or chain_depth) changes, weighed by drawn numbers, mixed with the image itself.

    severity 1 .. 10 bounds the magnitudes; alpha is that of the Dirichlet distribution of the weights; all_ops also changes
    brightness, colour, contrast and sharpness.  For images of bytes.  Raises ArgumentError for another severity.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= MOST:
            raise ArgumentError(f"The severity must be between [1, {MOST}]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def _space(self, h: int, w: int) -> dict[str, list[float]]:
        to = lambda last, first=0.0: _evenly(first, last, MOST)
        more = {name: to(0.9) for name in ("Brightness", "Color", "Contrast", "Sharpness")}
        return {
            "ShearX": to(0.3),
            "ShearY": to(0.3),
            "TranslateX": to(w / 3.0),
            "TranslateY": to(h / 3.0),
            "Rotate": to(30.0),
            "Posterize": [4 - round(i / ((MOST - 1) / 4)) for i in range(MOST)],
            "Solarize": to(0.0, 255.0),
            "AutoContrast": [],
            "Equalize": [],
            **(more if self.all_ops else {}),
        }

    def forward(self, orig_img: Any) -> Any:
        """The mixture."""
        _, h, w = F.get_dimensions(orig_img)
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        space = self._space(h, w)
        own, rest = _weights([self.alpha, self.alpha])
        weights = _weights([self.alpha] * self.mixture_width) * rest
        mix: Any = img.float() * float(own)
        for weight in weights.tolist():
            changed = img
            for _ in range(self.chain_depth if self.chain_depth > 0 else draws.integer(1, 4)):
                name = list(space)[draws.integer(0, len(space))]
                magnitude = float(space[name][draws.integer(0, self.severity)]) if space[name] else 0.0
                if name in SIGNED and self._turned_round():
                    magnitude = -magnitude
                changed = self._changed(changed, name, magnitude)
            mix = mix + changed.float() * weight
        mixed = mix.to(img.dtype)
        return mixed if isinstance(orig_img, Tensor) else F.to_pil_image(mixed, orig_img.mode)

    def __repr__(self) -> str:
        return self._shown(
            severity=self.severity, mixture_width=self.mixture_width, chain_depth=self.chain_depth, alpha=self.alpha,
            all_ops=self.all_ops,
        )  # fmt: skip


def _weights(alphas: list[float]) -> np.ndarray:
    """Numbers that sum to 1, of a Dirichlet distribution."""
    drawn = random.standard_gamma(np.array(alphas))
    return np.asarray(drawn / drawn.sum(), np.float32)

