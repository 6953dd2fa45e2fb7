"""Small data sets of the same make as the real ones, served by a server of this machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

import numpy as np

from cutaway.data import cifar, idx
from cutaway.data.download import Remote
from cutaway.data.sources import CIFAR10, FASHION_MNIST, File, Source


def _file(content: bytes) -> File:
    return File(len(content), hashlib.sha256(content).hexdigest())


def small_idx_files(folder) -> dict[str, bytes]:
    """The four files of an MNIST of 12 + 5 images of 28 x 28."""
    rng = np.random.default_rng(0)
    files = {}
    for name, array in {
        "train-images-idx3-ubyte": rng.integers(0, 256, (12, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 12, np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (5, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 5, np.uint8),
    }.items():
        idx.write(folder / "x", array)
        files[name] = (folder / "x").read_bytes()
    (folder / "x").unlink()
    return files


def small_fashion(files: dict[str, bytes], mirrors: dict[str, object]) -> Source:
    """A Fashion-MNIST of `files`; `mirrors[name]` is the server of its gz file."""
    archives = []
    for archive in FASHION_MNIST.archives:
        (name,) = archive.files
        packed = gzip.compress(files[name], mtime=0)
        mirrors[name].content = packed
        archives.append(archive._replace(remote=Remote(f"{name}.gz", *_file(packed), [mirrors[name].url])))
    return FASHION_MNIST._replace(files={n: _file(c) for n, c in files.items()}, archives=archives, folders=())


def small_cifar_files(batch: int = 4) -> dict[str, bytes]:
    """The six files of a CIFAR-10 of 5 x 4 + 4 images."""
    rng = np.random.default_rng(1)
    files = {}
    for name in CIFAR10.files:
        records = rng.integers(0, 256, (batch, cifar.RECORD), np.uint8)
        records[:, 0] %= 10
        files[name] = records.tobytes()
    return files


def tar_gz(files: dict[str, bytes], folder: str = "cifar-10-batches-bin/") -> bytes:
    """The files in a tar.gz, as the authors pack them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        directory = tarfile.TarInfo(folder or "x/")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for name, content in {"batches.meta.txt": b"airplane\n", **files, "readme.html": b"<html>"}.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def small_cifar(files: dict[str, bytes], mirror) -> Source:
    """A CIFAR-10 of `files`, its archive on `mirror`."""
    mirror.content = tar_gz(files)
    (archive,) = CIFAR10.archives
    remote = Remote(archive.remote.name, *_file(mirror.content), [mirror.url])
    return CIFAR10._replace(files={n: _file(c) for n, c in files.items()}, archives=[archive._replace(remote=remote)])
