"""The object cache: whatever happens to its files, what comes out is what was put in or made anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway.engine.llvm import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTAWAY_OBJECT_CACHE", str(tmp_path / "objects"))
    return tmp_path / "objects"


class Maker:
    """Makes a body and counts how often."""

    def __init__(self, body: bytes = b"machine code") -> None:
        self.body, self.calls = body, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.body


def file_of(folder: Path) -> Path:
    """The only file in the cache."""
    (path,) = folder.iterdir()
    return path


def test_made_once(folder):
    make = Maker()
    assert [cache.get_or_make("k", make) for _ in range(3)] == [b"machine code"] * 3
    assert make.calls == 1
    assert file_of(folder).suffix == ".o"


def test_each_key_has_its_own(folder):
    assert cache.get_or_make("a", Maker(b"1")) == b"1"
    assert cache.get_or_make("b", Maker(b"2")) == b"2"
    assert cache.get_or_make("a", Maker(b"3")) == b"1"
    assert len(list(folder.iterdir())) == 2


def test_a_file_under_another_keys_name_is_not_taken(folder):
    cache.get_or_make("a", Maker(b"1"))
    path = file_of(folder)
    cache.get_or_make("b", Maker(b"2"))
    (other,) = set(folder.iterdir()) - {path}
    other.write_bytes(path.read_bytes())
    assert cache.get_or_make("b", Maker(b"2")) == b"2"


def test_a_file_with_any_byte_changed_is_made_anew(folder):
    cache.get_or_make("key", Maker())
    path = file_of(folder)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for mask in (0x01, 0x80, 0xFF):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
            make = Maker()
            assert cache.get_or_make("key", make) == b"machine code"
            assert make.calls == 1, at
            assert path.read_bytes() == whole  # and mended


def test_a_file_cut_short_or_grown_is_made_anew(folder):
    cache.get_or_make("key", Maker())
    path = file_of(folder)
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        make = Maker()
        assert cache.get_or_make("key", make) == b"machine code"
        assert make.calls == 1, n
    path.write_bytes(whole + b"\0")
    make = Maker()
    assert cache.get_or_make("key", make) == b"machine code"
    assert make.calls == 1


def test_a_failed_compile_leaves_nothing(folder):
    def fail() -> bytes:
        raise RuntimeError("no code")

    with pytest.raises(RuntimeError, match="no code"):
        cache.get_or_make("key", fail)
    assert not folder.exists() or not list(folder.iterdir())
    assert cache.get_or_make("key", Maker()) == b"machine code"


def test_a_kill_while_writing_leaves_no_broken_file(folder, monkeypatch):
    def killed(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.get_or_make("key", Maker())
    assert list(folder.iterdir()) == []


DIES = {
    "compiling": """
def make():
    os.kill(os.getpid(), signal.SIGKILL)
""",
    "crashing": """
def make():
    os.abort()
""",
    "writing": """
