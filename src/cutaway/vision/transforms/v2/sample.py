"""Which parts of a sample are images: transforms of v2 take whole samples, such as (image, label) or a dict.

All of Pillow's images in it are; if there are none, the first tensor is.  What is left passes as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.generator import get_rng_state, set_rng_state
from cutaway.core.tensor import Tensor
from cutaway.vision.pillow import is_image


def leaves(sample: Any) -> list[Any]:
    """What lies in nested tuples, lists and dicts, in order."""
    if isinstance(sample, dict):
        return [leaf for part in sample.values() for leaf in leaves(part)]
    if isinstance(sample, (tuple, list)):
        return [leaf for part in sample for leaf in leaves(part)]
    return [sample]


def images_of(sample: Any) -> list[int]:
    """The positions of the images among the leaves."""
    held = leaves(sample)
    images = [i for i, x in enumerate(held) if is_image(x)]
    return images or [i for i, x in enumerate(held) if isinstance(x, Tensor)][:1]


def replaced(sample: Any, values: list[Any]) -> Any:
    """The same nesting with other leaves, taken from `values` in order."""
    if isinstance(sample, dict):
        return type(sample)((key, replaced(part, values)) for key, part in sample.items())
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(replaced(part, values) for part in sample))
    if isinstance(sample, (tuple, list)):
        return type(sample)(replaced(part, values) for part in sample)
    return values.pop(0)


def over_images(change: Callable[[Any], Any], inputs: tuple[Any, ...]) -> Any:
    """The sample with each image changed; all by the same random numbers."""
    sample = inputs[0] if len(inputs) == 1 else inputs
    held, before = leaves(sample), None
    for i in images_of(sample):
        if before is None:
            before = get_rng_state()
        else:
            set_rng_state(before)
        held[i] = change(held[i])
    return replaced(sample, held)
