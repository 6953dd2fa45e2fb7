"""Data sets: where their files come from, what an item is, what is said when there is none; against torchvision."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway import data
from cutaway.core.errors import ArgumentError, FileFormatError, IndexOutOfRange, UnsafeFileError
from cutaway.data import cifar, idx, store
from cutaway.data.sources import CIFAR10 as CIFAR_SOURCE
from cutaway.vision import datasets, transforms

Image = pytest.importorskip("PIL.Image")

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and nothing on the system but the package."""
    monkeypatch.setenv("CUTAWAY_CACHE", str(tmp_path / "cache"))
    return tmp_path


def small_mnist(folder, packed: bool = False):
    """An MNIST of 12 + 5 images in `folder`."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in MNIST_FILES:
        n = 12 if name.startswith("train") else 5
        array = rng.integers(0, 256, (n, 28, 28), np.uint8) if "images" in name else rng.integers(0, 10, n, np.uint8)
        idx.write(folder / name, array)
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
            (folder / name).unlink()


# ---- MNIST


def test_mnist_needs_no_folder_and_writes_none(tmp_path):
    root = tmp_path / "data"
    train = datasets.MNIST(root, download=True)
    test = datasets.MNIST(str(root), train=False)
    assert not root.exists()
    assert (len(train), len(test)) == (60_000, 10_000)
    splits = data.mnist()
    np.testing.assert_array_equal(test.data.numpy(), splits.test.images[:, 0])
    np.testing.assert_array_equal(train.targets.numpy(), splits.train.labels)
    image, label = train[7]
    assert image.mode == "L" and image.size == (28, 28) and type(label) is int
    np.testing.assert_array_equal(np.asarray(image), splits.train.images[7, 0])
    assert train.class_to_idx["3 - three"] == 3 and train.classes[9] == "9 - nine"
    with pytest.raises(IndexError):
        test[10_000]


def test_mnist_to_batches():
    usual = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    test = datasets.MNIST("data", train=False, transform=usual, target_transform=lambda y: y + 1)
    x, y = next(iter(data.DataLoader(test, batch_size=64)))
    ours, labels = data.mnist().test.normalized([0.1307], [0.3081])[:64]
    np.testing.assert_allclose(x.numpy(), ours.numpy(), atol=1e-6)
    np.testing.assert_array_equal(y.numpy(), labels.numpy() + 1)


def test_mnist_data_can_be_replaced():
    test = datasets.MNIST("data", train=False)
    keep = test.targets == 3
    test.data, test.targets = test.data[keep], test.targets[keep]
    assert len(test) == int(keep.sum()) and test[len(test) - 1][1] == 3


@pytest.mark.parametrize("packed", [False, True])
def test_files_in_root_come_first(tmp_path, packed):
    small_mnist(tmp_path / "MNIST" / "raw", packed)
    small_mnist(tmp_path / "FashionMNIST" / "raw", packed)
    assert len(datasets.MNIST(tmp_path)) == 12 and len(datasets.FashionMNIST(str(tmp_path), train=False)) == 5


def test_mnist_as_torchvision_has_it(tmp_path, tv):
    small_mnist(tmp_path / "MNIST" / "raw")
    usual = {"transform": None, "target_transform": None}
    for train in (True, False):
        ours, theirs = (d.MNIST(str(tmp_path), train=train, **usual) for d in (datasets, tv.datasets))
        assert repr(ours) == repr(theirs)
        assert ours.class_to_idx == theirs.class_to_idx and ours.raw_folder == theirs.raw_folder
        np.testing.assert_array_equal(ours.data.numpy(), theirs.data.numpy())
        for name in ("data", "targets"):
            a, b = getattr(ours, name), getattr(theirs, name)
            assert a.dtype.name == str(b.dtype).removeprefix("torch.") and tuple(a.shape) == tuple(b.shape)
        for (image, label), (other, same) in zip(ours, theirs, strict=True):
            assert (image.mode, image.tobytes(), label) == (other.mode, other.tobytes(), same)
    for kind in ("MNIST", "FashionMNIST"):
        ours, theirs = getattr(datasets, kind), getattr(tv.datasets, kind)
        assert ours.classes == theirs.classes and ours.resources == theirs.resources


def test_the_printed_form_with_transforms(tmp_path, tv):
    small_mnist(tmp_path / "MNIST" / "raw")
    printed = []
    for package, T in ((datasets, transforms), (tv.datasets, tv.transforms)):
        both = T.Compose([T.ToTensor(), T.Normalize((0.1,), (0.3,))])
        printed.append(repr(package.MNIST(str(tmp_path), transform=both, target_transform=T.Lambda(int))))
    assert printed[0] == printed[1]


def test_old_names_of_mnist_warn():
    test = datasets.MNIST("data", train=False)
    with pytest.warns(UserWarning, match="renamed targets"):
        assert test.test_labels is test.targets


def test_corrupt_and_unfit_files_are_refused(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    small_mnist(raw)
    idx.write(raw / MNIST_FILES[1], np.zeros(3, np.uint8))
    with pytest.raises(ArgumentError, match="do not fit together"):
        datasets.MNIST(tmp_path)
    (raw / MNIST_FILES[0]).write_bytes(b"\0\0\x08\x03short")
    with pytest.raises(FileFormatError, match="truncated"):
        datasets.MNIST(tmp_path)


def test_what_is_nowhere(home, monkeypatch):
    for name in ("fashion_mnist", "cifar10"):
        source = store.SOURCES[name]
        monkeypatch.setitem(store.SOURCES, name, source._replace(folders=()))
    for kind in (datasets.FashionMNIST, datasets.CIFAR10):
        with pytest.raises(RuntimeError, match="You can use download=True to download it"):
            kind(home)


def test_both_ways_of_transforming_are_refused():
    with pytest.raises(ValueError, match="not both"):
        datasets.VisionDataset("x", transforms=lambda x, y: (x, y), transform=lambda x: x)


# ---- CIFAR-10


def opcode_bytes(text: bytes) -> bytes:
    return b"T" + len(text).to_bytes(4, "little") + text


def python2_pickle(images: np.ndarray, labels: list[int]) -> bytes:
    """A file of CIFAR-10 as Python 2 pickled it: protocol 2, byte strings, an array of numpy.core.multiarray."""
    kind = b"cnumpy\ndtype\n" + opcode_bytes(b"u1") + b"K\x00K\x01\x87R(K\x03" + opcode_bytes(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"".join(b"J" + n.to_bytes(4, "little") for n in images.shape) + b"\x86"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + opcode_bytes(b"b") + b"\x87R"
    array = empty + b"(K\x01" + shape + kind + b"\x89" + opcode_bytes(images.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([n]) for n in labels) + b"e"
    entries = (b"batch_label", opcode_bytes(b"a batch")), (b"labels", numbers), (b"data", array)
    return b"\x80\x02}(" + b"".join(opcode_bytes(key) + value for key, value in entries) + b"u."


@pytest.fixture
def small_cifar(tmp_path, monkeypatch, tv_or_none):
    """(root, images uint8[24, 32, 32, 3], labels) of a CIFAR-10 of 5 x 4 + 4 images."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    planes, labels = rng.integers(0, 256, (24, 3072), np.uint8), rng.integers(0, 10, 24).tolist()
    names = [name for name, _ in datasets.CIFAR10.train_list + datasets.CIFAR10.test_list]
    sums = []
    for i, name in enumerate(names):
        content = python2_pickle(planes[4 * i : 4 * i + 4], labels[4 * i : 4 * i + 4])
        (folder / name).write_bytes(content)
        sums.append([name, hashlib.md5(content).hexdigest()])
    meta = pickle.dumps({"label_names": list(CIFAR_SOURCE.classes)}, 2)
    (folder / "batches.meta").write_bytes(meta)
    for kind in (datasets.CIFAR10, *([tv_or_none.datasets.CIFAR10] if tv_or_none else [])):
        monkeypatch.setattr(kind, "train_list", sums[:5])
        monkeypatch.setattr(kind, "test_list", sums[5:])
    if tv_or_none:
        theirs = {"filename": "batches.meta", "key": "label_names", "md5": hashlib.md5(meta).hexdigest()}
        monkeypatch.setattr(tv_or_none.datasets.CIFAR10, "meta", theirs)
    return tmp_path, planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


