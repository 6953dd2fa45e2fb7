"""Transforms of images, for data sets: classes here, functions of one image in `functional`."""

# ruff: noqa: F401  (every name is re-exported)
# isort: skip_file

from cutaway.vision.transforms import functional
from cutaway.vision.transforms.augmix import AugMix
from cutaway.vision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from cutaway.vision.transforms.compose import Compose, Lambda, RandomApply, RandomChoice, RandomOrder, RandomTransforms
from cutaway.vision.transforms.convert import (
    ConvertImageDtype, LinearTransformation, Normalize, PILToTensor, ToPILImage, ToTensor,
)  # fmt: skip
from cutaway.vision.transforms.elastic import ElasticTransform
from cutaway.vision.transforms.geometry import CenterCrop, FiveCrop, Pad, Resize, TenCrop
from cutaway.vision.transforms.interpolation import InterpolationMode
from cutaway.vision.transforms.random_change import (
    ColorJitter, GaussianBlur, Grayscale, RandomAdjustSharpness, RandomAffine, RandomAutocontrast, RandomEqualize,
    RandomGrayscale, RandomHorizontalFlip, RandomInvert, RandomPerspective, RandomPosterize, RandomRotation,
    RandomSolarize, RandomVerticalFlip,
)  # fmt: skip
from cutaway.vision.transforms.random_crop import RandomCrop, RandomErasing, RandomResizedCrop

__all__ = [name for name in dir() if name[0].isupper()] + ["functional"]  # v2 arrives when it is named


def __getattr__(name: str) -> object:
    if name == "v2":
        from importlib import import_module

        return import_module("cutaway.vision.transforms.v2")
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.transforms", name, __all__)
