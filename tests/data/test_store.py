"""Where files come from: cache, package, system, network, a user's folder; and what happens when each fails."""

import gzip
import lzma
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

from cutaway.core.errors import ArgumentError, DownloadError, FileFormatError
from cutaway.data import cache, store
from cutaway.data.sources import CIFAR10, FASHION_MNIST, MNIST, SOURCES
from cutaway.data.unpack import digest

from .mirror import Mirror
from .sources import small_cifar, small_cifar_files, small_fashion, small_idx_files


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The cache folder of the test."""
    monkeypatch.setenv("CUTAWAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fashion(tmp_path):
    """(source, files, servers by file name)."""
    servers = {name: Mirror() for name in FASHION_MNIST.files}
    files = small_idx_files(tmp_path)
    yield small_fashion(files, servers), files, servers
    for server in servers.values():
        server.close()


@pytest.fixture
def cifar10():
    """(source, files, server)."""
    server = Mirror()
    files = small_cifar_files()
    yield small_cifar(files, server), files, server
    server.close()


def visible(folder) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name != ".lock")


# ---- the cache folder


@pytest.mark.parametrize(
    "platform, environment, expected",
    [
        ("linux", {}, "/home/ada/.cache/cutaway"),
        ("darwin", {}, "/home/ada/Library/Caches/cutaway"),
        ("linux", {"XDG_CACHE_HOME": "/var/x"}, "/var/x/cutaway"),
        ("darwin", {"XDG_CACHE_HOME": "/var/x"}, "/var/x/cutaway"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/cutaway"),
        ("linux", {"XDG_CACHE_HOME": "/var/x", "CUTAWAY_CACHE": "/fast"}, "/fast"),
        ("linux", {"CUTAWAY_CACHE": "~/fast"}, "/home/ada/fast"),
        ("linux", {"CUTAWAY_CACHE": ""}, "/home/ada/.cache/cutaway"),
        ("win32", {"LOCALAPPDATA": "/c/Local"}, "/c/Local/cutaway/Cache"),
        ("win32", {}, "/home/ada/AppData/Local/cutaway/Cache"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="spells paths with /")
def test_the_cache_is_where_the_platform_has_it(monkeypatch, platform, environment, expected):
    for name in ("CUTAWAY_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.folder() == expected


def test_write_is_all_or_nothing(tmp_path, monkeypatch):
    target = tmp_path / "a"
    cache.write(str(target), b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        cache.write(str(target), b"new")
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_one_writer_at_a_time(tmp_path):
    order = []

    def other():
        with cache.locked(str(tmp_path)):
            order.append("second")

    with cache.locked(str(tmp_path)) as exclusive:
        assert exclusive
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_holder_removes_what_a_killed_writer_left(tmp_path):
    for name in (".a.123.456.tmp", "b", "c.part"):
        (tmp_path / name).write_bytes(b"x")
    with cache.locked(str(tmp_path)):
        assert visible(tmp_path) == ["b", "c.part"]


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_acquire", lambda fd: False)
    (tmp_path / ".a.1.1.tmp").write_bytes(b"x")  # perhaps another writer's, at work
    with cache.locked(str(tmp_path)) as exclusive:
        assert not exclusive
    assert ".a.1.1.tmp" in os.listdir(tmp_path)


# ---- from the network, into the cache


def test_the_first_time_downloads_the_second_reads(home, fashion):
    source, files, servers = fashion
    for _ in range(2):
        assert store.obtain(source) == files
    assert [len(s.asked) for s in servers.values()] == [1, 1, 1, 1]
    assert visible(home / "fashion_mnist") == sorted(files)  # no .gz, no .part


def test_an_archive_goes_when_its_files_are_out(home, cifar10):
    source, files, server = cifar10
    progress = []
    assert store.obtain(source, lambda *a: progress.append(a)) == files
    assert progress[-1] == ("cifar-10-binary.tar.gz", len(server.content), len(server.content))
    assert visible(home / "cifar10") == sorted(files)
    assert store.obtain(source) == files and len(server.asked) == 1


def test_only_what_is_missing_is_fetched(home, fashion):
    source, files, servers = fashion
    store.obtain(source)
    name = "t10k-images-idx3-ubyte"
    (home / "fashion_mnist" / name).unlink()
    assert store.obtain(source) == files
    assert {n: len(s.asked) for n, s in servers.items() if len(s.asked) != 1} == {name: 2}


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:-1] + b"\0", lambda c: b"", lambda c: c + b"\0"])
def test_a_damaged_file_in_the_cache_is_made_anew(home, fashion, damage):
    source, files, _ = fashion
    store.obtain(source)
    path = home / "fashion_mnist" / "train-labels-idx1-ubyte"
    path.write_bytes(damage(files[path.name]))
    assert store.obtain(source) == files
    assert path.read_bytes() == files[path.name]


def test_a_download_that_breaks_for_good_goes_on_the_next_time(home, cifar10):
    source, files, server = cifar10
    server.faults = ["break", 500]
    with pytest.raises(DownloadError, match=r"cifar-10-binary.tar.gz: no mirror could deliver it"):
        store.obtain(source)
    assert visible(home / "cifar10") == ["cifar-10-binary.tar.gz.part"]
    assert store.obtain(source) == files
    assert server.asked[-1] == f"bytes={len(server.content) // 2}-"


def test_what_arrived_before_a_failure_stays(home, fashion):
    source, files, servers = fashion
    servers["t10k-labels-idx1-ubyte"].faults = [404]
    with pytest.raises(DownloadError, match=r"t10k-labels-idx1-ubyte.gz"):
        store.obtain(source)
    assert visible(home / "fashion_mnist") == sorted(set(files) - {"t10k-labels-idx1-ubyte"})


def test_an_archive_whose_content_is_not_as_promised(home, cifar10):
    source, _, _ = cifar10
    sizes = {name: file._replace(size=file.size + 1) for name, file in source.files.items()}
    with pytest.raises(FileFormatError, match=r"data_batch_1.bin has 12292 bytes, expected 12293"):
        store.obtain(source._replace(files=sizes))
    assert visible(home / "cifar10") == []


def test_a_member_with_another_digest_is_refused(home, cifar10):
    source, _, _ = cifar10
    wrong = {name: file._replace(sha256="0" * 64) for name, file in source.files.items()}
    with pytest.raises(FileFormatError, match=r"data_batch_1.bin in .*tar.gz: corrupt.*expected SHA-256 0000"):
        store.obtain(source._replace(files=wrong))
    assert visible(home / "cifar10") == []


# ---- a cache that cannot be written


def test_without_a_cache_folder_all_goes_on_in_memory(tmp_path, monkeypatch, fashion):
    source, files, _ = fashion
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CUTAWAY_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match=r"Fashion-MNIST: the cache folder .*file/fashion_mnist cannot be written"):
        assert store.obtain(source) == files


def test_a_full_disk_is_told_once_and_the_download_is_not_lost(home, monkeypatch, cifar10):
    source, files, server = cifar10

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write", full)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert store.obtain(source) == files
    assert [str(w.message).count("No space left on device") for w in seen] == [1]
    assert len(server.asked) == 1


def test_without_locks_downloads_go_to_a_folder_of_their_own(home, monkeypatch, cifar10):
    source, files, _ = cifar10
    monkeypatch.setattr(cache, "_acquire", lambda fd: False)
    seen = []
    assert store.obtain(source, lambda *_: seen.append(visible(home / "cifar10"))) == files
    assert seen and seen[0] == []
    assert visible(home / "cifar10") == sorted(files)


# ---- system folders and a user's own


@pytest.mark.parametrize("compress, suffix", [(bytes, ""), (gzip.compress, ".gz"), (lzma.compress, ".xz")])
def test_a_folder_of_the_system_is_used_before_the_network(home, tmp_path, fashion, compress, suffix):
    source, files, servers = fashion
    system = tmp_path / "system"
    system.mkdir()
    for name, content in files.items():
        (system / (name + suffix)).write_bytes(compress(content))
    source = source._replace(folders=(str(tmp_path / "none"), str(system)))
    assert store.obtain(source) == files
    assert all(not s.asked for s in servers.values())
    assert visible(home / "fashion_mnist") == sorted(files)


@pytest.mark.parametrize("sub", ["", "FashionMNIST/raw", "fashion-mnist"])
@pytest.mark.parametrize("rename", [str, lambda n: n.replace("-idx", ".idx")])
def test_a_root_is_read_and_the_cache_left_alone(home, tmp_path, fashion, sub, rename):
    source, files, servers = fashion
    root = tmp_path / "root"
    (root / sub).mkdir(parents=True)
    for name, content in files.items():
        (root / sub / (rename(name) + ".gz")).write_bytes(gzip.compress(content))
    assert store.from_folder(source, str(root)) == files
    assert not home.exists() and all(not s.asked for s in servers.values())


@pytest.mark.parametrize("sub", ["", "cifar-10-batches-bin"])
def test_a_root_with_the_files_of_cifar10(tmp_path, cifar10, sub):
    source, files, server = cifar10
    (tmp_path / sub).mkdir(exist_ok=True)
    for name, content in files.items():
        (tmp_path / sub / name).write_bytes(content)
    assert store.from_folder(source, str(tmp_path)) == files and not server.asked


def test_a_root_with_the_archive_of_cifar10(tmp_path, cifar10):
    source, files, server = cifar10
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(server.content)
    assert store.from_folder(source, str(tmp_path)) == files and not server.asked
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(server.content[:-1])
    with pytest.raises(FileFormatError, match=r"cifar-10-binary.tar.gz: corrupt.*expected SHA-256 [0-9a-f]{64}, got "):
        store.from_folder(source, str(tmp_path))


def test_a_root_with_a_corrupt_file_is_refused_by_name(tmp_path, fashion):
    source, files, _ = fashion
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    name = "t10k-images-idx3-ubyte"
    wrong = files[name][:-1] + b"\1"
    (tmp_path / name).write_bytes(wrong)
    with pytest.raises(FileFormatError, match=f"{name}: corrupt.*{digest(files[name])}.*{digest(wrong)}"):
        store.from_folder(source, str(tmp_path))


def test_a_root_with_the_files_of_another_data_set(tmp_path, fashion, monkeypatch):
    source, files, _ = fashion
    monkeypatch.setitem(SOURCES, "fashion_mnist", source)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArgumentError, match=r"ubyte belongs to Fashion-MNIST, not to MNIST; load 'fashion_mnist'"):
        store.from_folder(MNIST, str(tmp_path))


def test_a_root_without_the_files_says_what_is_missing(tmp_path):
    with pytest.raises(ArgumentError, match=r"no MNIST in .*train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k"):
        store.from_folder(MNIST, str(tmp_path))
    with pytest.raises(ArgumentError, match="is not a folder"):
        store.from_folder(MNIST, str(tmp_path / "none"))
    (tmp_path / "data_batch_1").write_bytes(b"pickle")
    with pytest.raises(
        ArgumentError, match=r"or cifar-10-binary.tar.gz.*pickled version, which vision.datasets.CIFAR10 reads"
    ):
        store.from_folder(CIFAR10, str(tmp_path))


# ---- the real thing


def test_mnist_comes_with_the_package(home):
    files = store.obtain(MNIST)
    assert {name: digest(content) for name, content in files.items()} == {n: f.sha256 for n, f in MNIST.files.items()}
    assert visible(home / "mnist") == sorted(files)
    (images, labels), (test_images, test_labels) = MNIST.parse(files)
    assert images.shape == (60000, 1, 28, 28) and test_images.shape == (10000, 1, 28, 28)
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] and test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert images[0, 0, 5, 12:18].tolist() == [3, 18, 18, 18, 126, 136]


def test_a_damaged_package_is_told(home, tmp_path):
    broken = MNIST._replace(folders=(str(tmp_path),))
    with pytest.raises(FileFormatError, match=r"MNIST: train-images-idx3-ubyte, .* not found .*install Cutaway again"):
        store.obtain(broken)


@pytest.mark.skipif(not os.path.isdir(FASHION_MNIST.folders[0]), reason="needs Debian's dataset-fashion-mnist")
def test_debians_fashion_mnist_is_found(home):
    (images, labels), (_, test_labels) = FASHION_MNIST.parse(store.obtain(FASHION_MNIST))
    assert images.shape == (60000, 1, 28, 28) and labels[:4].tolist() == [9, 0, 0, 3]
    assert FASHION_MNIST.classes[test_labels[0]] == "Ankle boot"


def test_every_source_is_well_formed():
    for name, source in SOURCES.items():
        assert name == source.name and len(source.classes) == 10
        for digits in (f.sha256 for f in [*source.files.values(), *(a.remote for a in source.archives)]):
            assert len(digits) == 64 and int(digits, 16)
        covered = [file for archive in source.archives for file in archive.files]
        assert covered in ([], list(source.files))
        for archive in source.archives:
            assert len(archive.remote.urls) >= 3 and all(u.endswith(archive.remote.name) for u in archive.remote.urls)


# ---- several processes, and kill -9

CHILD = """
    import os, signal, sys, time
    from cutaway.data import cache, store
    from cutaway.data.sources import MNIST
    {before}
    files = store.obtain(MNIST)
    print(sum(map(len, files.values())))