class Half:
    def __init__(self, f):
        self.f = f
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.f.close()
    def write(self, blob):
        self.f.write(blob[: len(blob) // 2])
        self.f.flush()
        os.kill(os.getpid(), signal.SIGKILL)

fdopen = os.fdopen
os.fdopen = lambda handle, mode: Half(fdopen(handle, mode))
""",
    "renaming": """
os.replace = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
""",
}
DYING = """
import os, signal
from cutaway.engine.llvm import cache

def make():
    return b"machine code" * 1000
{}
cache.get_or_make("key", make)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL here")
@pytest.mark.parametrize("when", DIES)
def test_a_process_that_dies_leaves_no_broken_file(folder, when):
    done = subprocess.run([sys.executable, "-c", DYING.format(DIES[when])], capture_output=True, timeout=180)
    assert done.returncode in (-signal.SIGKILL, -signal.SIGABRT), done.stderr
    assert not list(folder.glob("*.o"))
    left = list(folder.glob("*"))
    assert len(left) == (when in ("writing", "renaming"))  # a temporary file, which no one reads
    make = Maker(b"machine code" * 1000)
    assert cache.get_or_make("key", make) == cache.get_or_make("key", make) == make.body
    assert make.calls == 1
    assert set(folder.glob("*")) - set(left) == set(folder.glob("*.o"))


def test_temporary_files_of_the_dead_are_cleared_away(folder, monkeypatch):
    monkeypatch.setattr(cache, "ONE_IN", 1)
    folder.mkdir(parents=True)
    old, young = folder / "old.tmp", folder / "young.tmp"
    for f in (old, young):
        f.write_bytes(b"half")
    os.utime(old, (time.time() - cache.STALE - 60,) * 2)
    cache.get_or_make("key", Maker())
    assert not old.exists() and young.exists()  # the young one may be a living writer's


def test_the_folder_is_looked_through_now_and_then_not_at_each_write(folder, monkeypatch):
    looks = []
    monkeypatch.setattr(cache, "_clear", lambda root, coming: looks.append(coming))
    monkeypatch.setattr(cache, "ONE_IN", 4)
    for n in range(64):
        cache.get_or_make(str(n), Maker(b"x"))
    assert 4 < len(looks) < 32


def test_when_it_is_full_those_go_that_were_not_read_for_longest(folder, monkeypatch):
    cache.get_or_make("0", Maker(b"x" * 1000))
    size = file_of(folder).stat().st_size
    monkeypatch.setattr(cache, "LIMIT", 4 * size)
    monkeypatch.setattr(cache, "ONE_IN", 1)
    for n in range(1, 4):
        cache.get_or_make(str(n), Maker(b"x" * 1000))
        for path in folder.iterdir():  # an hour goes by
            at = path.stat().st_mtime - 3600
            os.utime(path, (at, at))
    cache.get_or_make("0", Maker())  # is read
    for n in range(4, 6):
        cache.get_or_make(str(n), Maker(b"x" * 1000))
    kept = {str(n): Maker() for n in range(6)}
    for key, make in kept.items():
        if key in "0345":
            cache.get_or_make(key, make)
    assert [key for key, make in kept.items() if make.calls] == []
    assert sum(path.stat().st_size for path in folder.iterdir()) <= cache.LIMIT


def test_a_compiled_function_whose_object_is_damaged_is_compiled_anew(folder):
    def result() -> list[float]:
        return cutaway.compile(lambda x: (x * 3.0 + 1.0).sqrt())(x).tolist()

    x = cutaway.arange(8.0)
    want = (x * 3.0 + 1.0).sqrt().tolist()
    result()
    for f in folder.iterdir():  # the threads' code, too, which is loaded once
        f.unlink()
    assert result() == pytest.approx(want)
    path = file_of(folder)
    whole = path.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 6):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert result() == pytest.approx(want)
        assert path.read_bytes() == whole  # the same code again


def test_off(folder, monkeypatch):
    monkeypatch.setenv("CUTAWAY_OBJECT_CACHE", "off")
    make = Maker()
    cache.get_or_make("key", make), cache.get_or_make("key", make)
    assert make.calls == 2 and not folder.exists()


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")  # a file where the folder should be: for root, too, nothing can be written below it
    monkeypatch.setenv("CUTAWAY_OBJECT_CACHE", str(blocked / "objects"))
    make = Maker()
    assert cache.get_or_make("key", make) == cache.get_or_make("key", make) == b"machine code"
    assert make.calls == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(folder):
    cache.get_or_make("a", Maker(b"1"))
    folder.chmod(0o500)
    try:
        assert cache.get_or_make("b", Maker(b"2")) == b"2"
        assert cache.get_or_make("a", Maker(b"3")) == b"1"
    finally:
        folder.chmod(0o700)


def test_a_folder_in_the_place_of_the_file(folder):
    cache.get_or_make("key", Maker())
    path = file_of(folder)
    path.unlink()
    path.mkdir()
    assert cache.get_or_make("key", Maker()) == b"machine code"


WRITER = """
import sys
from cutaway.engine.llvm import cache
for turn in range(60):
    for key in "abc":
        body = (key * 20000).encode()
        found = cache.get_or_make(key, lambda: body)
        assert found == body
        if turn % 3 == int(sys.argv[1]):
            for f in cache.folder().glob("*.o"):
                f.unlink(missing_ok=True)
"""


def test_writers_at_the_same_time(folder):
    work = [subprocess.Popen([sys.executable, "-c", WRITER, str(n)]) for n in range(3)]
    assert [w.wait(60) for w in work] == [0, 0, 0]
    assert [f for f in folder.iterdir() if f.suffix != ".o"] == []


def test_key_holds_the_processor(folder):
    from cutaway.engine.llvm.target import target

    t = target()
    assert t.cpu in t.key and t.features in t.key
    assert t._replace(cpu="another").key != t.key
