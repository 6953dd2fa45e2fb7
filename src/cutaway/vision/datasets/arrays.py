"""Data sets whose images are in one file: SVHN in MATLAB's format, STL10 as plain bytes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, FileFormatError
from cutaway.data import matlab
from cutaway.vision.datasets.found import all_there, content_of, missing, one_of
from cutaway.vision.datasets.vision import Transform, VisionDataset
from cutaway.vision.pillow import image_or_array


class SVHN(VisionDataset):
    """House numbers from photographs of streets; items (image 32 x 32 of mode RGB, digit).  split: train, test or extra.

    Read from root/train_32x32.mat (test_, extra_).  `data` is uint8[N, 3, 32, 32], `labels` int64[N].
    Raises FileFormatError where the file is missing (nothing is fetched) or corrupt, ArgumentError.  Netzer et al. 2011.
    """

    splits = ("train", "test", "extra")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of("split", split, self.splits)
        self.filename = f"{split}_32x32.mat"
        path = os.path.join(self.root or "", self.filename)
        if not os.path.isfile(path):
            missing("SVHN", self.root or "", [self.filename], "http://ufldl.stanford.edu/housenumbers", download)
        held = matlab.parse(content_of(path), path)
        if {"X", "y"} - held.keys() or held["X"].shape[:3] != (32, 32, 3) or held["X"].shape[-1] != held["y"].size:
            shapes = {name: a.shape for name, a in held.items()}
            raise FileFormatError(f"{path}: expected X[32, 32, 3, N] and y[N, 1], got {shapes}")
        self.labels = held["y"].astype(np.int64).reshape(-1)
        self.labels[self.labels == 10] = 0
        self.data = np.ascontiguousarray(held["X"].transpose(3, 2, 0, 1))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(image_or_array(self.data[index].transpose(1, 2, 0)), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


class STL10(VisionDataset):
    """Photographs 96 x 96 of ten classes, and many without one.  split: train, train+unlabeled, unlabeled or test.

    Read from root/stl10_binary: train_X.bin, train_y.bin, class_names.txt and so on.  `data` is uint8[N, 3, 96, 96],
    `labels` int64[N], -1 for unlabeled ones.  folds 0 .. 9 takes one of the published subsets of 1,000.
    Raises FileFormatError where files are missing (nothing is fetched) or of another size.  Coates, Lee & Ng 2011.
    """

    base_folder = "stl10_binary"
    splits = ("train", "train+unlabeled", "unlabeled", "test")
    folds_list_file = "fold_indices.txt"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        folds: int | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of("split", split, self.splits)
        if folds is not None and folds not in range(10):
            raise ArgumentError(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        self.folds, self.folder = folds, os.path.join(self.root or "", self.base_folder)
        known, rest = split.split("+")[0], "unlabeled" in split
        wanted = [f"{known}_X.bin", *([] if known == "unlabeled" else [f"{known}_y.bin"]), "class_names.txt"]
        wanted += ["unlabeled_X.bin"] if rest and known != "unlabeled" else []
        wanted += [self.folds_list_file] if folds is not None else []
        if not all_there(self.folder, wanted):
            missing("STL10", self.folder, wanted, "http://ai.stanford.edu/~acoates/stl10", download)
        self.classes = self._bytes("class_names.txt").decode().split()
        self.data = self._images(f"{known}_X.bin")
        self.labels = np.full(len(self.data), -1, np.int64)
        if known != "unlabeled":
            self.labels = np.frombuffer(self._bytes(f"{known}_y.bin"), np.uint8).astype(np.int64) - 1
        if folds is not None and known == "train":
            chosen = np.array(self._bytes(self.folds_list_file).decode().splitlines()[folds].split(), np.int64)
            self.data, self.labels = self.data[chosen], self.labels[chosen]
        if rest and known != "unlabeled":
            more = self._images("unlabeled_X.bin")
            self.data = np.concatenate([self.data, more])
            self.labels = np.concatenate([self.labels, np.full(len(more), -1, np.int64)])
        if len(self.labels) != len(self.data):
            raise FileFormatError(f"{self.folder}: {len(self.labels)} labels for {len(self.data)} images")

    def _bytes(self, name: str) -> bytes:
        return content_of(os.path.join(self.folder, name))

    def _images(self, name: str) -> np.ndarray:
        content = np.frombuffer(self._bytes(name), np.uint8)
        if content.size % (3 * 96 * 96):
            raise FileFormatError(f"{self.folder}/{name}: {content.size} bytes are not a whole number of images 3 x 96 x 96")
        return content.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)  # columns come first in the file

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = np.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return self.transformed(image_or_array(image), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
