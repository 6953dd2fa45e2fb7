"""Programs for each instruction set that this processor runs: float16 conversions bit for bit, and a few random programs."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError
from cutaway.engine.compile import compile
from cutaway.engine.llvm.target import target

from . import fuzz


@pytest.fixture(params=["sse", "avx2", "avx512", "neon"])
def isa(request, monkeypatch):
    monkeypatch.setenv("CUTAWAY_ISA", request.param)
    target.cache_clear()
    try:
        target()
    except ArgumentError:
        monkeypatch.undo()
        target.cache_clear()
        pytest.skip("not on this processor")
    yield request.param
    monkeypatch.undo()
    target.cache_clear()


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal, NaN for NaN, -0.0 for -0.0."""
    return bool(np.all(((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))))


@np.errstate(all="ignore")
def test_conversions_of_float16(isa):
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    singles = halves.astype(np.float32)
    fn = compile(lambda x: (x.float(), x.double()))
    for y in fn(cutaway.from_numpy(halves)):
        assert same_bits(y.numpy(), singles.astype(y.numpy().dtype))
    ties = (singles[:-1] + singles[1:]) / 2
    edges = np.concatenate([ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))])
    doubles = edges.astype(np.float64)
    for x in (edges, np.concatenate([doubles, doubles * (1 + 2.0**-40), [1e300, 65520.0, 65519.999]])):
        y = compile(lambda x: x.half())(cutaway.from_numpy(x)).numpy()
        assert same_bits(y, x.astype(np.float16))


def test_conversions_to_integers(isa):
    x = np.array([0.5, -0.5, 1.9, -1.9, 127.5, -128.9, 255.9, 300.2, -300.2, 2.0**31, -(2.0**31), 2.0**63, np.nan, np.inf])
    kept = x[:6]
    for name in ("int8", "int16", "int32", "int64"):
        y = compile(lambda x, name=name: x.to(getattr(cutaway, name)))(cutaway.from_numpy(x)).numpy()
        np.testing.assert_array_equal(y[:6], kept.astype(name))  # the others are anything, and no crash


def test_integer_division_never_traps(isa):
    for name in ("int8", "int32", "int64", "uint8"):
        low = np.iinfo(name).min
        a = np.array([low, 7, 5, 0, low], name)
        b = np.array([-1 if low else 1, 2, 0, 0, 0], name)
        q, r = compile(lambda a, b: (cutaway.floor_divide(a, b), cutaway.remainder(a, b)))(
            cutaway.from_numpy(a), cutaway.from_numpy(b)
        )
        assert (q.tolist()[0], q.tolist()[1], r.tolist()[1]) == (low, 3, 1)


def test_floor_division_at_the_edges(isa):
    ends = np.array([-3.0, 3.0, 0.0, -0.0, 0.7, np.inf, -np.inf, np.nan])
    for name in ("float32", "float64"):
        a, b = (cutaway.from_numpy(np.ascontiguousarray(x, name)) for x in np.meshgrid(ends, ends))
        both = lambda a, b: (cutaway.floor_divide(a, b), cutaway.remainder(a, b))
        for y, z in zip(compile(both)(a, b), both(a, b), strict=True):
            np.testing.assert_array_equal(y.numpy(), z.numpy())


def test_random_programs(isa):
    assert fuzz.check(range(20, 36)) == []
