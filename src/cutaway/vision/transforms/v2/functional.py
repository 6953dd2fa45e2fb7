"""The functions of `transforms.functional`, and v2's other names of them."""

# ruff: noqa: F403  (all of them)

from typing import Any

import numpy as np

from cutaway.core.dtypes import dtype, float32
from cutaway.core.functions import from_numpy
from cutaway.core.tensor import Tensor
from cutaway.vision.transforms import functional as _v1
from cutaway.vision.transforms.functional import *
from cutaway.vision.transforms.v2.added import gaussian_noise

__all__ = [
    *_v1.__all__, "elastic", "gaussian_noise", "get_size", "grayscale_to_rgb", "horizontal_flip", "to_dtype", "to_image",
    "vertical_flip",
]  # fmt: skip

horizontal_flip, vertical_flip, elastic = _v1.hflip, _v1.vflip, _v1.elastic_transform


def to_image(inpt: Any) -> Tensor:
    """Pillow's image, or an array [H, W] or [H, W, C], as a tensor [C, H, W] of the same numbers; a tensor as it is."""
    if isinstance(inpt, np.ndarray):
        return from_numpy(np.ascontiguousarray(np.atleast_3d(inpt).transpose(2, 0, 1)))
    return inpt if isinstance(inpt, Tensor) else _v1.pil_to_tensor(inpt)


def to_dtype(inpt: Tensor, dtype: dtype = float32, scale: bool = False) -> Tensor:
    """In another dtype: with `scale`, black and white staying black and white, else the same numbers."""
    return _v1.convert_image_dtype(inpt, dtype) if scale else inpt.to(dtype)


def get_size(inpt: Any) -> list[int]:
    """[H, W]."""
    return _v1.get_dimensions(inpt)[1:]


def grayscale_to_rgb(inpt: Any) -> Any:
    """Three equal channels of one; three stay as they are."""
    return inpt if _v1.get_image_num_channels(inpt) == 3 else _v1.rgb_to_grayscale(inpt, 3)


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.transforms.v2.functional", name, __all__)
