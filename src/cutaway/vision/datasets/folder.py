"""Files in folders, a folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.errors import ArgumentError, MissingFile
from cutaway.vision.datasets.vision import Transform, VisionDataset
from cutaway.vision.pillow import need

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Path = str | os.PathLike[str]
Valid = Callable[[str], bool]


def has_file_allowed_extension(filename: str, extensions: str | Sequence[str]) -> bool:
    """Does the name end with one of the extensions (in small letters)?"""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Does the name end like an image's?"""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Path) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in `directory`, sorted, and their numbers.  Raises FileNotFoundError if there is none."""
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise MissingFile(f"Couldn't find any class folder in {directory}.")
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | Sequence[str] | None = None,
    is_valid_file: Valid | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, class) of each file below the folders of the classes: by extension, or those that `is_valid_file` likes.

    Raises FileNotFoundError for a class without files, unless allow_empty.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ArgumentError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ArgumentError("Both extensions and is_valid_file cannot be None or not None at the same time")
    samples: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        before = len(samples)
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
            for path in (os.path.join(folder, file) for file in sorted(files)):
                fits = is_valid_file(path) if is_valid_file else has_file_allowed_extension(path, extensions or ())
                if fits:
                    samples.append((path, class_to_idx[name]))
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        known = "" if extensions is None else extensions if isinstance(extensions, str) else ", ".join(extensions)
        raise MissingFile(
            f"Found no valid file for the classes {', '.join(empty)}. "
            + (f"Supported extensions are: {known}" if known else "")
        )
    return samples


def pil_loader(path: Path) -> Any:
    """The image in a file, as RGB."""
    Image = need("an image file")
    with open(path, "rb") as f:
        return Image.open(f).convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Items (loader(path), class) of the files root/CLASS/.../NAME.EXTENSION.

    `samples` is a list of (path, class), `targets` of classes.  Raises FileNotFoundError for a root without folders, or
    a folder without files of the `extensions` (or that `is_valid_file`) unless allow_empty.
    """

    def __init__(
        self,
        root: Path,
        loader: Callable[[str], Any],
        extensions: str | Sequence[str] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Valid | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        root = self.root  # type: ignore[assignment]
        self.classes, self.class_to_idx = self.find_classes(root)
        self.samples = self.make_dataset(root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: Path,
        class_to_idx: dict[str, int],
        extensions: str | Sequence[str] | None = None,
        is_valid_file: Valid | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The samples; a subclass may find them elsewhere."""
        if class_to_idx is None:
            raise ArgumentError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Path) -> tuple[list[str], dict[str, int]]:
        """The classes and their numbers; a subclass may choose."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self.transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Items (image, class) of the image files root/CLASS/.../NAME.png (or .jpg, ...).  `imgs` is `samples`."""

    def __init__(
        self,
        root: Path,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Valid | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
