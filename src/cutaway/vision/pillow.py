"""Pillow, imported when it is first needed: the images that transforms and data sets pass on."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

from cutaway.core.errors import MissingLibrary


def need(what: str, module: str = "Image") -> Any:
    """The module PIL.Image, or another of PIL.  Raises MissingLibrary, which says that `what` needs it."""
    try:
        return import_module(f"PIL.{module}")
    except ImportError as e:
        raise MissingLibrary(f'{what} needs Pillow, which is not installed: pip install "cutaway[vision]"') from e


def is_image(x: Any) -> bool:
    """Is it one of Pillow's images?  Where Pillow was never imported, nothing is."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(x, module.Image)


def from_array(array: np.ndarray, mode: str | None = None) -> Any:
    """Pillow's image of uint8[H, W] (mode L), uint8[H, W, 2 to 4] (LA, RGB, RGBA), int16, int32 or float32[H, W]
    (I;16, I, F); with `mode`, the same bytes under that name."""
    Image = need("an image")
    array = np.ascontiguousarray(array)
    if mode is None:
        return Image.fromarray(array)
    return Image.frombuffer(mode, array.shape[1::-1], array.tobytes(), "raw", mode, 0, 1)


def image_or_array(array: np.ndarray) -> Any:
    """The image of uint8[H, W] or [H, W, 3] if Pillow is installed, else the array itself."""
    try:
        return from_array(array)
    except MissingLibrary:
        return array
