"""Images of a batch mixed with each other, and their labels with them.

Zhang et al. 2018, "mixup" (arXiv 1710.09412); Yun et al. 2019, "CutMix" (arXiv 1905.04899).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cutaway.core.creation import tensor
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.distributions import Beta
from cutaway.functional import one_hot
from cutaway.nn import Module
from cutaway.vision.transforms import draws
from cutaway.vision.transforms.v2.sample import leaves, replaced


class _Mix(Module):
    """The batch with itself, rolled by one; `alpha` of the beta distribution that draws the share.

    labels_getter: "default" takes what stands second in (images, labels), or under a key that begins with "label"; or a
    function of the sample.  num_classes is needed for labels [B] of classes, and not for [B, C] of probabilities.
    Raises ArgumentError for images that are no batch [B, C, H, W] and labels that do not fit.
    """

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Callable[[Any], Any] | str = "default"
    ) -> None:
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        self._dist = Beta(tensor([self.alpha]), tensor([self.alpha]))
        self._labels_getter = _default_labels if labels_getter == "default" else labels_getter

    def forward(self, *inputs: Any) -> Any:
        """The sample with mixed images and labels [B, num_classes]."""
        sample = inputs[0] if len(inputs) == 1 else inputs
        held, labels, name = leaves(sample), self._labels_getter(sample), type(self).__name__  # type: ignore[operator]
        if not isinstance(labels, Tensor):
            raise ArgumentError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim == 1 and self.num_classes is None:
            raise ArgumentError(f"{name}: num_classes must be passed if the labels are index-based")
        if labels.ndim not in (1, 2) or (labels.ndim == 2 and self.num_classes not in (None, labels.shape[1])):
            raise ArgumentError(f"{name}: labels should be [batch_size] or [batch_size, num_classes], got {labels.shape}")
        where = [i for i, x in enumerate(held) if isinstance(x, Tensor) and x is not labels]
        if not where:
            raise ArgumentError(f"{name}: there are no images in the sample")
        at, images = where[0], held[where[0]]
        if images.ndim != 4 or images.shape[0] != labels.shape[0]:
            raise ArgumentError(
                f"{name}: expected a batched input with 4 dimensions for {labels.shape[0]} labels, got {images.shape}"
            )
        held[at], share = self._mixed(images, float(self._dist.sample(())))
        held[next(i for i, x in enumerate(held) if x is labels)] = self._labels(labels, share)
        return replaced(sample, held)

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        raise NotImplementedError

    def _labels(self, labels: Tensor, share: float) -> Tensor:
        known = one_hot(labels, self.num_classes) if labels.ndim == 1 else labels  # type: ignore[arg-type]
        y = known if known.dtype.is_floating_point else known.float()
        return y.roll(1, 0) * (1.0 - share) + y * share

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, num_classes={self.num_classes}"


class MixUp(_Mix):
    """Weighted sums of two images each, and of their labels.  Options and errors: MixUp(*, alpha=1.0, num_classes=None,
    labels_getter="default"), as in the base class.
    """

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        if not images.dtype.is_floating_point:
            raise ArgumentError(f"MixUp: images should be floats, got {images.dtype}; use ToDtype(float32, scale=True)")
        return images.roll(1, 0) * (1.0 - share) + images * share, share


class CutMix(_Mix):
    """A rectangle of one image in another, and their labels by its area.  Options and errors as in MixUp."""

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        h, w = images.shape[-2:]
        x, y = draws.integer(0, w), draws.integer(0, h)
        side = 0.5 * math.sqrt(1.0 - share)
        dx, dy = int(side * w), int(side * h)
        left, right, top, bottom = max(x - dx, 0), min(x + dx, w), max(y - dy, 0), min(y + dy, h)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return mixed, float(1.0 - (right - left) * (bottom - top) / (w * h))


def _default_labels(sample: Any) -> Any:
    """The second of a pair, or what a dict (or the second of a pair, a dict) has under a key such as "labels"."""
    inner = sample[1] if isinstance(sample, Sequence) and len(sample) > 1 else sample
    if isinstance(inner, Mapping):
        keys = [k for k in inner if isinstance(k, str)]
        found = [k for k in keys if k.lower() in ("label", "labels")] + [k for k in keys if "label" in k.lower()]
        if not found:
            raise ArgumentError("Could not infer where the labels are in the sample; pass labels_getter")
        return inner[found[0]]
    if isinstance(sample, Sequence) and len(sample) > 1:
        return inner
    raise ArgumentError("Could not infer where the labels are in the sample; pass labels_getter")
