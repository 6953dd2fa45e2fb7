"""A slice of the differential fuzzer (fuzz.py runs as many as you like), and tests of the fuzzer itself."""

from __future__ import annotations

import numpy as np
import pytest

from cutaway.core.op import OPS
from cutaway.engine import scalar

from . import fuzz
from .agreement import disagreement
from .programs import Program, Step, draw, tidy

PROGRAMS, BATCH = 90, 45


@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_random_programs(first):
    assert fuzz.check(range(first, first + BATCH)) == []


def test_programs_are_those_of_their_seed():
    assert [str(draw(s)) for s in range(30)] == [str(draw(s)) for s in range(30)]


def test_programs_are_of_many_kinds():
    drawn = [draw(s) for s in range(600)]
    assert {s.op for p in drawn for s in p.steps} == set(OPS)
    assert {a.dtype.name for p in drawn for a in p.arrays} >= {"float16", "float32", "float64", "int64", "uint8", "bool"}
    assert any(0 in a.shape for p in drawn for a in p.arrays)
    assert any(p.writes for p in drawn) and any(len(p.outputs) > 1 for p in drawn)


def test_a_planted_error_is_found_and_shrunk(monkeypatch):
    """An `exp` that is off by a thousandth, in the middle of a longer program."""
    right = scalar.VOCABULARY.exp
    monkeypatch.setattr(scalar.VOCABULARY, "exp", staticmethod(lambda a: right(a) * 1.001))
    monkeypatch.setenv("CUTAWAY_OBJECT_CACHE", "off")
    p = Program(
        [np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)],
        [
            Step("permute", (0,), {"dims": (1, 0)}),
            Step("tanh", (1,), {}),
            Step("exp", (2,), {}),
            Step("add", (3, 1), {}),
            Step("sum", (4,), {"dim": (0,), "keepdim": False}),
        ],
        [5, 2],
        [],
    )
    wrong = fuzz.trouble(p)
    assert "output 0" in wrong
    small, wrong = fuzz.shrink(p, wrong)
    assert [s.op for s in small.steps] == ["exp"]
    assert "wrong" in wrong


def test_tidy_drops_what_nothing_needs():
    p = Program([np.ones(2), np.ones(3)], [Step("exp", (0,), {}), Step("neg", (1,), {})], [3], [])
    assert str(tidy(p)) == "%0: float64[3]\n%1 = neg(%0)\nreturn %1"


@pytest.mark.parametrize(
    ("got", "want", "other", "same"),
    [
        (1.0, 1.0, 1.0, True),
        (1.001, 1.0, 1.0, False),
        (1.001, 1.0, 1.01, True),  # the runs disagree by more
        (np.nan, np.nan, np.nan, True),
        (0.0, np.nan, np.nan, False),
        (np.inf, 1e30, 1e30, False),
        (np.inf, 3e38, np.inf, True),  # on the edge of the range
        (1e-42, 0.0, 0.0, True),  # below the smallest normal number
    ],
)
def test_agreement(got, want, other, same):
    a = [np.array([x], np.float32) for x in (got, want, other)]
    assert (disagreement(a[0], a[1], [a[2]]) == "") is same


def test_agreement_of_integers_is_exact():
    a, b = np.array([1, 2]), np.array([1, 3])
    assert "1 of 2 wrong" in disagreement(a, b, [b])
    assert disagreement(a, b, [a]) == ""  # a tie that rounding decides
    assert "int32" in disagreement(a.astype(np.int32), a, [])
