"""Random images, for trying a program out."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.core import random
from cutaway.core.errors import IndexOutOfRange
from cutaway.core.functions import from_numpy
from cutaway.core.generator import Generator
from cutaway.core.tensor import Tensor
from cutaway.vision.datasets.vision import Transform, VisionDataset
from cutaway.vision.pillow import image_or_array
from cutaway.vision.transforms import draws


class FakeData(VisionDataset):
    """`size` items (image of image_size [C, H, W], label below num_classes), normal random numbers as bytes.

    Item i is made with the seed i + random_offset, as torchvision makes it; the default generator is left alone.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexOutOfRange(f"FakeData: index {index} out of range, there are {len(self)} items")
        generator = Generator().manual_seed(int(index) + self.random_offset)
        floats = draws.normals(tuple(self.image_size), generator)
        label = from_numpy(random.randint((1,), 0, self.num_classes, generator=generator))[0]
        pixels = (floats * 255).astype(np.int64).astype(np.uint8).transpose(1, 2, 0)
        image, target = self.transformed(image_or_array(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), label)
        return image, target.item() if isinstance(target, Tensor) else target

    def __len__(self) -> int:
        return self.size
