"""ImageData, and data sets by name."""

import gzip
import subprocess
import sys

import numpy as np
import pytest

import cutaway
from cutaway import data
from cutaway.core.errors import ArgumentError, IndexOutOfRange, ShapeError
from cutaway.data import DataLoader, ImageData, Subset, default_collate
from cutaway.data.sources import SOURCES

from .sources import small_fashion, small_idx_files

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5), np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 3
DATA = ImageData(IMAGES, LABELS, ["a", "b", "c"])
EXACT = IMAGES.astype(np.float32) / np.float32(255)


def test_an_item_is_floats_from_0_to_1_and_a_label():
    x, y = DATA[4]
    assert x.dtype == cutaway.float32 and np.array_equal(x.numpy(), EXACT[4])
    assert y.dtype == cutaway.int64 and tuple(y.shape) == () and y.item() == 1
    assert len(DATA) == 20 and DATA.shape == (3, 4, 5) and DATA.names == ("a", "b", "c")
    assert repr(DATA) == "ImageData(20 images 3x4x5, 3 classes)"


@pytest.mark.parametrize(
    "index",
    [slice(2, 9, 3), [3, 1], np.array([0, -1]), np.arange(20) > 15, cutaway.tensor([5, 6]), -2, slice(None)],
    ids=str,
)
def test_any_index_of_a_tensor_works(index):
    x, y = DATA[index]
    rows = index.numpy() if isinstance(index, cutaway.Tensor) else index
    assert np.array_equal(x.numpy(), EXACT[rows]) and np.array_equal(y.numpy(), LABELS[rows])
    assert not np.shares_memory(y.numpy(), DATA.labels)


def test_tensors_are_the_whole():
    x, y = DATA.tensors
    assert np.array_equal(x.numpy(), EXACT) and np.array_equal(y.numpy(), LABELS)


def test_gather_is_collating_item_by_item():
    for dataset in (DATA, DATA.normalized(), Subset(DATA, [9, 8, 7, 6, 5])):
        got, expected = dataset.gather([0, 3, 3]), default_collate([dataset[i] for i in (0, 3, 3)])
        assert all(
            np.array_equal(a.numpy(), b.numpy()) and a.dtype == b.dtype for a, b in zip(got, expected, strict=True)
        )
    assert DATA.gather([-1])[1].item() == 1


def test_a_loader_gives_batches_of_both():
    batches = list(DataLoader(DATA, batch_size=8))
    assert [tuple(x.shape) for x, _ in batches] == [(8, 3, 4, 5), (8, 3, 4, 5), (4, 3, 4, 5)]
    assert np.array_equal(np.concatenate([x.numpy() for x, _ in batches]), EXACT)
    assert len(list(DATA)) == 20  # a plain for loop ends


def test_an_index_beyond_the_end():
    with pytest.raises(IndexError):
        DATA[20]
    with pytest.raises(IndexOutOfRange, match="ImageData: index 20 is out of range for 20 items"):
        DATA.gather([0, 20])


def test_statistics_are_those_of_the_pixels(monkeypatch):
    mean, std = DATA.statistics()
    pixels = IMAGES.transpose(1, 0, 2, 3).reshape(3, -1) / 255
    assert np.allclose(mean, pixels.mean(1), atol=1e-12) and np.allclose(std, pixels.std(1), atol=1e-12)
    many = ImageData(np.repeat(IMAGES, 150, 0), np.repeat(LABELS, 150), "abc")  # more than one piece
    assert np.allclose(many.statistics(), [mean, std], atol=1e-12)


def test_normalized_images_have_mean_0_and_std_1():
    x, _ = DATA.normalized().tensors
    assert np.allclose(x.numpy().mean((0, 2, 3)), 0, atol=1e-6) and np.allclose(x.numpy().std((0, 2, 3)), 1, atol=1e-6)


def test_normalization_is_pytorchs_arithmetic():
    torch = pytest.importorskip("torch")
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    x = DATA.normalized(mean, std)[:][0].numpy()
    t = torch.tensor(IMAGES).to(torch.float32).div(255)
    t.sub_(torch.tensor(mean)[:, None, None]).div_(torch.tensor(std)[:, None, None])
    assert np.array_equal(x, t.numpy())


