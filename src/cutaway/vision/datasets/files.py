"""Data sets of image files with lists of labels: Flowers102, OxfordIIITPet, Caltech101, CelebA, ImageNet."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, FileFormatError, UnsafeFileError
from cutaway.core.functions import from_numpy
from cutaway.data import matlab
from cutaway.vision.datasets.folder import ImageFolder, default_loader
from cutaway.vision.datasets.found import all_there, content_of, missing, one_of
from cutaway.vision.datasets.vision import Transform, VisionDataset
from cutaway.vision.pillow import need

Path = str | os.PathLike[str]


def _opened(path: str, mode: str | None = "RGB") -> Any:
    library = need("an image file")
    with open(path, "rb") as f:
        image = library.open(f)
        image.load()
    return image if mode is None else image.convert(mode)


class Flowers102(VisionDataset):
    """Photographs of 102 kinds of flowers; items (image, label 0 .. 101).  split: train, val or test.

    Read from root/flowers-102: jpg/, imagelabels.mat, setid.mat.  Raises FileFormatError where they are missing (nothing is
    fetched).  Nilsback & Zisserman 2008.
    """

    _splits_map = {"train": "trnid", "val": "valid", "test": "tstid"}

    def __init__(
        self,
        root: Path,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        self._split = one_of("split", split, self._splits_map)
        folder = os.path.join(self.root or "", "flowers-102")
        wanted = ["jpg", "imagelabels.mat", "setid.mat"]
        if not all_there(folder, wanted):
            missing("Flowers102", folder, wanted, "https://www.robots.ox.ac.uk/~vgg/data/flowers/102", download)
        sets, labels = (
            matlab.parse(content_of(path), path)
            for path in (os.path.join(folder, name) for name in ("setid.mat", "imagelabels.mat"))
        )
        numbers = sets[self._splits_map[split]].reshape(-1).astype(int).tolist()
        of = labels["labels"].reshape(-1).astype(int)
        self._labels = [int(of[n - 1]) - 1 for n in numbers]
        self._image_files = [os.path.join(folder, "jpg", f"image_{n:05d}.jpg") for n in numbers]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)

    def extra_repr(self) -> str:
        return f"split={self._split}"


class OxfordIIITPet(VisionDataset):
    """Photographs of 37 breeds of cats and dogs.  split: trainval or test; target_types: category, binary-category
    (0 a cat), segmentation (Pillow's image of 1 pet, 2 background, 3 border), one or a list of them.

    Read from root/oxford-iiit-pet: images/, annotations/.  Raises FileFormatError where they are missing (nothing is
    fetched), ArgumentError for other splits and types.  Parkhi, Vedaldi, Zisserman & Jawahar 2012.
    """

    _valid = ("category", "binary-category", "segmentation")

    def __init__(
        self,
        root: Path,
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: Any = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self._split = one_of("split", split, ("trainval", "test"))
        types = [target_types] if isinstance(target_types, str) else list(target_types)
        self._target_types = [one_of("target_types", name, self._valid) for name in types]
        folder = os.path.join(self.root or "", "oxford-iiit-pet")
        wanted = ["images", "annotations"]
        if not all_there(folder, wanted):
            missing("OxfordIIITPet", folder, wanted, "https://www.robots.ox.ac.uk/~vgg/data/pets", download)
        rows = [
            line.split()
            for line in content_of(os.path.join(folder, "annotations", f"{split}.txt")).decode().splitlines()
            if line.strip() and not line.startswith("#")
        ]
        ids = [row[0] for row in rows]
        self._labels, self._bin_labels = [int(row[1]) - 1 for row in rows], [int(row[2]) - 1 for row in rows]
        named = {name.rsplit("_", 1)[0]: label for name, label in zip(ids, self._labels, strict=True)}
        self.classes = [" ".join(word.title() for word in name.split("_")) for name in sorted(named, key=lambda n: named[n])]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._images = [os.path.join(folder, "images", f"{name}.jpg") for name in ids]
        self._segs = [os.path.join(folder, "annotations", "trimaps", f"{name}.png") for name in ids]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        of = {
            "category": lambda: self._labels[index],
            "binary-category": lambda: self._bin_labels[index],
            "segmentation": lambda: _opened(self._segs[index], None),
        }
        targets: Any = [of[name]() for name in self._target_types]
        target = None if not targets else targets[0] if len(targets) == 1 else tuple(targets)
        image = _opened(self._images[index])
        return self.transforms(image, target) if self.transforms else (image, target)

    def __len__(self) -> int:
        return len(self._images)


class Caltech101(VisionDataset):
    """Photographs of 101 kinds of objects; items (image, category).  target_type: category, annotation (the outline) or
    both.

    Read from root/caltech101: 101_ObjectCategories/, Annotations/.  Raises FileFormatError where they are missing
    (nothing is fetched), ArgumentError for other types.  Fei-Fei, Fergus & Perona 2004.
    """

    renamed = {"Faces": "Faces_2", "Faces_easy": "Faces_3", "Motorbikes": "Motorbikes_16", "airplanes": "Airplanes_Side_2"}

    def __init__(
        self,
        root: Path,
        target_type: Sequence[str] | str = "category",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(os.path.join(root, "caltech101"), transform=transform, target_transform=target_transform)
        types = [target_type] if isinstance(target_type, str) else list(target_type)
        self.target_type = [one_of("target_type", name, ("category", "annotation")) for name in types]
        wanted = ["101_ObjectCategories", *(["Annotations"] if "annotation" in types else [])]
        if not all_there(self.root or "", wanted):
            missing("Caltech101", self.root or "", wanted, "https://data.caltech.edu/records/mzrjq-6wc02", download)
        folder = os.path.join(self.root or "", wanted[0])
        self.categories = [name for name in sorted(os.listdir(folder)) if name != "BACKGROUND_Google"]
        self.annotation_categories = [self.renamed.get(name, name) for name in self.categories]
        self.index: list[int] = []
        self.y: list[int] = []
        for i, name in enumerate(self.categories):
            n = len([file for file in os.listdir(os.path.join(folder, name)) if file.endswith(".jpg")])
            self.index += range(1, n + 1)
            self.y += [i] * n

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        kind, number = self.y[index], self.index[index]
        base = self.root or ""
        image = _opened(os.path.join(base, "101_ObjectCategories", self.categories[kind], f"image_{number:04d}.jpg"))
        targets: Any = []
        for name in self.target_type:
            if name == "category":
                targets.append(kind)
                continue
            path = os.path.join(base, "Annotations", self.annotation_categories[kind], f"annotation_{number:04d}.mat")
            targets.append(matlab.parse(content_of(path), path)["obj_contour"])
        return self.transformed(image, targets[0] if len(targets) == 1 else tuple(targets))

    def __len__(self) -> int:
        return len(self.index)

    def extra_repr(self) -> str:
        return f"Target type: {self.target_type}"


class CelebA(VisionDataset):
    """Photographs of faces.  split: train, valid, test or all; target_type: attr (40 of 0 or 1), identity, bbox,
    landmarks, one or a list of them.

    Read from root/celeba: img_align_celeba/, list_eval_partition.txt and the lists of the targets asked for.
    Raises FileFormatError where they are missing (nothing is fetched), ArgumentError.  Liu, Luo, Wang & Tang 2015.
    """

    base_folder = "celeba"
    lists = {
        "attr": ("list_attr_celeba.txt", 1),
        "identity": ("identity_CelebA.txt", None),
        "bbox": ("list_bbox_celeba.txt", 1),
        "landmarks": ("list_landmarks_align_celeba.txt", 1),
    }
    parts = {"train": 0, "valid": 1, "test": 2, "all": None}

    def __init__(
        self,
        root: Path,
        split: str = "train",
        target_type: Sequence[str] | str = "attr",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of("split", split.lower(), self.parts)
        self.target_type = [target_type] if isinstance(target_type, str) else list(target_type)
        for name in self.target_type:
            one_of("target_type", name, self.lists)
        if not self.target_type and target_transform is not None:
            raise ArgumentError("target_transform is specified but target_type is empty")
        self._folder = os.path.join(self.root or "", self.base_folder)
        wanted = ["img_align_celeba", "list_eval_partition.txt", *(self.lists[name][0] for name in self.target_type)]
        if not all_there(self._folder, wanted):
            missing("CelebA", self._folder, wanted, "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html", download)
        names, part, _ = self._list("list_eval_partition.txt", None)
        number = self.parts[self.split]
        rows = np.flatnonzero(part[:, 0] == number) if number is not None else np.arange(len(names))
        self.filename = [names[i] for i in rows]
        self.attr_names: list[str] = []
        self._targets: dict[str, Any] = {}
        for name in self.target_type:
            _, values, header = self._list(*self.lists[name])
            if len(values) != len(names):
                raise FileFormatError(f"{self._folder}: {len(values)} rows of {name} for {len(names)} images")
            if name == "attr":
                self.attr_names, values = header, (values + 1) // 2
            self._targets[name] = from_numpy(values[rows])
        self.attr, self.identity = self._targets.get("attr"), self._targets.get("identity")
        self.bbox, self.landmarks_align = self._targets.get("bbox"), self._targets.get("landmarks")

    def _list(self, name: str, header: int | None) -> tuple[list[str], np.ndarray, list[str]]:
        """(file names, whole numbers int64[N, K], names of the columns) of a list."""
        lines = [line.split() for line in content_of(os.path.join(self._folder, name)).decode().splitlines() if line.strip()]
        heads = lines[header] if header is not None else []
        body = lines[0 if header is None else header + 1 :]
        try:
            return [row[0] for row in body], np.array([row[1:] for row in body]).astype(np.int64), heads
        except ValueError as error:
            raise FileFormatError(f"{self._folder}/{name}: not a list of numbers ({error})") from None

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = _opened(os.path.join(self._folder, "img_align_celeba", self.filename[index]), None)
        found: Any = []
        for name in self.target_type:
            row = self._targets[name][index]
            found.append(row[0] if name == "identity" else row)
        target = None if not found else found[0] if len(found) == 1 else tuple(found)
        return self.transformed(image, target) if found else (self.transform(image) if self.transform else image, None)

    def __len__(self) -> int:
        return len(self.filename)

    def extra_repr(self) -> str:
        return f"Target type: {self.target_type}\nSplit: {self.split}"


class ImageNet(ImageFolder):
    """ILSVRC 2012; items (image, class 0 .. 999).  split: train or val.  Read from root/train/WNID and root/val/WNID.

    root/meta.bin, which torchvision writes, names the classes; without it they are called by their WordNet number.
    Raises FileFormatError where the folder is missing (the archives are not unpacked here), UnsafeFileError for a meta.bin
    that holds more than names.  Russakovsky et al. 2015.
    """

    def __init__(self, root: Path, split: str = "train", **kwargs: Any) -> None:
        self._base = os.path.expanduser(root)
        self.split = one_of("split", split, ("train", "val"))
        kwargs.pop("download", None)
        if not os.path.isdir(self.split_folder):
            missing("ImageNet", self._base, [f"{split}/n01440764 and so on"], "https://image-net.org", False)
        super().__init__(self.split_folder, **kwargs)
        self.root = self._base
        names = _class_names(os.path.join(self._base, "meta.bin"))
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        self.classes = [names.get(wnid, (wnid,)) for wnid in self.wnids]  # type: ignore[misc]
        self.class_to_idx = {name: i for i, of in enumerate(self.classes) for name in of}

    @property
    def split_folder(self) -> str:
        """Where the images lie."""
        return os.path.join(self._base, self.split)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


class _NamesOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}; names of classes need nothing")


def _class_names(path: str) -> dict[str, tuple[str, ...]]:
    """wnid -> names, of torchvision's file; none where it is not there."""
    if not os.path.isfile(path):
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            (inside,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
            names, _ = _NamesOnly(io.BytesIO(archive.read(inside))).load()
    except pickle.UnpicklingError as error:
        raise UnsafeFileError(f"{path}: {error}") from None
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise FileFormatError(f"{path}: not torchvision's meta.bin ({error})") from None
    return {str(k): tuple(map(str, v)) for k, v in names.items()}
