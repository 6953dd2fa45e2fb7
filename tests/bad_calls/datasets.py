"""data: datasets, samplers, loaders, toy sets; files that are corrupt, cut short, too long or of another format."""

import gzip
import lzma
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    AssertedError,
    AssertedShape,
    FileFormatError,
    IndexOutOfRange,
    NotWritten,
    ShapeError,
)

from .table import bad


def data(t):
    return t.utils.data


def rows(t, n=4):
    return data(t).TensorDataset(t.ones(n, 2), t.arange(n))


def loader(t, **options):
    return data(t).DataLoader(rows(t), **options)


def read(content, name="images-idx3-ubyte"):
    """The IDX reader on a file with this content."""
    from cutaway.data import idx

    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return idx.read(path)


def cifar(content):
    from cutaway.data import cifar as reader

    return reader.parse(content, "data_batch_1.bin")


def archive(content, sizes):
    from cutaway.data import cifar as reader

    with TemporaryDirectory() as folder:
        path = Path(folder) / "cifar-10-binary.tar.gz"
        path.write_bytes(content) if isinstance(content, bytes) else content(path)
        return list(reader.members(str(path), sizes))


def load(name, files=None):
    from cutaway import data

    with TemporaryDirectory() as folder:
        for file, content in (files or {}).items():
            (Path(folder) / file).write_bytes(content)
        return data.load(name, folder)


def packed(path):
    with tarfile.open(path, "w:gz") as tar:
        (path.parent / "other.bin").write_bytes(b"x")
        tar.add(path.parent / "other.bin", "other.bin")


IDX = bytes([0, 0, 8, 2]) + np.array([2, 3], ">u4").tobytes() + bytes(range(6))
LONG = bytes([0, 0, 8, 1]) + np.array([1000], ">u4").tobytes() + bytes(i * i % 251 for i in range(1000))
ABSENT = {"torch": "absent"}

