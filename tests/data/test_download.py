"""Downloads against a server on this machine that breaks, lies and hangs."""

import hashlib
import os

import pytest

from cutaway.core.errors import DownloadError, FileFormatError
from cutaway.data.download import TRIES, Remote, download

from .mirror import CONTENT, Mirror

SHA256 = hashlib.sha256(CONTENT).hexdigest()
N = len(CONTENT)
HALF = N // 2


@pytest.fixture
def mirrors():
    """Two servers with the same file."""
    both = [Mirror(), Mirror()]
    yield both
    for m in both:
        m.close()


@pytest.fixture
def fetch(mirrors, tmp_path):
    """A function that downloads from the two servers and returns the bytes."""

    def go(**options):
        remote = Remote("set.bin", N, SHA256, [m.url for m in mirrors])
        path = download(remote, str(tmp_path), **options)
        assert path == str(tmp_path / "set.bin")
        assert os.listdir(tmp_path) == ["set.bin"]
        return (tmp_path / "set.bin").read_bytes()

    return go


def test_a_good_mirror_is_asked_once(fetch, mirrors):
    assert fetch() == CONTENT
    assert mirrors[0].asked == [None] and mirrors[1].asked == []


def test_progress_counts_up_to_the_size(fetch, mirrors):
    mirrors[0].faults = ["break"]
    seen = []
    assert fetch(progress=lambda *a: seen.append(a)) == CONTENT
    assert {(name, total) for name, _, total in seen} == {("set.bin", N)}
    counts = [done for _, done, _ in seen]
    assert counts[0] == 0 and counts[-1] == N and counts == sorted(counts) and HALF in counts


def test_a_broken_connection_goes_on_where_it_broke(fetch, mirrors):
    mirrors[0].faults = ["break", "break"]
    assert fetch() == CONTENT
    assert mirrors[0].asked == [None, f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]
    assert mirrors[1].asked == []


def test_the_second_mirror_goes_on_where_the_first_broke(fetch, mirrors):
    mirrors[0].faults = ["break", 503]
    assert fetch() == CONTENT
    assert mirrors[1].asked == [f"bytes={HALF}-"]


def test_a_later_call_goes_on_where_an_earlier_one_broke(fetch, mirrors, tmp_path):
    mirrors[0].faults, mirrors[1].faults = ["break", "nothing"], [404]
    with pytest.raises(DownloadError, match=f"set.bin: no mirror could deliver it \\({HALF} of {N} bytes are kept"):
        fetch()
    assert os.listdir(tmp_path) == ["set.bin.part"]
    assert fetch() == CONTENT
    assert mirrors[0].asked[-1] == f"bytes={HALF}-"


def test_an_interrupt_keeps_what_came_and_leaves_no_file_of_that_name(fetch, tmp_path):
    def interrupt(name, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(progress=interrupt)
    assert os.listdir(tmp_path) == ["set.bin.part"]
    assert fetch() == CONTENT


@pytest.mark.parametrize("fault", ["html", "shifted", "wrong", "nothing", 404, 500, "unsized"])
def test_a_bad_mirror_is_passed_over(fetch, mirrors, tmp_path, fault):
    if fault == "shifted":  # only a continuation can be shifted
        (tmp_path / "set.bin.part").write_bytes(CONTENT[:HALF])
    mirrors[0].faults = [fault] * (1 if fault != "unsized" else TRIES)
    assert fetch() == CONTENT
    assert len(mirrors[1].asked) == (fault != "unsized")  # there the bytes too many are simply not read


def test_a_server_without_ranges_starts_over(fetch, mirrors):
    mirrors[0].faults = ["break", "no-range"]
    assert fetch() == CONTENT
    assert mirrors[1].asked == []


def test_a_hanging_server_is_given_up(fetch, mirrors):
    mirrors[0].faults = ["hang", "hang", 500]
    assert fetch(timeout=0.2) == CONTENT
    assert mirrors[1].asked == [f"bytes={HALF + HALF // 2}-"]


def test_a_mirror_that_breaks_without_end_is_given_up(fetch, mirrors):
    mirrors[0].faults = ["break"] * 100
    assert fetch() == CONTENT
    assert len(mirrors[0].asked) == TRIES and len(mirrors[1].asked) == 1


@pytest.mark.parametrize("held", [b"x" * 1000, b"x" * N, b"x" * (N + 5), CONTENT + b"x"])
def test_bad_bytes_held_from_before_are_found_out(fetch, mirrors, tmp_path, held):
    (tmp_path / "set.bin.part").write_bytes(held)
    assert fetch() == CONTENT
    assert mirrors[0].asked[-1] is None and mirrors[1].asked == []


def test_a_whole_file_held_from_before_needs_no_network(fetch, mirrors, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    assert fetch() == CONTENT
    assert mirrors[0].asked == []


def test_a_mirror_whose_file_is_shorter_than_what_is_held(fetch, mirrors, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(CONTENT[: N - 10])
    mirrors[0].content = CONTENT[:1000]  # answers 416, then offers 1,000 bytes
    assert fetch() == CONTENT
    assert mirrors[0].asked == [f"bytes={N - 10}-", None] and mirrors[1].asked == [f"bytes={N - 10}-"]


def test_a_corrupt_file_is_refused_by_name_with_both_digests(fetch, mirrors, tmp_path):
    for m in mirrors:
        m.faults = ["wrong"]
    wrong = hashlib.sha256(CONTENT[:-1] + b"!").hexdigest()
    with pytest.raises(FileFormatError, match=r"set.bin: every mirror sent a wrong file") as e:
        fetch()
    for m in mirrors:
        assert f"set.bin from {m.url}: corrupt, or another file: expected SHA-256 {SHA256}, got {wrong}" in str(e.value)
    assert os.listdir(tmp_path) == []


def test_the_error_lists_what_each_mirror_did(fetch, mirrors, tmp_path):
    mirrors[0].faults, mirrors[1].faults = ["wrong"], [503]
    with pytest.raises(DownloadError, match=r"^set.bin:") as e:
        fetch()
    text = str(e.value)
    assert f"{mirrors[0].url}: set.bin from {mirrors[0].url}: corrupt" in text
    assert f"{mirrors[1].url}: HTTP 503" in text and "root=" in text
    assert os.listdir(tmp_path) == []


def test_nobody_listens(tmp_path):
    gone = Mirror()
    gone.close()
    remote = Remote("set.bin", N, SHA256, [gone.url, "http://name.invalid/file"])
    with pytest.raises(DownloadError, match=r"check the connection(.|\n)*refused(.|\n)*name.invalid") as e:
        download(remote, str(tmp_path), timeout=5)
    assert len(str(e.value).splitlines()) == 3


def test_a_folder_that_cannot_be_written_is_not_the_mirrors_fault(mirrors, tmp_path):
    with pytest.raises(DownloadError, match=r"set.bin.part cannot be written .*; free space, or set CUTAWAY_CACHE"):
        download(Remote("set.bin", N, SHA256, [m.url for m in mirrors]), str(tmp_path / "none"))
    assert mirrors[1].asked == []