@pytest.fixture
def tv_or_none(request):
    try:
        return request.getfixturevalue("tv")
    except pytest.skip.Exception:
        return None


def test_cifar_as_torchvision_lays_it_out(small_cifar, tv_or_none):
    root, images, labels = small_cifar
    train, test = datasets.CIFAR10(root), datasets.CIFAR10(root, train=False)
    np.testing.assert_array_equal(train.data, images[:20])
    np.testing.assert_array_equal(test.data, images[20:])
    assert train.targets == labels[:20] and isinstance(train.targets, list)
    image, label = test[3]
    assert image.mode == "RGB" and label == labels[23] and train.class_to_idx["frog"] == 6
    np.testing.assert_array_equal(np.asarray(image), images[23])
    if tv_or_none:
        theirs = tv_or_none.datasets.CIFAR10(root)
        assert repr(train) == repr(theirs) and train.classes == theirs.classes and train.targets == theirs.targets
        np.testing.assert_array_equal(train.data, theirs.data)
        assert train.data.dtype == theirs.data.dtype


def test_cifar_from_its_archive(small_cifar):
    import tarfile

    root, images, _ = small_cifar
    (root / "b").mkdir()
    with tarfile.open(root / "b" / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(root / "cifar-10-batches-py", "cifar-10-batches-py")
    np.testing.assert_array_equal(datasets.CIFAR10(root / "b").data, images[:20])


def test_cifar_from_the_binary_version(home, monkeypatch):
    rng = np.random.default_rng(1)
    files = {}
    for name in CIFAR_SOURCE.files:
        records = rng.integers(0, 256, (4, cifar.RECORD), np.uint8)
        records[:, 0] %= 10
        (home / name).write_bytes(records.tobytes())
        files[name] = CIFAR_SOURCE.files[name]._replace(size=records.size, sha256=hashlib.sha256(records).hexdigest())
    monkeypatch.setattr("cutaway.vision.datasets.cifar.SOURCE", CIFAR_SOURCE._replace(files=files))
    test = datasets.CIFAR10(home, train=False)
    np.testing.assert_array_equal(test.data[2], records[2, 1:].reshape(3, 32, 32).transpose(1, 2, 0))
    assert test.targets == records[:, 0].tolist()


def test_a_changed_pickle_is_refused(small_cifar):
    root, *_ = small_cifar
    path = root / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(RuntimeError, match=r"corrupted: .*test_batch"):
        datasets.CIFAR10(root, train=False)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


def test_a_pickle_that_names_code_does_not_run():
    with pytest.raises(UnsafeFileError, match=r"asks for \w+\.exec"):
        cifar.parse_pickle(pickle.dumps({"data": Evil(), "labels": []}), "x")
    for content in (b"", b"no pickle", pickle.dumps([1, 2]), pickle.dumps({"data": 1, "labels": [1]})):
        with pytest.raises(FileFormatError):
            cifar.parse_pickle(content, "x")


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_pickle_of_today_reads_too(protocol):
    images = np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072)
    content = pickle.dumps({"data": images, "labels": [3, 4]}, protocol)
    pixels, labels = cifar.parse_pickle(content, "x")
    np.testing.assert_array_equal(pixels.reshape(2, -1), images)
    assert labels.tolist() == [3, 4]


