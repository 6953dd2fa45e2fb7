"""Every op of the table, tested from its record: see opcheck.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway.core.op import KINDS, OPS, Op, Rule, Sample
from cutaway.core.ops.elementwise import unary

from . import opcheck
from .opcheck import Wrong

CASES = [pytest.param(OPS[op.name], op.samples()[k], id=f"{op.name}-{k}") for op, k in opcheck.cases()]
SLOPES = [c for c in CASES if opcheck.differentiable(*c.values)]
FLOATING = [c for c in CASES if any(isinstance(x, tuple) for x in c.values[1].inputs)]
ERRORS = [pytest.param(op, s, id=f"{op.name}-{k}") for op in OPS.values() for k, s in enumerate(op.errors() if op.errors else [])]
BY_NAME = [pytest.param(op, id=op.name) for op in OPS.values()]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


# --- the table itself -------------------------------------------------------------------------------------------------


def test_table_is_full():
    assert len(OPS) >= 60
    assert {op.kind for op in OPS.values()} == set(KINDS)


@pytest.mark.parametrize("op", BY_NAME)
def test_record_is_complete(op):
    assert OPS[op.name] is op
    assert op.formula and op.samples and op.samples()
    assert op.oracle or op.kind == "random"  # a random op has known answers instead, below
    assert op.errors or op.name == "full"
    if op.kind == "elementwise":
        assert op.scalar or op.name == "cast"
    for rule in filter(None, op.rules):  # a rule reads only what there is
        known = {"y", "i", "indices", "avals", *"abcABC"} | {k for s in op.samples() for k in s.attrs}
        assert set(rule.reads) <= known


# --- forward ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if c.values[0].oracle])
def test_forward_and_gradient_against_pytorch(op, sample, torch):
    opcheck.check_forward(op, sample, torch)


@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if c.values[0].scalar])
def test_forward_against_plain_python(op, sample):
    opcheck.check_scalar(op, sample)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_shape_rule_foretells_the_result(op, sample):
    opcheck.check_shape(op, sample)


@pytest.mark.parametrize(("op", "sample"), ERRORS)
def test_bad_call(op, sample):
    opcheck.check_error(op, sample)


def test_random_op_has_known_answers():
    u = OPS["philox_uniform"](shape=(4,), seed=7, offset=2, dtype=np.dtype("float64")).numpy()
    from cutaway.core.philox import philox4x32

    words = philox4x32(np.array([[2], [0], [0], [0]], np.uint64), (7, 0))[0]
    low = philox4x32(np.array([[2], [0], [1], [0]], np.uint64), (7, 0))[0]
    np.testing.assert_array_equal(u, [int(a) / 2**32 + (int(b) >> 11) / 2**53 for a, b in zip(words, low)])


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "sample"), FLOATING)
def test_gradient(op, sample):
    opcheck.check_gradient(op, sample)


@pytest.mark.parametrize(("op", "sample"), SLOPES)
def test_second_gradient(op, sample):
    try:
        opcheck.check_second(op, sample)
    except Wrong as error:
        blamed = sorted(name for name in error.used - {op.name} if fails(OPS[name]))
        if blamed and not fails(op):
            pytest.skip(f"the rule of {', '.join(blamed)} is wrong, and its own test says so")
        raise


def fails(op: Op) -> bool:
    """True if a first-order check of the op fails."""
    try:
        for sample in op.samples():
            opcheck.check_gradient(op, sample)
    except Wrong:
        return True
    return False


# --- the tests can fail: one wrong rule is found, and only there ------------------------------------------------------


def corrupt(op: Op, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule `i` of the op becomes 1.5 times itself plus 0.25."""
    right = op.rules[i]
    wrong = Rule.__new__(Rule)
    for slot in Rule.__slots__:
        setattr(wrong, slot, getattr(right, slot))
    wrong.fn = lambda *args: right.fn(*args) * 1.5 + 0.25
    monkeypatch.setattr(op, "rules", (*op.rules[:i], wrong, *op.rules[i + 1 :]))


RULES = [(op.name, i) for op in OPS.values() for i, rule in enumerate(op.rules) if rule]


@pytest.mark.parametrize(("name", "i"), RULES)
def test_a_corrupt_rule_fails_exactly_its_own_op(name, i, monkeypatch):
    corrupt(OPS[name], i, monkeypatch)
    assert [op.name for op in OPS.values() if fails(op)] == [name]


@pytest.mark.parametrize("name", ["mul", "neg", "exp", "sum", "reshape", "expand", "matmul", "index", "fold"])
def test_a_corrupt_rule_is_blamed_in_second_gradients(name, monkeypatch):
    """The second gradients of other ops do use the rule; those tests skip and name the op, they do not fail."""
    for i in range(len(OPS[name].rules)):
        with monkeypatch.context() as patch:
            if OPS[name].rules[i]:
                corrupt(OPS[name], i, patch)
                assert _failing_second() <= {name}


def _failing_second() -> set[str]:
    failed = set()
    for case in SLOPES:
        try:
            test_second_gradient(*case.values)
        except Wrong:
            failed.add(case.values[0].name)
        except pytest.skip.Exception:
            pass
    return failed


def test_a_new_elementwise_op_is_one_entry(torch):
    """Two lines in one file give the eager call, both gradients, the shape rule and all the tests above."""
    try:
        cube = unary("cube", lambda m, a: a * a * a, (lambda g, a: g * 3 * a * a,), formula="a^3", oracle=lambda t, a: a**3)
        test_record_is_complete(cube)
        for sample in cube.samples():
            opcheck.check_forward(cube, sample, torch)
            opcheck.check_scalar(cube, sample)
            opcheck.check_shape(cube, sample)
            opcheck.check_gradient(cube, sample)
            assert opcheck.check_second(cube, sample) == {"mul", "sum"}
        for sample in cube.errors():
            opcheck.check_error(cube, sample)
        cube.rules = (Rule(lambda g, a: g * 2 * a * a),)
        with pytest.raises(Wrong, match="cube: the gradient towards input 0"):
            opcheck.check_gradient(cube, cube.samples()[0])
    finally:
        OPS.pop("cube", None)
