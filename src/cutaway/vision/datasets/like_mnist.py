"""Data sets in MNIST's format: EMNIST, KMNIST, QMNIST. Their files are read where torchvision has them."""

from __future__ import annotations

import os
import string
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.core.functions import from_numpy
from cutaway.data import idx, store
from cutaway.vision.datasets.found import missing, one_of
from cutaway.vision.datasets.mnist import MNIST
from cutaway.vision.pillow import image_or_array


class KMNIST(MNIST):
    """60,000 training or 10,000 test images of old Japanese letters, 28 x 28; files as MNIST's in root/KMNIST/raw.

    Raises FileFormatError where they are missing (nothing is fetched) or corrupt.  Clanuwat et al. 2018.
    """

    source = "http://codh.rois.ac.jp/kmnist"
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]

    def _elsewhere(self, download: bool) -> list[np.ndarray]:
        return _none(self, download)


def _none(data: MNIST, download: bool) -> Any:
    missing(type(data).__name__, data.raw_folder, data._files(), data.source, download)


MERGED = set("cijklmopsuvwxyz")  # small letters that look as the capital does
EVERY = sorted(string.digits + string.ascii_letters)


class EMNIST(MNIST):
    """Handwritten digits and letters; `split` is byclass, bymerge, balanced, letters, digits or mnist.

    Files in root/EMNIST/raw: emnist-SPLIT-train-images-idx3-ubyte and so on, plain or as .gz; images lie on their side, as
    published.  Raises FileFormatError where they are missing (nothing is fetched), ArgumentError for another split.
    Cohen, Afshar, Tapson & van Schaik 2017.
    """

    source = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": EVERY,
        "bymerge": [c for c in EVERY if c not in MERGED],
        "balanced": [c for c in EVERY if c not in MERGED],
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        self.split = one_of("split", split, self.splits)
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[split]

    def _files(self) -> list[str]:
        part = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]

    def _elsewhere(self, download: bool) -> list[np.ndarray]:
        return _none(self, download)


class QMNIST(MNIST):
    """MNIST rebuilt with 60,000 test images and eight numbers about each; `what`: train, test, test10k, test50k or nist.

    Files in root/QMNIST/raw: qmnist-train-images-idx3-ubyte, qmnist-train-labels-idx2-int and so on, plain, .gz or .xz.
    compat=True gives the class as the target, else all eight numbers.  Raises FileFormatError where files are missing
    (nothing is fetched), ArgumentError for another `what`.  Yadav & Bottou 2019.
    """

    source = "https://github.com/facebookresearch/qmnist"
    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        self.what = one_of("what", ("train" if train else "test") if what is None else what, self.subsets)
        self.compat = compat
        super().__init__(root, train, **kwargs)
        images, labels = self._read(kwargs.get("download", False))
        self.data = from_numpy(np.require(images, requirements=["W"]))
        self.targets = from_numpy(labels.astype(np.int64))

    def _files(self) -> list[str]:
        part = self.subsets[self.what]
        name = "xnist" if part == "nist" else f"qmnist-{part}"
        return [f"{name}-images-idx3-ubyte", f"{name}-labels-idx2-int"]

    def _read(self, download: bool) -> list[np.ndarray]:
        paths = [store.find(self.raw_folder, name) for name in self._files()]
        if not all(paths):
            return _none(self, download)  # type: ignore[no-any-return]
        images, labels = (idx.read(path) for path in paths if path)
        if images.ndim != 3 or labels.ndim != 2 or len(images) != len(labels):
            raise ArgumentError(f"QMNIST: {images.shape} images and {labels.shape} labels do not fit together")
        part = {"test10k": slice(0, 10_000), "test50k": slice(10_000, None)}.get(self.what, slice(None))
        return [images[part], labels[part]]

    def _in_root(self) -> list[np.ndarray] | None:
        return [np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)]  # _read has the labels' eight numbers

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target: Any = self.targets[index]
        image = image_or_array(self.data._data[index])
        return self.transformed(image, int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
