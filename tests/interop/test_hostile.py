"""Checkpoints that are malicious or damaged: refused with an error of ours, and nothing in them is executed."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import CutawayError, FileFormatError, UnsafeFileError

RAN: list[object] = []


def trap(*args):
    """What must never be called."""
    RAN.append(args)
    return {}


class Bomb:
    """Pickled as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.fixture(autouse=True)
def nothing_runs():
    RAN.clear()
    yield
    assert RAN == []


def archive(data, records=None, folder="archive", compression=zipfile.ZIP_STORED):
    """A checkpoint around a pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        z.writestr(f"{folder}/data.pkl", data)
        z.writestr(f"{folder}/byteorder", "little")
        for name, content in (records or {}).items():
            z.writestr(name if "/" in name and not name.startswith("data/") else f"{folder}/{name}", content)
        z.writestr(f"{folder}/version", "3\n")
    out.seek(0)
    return out


def good():
    f = io.BytesIO()
    state = cutaway.nn.Sequential(cutaway.nn.Linear(3, 2), cutaway.nn.BatchNorm1d(2)).state_dict()
    x = cutaway.arange(6.0).reshape(2, 3)
    cutaway.save({"model": state, "views": [x, x[:, 1]], "step": 3, "note": ("ü", None, 2.5, {1}), "raw": b"\xff"}, f)
    return f.getvalue()


CALLS = [
    (os.system, "true"),
    (eval, "1"),
    (exec, "1"),
    (getattr, "a", "b"),
    (__import__, "os"),
    (open, "x"),
    (trap, 1),
    (pickle.loads, b"N."),
    (np.load, "x"),
    (print,),
    (type, "A", (), {}),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("call", CALLS, ids=lambda c: c[0].__name__)
def test_calls_are_refused(call, protocol):
    data = pickle.dumps({"w": Bomb(*call)}, protocol)
    with pytest.raises(FileFormatError, match="nothing was executed") as e:
        cutaway.load(archive(data))
    assert protocol < 2 or isinstance(e.value, (UnsafeFileError, pickle.UnpicklingError))
    with pytest.raises(FileFormatError):
        cutaway.load(archive(data), weights_only=False)


def test_a_new_of_a_classs_own_is_not_called(tmp_path):
    """NumPy's memmap makes a file when it is made."""
    path = tmp_path / "written"
    call = [b"(", text(str(path)), text("uint8"), text("w+"), b"K\x00K\x04t"]
    data = op(b"cnumpy\nmemmap\n", *call, b"\x81")
    for weights_only in (True, False):
        with pytest.raises(FileFormatError):
            cutaway.load(archive(data), weights_only=weights_only)
    assert not path.exists()


