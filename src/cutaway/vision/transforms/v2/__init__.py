"""torchvision's second interface: the same transforms, of whole samples such as (image, label).

What is an image in a sample, `sample.py` says.  There are no boxes, masks or key points (`tv_tensors`): an image is Pillow's
or a plain tensor, and ToImage makes the latter.  Numbers drawn are v2's.  Colours of bytes are computed as in v1, whose
roundings, like those of resized bytes, may differ from v2's by one level.
"""

# isort: skip_file

import warnings
from typing import Any

from cutaway.core.dtypes import dtype
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision import transforms as v1
from cutaway.vision.transforms import draws
from cutaway.vision.transforms.autoaugment import AutoAugmentPolicy
from cutaway.vision.transforms.interpolation import InterpolationMode
from cutaway.vision.transforms.v2 import functional
from cutaway.vision.transforms.v2.added import GaussianNoise, ScaleJitter
from cutaway.vision.transforms.v2.containers import Compose, RandomApply, RandomChoice, RandomOrder
from cutaway.vision.transforms.v2.mixing import CutMix, MixUp
from cutaway.vision.transforms.v2.policies import AugMix, AutoAugment, RandAugment, TrivialAugmentWide
from cutaway.vision.transforms.v2.sample import leaves, over_images, replaced


class _OfSamples(Module):
    """Put before a transform of v1: what it does to an image, done to the images of a sample."""

    def forward(self, *inputs: Any) -> Any:
        return over_images(super().forward, inputs)


def _of_samples(transform: type) -> Any:
    return type(transform.__name__, (_OfSamples, transform), {"__doc__": transform.__doc__, "__module__": __name__})


CenterCrop, ColorJitter, ConvertImageDtype = map(_of_samples, (v1.CenterCrop, v1.ColorJitter, v1.ConvertImageDtype))
FiveCrop, GaussianBlur, Grayscale = map(_of_samples, (v1.FiveCrop, v1.GaussianBlur, v1.Grayscale))
LinearTransformation, Normalize, Pad = map(_of_samples, (v1.LinearTransformation, v1.Normalize, v1.Pad))
RandomAdjustSharpness, RandomAffine = map(_of_samples, (v1.RandomAdjustSharpness, v1.RandomAffine))
RandomAutocontrast, RandomEqualize = map(_of_samples, (v1.RandomAutocontrast, v1.RandomEqualize))
RandomErasing, RandomGrayscale = map(_of_samples, (v1.RandomErasing, v1.RandomGrayscale))
RandomHorizontalFlip, RandomInvert = map(_of_samples, (v1.RandomHorizontalFlip, v1.RandomInvert))
RandomPerspective, RandomPosterize = map(_of_samples, (v1.RandomPerspective, v1.RandomPosterize))
RandomResizedCrop, RandomRotation = map(_of_samples, (v1.RandomResizedCrop, v1.RandomRotation))
RandomSolarize, RandomVerticalFlip = map(_of_samples, (v1.RandomSolarize, v1.RandomVerticalFlip))
Resize, TenCrop = map(_of_samples, (v1.Resize, v1.TenCrop))
ElasticTransform = _of_samples(v1.ElasticTransform)


class RandomCrop(_OfSamples, v1.RandomCrop):
    """A part of size (H, W) at a random place; drawn for the directions in which there is a choice.

    `pad_if_needed` pads both sides by what is missing.
    """

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width), drawn."""
        _, h, w = functional.get_dimensions(img)
        th, tw = output_size
        if h < th or w < tw:
            raise ArgumentError(f"Required crop size {(th, tw)} is larger than padded input image size {(h, w)}.")
        top = draws.integer(0, h - th + 1) if h > th else 0
        return top, draws.integer(0, w - tw + 1) if w > tw else 0, th, tw


class _Conversion(Module):
    def forward(self, *inputs: Any) -> Any:
        return over_images(self.converted, inputs)

    def converted(self, image: Any) -> Any:
        """What becomes of an image."""
        return image


class Identity(_Conversion):
    """Nothing is changed."""


class ToPureTensor(_Conversion):
    """Nothing is changed: tensors are plain here."""


class PILToTensor(_Conversion):
    """Pillow's images as tensors [C, H, W] of the same numbers."""

    def converted(self, image: Any) -> Any:
        return image if isinstance(image, Tensor) else functional.pil_to_tensor(image)


class RGB(_Conversion):
    """Three channels."""

    def converted(self, image: Any) -> Any:
        return functional.grayscale_to_rgb(image)


class ToDtype(_Conversion):
    """Tensors in another dtype: with `scale`, black and white staying black and white, else the same numbers."""

    def __init__(self, dtype: dtype, scale: bool = False) -> None:
        super().__init__()
        if isinstance(dtype, dict):
            raise ArgumentError("ToDtype: a dict of dtypes is for boxes and masks, which there are not; give one dtype")
        self.dtype = dtype
        self.scale = scale

    def converted(self, image: Any) -> Any:
        return functional.to_dtype(image, self.dtype, self.scale) if isinstance(image, Tensor) else image

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scale={self.scale})"


class ToImage(Module):
    """Pillow's image, or an array [H, W] or [H, W, C], as a tensor [C, H, W] of the same numbers; in a sample, Pillow's."""

    def forward(self, *inputs: Any) -> Any:
        if len(inputs) == 1 and not isinstance(inputs[0], (tuple, list, dict)):
            return functional.to_image(inputs[0])
        return over_images(functional.to_image, inputs)


class ToPILImage(Module):
    """A tensor [C, H, W], or an array [H, W, C], as Pillow's image."""

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, *inputs: Any) -> Any:
        if len(inputs) == 1 and not isinstance(inputs[0], (tuple, list, dict)):
            return functional.to_pil_image(inputs[0], self.mode)
        return over_images(lambda image: functional.to_pil_image(image, self.mode), inputs)


class ToTensor(_Conversion):
    """As in v1; torchvision advises Compose([ToImage(), ToDtype(float32, scale=True)]) instead, and warns."""

    def __init__(self) -> None:
        super().__init__()
        warnings.warn(
            "v2.ToTensor is deprecated: use v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])", stacklevel=2
        )

    def converted(self, image: Any) -> Any:
        return image if isinstance(image, Tensor) else functional.to_tensor(image)


class Lambda(Module):
    """A function of yours, of each leaf of the sample that is one of `types` (by default of all)."""

    def __init__(self, lambd: Any, *types: type) -> None:
        super().__init__()
        self.lambd = v1.Lambda(lambd).lambd
        self.types = types or (object,)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        return replaced(sample, [self.lambd(x) if isinstance(x, self.types) else x for x in leaves(sample)])


__all__ = [
    "RGB", "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype",
    "CutMix", "ElasticTransform", "FiveCrop", "GaussianBlur", "GaussianNoise", "Grayscale", "Identity", "InterpolationMode",
    "Lambda", "LinearTransformation", "MixUp", "Normalize", "PILToTensor", "Pad", "RandAugment",
    "RandomAdjustSharpness", "RandomAffine", "RandomApply", "RandomAutocontrast", "RandomChoice", "RandomCrop",
    "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder",
    "RandomPerspective", "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomVerticalFlip",
    "Resize", "ScaleJitter", "TenCrop", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor", "ToTensor",
    "TrivialAugmentWide", "functional",
]  # fmt: skip


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.transforms.v2", name, __all__)
