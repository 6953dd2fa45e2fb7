"""CIFAR-10's binary records and the archive they come in."""

import io
import tarfile

import numpy as np
import pytest

from cutaway.core.errors import FileFormatError
from cutaway.data import cifar

from .sources import small_cifar_files, tar_gz

SIZES = dict.fromkeys(small_cifar_files(), 4 * cifar.RECORD)


def test_a_record_is_a_label_and_three_planes():
    record = bytes([7]) + bytes([1]) * 1024 + bytes([2]) * 1024 + bytes(range(256)) * 4
    images, labels = cifar.parse(record * 2, "x")
    assert labels.tolist() == [7, 7] and images.shape == (2, 3, 32, 32)
    assert (images[1, 0] == 1).all() and (images[1, 1] == 2).all()
    assert images[1, 2, 1].tolist() == list(range(32, 64))  # row 1 of the blue plane


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "0 bytes are not a whole number of records"),
        (bytes(3072), "3072 bytes are not a whole number of records of 3073 bytes"),
        (bytes(3073) + b"\x0a" + bytes(3072), "record 1 has label 10"),
    ],
)
def test_bad_records_are_refused_by_name(content, message):
    with pytest.raises(FileFormatError, match=f"data_batch_1.bin: {message}"):
        cifar.parse(content, "data_batch_1.bin")


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin/", "", "./a/b/", "../../etc/", "/absolute/"])
def test_members_are_found_by_name_and_nothing_is_unpacked(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    files = small_cifar_files()
    (tmp_path / "a.tar.gz").write_bytes(tar_gz(files, folder))
    assert dict(cifar.members("a.tar.gz", SIZES)) == files
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]


def with_first(kind: bytes, size: int = 0) -> bytes:
    """An archive whose first member is a `data_batch_1.bin` of a given type."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("data_batch_1.bin")
        info.type, info.linkname, info.size = kind, "/etc/passwd", size
        tar.addfile(info, io.BytesIO(bytes(size)))
    return buffer.getvalue()


GOOD = tar_gz(small_cifar_files())


@pytest.mark.parametrize(
    "archive, message",
    [
        (b"not an archive", "not a readable tar.gz"),
        (b"", "not a readable tar.gz"),
        (GOOD[: len(GOOD) // 2], "not a readable tar.gz"),
        (GOOD[:10] + b"\xff" * 200 + GOOD[210:], "not a readable tar.gz"),
        (tar_gz({}), "data_batch_1.bin, .*test_batch.bin missing"),
        (tar_gz({n: c for n, c in small_cifar_files().items() if "3" not in n}), r"a.tar.gz: data_batch_3.bin missing"),
        (with_first(tarfile.SYMTYPE), "data_batch_1.bin, .* missing"),
        (with_first(tarfile.REGTYPE, 99), "data_batch_1.bin has 99 bytes, expected 12292"),
    ],
    ids=["text", "empty", "cut", "garbage", "no-members", "one-missing", "a-link", "wrong-size"],
)
def test_a_broken_archive_is_refused_by_name(tmp_path, archive, message):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive)
    with pytest.raises(FileFormatError, match=f"a.tar.gz: .*{message}|{message}"):
        list(cifar.members(str(path), SIZES))


def test_labels_and_images_own_their_memory():
    content = small_cifar_files()["test_batch.bin"]
    labels = cifar.parse(content, "x")[1]
    assert labels.flags.writeable and labels.tolist() == np.frombuffer(content, np.uint8)[:: cifar.RECORD].tolist()