# ---- made and found


@pytest.mark.parametrize("size", [(3, 12, 9), (1, 20, 20)])
def test_fake_data_is_torchvision_s(size, tv):
    ours, theirs = (d.FakeData(5, size, 7, random_offset=3) for d in (datasets, tv.datasets))
    assert repr(ours) == repr(theirs)
    cutaway.manual_seed(1)
    before = cutaway.rand(1).item()
    cutaway.manual_seed(1)
    for (image, label), (other, same) in zip(ours, theirs, strict=False):
        assert (image.mode, image.size, label) == (other.mode, other.size, same)
        # normals are PyTorch's up to the rounding of log, sin and cos, so a byte may be the next one
        off = (np.asarray(image, np.int16) - np.asarray(other, np.int16) + 128) % 256 - 128
        assert np.abs(off).max() <= 1 and (off != 0).mean() < 0.01
    assert cutaway.rand(1).item() == before, "the default generator has moved"
    with pytest.raises(IndexOutOfRange):
        ours[5]


def test_fake_data_is_drawn_in_the_default_dtype(tv, doubles):
    for (image, label), (other, same) in zip(*(d.FakeData(3, (3, 6, 5)) for d in (datasets, tv.datasets)), strict=False):
        off = (np.asarray(image, np.int16) - np.asarray(other, np.int16) + 128) % 256 - 128
        assert label == same and np.abs(off).max() <= 1


