"""From images to tensors and back, and the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.aval import show
from cutaway.core.dtypes import dtype
from cutaway.core.errors import ShapeError
from cutaway.core.tensor import Tensor
from cutaway.nn import Module
from cutaway.vision.transforms import functional as F


class ToTensor:
    """Pillow's image, or an array [H, W] or [H, W, C], as a tensor [C, H, W]; bytes become floats from 0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """Pillow's image as a tensor [C, H, W] of the same numbers."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor [C, H, W] or an array [H, W, C] as Pillow's image; floats from 0 to 1 become bytes."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Module):
    """A tensor in another dtype, with black and white staying black and white."""

    def __init__(self, dtype: dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Module):
    """(x - mean[C]) / std[C] of floats x[..., C, H, W]."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class LinearTransformation(Module):
    """(x - mean[D]) M[D, D] of images with D = C H W numbers; for whitening, M is the root of the inverse covariance."""

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        n = mean_vector.shape[0]
        if tuple(transformation_matrix.shape) != (n, n):
            raise ShapeError(
                f"LinearTransformation: transformation_matrix should be square, as long as mean_vector: "
                f"got {show(transformation_matrix)} and {show(mean_vector)}"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        c, h, w = tensor.shape[-3:]
        if c * h * w != self.mean_vector.shape[0]:
            raise ShapeError(
                f"LinearTransformation: {show(tensor)} has {c} x {h} x {w} numbers an image, the matrix is for "
                f"{self.mean_vector.shape[0]}"
            )
        flat = tensor.reshape((-1, c * h * w)) - self.mean_vector
        return (flat @ self.transformation_matrix.to(flat.dtype)).reshape(tensor.shape)

    def __repr__(self) -> str:
        matrix, mean = self.transformation_matrix.tolist(), self.mean_vector.tolist()
        return f"{type(self).__name__}(transformation_matrix={matrix}, mean_vector={mean})"