def op(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def tensor(offset=0, size=(4,), stride=(1,), key="0", numel=4, kind=b"FloatStorage", grad=b"\x89", location="cpu"):
    """The pickle of one tensor."""

    def ints(values):
        return b"(" + b"".join(b"\x8a\x09" + v.to_bytes(9, "little", signed=True) for v in values) + b"t"

    return op(
        b"ctorch._utils\n_rebuild_tensor_v2\n((", text("storage"), b"ctorch\n", kind, b"\n", text(key), text(location),
        ints([numel])[1:-1], b"tQ", ints([offset])[1:-1], ints(size), ints(stride), grad,
        b"ccollections\nOrderedDict\n)RtR",
    )  # fmt: skip


FOUR = {"data/0": np.arange(4, dtype=np.float32).tobytes()}


def test_the_forge_makes_a_tensor():
    assert cutaway.load(archive(tensor(), FOUR)).tolist() == [0, 1, 2, 3]
    assert cutaway.load(archive(tensor(1, (2, 2), (2, 0)), FOUR)).tolist() == [[1, 1], [3, 3]]
    assert cutaway.load(archive(tensor(4, (0,), (1,)), FOUR)).tolist() == []


BAD_TENSORS = {
    "beyond the end": {"size": (5,)},
    "offset beyond": {"offset": 1},
    "offset huge": {"offset": 2**62},
    "offset negative": {"offset": -1},
    "offset of nothing": {"offset": 6, "size": (0,)},
    "stride beyond": {"stride": (2,)},
    "stride negative": {"stride": (-1,), "offset": 3},
    "stride huge": {"stride": (2**62,)},
    "size negative": {"size": (-1,)},
    "sizes overflow": {"size": (2**40, 2**40), "stride": (0, 0)},
    "too many dimensions": {"size": (1,) * 65, "stride": (1,) * 65},
    "stride missing": {"size": (2, 2), "stride": (1,)},
    "numel too large": {"numel": 5},
    "numel too small": {"numel": 3, "size": (3,)},
    "numel negative": {"numel": -4, "size": (0,)},
    "numel huge": {"numel": 2**62},
    "record missing": {"key": "1"},
    "key leads out": {"key": "../data.pkl"},
    "another dtype": {"kind": b"DoubleStorage"},
    "no storage": {"kind": b"Size"},
    "gradient of integers": {"kind": b"IntStorage", "grad": b"\x88"},
    "requires_grad is no bool": {"grad": b"K\x02"},
    "device": {"location": "cuda:0"},
}


@pytest.mark.parametrize("name", BAD_TENSORS)
def test_tensors_that_do_not_fit_their_storage_are_refused(name):
    with pytest.raises(CutawayError):
        cutaway.load(archive(tensor(**BAD_TENSORS[name]), FOUR))


def test_a_storage_that_is_described_twice_must_be_the_same():
    one, other = tensor()[2:-1], tensor(kind=b"IntStorage")[2:-1]
    with pytest.raises(FileFormatError, match="two ways"):
        cutaway.load(archive(op(one, other, b"\x86"), FOUR))


MACHINE = {
    "empty": b"",
    "no stop": b"\x80\x02N",
    "nothing to return": b"\x80\x02.",
    "two values": op(b"NN"),
    "mark left": op(b"(N"),
    "mark returned": op(b"("),
    "no mark": op(b"t"),
    "append to a number": op(b"K\1K\2a"),
    "item of a list": op(b"]K\1K\2s"),
    "odd items": op(b"}(K\1u"),
    "list as a key": op(b"}]K\1s"),
    "dict in a set": op(b"\x8f(}\x90"),
    "unknown memo": op(b"h\5"),
    "memo of nothing": op(b"q\0"),
    "text too long": op(b"X\xff\xff\xff\xffa"),
    "text of 2**63": op(b"\x8d" + b"\xff" * 8),
    "bytes of 2**63": op(b"\x8e" + b"\xff" * 8),
    "bytearray of 2**63": op(b"\x96" + b"\xff" * 8),
    "long too long": op(b"\x8b\xff\xff\xff\x7f1"),
    "text that is none": op(b"X\2\0\0\0\xff\xfe"),
    "unknown instruction": op(b"\xff"),
    "EXT1": op(b"\x82\1"),
    "INST": op(b"(ios\nsystem\n"),
    "OBJ": op(b"(cos\nsystem\no"),
    "PERSID": op(b"Pstorage\n"),
    "next buffer": op(b"\x97"),
    "protocol 9": b"\x80\x09N.",
    "NEWOBJ of a function": op(b"ctorch._utils\n_rebuild_tensor_v2\n)\x81"),
    "NEWOBJ of a list": op(b"c__builtin__\nlist\n)\x81"),
    "NEWOBJ_EX": op(b"ccollections\nOrderedDict\n)}\x92"),
    "call of a class": op(b"cargparse\nNamespace\n)R"),
    "call of a text": op(text("a"), b")R"),
    "call of a tensor class": op(b"ctorch\nTensor\n(K\1tR"),
    "call of a storage": op(b"ctorch\nFloatStorage\n(K\1tR"),
    "arguments are no tuple": op(b"ccollections\nOrderedDict\n]R"),
    "state of a dict": op(b"}}b"),
    "state of a list": op(b"]}b"),
    "state of a tensor class": op(b"ctorch\nTensor\n}b"),
    "attribute of a maker": op(b"ctorch\nSize.__class__\n"),
    "dotted name": op(b"ctorch\n_utils._rebuild_tensor_v2\n"),
    "stack global of os": op(text("os"), text("system"), b"\x93"),
    "stack global of numbers": op(b"K\1K\2\x93"),
    "size of texts": op(b"ctorch\nSize\n((", text("a"), b"ttR"),
    "encode by another codec": op(b"c_codecs\nencode\n(", text("a"), text("zlib"), b"tR"),
    "encode of a number": op(b"c_codecs\nencode\n(K\1tR"),
    "bytearray of a size": op(b"c__builtin__\nbytearray\n(J\xff\xff\xff\x7ftR"),
    "parameter of a text": op(b"ctorch._utils\n_rebuild_parameter\n(", text("a"), b"\x89NtR"),
    "persistent id of a text": op(text("storage"), b"Q"),
    "persistent id of a module": op(b"(", text("module"), b"NNNNtQ"),
    "defaultdict of a function": op(b"ccollections\ndefaultdict\nc_codecs\nencode\n\x85R"),
    "device of nowhere": op(b"ctorch\ndevice\n", text("nowhere"), b"\x85R"),
    "NumPy objects": op(b"cnumpy\ndtype\n(", text("O8"), b"\x89\x88tR"),
    "NumPy number too short": op(
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n(", text("f8"), b"\x89\x88tR", b"C\1a\x86R"
    ),
}


@pytest.mark.parametrize("name", MACHINE)
def test_pickles_that_make_no_sense_are_refused(name):
    with pytest.raises(CutawayError):
        cutaway.load(archive(MACHINE[name], FOUR))


def test_namespaces_cannot_replace_what_python_looks_up():
    data = op(b"cargparse\nNamespace\n)\x81}", text("__class__"), b"K\1sb")
    loaded = cutaway.load(archive(data))
    assert type(loaded).__name__ == "Namespace"


def test_a_value_that_is_copied_again_and_again_is_refused():
    big = b"C\xff" + b"x" * 255
    s = b"X" + struct.pack("<I", 100_000) + b"x" * 100_000
    again = b"0c_codecs\nencode\nh\0\x85R"
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="again and again"):
        cutaway.load(archive(op(s, b"q\0", again * 100_000, big)))
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()
    listed = b"](" + b"K\1" * 10_000 + b"eq\0"
    with pytest.raises(FileFormatError):
        cutaway.load(archive(op(listed, b"0c__builtin__\nset\nh\0\x85R" * 50_000)))


def test_nested_tuples_are_no_keys():
    """Sixty doublings: a hash of it would take longer than the universe has."""
    data = op(b"}K\1", b"q\0h\0\x86" * 60, b"K\1s")
    with pytest.raises(FileFormatError, match="key"):
        cutaway.load(archive(data))
    assert isinstance(cutaway.load(archive(op(b"K\1", b"q\0h\0\x86" * 60))), tuple)  # as a value it does no harm


def test_integers_that_collide_are_no_keys():
    modulus = 2**61 - 1
    keys = b"".join(b"\x8a\x0b" + (k * modulus << 8).to_bytes(11, "little") + b"N" for k in range(100, 20_000))
    with pytest.raises(FileFormatError, match="64 bits"):
        cutaway.load(archive(op(b"}(", keys, b"u")))


def test_deep_nesting_loads_without_recursion():
    loaded = cutaway.load(archive(op(b"]" * 200_000 + b"a" * 199_999)))
    depth = 0
    while loaded:
        loaded, depth = loaded[0], depth + 1
    assert depth == 199_999


# --- the zip file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../evil", "/etc/x", "archive/../../x", "other/data/1", "archive/a\\b", "archive/c:x", "archive//x",
                                  "archive/", "archive/./x"])  # fmt: skip
