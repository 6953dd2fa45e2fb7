"""CIFAR-10 and CIFAR-100 as torchvision gives them."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.data import cifar, store
from cutaway.data.sources import CIFAR10 as SOURCE
from cutaway.vision.datasets.found import missing
from cutaway.vision.datasets.vision import Transform, VisionDataset
from cutaway.vision.pillow import image_or_array


class CIFAR10(VisionDataset):
    """50,000 training or 10,000 test photographs; items (image 32 x 32 of mode RGB, label).

    `data` is a NumPy array uint8[N, 32, 32, 3], `targets` a list of ints.  The files are read from
    root/cifar-10-batches-py or root/cifar-10-python.tar.gz, as torchvision lays them out (each is checked by MD5, and
    its pickle may hold arrays and nothing else), or from the binary version in root; else from Cutaway's cache, where
    `download=True` puts them (162 MB).  Nothing is written in root.  Krizhevsky 2009.

    Raises FileFormatError (a RuntimeError) if they are nowhere or corrupt, DownloadError if no mirror delivers.
    """

    base_folder = "cifar-10-batches-py"
    filename = "cifar-10-python.tar.gz"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]

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
        self.classes = list(SOURCE.classes)
        images, labels = self._pickled() or self._binary(download)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.data: Any = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.targets: list[int] = labels.tolist()

    def _pickled(self) -> tuple[np.ndarray, np.ndarray] | None:
        """images [N, 3, 32, 32] and labels [N] of the Python version in root; None if it is not there."""
        if self.root is None:
            return None
        wanted = dict(self.train_list if self.train else self.test_list)
        held = {}
        for path, content in self._pickles(set(wanted)):
            name = os.path.basename(path)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != wanted[name]:
                raise FileFormatError(f"Dataset not found or corrupted: {path} is not the file as it was published")
            held[name] = self._parsed(name, content, path)
        if len(held) < len(wanted):
            return None
        images, labels = zip(*(held[name] for name in wanted if held[name] is not None), strict=True)
        return np.concatenate(images), np.concatenate(labels)

    def _parsed(self, name: str, content: bytes, path: str) -> Any:
        return cifar.parse_pickle(content, path)

    def _pickles(self, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        folder, archive = (os.path.join(self.root or "", name) for name in (self.base_folder, self.filename))
        paths = [os.path.join(folder, name) for name in sorted(wanted)]
        if all(map(os.path.isfile, paths)):
            for path in paths:
                with open(path, "rb") as f:
                    yield path, f.read()
        elif os.path.isfile(archive):
            try:
                with tarfile.open(archive, "r|gz") as tar:
                    for member in tar:
                        if os.path.basename(member.name) in wanted and (stream := tar.extractfile(member)) is not None:
                            yield member.name, stream.read()
            except (tarfile.TarError, EOFError, OSError) as e:
                raise FileFormatError(f"{archive}: not a readable tar.gz archive ({e})") from None

    def _binary(self, download: bool) -> tuple[np.ndarray, np.ndarray]:
        contents = None
        if self.root is not None and os.path.isdir(self.root):
            try:
                contents = store.from_folder(SOURCE, os.fspath(self.root))
            except ArgumentError:  # it is not there
                contents = None
        contents = contents or store.at_hand(SOURCE)
        if contents is None and download:
            contents = store.obtain(SOURCE)
        if contents is None:
            raise FileFormatError(
                f"Dataset not found or corrupted. You can use download=True to download it: there is no CIFAR-10 in "
                f"{self.root} nor in the cache"
            )
        return SOURCE.parse(contents)[0 if self.train else 1]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(image_or_array(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """The same of 100 classes; items (image 32 x 32 of mode RGB, label 0 .. 99).

    Read from root/cifar-100-python or root/cifar-100-python.tar.gz, as torchvision lays them out, and checked as CIFAR-10's.
    Raises FileFormatError where they are missing (nothing is fetched) or corrupt.
    """

    base_folder = "cifar-100-python"
    filename = "cifar-100-python.tar.gz"
    meta = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"], [meta["filename"], meta["md5"]]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"], [meta["filename"], meta["md5"]]]

    def _parsed(self, name: str, content: bytes, path: str) -> Any:
        if name == self.meta["filename"]:
            self.classes = cifar.parse_names(content, path, self.meta["key"])
            return None
        return cifar.parse_pickle(content, path, "fine_labels", 100)

    def _binary(self, download: bool) -> tuple[np.ndarray, np.ndarray]:
        source = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
        missing("CIFAR-100", self.root or "", [self.filename], source, download)
