"""Data sets by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cutaway.core.errors import ArgumentError
from cutaway.data.images import ImageData, Splits

if TYPE_CHECKING:
    from cutaway.data.download import Progress

NAMES = ("mnist", "fashion_mnist", "cifar10")
"""What `load` knows."""


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    normalize: bool = False,
    progress: Progress | None = None,
) -> Splits:
    """The training and the test images of a data set of NAMES, as Splits(train, test) of ImageData.

    Every file is checked by SHA-256.  With `root`, the files are read from that folder (as published, plain or
    compressed with gzip or xz).  Without it they come from the cache folder, and get there from the package (MNIST),
    from Debian's dataset-fashion-mnist if it is installed, or from one of several mirrors; `progress(file, bytes so
    far, bytes in all)` follows a download.  The cache folder is `$CUTAWAY_CACHE` or the platform's own.

    With `normalize`, x is shifted and scaled by the mean and standard deviation of the training pixels, per channel.

    Raises ArgumentError for an unknown name or a root without the files, FileFormatError for a corrupt file,
    DownloadError if no mirror delivers.
    """
    key = name.lower().replace("-", "_") if isinstance(name, str) else name
    if key not in NAMES:
        raise ArgumentError(f"load: no data set {name!r}; there are {', '.join(NAMES)}")
    from cutaway.data import store
    from cutaway.data.sources import SOURCES

    source = SOURCES[key]
    if root is None:
        files = store.obtain(source, progress)
    else:
        files = store.from_folder(source, os.path.expanduser(os.fspath(root)))
    train, test = (ImageData(images, labels, source.classes) for images, labels in source.parse(files))
    if normalize:
        mean, std = train.statistics()
        train, test = train.normalized(mean, std), test.normalized(mean, std)
    return Splits(train, test)


def mnist(
    root: str | os.PathLike[str] | None = None, *, normalize: bool = False, progress: Progress | None = None
) -> Splits:
    """MNIST: 60,000 + 10,000 handwritten digits, x[1, 28, 28].  It is part of the package: no network is needed.

    LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".  See `load`.
    """
    return load("mnist", root, normalize=normalize, progress=progress)


def fashion_mnist(
    root: str | os.PathLike[str] | None = None, *, normalize: bool = False, progress: Progress | None = None
) -> Splits:
    """Fashion-MNIST: 60,000 + 10,000 pictures of ten kinds of clothing, x[1, 28, 28].  30 MB to download.

    Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms".  See `load`.
    """
    return load("fashion_mnist", root, normalize=normalize, progress=progress)


def cifar10(
    root: str | os.PathLike[str] | None = None, *, normalize: bool = False, progress: Progress | None = None
) -> Splits:
    """CIFAR-10: 50,000 + 10,000 colour photographs in ten classes, x[3, 32, 32].  162 MB to download.

    Krizhevsky 2009, "Learning multiple layers of features from tiny images".  See `load`.
    """
    return load("cifar10", root, normalize=normalize, progress=progress)