def test_names_that_lead_out_are_refused(name):
    with pytest.raises(FileFormatError, match="zip entry"):
        cutaway.load(archive(op(b"N"), {name: b"x"} if "/" in name else {}))


def test_nothing_is_written_where_a_name_points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFormatError):
        cutaway.load(archive(op(b"N"), {"archive/../evil": b"x"}))
    assert os.listdir(tmp_path) == []


def test_zip_bombs_are_refused_without_being_unpacked():
    f = archive(op(b"N"), {"data/0": b"\0" * 50_000_000}, compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="compressed"):
        cutaway.load(f)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_duplicate_entries_are_refused():
    with pytest.warns(UserWarning, match="Duplicate"):
        f = archive(op(b"N"), {"data.pkl": op(b"K\1")})
    with pytest.raises(FileFormatError, match="twice"):
        cutaway.load(f)


def test_overlapping_entries_are_refused():
    """Many names for the same bytes: a bomb without compression."""
    data = bytearray(archive(tensor(), FOUR | {"data/1": b"x" * 16}).getvalue())
    at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    at = data.index(b"archive/data/1", at) - 46
    first = data.index(b"archive/data/0", data.index(b"PK\1\2")) - 46
    data[at + 42 : at + 46] = data[first + 42 : first + 46]
    with pytest.raises(FileFormatError, match="overlap|disagree"):
        cutaway.load(io.BytesIO(data))


