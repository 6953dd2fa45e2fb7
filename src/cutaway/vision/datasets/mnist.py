"""MNIST and those that are made like it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.core.functions import from_numpy
from cutaway.core.tensor import Tensor
from cutaway.data import idx, store
from cutaway.data.sources import FASHION_MNIST, SOURCES
from cutaway.vision.datasets.vision import Transform, VisionDataset
from cutaway.vision.pillow import image_or_array


class MNIST(VisionDataset):
    """60,000 training or 10,000 test images of handwritten digits; items (image 28 x 28 of mode L, label).

    `data` is uint8[N, 28, 28], `targets` int64[N].  The files are read from root/MNIST/raw if they are there, as
    torchvision lays them out, plain or as .gz; else they are the package's own, so any root does, and nothing is
    written there.  `download` makes no difference.  LeCun, Bottou, Bengio & Haffner 1998.

    Raises FileFormatError for a corrupt file, ArgumentError if images and labels do not fit together.
    """

    source = "mnist"
    mirrors: list[str] = []  # these two are torchvision's; programs edit them, and nothing is fetched by them here
    resources = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        images, labels = self._in_root() or self._elsewhere(download)
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ArgumentError(
                f"{type(self).__name__}: {images.shape} images and {labels.shape} labels do not fit together; "
                f"expected [N, H, W] and [N]"
            )
        self.data: Tensor = from_numpy(np.require(images, requirements=["W"]))
        self.targets: Tensor = from_numpy(labels.astype(np.int64))

    def _files(self) -> list[str]:
        split = "train" if self.train else "t10k"
        return [f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"]

    def _in_root(self) -> list[np.ndarray] | None:
        if self.root is None:
            return None
        paths = [store.find(self.raw_folder, name) for name in self._files()]
        return [idx.read(path) for path in paths if path] if all(paths) else None

    def _elsewhere(self, download: bool) -> list[np.ndarray]:
        source = SOURCES[self.source]
        contents: Mapping[str, Any] | None = store.at_hand(source)
        if contents is None and download:
            contents = store.obtain(source)
        if contents is None:
            raise FileFormatError(
                f"Dataset not found. You can use download=True to download it: there is no {source.title} in "
                f"{self.raw_folder} nor in the cache"
            )
        return [idx.parse(contents[name], name) for name in self._files()]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = (x._data[index] if isinstance(x, Tensor) else x[index] for x in (self.data, self.targets))
        return self.transformed(image_or_array(image), int(target))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        """Where torchvision has the files."""
        return os.path.join(self.root or "", type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Where old versions of torchvision had theirs; not read."""
        return os.path.join(self.root or "", type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class."""
        return {name: i for i, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    train_data = property(lambda self: _renamed(self, "train_data", "data"))
    test_data = property(lambda self: _renamed(self, "test_data", "data"))
    train_labels = property(lambda self: _renamed(self, "train_labels", "targets"))
    test_labels = property(lambda self: _renamed(self, "test_labels", "targets"))


def _renamed(data: MNIST, old: str, new: str) -> Tensor:
    warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
    return getattr(data, new)


class FashionMNIST(MNIST):
    """60,000 training or 10,000 test pictures of clothing; items (image 28 x 28 of mode L, label).

    The files are read from root/FashionMNIST/raw, as torchvision lays them out, plain or as .gz; else from Cutaway's
    cache, where `download=True` puts them (30 MB), or from Debian's package.  Xiao, Rasul & Vollgraf 2017.

    Raises FileFormatError (a RuntimeError) if they are nowhere or corrupt, DownloadError if no mirror delivers.
    """

    source = "fashion_mnist"
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = list(FASHION_MNIST.classes)