def test_fake_data_by_pytorch_s_generator():
    torch = pytest.importorskip("torch")
    ours = datasets.FakeData(4, (3, 6, 5), 9, random_offset=2, transform=transforms.PILToTensor())
    for i, (image, label) in enumerate(ours):
        torch.manual_seed(i + 2)
        expected = (torch.randn(3, 6, 5) * 255).numpy().astype(np.int64)
        assert int(torch.randint(0, 9, size=(1,))[0]) == label
        off = (image.numpy() - expected + 128) % 256 - 128
        assert np.abs(off).max() <= 1


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("zebra/b.png", "zebra/a.PNG", "zebra/deep/c.bmp", "ant/x.jpg", "ant/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no image")
        else:
            Image.fromarray(rng.integers(0, 256, (8, 9), np.uint8)).save(path)
    return tmp_path


def test_image_folder(folder, tv_or_none):
    ours = datasets.ImageFolder(str(folder))
    assert ours.classes == ["ant", "zebra"] and ours.targets == [0, 1, 1, 1] and ours.imgs is ours.samples
    image, target = ours[3]
    assert (image.mode, target) == ("RGB", 1)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(folder / "zebra/deep/c.bmp").convert("RGB")))
    if tv_or_none:
        theirs = tv_or_none.datasets.ImageFolder(str(folder))
        assert ours.samples == theirs.samples and repr(ours) == repr(theirs)
        assert ours.class_to_idx == theirs.class_to_idx
        for (a, _), (b, _) in zip(ours, theirs, strict=True):
            assert a.tobytes() == b.tobytes()


def test_dataset_folder_with_its_own_loader(folder):
    found = datasets.DatasetFolder(folder, lambda path: Path(path).read_text(), (".txt",), allow_empty=True)
    assert [found[0], len(found)] == [("no image", 0), 1]
    with pytest.raises(FileNotFoundError, match="Found no valid file for the classes zebra"):
        datasets.DatasetFolder(folder, str, (".txt",))
    with pytest.raises(FileNotFoundError, match="any class folder"):
        datasets.ImageFolder(folder / "ant")
    with pytest.raises(ValueError, match="at the same time"):
        datasets.DatasetFolder(folder, str)


def test_without_pillow():
    """MNIST gives arrays, ToTensor and Normalize take them, and the rest says what is missing."""
    program = """
        import sys
        sys.modules["PIL"] = None
        import numpy as np, cutaway
        from cutaway.vision import datasets, transforms as T
        plain = datasets.MNIST("data", train=False)
        assert plain[0][0].dtype == np.uint8 and plain[0][0].shape == (28, 28)
        usual = T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,))])
        x, y = datasets.MNIST("data", train=False, transform=usual)[0]
        assert x.shape == (1, 28, 28) and x.dtype == cutaway.float32 and y == 7
        assert T.RandomCrop(20)(x).shape == (1, 20, 20)
        for wanting in (lambda: T.Resize(14)(plain[0][0]), lambda: T.ToPILImage()(x)):
            try:
                wanting()
            except ImportError as e:
                assert 'pip install "cutaway[vision]"' in str(e), e
            else:
                raise SystemExit("no error")
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
