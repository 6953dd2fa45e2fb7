"""Images: torchvision's names over Cutaway's tensors, data and layers.

An image is Pillow's, as in torchvision (`pip install "cutaway[vision]"`); where Pillow is not installed, the data sets
of arrays give uint8 arrays [H, W] or [H, W, C] in its place, which ToTensor takes as well.  Random transforms draw what
torchvision's draw after the same `manual_seed`.  A part is loaded when it is first named.
"""

from importlib import import_module
from typing import Any

from cutaway.core.absent import absent

__version__ = "0.28.0+cutaway"  # the torchvision whose behaviour this is

_MODULES = ("datasets", "io", "models", "ops", "transforms", "utils")


def get_image_backend() -> str:
    """The package that images are loaded with: always "PIL"."""
    return "PIL"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise absent("cutaway.vision", name, (*_MODULES, "get_image_backend"))
