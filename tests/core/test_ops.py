"""Every op of the table, tested from its record: see opcheck.py."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

import cutaway
from cutaway.core.dtypes import ALL
from cutaway.core.op import KINDS, OPS, Op, Rule, Sample
from cutaway.core.ops.elementwise import unary

from . import opcheck
from .opcheck import Wrong

CASES = [pytest.param(OPS[op.name], op.samples()[k], id=f"{op.name}-{k}") for op, k in opcheck.cases()]
SLOPES = [c for c in CASES if opcheck.differentiable(*c.values)]
FLOATING = [c for c in CASES if any(isinstance(x, tuple) for x in c.values[1].inputs)]
ERRORS = [
    pytest.param(op, s, id=f"{op.name}-{k}")
    for op in OPS.values()
    for k, s in enumerate(op.errors() if op.errors else [])
]
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
    u = OPS["philox_uniform"](cutaway.tensor([7, 2]), shape=(4,), dtype=np.dtype("float64")).numpy()
    from cutaway.core.philox import philox4x32

    words = philox4x32(np.array([[2], [0], [0], [0]], np.uint64), (7, 0))[0]
    low = philox4x32(np.array([[2], [0], [1], [0]], np.uint64), (7, 0))[0]
    np.testing.assert_array_equal(u, [int(a) / 2**32 + (int(b) >> 11) / 2**53 for a, b in zip(words, low)])


# --- every dtype, and the numbers at the edge -------------------------------------------------------------------------


def takes_floats(op):
    """True for ops of one or two floating inputs."""
    return all(isinstance(x, tuple) for x in op.samples()[0].inputs)


ELEMENTWISE = [pytest.param(op, id=op.name) for op in OPS.values() if op.kind == "elementwise" and op.name != "cast"]


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("op", ELEMENTWISE)
def test_dtypes(op, dtype, torch):
    """For inputs of one dtype: the result dtype and values of PyTorch, or an error of ours where PyTorch errs."""
    sample = op.samples()[0]
    if op.name == "clamp":  # a clamp of integers by fractions is a float; Tensor.clamp sees to it
        sample = Sample(sample.inputs, {"low": 1, "high": 2})
    values = [np.array(v).astype(dtype.np) for v in ([1, 2, 3, 1], [2, 1, 1, 3], [1, 1, 2, 2])[: len(sample.inputs)]]
    if op.name == "where":
        values[0] = np.array([True, False, True, False])
    given = [
        torch.tensor(v.real.astype(np.float64)).to(torch.bool if v.dtype == bool else getattr(torch, dtype.name))
        for v in values
    ]
    try:
        z = op.oracle(torch, *given, **sample.attrs)
    except (RuntimeError, NotImplementedError):
        with pytest.raises(cutaway.DTypeError, match=op.name):
            op(*map(cutaway.tensor, values), **sample.attrs)
        return
    y = op(*map(cutaway.tensor, values), **sample.attrs)
    assert y.dtype.name == str(z.dtype).removeprefix("torch.")
    rtol = {"bfloat16": 8e-3, "float16": 2e-3, "float32": 1e-6, "float64": 1e-14, "complex64": 1e-6, "complex128": 1e-14}.get(y.dtype.name, 0)
    np.testing.assert_allclose(y.tolist(), z.tolist(), rtol=rtol)


EDGES = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 1e-30, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, 710, -750]
)


@pytest.mark.parametrize("op", [c for c in ELEMENTWISE if takes_floats(c.values[0])])
def test_numbers_at_the_edge(op, torch):
    """NaN, infinities, zeros and halves, in every combination: values as PyTorch's, and no warning of NumPy's."""
    sample = op.samples()[0]
    values = [EDGES] if len(sample.inputs) == 1 else [EDGES[:, None], EDGES]
    y = op(*map(cutaway.tensor, values), **sample.attrs).numpy()
    z = op.oracle(torch, *map(torch.tensor, values), **sample.attrs).numpy()
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=0)


def test_integer_division_by_zero_is_an_error():
    x = cutaway.tensor([1, 2])
    for call in (lambda: x // 0, lambda: x % cutaway.tensor([1, 0]), lambda: x.div(0, rounding_mode="floor")):
        with pytest.raises(cutaway.DTypeError, match="divided by zero; ZeroDivisionError"):
            call()
    assert (x / 0).tolist() == [math.inf, math.inf]
    assert (x.double() // 0).tolist() == [math.inf, math.inf]


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


@pytest.mark.parametrize(
    "source",
    [
        "a.relu()", "a.abs()", "a.sign()", "a.clamp(-1, 1)", "a.clamp(b, b + 1)", "t.maximum(a, b)", "t.minimum(a, b)",
        "a.amax()", "a.amin(0)", "a.max()", "a.min()", "a.max(0)[0]", "a.min(0)[0]", "t.where(a > b, a, b)",
        "a % b.abs()",
        "a.sqrt()", "a.log()", "a.masked_fill(a == 0, 1.0).log()", "t.atan2(a, b)", "a.reciprocal()",
        "a.pow(2.0)", "a.pow(b)", "a.pow(0)", "a.pow(1.5)", "a.pow(-1)", "a ** 0.5", "0 ** a", "2 ** a", "a.prod()",
        "a.cumprod(0)",
        "a.norm()", "(a * 0).norm()", "a.norm(1)", "(a * 0).norm(3)", "a.norm(float('inf'))", "(a * 0).std()",
        "a.sort()[0]",
        "a.median()", "(a / 0).softmax(0)", "(a * 1000).logsumexp(0)", "(a * 1000).softmax(0)",
        "(a * 1000).log_softmax(0)",
        "(a * 1000).sigmoid()", "(a * 1000).tanh()",
    ],
)  # fmt: skip
def test_gradients_at_kinks(source, torch):
    """Where there is no derivative, PyTorch's choice."""
    found = []
    for t in (cutaway, torch):
        a = t.tensor([-1.0, 0.0, 0.0, 1.0], dtype=t.float64, requires_grad=True)
        b = t.tensor([-1.0, 0.0, 1.0, 1.0], dtype=t.float64, requires_grad=True)
        y = eval(source, {"t": t, "a": a, "b": b})
        found.append([g.numpy() for g in t.autograd.grad(y.sum(), [a, b], materialize_grads=True)])
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14, atol=1e-300)


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


@cache
def rules_used() -> list[set[str]]:
    """For each case of SLOPES, the ops whose rules its second gradient reads; the others cannot change it."""
    return [opcheck.check_second(*case.values) | {case.values[0].name} for case in SLOPES]


@pytest.mark.parametrize(("name", "i"), RULES)
def test_a_corrupt_rule_is_blamed_in_second_gradients(name, i, monkeypatch):
    """The second gradients of other ops do use the rule: those tests skip and name the op, they do not fail."""
    affected = [case for case, used in zip(SLOPES, rules_used()) if name in used]
    corrupt(OPS[name], i, monkeypatch)
    failed = set()
    for case in affected:
        try:
            test_second_gradient(*case.values)
        except Wrong:
            failed.add(case.values[0].name)
        except pytest.skip.Exception as skipped:
            assert name in str(skipped)
    assert failed <= {name}


def test_a_new_elementwise_op_is_one_entry(torch):
    """Two lines in one file give the eager call, both gradients, the shape rule and all the tests above."""
    try:
        cube = unary(
            "cube", lambda m, a: a * a * a, (lambda g, a: g * 3 * a * a,), formula="a^3", oracle=lambda t, a: a**3
        )
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
