"""Gradient rules on arrays: they say what the rules on Tensors say, and what cannot be seen through is left alone."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.lifting import on_arrays
from cutaway.core.op import OPS, Rule
from cutaway.core.ops.elementwise import mul

from . import opcheck

LIFTED = [(op.name, i) for op in OPS.values() for i, rule in enumerate(op.rules) if rule and rule.on_arrays]
SCALE = 3.0


CASES = [(op, k) for op, k in opcheck.cases() if opcheck.differentiable(op, op.samples()[k])]


@pytest.mark.parametrize(("op", "k"), [pytest.param(op, k, id=f"{op.name}-{k}") for op, k in CASES])
def test_rules_on_arrays_give_what_they_give_on_tensors(op, k, monkeypatch):
    sample = op.samples()[k]
    values = opcheck.arrays(op, sample)
    w = np.random.default_rng(0).standard_normal(opcheck.run(op, values, sample).shape)
    on = opcheck.first_order(op, values, w, sample)
    for rule in op.rules:
        if rule:
            monkeypatch.setattr(rule, "_on_arrays", (rule.fn, None))
    for a, b in zip(on, opcheck.first_order(op, values, w, sample), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_most_rules_are_lifted():
    assert {"add", "mul", "tanh", "relu", "sum", "reshape", "slice", "pad", "where", "gather"} <= {n for n, _ in LIFTED}
    assert not {"matmul", "einsum", "windows"} & {n for n, _ in LIFTED}  # the engine's work


def test_a_learners_rule_is_lifted_and_a_failing_one_tells_its_own_story():
    assert on_arrays(lambda g, a: g * a * SCALE)(np.float32(2), np.float32(5)) == 30
    assert on_arrays(lambda g, a: mul(g, a))(np.float32(2), np.float32(5)) == 10


def outer(k):
    return lambda g: g * k


REFUSED = {
    "a closure": outer(2),
    "a method": lambda g: g.clone(),
    "an import": lambda g: __import__("math").exp(g),
    "an engine op": lambda g, a: OPS["matmul"](g, a),
    "a Tensor's inside": lambda g: g._data,
    "an unknown global": lambda g: nowhere(g),  # noqa: F821
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_seen_through_is_left_alone(what):
    assert on_arrays(REFUSED[what]) is None


def test_a_saved_value_that_was_overwritten_is_still_refused():
    x = cutaway.rand(3, requires_grad=True)
    y = x.exp()
    with cutaway.no_grad():
        y.mul_(2)
    with pytest.raises(cutaway.GradError if hasattr(cutaway, "GradError") else RuntimeError, match="overwritten"):
        y.sum().backward()


def test_a_rule_that_fails_on_arrays_is_asked_on_tensors():
    rule = Rule(lambda g, a: g * a)
    assert rule.on_arrays is not None and rule.on_arrays is rule.on_arrays