"""


def child(home, before: str = "") -> subprocess.Popen:
    code = textwrap.dedent(CHILD).format(before=before)
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "CUTAWAY_CACHE": str(home)}, stdout=subprocess.PIPE, text=True
    )


TOTAL = str(sum(file.size for file in MNIST.files.values()))


def test_two_processes_that_start_at_once_unpack_once(home):
    count = "real = cache.write; cache.write = lambda *a: (print('write'), real(*a), time.sleep(0.05))"
    children = [child(home, count) for _ in range(2)]
    outputs = [c.communicate(timeout=180)[0].split() for c in children]
    assert [c.returncode for c in children] == [0, 0]
    assert [o[-1] for o in outputs] == [TOTAL, TOTAL]
    assert sorted(len(o) - 1 for o in outputs) == [0, 4]
    assert visible(home / "mnist") == sorted(MNIST.files)


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_kill_between_writing_and_naming_leaves_no_file(home):
    kill = "os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)"
    killed = child(home, kill)
    killed.communicate(timeout=180)
    assert killed.returncode == -9
    (left,) = visible(home / "mnist")
    assert left.startswith(".train-images") and left.endswith(".tmp")
    assert len(store.obtain(MNIST)) == 4
    assert visible(home / "mnist") == sorted(MNIST.files)  # what was left is gone too


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_kill_at_any_moment_leaves_whole_files_only(home):
    folder = home / "mnist"
    process = child(home)
    deadline = time.monotonic() + 180
    while not folder.exists() or visible(folder) == []:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.communicate()
    for name in visible(folder):
        if not name.endswith(".tmp"):
            assert digest((folder / name).read_bytes()) == MNIST.files[name].sha256
    again = child(home)
    assert again.communicate(timeout=180)[0].split() == [TOTAL] and again.returncode == 0
    assert visible(folder) == sorted(MNIST.files)