def test_normalized_and_head_keep_the_rest():
    part = DATA.normalized(0.5, 0.5).head(7)
    assert len(part) == 7 and part.names == DATA.names and np.shares_memory(part.images, IMAGES)
    assert np.array_equal(part[:][0].numpy(), (EXACT[:7] - np.float32(0.5)) / np.float32(0.5))
    assert len(DATA.head(None)) == 20 == len(DATA.head(99)) and len(DATA.head(0)) == 0


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: ImageData(IMAGES[0], LABELS, "abc"), ShapeError, r"got uint8\[3, 4, 5\] and uint8\[20\]"),
        (lambda: ImageData(IMAGES, LABELS[:3], "abc"), ShapeError, r"uint8\[20, 3, 4, 5\] and uint8\[3\]"),
        (lambda: ImageData(EXACT, LABELS, "abc"), ShapeError, "expected images uint8"),
        (lambda: ImageData(IMAGES, LABELS * 1.0, "abc"), ShapeError, "integer labels"),
        (lambda: ImageData(IMAGES, LABELS, "ab"), ArgumentError, "labels run from 0 to 2, but there are 2 class names"),
        (lambda: ImageData(IMAGES, LABELS.astype(int) - 1, "abc"), ArgumentError, "labels run from -1 to 1"),
        (lambda: DATA.normalized([0.1, 0.2], 1), ShapeError, "mean has 2 values for 3 channels"),
        (
            lambda: DATA.normalized(0, [1, 0, 1]),
            ArgumentError,
            r"std must be > 0 in every channel, got \[1.0, 0.0, 1.0\]",
        ),
        (lambda: DATA.head(0).statistics(), ArgumentError, r"no pixels .*uint8\[0, 3, 4, 5\]"),
    ],
)
def test_what_does_not_fit_is_told(make, error, message):
    with pytest.raises(error, match=f"ImageData: .*{message}"):
        make()


# ---- by name


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """One cache folder for the tests that read the real MNIST."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUTAWAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_mnist_needs_nothing_but_the_package(cached):
    train, test = data.mnist()
    assert (
        len(train) == 60000 and len(test) == 10000 and train.shape == (1, 28, 28) and train.names == tuple("0123456789")
    )
    x, y = train[0]
    assert y.item() == 5 and x.max().item() == 1 and x.min().item() == 0
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_normalized_by_the_training_pixels(cached):
    train, test = data.load("MNIST", normalize=True)
    assert (train.mean.item(), train.std.item()) == pytest.approx((0.1307, 0.3081), abs=5e-5)  # the well-known numbers
    assert test.mean.item() == train.mean.item() and test.std.item() == train.std.item()


def test_by_name_with_a_root(tmp_path, monkeypatch):
    class Nowhere:
        url = "http://name.invalid"
        content = b""

    files = small_idx_files(tmp_path)
    source = small_fashion(files, {name: Nowhere() for name in files})
    monkeypatch.setitem(SOURCES, "fashion_mnist", source)
    for name, content in files.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    for splits in (data.load("Fashion-MNIST", tmp_path), data.fashion_mnist(str(tmp_path))):
        assert len(splits.train) == 12 and len(splits.test) == 5 and splits.train.names[9] == "Ankle boot"
    expected = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(12, 1, 28, 28)
    assert np.array_equal(splits.train.images, expected)


@pytest.mark.parametrize("name", ["imagenet", "", 3])
def test_an_unknown_name_is_told(name):
    with pytest.raises(ArgumentError, match=f"load: no data set {name!r}; there are mnist, fashion_mnist, cifar10"):
        data.load(name)


@pytest.mark.parametrize("load", [data.mnist, data.fashion_mnist, data.cifar10])
def test_a_root_without_the_files_is_told(load, tmp_path):
    with pytest.raises(ArgumentError, match=r"load: no .* in .*not found"):
        load(tmp_path)


def test_importing_data_imports_nothing_heavy():
    heavy = ["urllib.request", "http.client", "tarfile", "lzma", "gzip", "concurrent.futures", "tempfile", "sqlite3"]
    code = f"import sys, numpy; a = {{*sys.modules}}; import cutaway.data; print({{*{heavy}}} & {{*sys.modules}} - a)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_utils_data_is_data_under_pytorchs_name():
    under_torchs_name = cutaway.utils.data
    torch_data = pytest.importorskip("torch").utils.data
    for name in under_torchs_name.__all__:
        assert getattr(under_torchs_name, name) is getattr(data, name) and hasattr(torch_data, name)
    with pytest.raises(AttributeError, match="cutaway.utils has no attribute 'daat'; the nearest name is 'data'"):
        cutaway.utils.daat  # noqa: B018
