"""Sparse products by native code are NumPy's, in every dtype that there is one for, and are asked for where they are worth it."""

import contextlib

import numpy as np
import pytest

from cutaway.core import accelerate
from cutaway.core.errors import ArgumentError
from cutaway.core.sparse.pattern import Pattern
from cutaway.core.sparse.product import _sddmm, _spmm
from cutaway.engine.eager import entries
from cutaway.engine.llvm.target import target

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    accelerate.load()
    monkeypatch.setattr(entries, "WARM", 0)
    monkeypatch.setattr(entries, "LEAST", 0)


def pattern(n, m, count):
    return Pattern(RNG.integers(0, n, count), RNG.integers(0, m, count), (n, m))


def both(monkeypatch, f, *args):
    """By native code, and by NumPy."""
    seen = []
    monkeypatch.setattr(accelerate, "entries", lambda *a: seen.append(entries.run(*a)) or seen[-1])
    native = f(*args)
    monkeypatch.setattr(accelerate, "entries", None)
    return native, f(*args), seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "m", "count", "d"), [(7, 5, 40, 1), (9, 9, 300, 33), (4, 3, 0, 2), (1, 1, 90, 8), (5, 6, 9, 0)])
def test_products(dtype, n, m, count, d, monkeypatch):
    p, v = pattern(n, m, count), RNG.standard_normal(count).astype(dtype)
    a, x = RNG.standard_normal((n, d)).astype(dtype), np.asfortranarray(RNG.standard_normal((m, d)).astype(dtype))
    for f, args in ((_spmm, (v, x, p)), (_sddmm, (a, x, p))):
        native, numpy, seen = both(monkeypatch, f, *args)
        assert seen == [True] and native.dtype == numpy.dtype == dtype
        np.testing.assert_allclose(native, numpy, rtol=1e-4, atol=1e-5)


def test_every_instruction_set(monkeypatch):
    p, v, x = pattern(20, 20, 200), RNG.standard_normal(200), RNG.standard_normal((20, 19))
    expected = _spmm(v, x, p)
    for isa in ("sse", "avx2", "avx512"):
        monkeypatch.setenv("CUTAWAY_ISA", isa)
        target.cache_clear(), entries._functions.cache_clear()
        with contextlib.suppress(ArgumentError):  # not one of this machine's
            np.testing.assert_allclose(both(monkeypatch, _spmm, v, x, p)[0], expected, rtol=1e-10)
    monkeypatch.undo()
    target.cache_clear(), entries._functions.cache_clear()


def test_what_is_not_worth_it_or_has_no_kernel_is_numpys(monkeypatch):
    p, x = pattern(4, 4, 10), RNG.integers(0, 5, (4, 3))
    assert both(monkeypatch, _spmm, np.arange(10), x, p)[2] == [False]
    monkeypatch.setattr(entries, "LEAST", 1 << 13)
    assert both(monkeypatch, _spmm, np.ones(10), x * 1.0, p)[2] == [False]
    monkeypatch.setattr(entries, "LEAST", 0)
    monkeypatch.setattr(entries, "WARM", 1 << 60)
    assert both(monkeypatch, _spmm, np.ones(10), x * 1.0, p)[2] == [False]
