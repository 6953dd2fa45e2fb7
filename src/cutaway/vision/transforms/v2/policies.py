"""Policies as v2 draws them: one number at a time, and a sign by a uniform number."""

from __future__ import annotations

from typing import Any

from cutaway.vision.transforms import augmix, autoaugment, draws
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms.v2.sample import over_images


class _Drawn:
    def _turned_round(self) -> bool:
        return float(draws.uniforms(())) <= 0.5

    def forward(self, *inputs: Any) -> Any:
        """The sample with its images changed."""
        return over_images(self._image, inputs)

    def _image(self, image: Any) -> Any:
        return super().forward(image)  # type: ignore[misc]


class RandAugment(_Drawn, autoaugment.RandAugment):
    """num_ops changes drawn at random, each of the same magnitude.  For images of bytes."""


class TrivialAugmentWide(_Drawn, autoaugment.TrivialAugmentWide):
    """One change, of a magnitude drawn at random.  For images of bytes."""


class AugMix(_Drawn, augmix.AugMix):
    """Chains of changes mixed with the image; arguments and errors as of v1's."""


class AutoAugment(_Drawn, autoaugment.AutoAugment):
    """One of the policy's 25 pairs of changes, each with its own probability and magnitude.  For images of bytes."""

    def _image(self, image: Any) -> Any:
        _, h, w = F.get_dimensions(image)
        space = autoaugment._magnitudes(10, h, w)
        for name, p, level in self.policies[draws.integer(0, len(self.policies))]:
            if float(draws.uniforms(())) > p:
                continue
            magnitude = 0.0 if level is None else float(space[name][level])
            if level is not None and name in autoaugment.SIGNED and self._turned_round():
                magnitude = -magnitude
            image = self._changed(image, name, magnitude)
        return image