CALLS = [
    # loaders and samplers
    bad("loader-batch-0", lambda t: loader(t, batch_size=0), ArgumentError, "batch_size", "positive", "0"),
    bad("loader-batch-negative", lambda t: loader(t, batch_size=-1), ArgumentError, "batch_size", "positive", "-1"),
    bad("loader-batch-text", lambda t: loader(t, batch_size="4"), ArgumentError, "batch_size", "'4'"),
    bad("loader-batch-float", lambda t: loader(t, batch_size=2.5), ArgumentError, "batch_size", "2.5"),
    bad("loader-no-dataset", lambda t: data(t).DataLoader(3), ArgumentTypeError, "DataLoader", "int", "__getitem__", torch=None),
    bad("loader-none", lambda t: data(t).DataLoader(None), ArgumentTypeError, "DataLoader", "NoneType", torch=None),
    bad("loader-empty-shuffled", lambda t: data(t).DataLoader([], shuffle=True), ArgumentError, "RandomSampler", "empty", torch=...),
    bad("loader-workers", lambda t: loader(t, num_workers=-1), ArgumentError, "DataLoader", "num_workers", "-1"),
    bad("loader-timeout", lambda t: loader(t, timeout=-1), ArgumentError, "DataLoader", "timeout", "-1"),
    bad("loader-prefetch", lambda t: loader(t, prefetch_factor=2), ArgumentError, "DataLoader", "prefetch_factor", "num_workers"),
    bad("loader-persistent", lambda t: loader(t, persistent_workers=True), ArgumentError, "DataLoader", "persistent_workers", "num_workers"),
    bad("loader-shuffle-and-sampler", lambda t: loader(t, shuffle=True, sampler=[0, 1]), ArgumentError, "DataLoader", "shuffle", "sampler"),
    bad("loader-batch-sampler", lambda t: loader(t, batch_size=2, batch_sampler=[[0]]), ArgumentError, "DataLoader", "batch_sampler", "batch_size"),
    bad("loader-drop-last", lambda t: loader(t, batch_size=None, drop_last=True), ArgumentError, "DataLoader", "drop_last", "batch_size"),
    bad("loader-collate", lambda t: loader(t, collate_fn=3), ArgumentTypeError, "DataLoader", "collate_fn", "function", torch=None),
    bad("loader-generator", lambda t: loader(t, generator=3), ArgumentTypeError, "DataLoader", "generator", "3", torch=None),
    bad("loader-changed", lambda t: setattr(loader(t), "batch_size", 5), ArgumentError, "DataLoader", "batch_size", "new DataLoader"),
    bad("loader-shuffled-stream", lambda t: data(t).DataLoader(type("Stream", (data(t).IterableDataset,), {})(), shuffle=True), ArgumentError, "IterableDataset", "shuffle", torch=TypeError),
    bad("loader-of-ragged", lambda t: list(data(t).DataLoader([t.ones(2), t.ones(3)], batch_size=2)), ShapeError, "[2]", "[3]"),
    bad("loader-of-objects", lambda t: list(data(t).DataLoader([object()] * 2, batch_size=2)), ArgumentTypeError, "default_collate", "object", "collate_fn"),
    bad("loader-of-mixed", lambda t: list(data(t).DataLoader([1, "a"], batch_size=2)), ArgumentTypeError, "default_collate", "str", "alike"),
    bad("loader-sampler-range", lambda t: list(loader(t, sampler=[9])), IndexOutOfRange, "TensorDataset", "9", "4"),
    bad("loader-of-none", lambda t: list(data(t).DataLoader([None] * 2, batch_size=2)), ArgumentTypeError, "default_collate", "None"),
    bad("random-sampler-0", lambda t: data(t).RandomSampler(rows(t), num_samples=0), ArgumentError, "RandomSampler", "num_samples=0"),
    bad("random-sampler-replacement", lambda t: data(t).RandomSampler(rows(t), replacement="no"), ArgumentTypeError, "RandomSampler", "'no'", "True"),
    bad("weighted-sampler-negative", lambda t: data(t).WeightedRandomSampler([1.0, -1.0], 2), ArgumentError, "WeightedRandomSampler", "-1", "negative", torch=None),
    bad("weighted-sampler-shape", lambda t: data(t).WeightedRandomSampler([[1.0]], 2), ArgumentError, "WeightedRandomSampler", "[1, 1]"),
    bad("weighted-sampler-count", lambda t: data(t).WeightedRandomSampler([1.0], 0), ArgumentError, "WeightedRandomSampler", "0", "positive"),
    bad("batch-sampler-drop-last", lambda t: data(t).BatchSampler([0], 1, "no"), ArgumentError, "BatchSampler", "'no'", "True"),
    bad("sampler-no-iter", lambda t: list(type("Own", (data(t).Sampler,), {})()), NotWritten, "Own", "__iter__", torch=...),
    # datasets
    bad("tensor-dataset-lengths", lambda t: data(t).TensorDataset(t.ones(3, 2), t.ones(4)), AssertedShape, "TensorDataset", "[3, 2]", "[4]", torch=AssertionError),
    bad("tensor-dataset-list", lambda t: data(t).TensorDataset([1, 2]), ArgumentTypeError, "TensorDataset", "list", "cutaway.tensor", torch=AttributeError),
    bad("tensor-dataset-index", lambda t: rows(t)[4], IndexOutOfRange, "index 4", "size 4"),
    bad("dataset-no-getitem", lambda t: type("Own", (data(t).Dataset,), {})()[0], NotWritten, "Own", "__getitem__"),
    bad("subset-number", lambda t: data(t).Subset(rows(t), 3), ArgumentTypeError, "Subset", "indices", "3", torch=None),
    bad("subset-range", lambda t: data(t).Subset(rows(t), [0, 1])[2], IndexOutOfRange, "Subset", "index=int 2"),
    bad("batch-sampler-number", lambda t: data(t).BatchSampler(3, 1, False), ArgumentTypeError, "BatchSampler", "3", "indices", torch=None),
    bad("concat-empty", lambda t: data(t).ConcatDataset([]), AssertedError, "ConcatDataset", "at least one"),
    bad("concat-index", lambda t: data(t).ConcatDataset([rows(t), rows(t)])[8], IndexOutOfRange, "ConcatDataset", "8"),
    bad("concat-number", lambda t: data(t).ConcatDataset(3), ArgumentTypeError, "ConcatDataset", "int"),
    bad("split-sum", lambda t: data(t).random_split(rows(t), [1, 2]), ArgumentError, "random_split", "3", "4"),
    bad("split-fractions", lambda t: data(t).random_split(rows(t), [0.5, 0.9]), ArgumentError, "random_split", "1.4", "fractions"),
    bad("split-number", lambda t: data(t).random_split(rows(t), 2), ArgumentTypeError, "random_split", "lengths", "2"),
    bad("toy-points", lambda t: t.data.spiral(0), ArgumentError, "spiral", "n=0", **ABSENT),
    bad("toy-noise", lambda t: t.data.moons(noise=-1.0), ArgumentError, "moons", "-1.0", "0 or more", **ABSENT),
    bad("toy-text", lambda t: t.data.xor("many"), ArgumentTypeError, "xor", "'many'", "int", **ABSENT),
    bad("toy-seeds", lambda t: t.data.gauss(seed=1, generator=t.Generator()), ArgumentError, "gauss", "seed", "generator", **ABSENT),
    bad("images-index", lambda t: t.data.ImageData(np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, int), ["a"])[9], IndexOutOfRange, "ImageData", "9", **ABSENT),
    bad("images-shapes", lambda t: t.data.ImageData(np.zeros((2, 1, 4, 4), np.uint8), np.zeros(3, int), ["a"]), ShapeError, "ImageData", "[2, 1, 4, 4]", "[3]", **ABSENT),
    bad("images-floats", lambda t: t.data.ImageData(np.zeros((2, 1, 4, 4)), np.zeros(2, int), ["a"]), ShapeError, "ImageData", "float64", "uint8", **ABSENT),
    bad("images-labels", lambda t: t.data.ImageData(np.zeros((1, 1, 4, 4), np.uint8), np.array([7]), ["a"]), ArgumentError, "ImageData", "7", "1 class names", **ABSENT),
    # files
    bad("load-unknown", lambda t: t.data.load("imagenet"), ArgumentError, "load", "'imagenet'", "mnist", **ABSENT),
    bad("load-number", lambda t: t.data.load(3), ArgumentError, "load", "3", "mnist", **ABSENT),
    bad("load-empty-folder", lambda t: load("mnist"), ArgumentError, "MNIST", "train-images-idx3-ubyte", **ABSENT),
    bad("load-other-files", lambda t: load("mnist", dict.fromkeys(MNIST_FILES, IDX)), FileFormatError, "train-images-idx3-ubyte", "truncated", **ABSENT),
    bad("idx-magic", lambda t: read(b"\x89PNG" + bytes(20)), FileFormatError, "images-idx3-ubyte", "magic number", "00000803", **ABSENT),
    bad("idx-empty", lambda t: read(b""), FileFormatError, "images-idx3-ubyte", "truncated", "0", **ABSENT),
    bad("idx-header-cut", lambda t: read(IDX[:9]), FileFormatError, "images-idx3-ubyte", "truncated", "header", **ABSENT),
    bad("idx-cut", lambda t: read(IDX[:-1]), FileFormatError, "images-idx3-ubyte", "truncated", "ends after 5", **ABSENT),
    bad("idx-long", lambda t: read(IDX + b"x"), FileFormatError, "images-idx3-ubyte", "left over", "appended", **ABSENT),
    bad("idx-absurd", lambda t: read(bytes([0, 0, 8, 3]) + b"\xff" * 12), FileFormatError, "absurd", "4294967295", **ABSENT),
    bad("idx-type", lambda t: read(bytes([0, 0, 7, 1]) + bytes(8)), FileFormatError, "magic number", "00000701", **ABSENT),
    bad("gzip-cut", lambda t: read(gzip.compress(IDX)[:-6], "labels.gz"), FileFormatError, "labels.gz", "truncated", **ABSENT),
    bad("gzip-flipped", lambda t: read(flipped(gzip.compress(LONG), 40), "labels.gz"), FileFormatError, "labels.gz", "corrupt", **ABSENT),
    bad("xz-cut", lambda t: read(lzma.compress(IDX)[:-9], "labels.xz"), FileFormatError, "labels.xz", "truncated", **ABSENT),
    bad("xz-flipped", lambda t: read(flipped(lzma.compress(LONG), 60), "labels.xz"), FileFormatError, "labels.xz", "corrupt", **ABSENT),
    bad("xz-of-nothing", lambda t: read(lzma.compress(b""), "labels.xz"), FileFormatError, "labels.xz", "truncated", **ABSENT),
    bad("cifar-part", lambda t: cifar(bytes(3000)), FileFormatError, "data_batch_1.bin", "3000", "3073", **ABSENT),
    bad("cifar-empty", lambda t: cifar(b""), FileFormatError, "data_batch_1.bin", "0 bytes", **ABSENT),
    bad("cifar-label", lambda t: cifar(bytes([12]) + bytes(3072)), FileFormatError, "data_batch_1.bin", "label 12", "0 to 9", **ABSENT),
    bad("tar-no-archive", lambda t: archive(b"no archive at all", {"a.bin": 1}), FileFormatError, "cifar-10-binary.tar.gz", "not a readable", **ABSENT),
    bad("tar-missing", lambda t: archive(packed, {"data_batch_1.bin": 3073}), FileFormatError, "data_batch_1.bin", "missing", **ABSENT),
    bad("tar-size", lambda t: archive(packed, {"other.bin": 3073}), FileFormatError, "other.bin", "1 bytes", "3073", **ABSENT),
    bad("idx-write-complex", lambda t: write_idx(np.zeros(2, complex)), ArgumentTypeError, "idx.write", "complex128", "float32", **ABSENT),
]

MNIST_FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def flipped(content, at):
    """One byte is another."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def write_idx(array):
    from cutaway.data import idx

    with TemporaryDirectory() as folder:
        idx.write(Path(folder) / "x", array)