def test_encrypted_entries_are_refused():
    data = bytearray(archive(op(b"N")).getvalue())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + place] |= 1
    with pytest.raises(FileFormatError, match="encrypted"):
        cutaway.load(io.BytesIO(data))


def test_an_unknown_version_is_refused():
    data = archive(op(b"N")).getvalue()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as a, zipfile.ZipFile(out, "w") as b:
        for name in a.namelist():
            b.writestr(name, b"999" if name.endswith("version") else a.read(name))
    with pytest.raises(FileFormatError, match="version"):
        cutaway.load(io.BytesIO(out.getvalue()))


# --- damage -----------------------------------------------------------------------------------------------------------


def outcome(data):
    """The loaded value as text, or None if it was refused."""
    try:
        return repr(cutaway.load(io.BytesIO(data)))
    except CutawayError:
        return None


def test_truncated_anywhere_is_refused():
    data = good()
    assert outcome(data)
    for end in range(len(data)):
        assert outcome(data[:end]) is None, end


def test_a_flipped_bit_is_refused_or_makes_no_difference():
    data = good()
    whole = outcome(data)
    rng = random.Random(0)
    harmless = 0
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        result = outcome(bytes(damaged))
        assert result in (None, whole), place
        harmless += result is not None
    assert 0 < harmless < len(data) // 2  # padding and dates


@pytest.mark.parametrize("seed", range(4))
def test_damaged_pickles_never_crash(seed):
    """Past the checksum: bytes of the pickle changed, inserted, taken out, copied."""
    with zipfile.ZipFile(io.BytesIO(good())) as z:
        parts = {n.partition("/")[2]: z.read(n) for n in z.namelist()}
    records = {n: c for n, c in parts.items() if n.startswith("data/")}
    rng = random.Random(seed)
    refused = 0
    for _ in range(500):
        data = bytearray(parts["data.pkl"])
        for _ in range(rng.randrange(1, 4)):
            i, j = rng.randrange(len(data)), rng.randrange(len(data))
            n = rng.randrange(1, 20)
            match rng.randrange(4):
                case 0:
                    data[i] = rng.randrange(256)
                case 1:
                    del data[i : i + n]
                case 2:
                    data[i:i] = data[j : j + n]
                case 3:
                    data[i:i] = bytes(
                        rng.choices(b"(tlde}])aesubRcQqh\x80\x81\x85\x86\x87\x88\x89\x8aXKMJNG0123.", k=n % 5 + 1)
                    )
        refused += outcome(archive(bytes(data), records).getvalue()) is None
    assert refused > 250


def test_damaged_zip_directories_never_crash():
    data = good()
    start = data.index(b"PK\1\2")
    rng = random.Random(1)
    whole = outcome(data)
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(start, len(data))] = rng.choice((0, 1, 255, rng.randrange(256)))
        assert outcome(bytes(damaged)) in (None, whole)
