"""Data sets of which no file is at hand: small ones in their formats, written here by other libraries where there are any."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest

from cutaway.core.errors import ArgumentError, FileFormatError, UnsafeFileError
from cutaway.data import idx, matlab
from cutaway.vision import datasets

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def picture(path, size=(6, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)


def written(path, array, opener=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    idx.write(path, array)
    if opener:
        path.with_name(path.name + opener[0]).write_bytes(opener[1](path.read_bytes()))
        path.unlink()


def mat(order="<", small=False, packed=True, **arrays):
    """A MATLAB file, by the book: tags, padding to 8 bytes, columns first."""

    def element(kind, body):
        if small and 0 < len(body) <= 4:
            return struct.pack(order + "I", len(body) << 16 | kind) + body.ljust(4, b"\0")
        return struct.pack(order + "II", kind, len(body)) + body + b"\0" * (-len(body) % 8)

    kinds = {"uint8": (2, 9), "float64": (9, 6), "uint16": (4, 11)}
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    for name, a in arrays.items():
        element_type, cls = kinds[a.dtype.name]
        body = element(6, struct.pack(order + "II", cls, 0))
        body += element(5, struct.pack(order + f"{a.ndim}i", *a.shape)) + element(1, name.encode())
        body += element(element_type, a.astype(a.dtype.newbyteorder(order)).tobytes(order="F"))
        whole = struct.pack(order + "II", 14, len(body)) + body
        zipped = zlib.compress(whole)
        out += struct.pack(order + "II", 15, len(zipped)) + zipped if packed else whole
    return out


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("options", [{}, {"small": True}, {"packed": False}])
def test_matlab_files(order, options):
    x, y = RNG.integers(0, 256, (3, 2, 4), np.uint8), RNG.standard_normal((1, 5))
    found = matlab.parse(mat(order, **options, x=x, y=y, z=np.array([[1, 2]], np.uint16)), "f")
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_array_equal(found["y"], y)
    assert found["z"].tolist() == [[1, 2]] and found["x"].dtype == np.uint8


def test_matlab_files_that_are_none_or_broken():
    good = mat(x=np.ones((4, 4)))
    for bad in (b"", good[:100], good[:-9], good[:140] + b"\0" * 20 + good[160:], b"\x89HDF\r\n" + good[6:126] + b"xx"):
        with pytest.raises(FileFormatError):
            matlab.parse(bad, "f")
    scipy = pytest.importorskip("scipy.io")
    buffer = io.BytesIO()
    scipy.savemat(buffer, {"a": np.arange(6).reshape(2, 3), "text": "b"}, do_compression=True)
    assert matlab.parse(buffer.getvalue(), "f")["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_svhn(tmp_path):
    x, y = RNG.integers(0, 256, (32, 32, 3, 4), np.uint8), np.array([[10], [1], [9], [10]], np.uint8)
    (tmp_path / "train_32x32.mat").write_bytes(mat(X=x, y=y))
    data = datasets.SVHN(tmp_path)
    image, label = data[2]
    np.testing.assert_array_equal(np.asarray(image), x[..., 2])
    assert (len(data), label, data.labels.tolist(), data.data.shape) == (4, 9, [0, 1, 9, 0], (4, 3, 32, 32))
    with pytest.raises(FileFormatError, match="test_32x32.mat"):
        datasets.SVHN(tmp_path, "test", download=True)
    with pytest.raises(ArgumentError, match="split"):
        datasets.SVHN(tmp_path, "valid")
    (tmp_path / "extra_32x32.mat").write_bytes(mat(X=x, y=y[:2]))
    with pytest.raises(FileFormatError, match="expected X"):
        datasets.SVHN(tmp_path, "extra")


def test_stl10(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = {name: RNG.integers(0, 256, (n, 3, 96, 96), np.uint8) for name, n in (("train", 3), ("test", 2), ("unlabeled", 4))}
    for name, x in images.items():
        (folder / f"{name}_X.bin").write_bytes(x.transpose(0, 1, 3, 2).tobytes())
    (folder / "train_y.bin").write_bytes(bytes([1, 10, 3]))
    (folder / "test_y.bin").write_bytes(bytes([2, 2]))
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    (folder / "fold_indices.txt").write_text("0 2\n" * 10)
    data = datasets.STL10(tmp_path, "train+unlabeled")
    image, label = data[1]
    np.testing.assert_array_equal(np.asarray(image), images["train"][1].transpose(1, 2, 0))
    assert label == 9 and data.labels.tolist() == [0, 9, 2, -1, -1, -1, -1] and data.classes == ["airplane", "bird"]
    assert datasets.STL10(tmp_path, folds=3).labels.tolist() == [0, 2]
    assert datasets.STL10(tmp_path, "unlabeled")[0][1] == -1 and len(datasets.STL10(tmp_path, "test")) == 2
    for call in (lambda: datasets.STL10(tmp_path, folds=10), lambda: datasets.STL10(tmp_path, "valid")):
        with pytest.raises(ArgumentError):
            call()
    (folder / "test_X.bin").write_bytes(b"ab")
    with pytest.raises(FileFormatError):
        datasets.STL10(tmp_path, "test")
    with pytest.raises(FileFormatError, match="train_X.bin"):
        datasets.STL10(tmp_path / "none")


def test_kmnist_and_emnist(tmp_path):
    x, y = RNG.integers(0, 256, (5, 28, 28), np.uint8), np.array([1, 2, 26, 4, 5], np.uint8)
    raw = tmp_path / "EMNIST" / "raw"
    written(raw / "emnist-letters-train-images-idx3-ubyte", x, (".gz", gzip.compress))
    written(raw / "emnist-letters-train-labels-idx1-ubyte", y)
    data = datasets.EMNIST(tmp_path, "letters")
    np.testing.assert_array_equal(data.data.numpy(), x)
    assert data[2][1] == 26 and data.classes[26] == "z" and len(datasets.EMNIST.classes_split_dict["balanced"]) == 47
    assert len(datasets.EMNIST.classes_split_dict["byclass"]) == 62
    with pytest.raises(FileFormatError, match="emnist-digits-test-images"):
        datasets.EMNIST(tmp_path, "digits", train=False)
    with pytest.raises(ArgumentError):
        datasets.EMNIST(tmp_path, "letter")
    raw = tmp_path / "KMNIST" / "raw"
    written(raw / "t10k-images-idx3-ubyte", x)
    written(raw / "t10k-labels-idx1-ubyte", y % 10)
    assert datasets.KMNIST(tmp_path, train=False)[2][1] == 6
    with pytest.raises(FileFormatError, match="train-images"):
        datasets.KMNIST(tmp_path, download=True)


def test_qmnist(tmp_path):
    raw = tmp_path / "QMNIST" / "raw"
    x, y = RNG.integers(0, 256, (4, 28, 28), np.uint8), RNG.integers(0, 10, (4, 8)).astype(np.int32)
    written(raw / "qmnist-test-images-idx3-ubyte", x)
    written(raw / "qmnist-test-labels-idx2-int", y, (".gz", gzip.compress))
    written(raw / "xnist-images-idx3-ubyte", x, (".xz", lzma.compress))
    written(raw / "xnist-labels-idx2-int", y, (".xz", lzma.compress))
    data = datasets.QMNIST(tmp_path, "test")
    assert data[3][1] == y[3, 0] and len(data) == 4
    assert datasets.QMNIST(tmp_path, train=False, compat=False)[1][1].tolist() == y[1].tolist()
    assert len(datasets.QMNIST(tmp_path, "test50k")) == 0 and len(datasets.QMNIST(tmp_path, "nist")) == 4
    with pytest.raises(FileFormatError, match="qmnist-train"):
        datasets.QMNIST(tmp_path)
    with pytest.raises(ArgumentError):
        datasets.QMNIST(tmp_path, "valid")


def test_cifar100(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    planes = RNG.integers(0, 256, (3, 3072), np.uint8)
    names = [b"apple", b"bear"]
    held = {
        "train": {b"data": planes, b"fine_labels": [1, 0, 99], b"coarse_labels": [0, 0, 0]},
        "test": {b"data": planes[:1], b"fine_labels": [1]},
        "meta": {b"fine_label_names": names},
    }
    sums = {}
    for name, entry in held.items():
        content = pickle.dumps(entry, 4)
        (folder / name).write_bytes(content)
        sums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", sums["train"]], ["meta", sums["meta"]]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", sums["test"]], ["meta", sums["meta"]]])
    data = datasets.CIFAR100(tmp_path)
    assert data.targets == [1, 0, 99] and data.classes == ["apple", "bear"] and data.class_to_idx == {"apple": 0, "bear": 1}
    np.testing.assert_array_equal(np.asarray(data[1][0]), planes[1].reshape(3, 32, 32).transpose(1, 2, 0))
    assert len(datasets.CIFAR100(tmp_path, train=False)) == 1
    (folder / "meta").write_bytes(b"other")
    with pytest.raises(FileFormatError, match="as it was published"):
        datasets.CIFAR100(tmp_path)
    with pytest.raises(FileFormatError, match="cifar-100-python.tar.gz"):
        datasets.CIFAR100(tmp_path / "none", download=True)


def test_flowers(tmp_path):
    folder = tmp_path / "flowers-102"
    for n in range(1, 5):
        picture(folder / "jpg" / f"image_{n:05d}.jpg")
    (folder / "imagelabels.mat").write_bytes(mat(labels=np.array([[77.0, 1, 2, 102]])))
    (folder / "setid.mat").write_bytes(mat(trnid=np.array([[4.0, 1]]), valid=np.array([[2.0]]), tstid=np.array([[3.0]])))
    data = datasets.Flowers102(tmp_path)
    assert [data[i][1] for i in range(2)] == [101, 76] and data[0][0].size == (6, 5)
    assert datasets.Flowers102(tmp_path, "val")[0][1] == 0
    with pytest.raises(FileFormatError, match="setid.mat"):
        datasets.Flowers102(tmp_path / "none")


def test_pets(tmp_path):
    folder = tmp_path / "oxford-iiit-pet"
    for name in ("Abyssinian_1", "yorkshire_terrier_9"):
        picture(folder / "images" / f"{name}.jpg")
        (folder / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 6), 2, np.uint8)).save(folder / "annotations" / "trimaps" / f"{name}.png")
    (folder / "annotations" / "trainval.txt").write_text("# list\nyorkshire_terrier_9 2 2 1\nAbyssinian_1 1 1 1\n")
    data = datasets.OxfordIIITPet(tmp_path, target_types=["category", "binary-category", "segmentation"])
    image, (kind, dog, outline) = data[0]
    assert (kind, dog, image.mode, np.asarray(outline)[0, 0]) == (1, 1, "RGB", 2)
    assert data.classes == ["Abyssinian", "Yorkshire Terrier"]
    assert datasets.OxfordIIITPet(tmp_path, transform=lambda x: x.size, target_transform=str)[1] == ((6, 5), "0")
    for call in (lambda: datasets.OxfordIIITPet(tmp_path, "val"), lambda: datasets.OxfordIIITPet(tmp_path, target_types="a")):
        with pytest.raises(ArgumentError):
            call()


def test_caltech(tmp_path):
    base = tmp_path / "caltech101"
    for kind, n in (("airplanes", 2), ("wrench", 1), ("BACKGROUND_Google", 1)):
        for i in range(1, n + 1):
            picture(base / "101_ObjectCategories" / kind / f"image_{i:04d}.jpg")
    data = datasets.Caltech101(tmp_path)
    assert data.categories == ["airplanes", "wrench"] and [data[i][1] for i in range(len(data))] == [0, 0, 1]
    outline = base / "Annotations" / "Airplanes_Side_2" / "annotation_0002.mat"
    outline.parent.mkdir(parents=True)
    outline.write_bytes(mat(obj_contour=np.array([[1.0, 2], [3, 4]])))
    both = datasets.Caltech101(tmp_path, ["category", "annotation"])
    assert both[1][1][0] == 0 and both[1][1][1].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(FileFormatError, match="101_ObjectCategories"):
        datasets.Caltech101(tmp_path / "none")


def test_celeba(tmp_path):
    folder = tmp_path / "celeba"
    for name in ("000001.jpg", "000002.jpg", "000003.jpg"):
        picture(folder / "img_align_celeba" / name)
    rows = ["000001.jpg", "000002.jpg", "000003.jpg"]
    (folder / "list_eval_partition.txt").write_text("".join(f"{r} {p}\n" for r, p in zip(rows, (0, 2, 0), strict=True)))
    (folder / "list_attr_celeba.txt").write_text("3\nBald Smiling\n" + "".join(f"{r} -1  1\n" for r in rows))
    (folder / "identity_CelebA.txt").write_text("".join(f"{r} {i}\n" for i, r in enumerate(rows, 7)))
    (folder / "list_bbox_celeba.txt").write_text("3\nimage_id x y w h\n" + "".join(f"{r} 1 2 3 4\n" for r in rows))
    data = datasets.CelebA(tmp_path)
    assert data.filename == ["000001.jpg", "000003.jpg"] and data[1][1].tolist() == [0, 1]
    assert data.attr_names == ["Bald", "Smiling"]
    attr, identity, box = datasets.CelebA(tmp_path, "all", ["attr", "identity", "bbox"])[1][1]
    assert (attr.tolist(), identity.item(), box.tolist()) == ([0, 1], 8, [1, 2, 3, 4])
    assert datasets.CelebA(tmp_path, "test", [])[0][1] is None
    with pytest.raises(FileFormatError, match="landmarks"):
        datasets.CelebA(tmp_path, target_type="landmarks")
    for call in (lambda: datasets.CelebA(tmp_path, "val"), lambda: datasets.CelebA(tmp_path, target_type="hair")):
        with pytest.raises(ArgumentError):
            call()


def test_imagenet(tmp_path):
    for wnid in ("n01440764", "n01443537"):
        picture(tmp_path / "val" / wnid / "a.JPEG")
    data = datasets.ImageNet(tmp_path, "val")
    assert data[1][1] == 1 and data.classes == [("n01440764",), ("n01443537",)]

    def meta(value):
        with zipfile.ZipFile(tmp_path / "meta.bin", "w") as archive:
            archive.writestr("meta/data.pkl", value if isinstance(value, bytes) else pickle.dumps(value, 2))

    meta(({"n01440764": ("tench", "Tinca tinca"), "n01443537": ("goldfish",)}, ["n01443537"]))
    data = datasets.ImageNet(tmp_path, "val", transform=lambda x: x.size)
    assert data.classes[0] == ("tench", "Tinca tinca") and data.class_to_idx["goldfish"] == 1 and data[0] == ((6, 5), 0)
    assert data.wnid_to_idx == {"n01440764": 0, "n01443537": 1}
    meta(pickle.dumps((print, 1)))
    with pytest.raises(UnsafeFileError, match="print"):
        datasets.ImageNet(tmp_path, "val")
    with pytest.raises(FileFormatError, match="train/n01440764"):
        datasets.ImageNet(tmp_path)
