"""Each cause, planted in several ways, gets its verdict; and so does each usual slip its hint."""

import warnings

import numpy as np
import pytest

import cutaway
from cutaway.autograd import Function
from cutaway.gradcheck import check_gradients

from . import planted


def leaf(values, dtype=cutaway.float64):
    return cutaway.tensor(values, dtype=dtype).requires_grad_()


def custom(forward, backward):
    return planted.custom(Function, forward, backward)


def check(f, *inputs, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float32
        return check_gradients(f, inputs, **settings)


def noisy():
    """Randomness that the generator of Cutaway knows nothing of."""
    rng = np.random.default_rng(3)
    return lambda x: x + cutaway.tensor(rng.standard_normal(x.shape) * 1e-9)


def sometimes():
    """Right at first, different later: a mask drawn anew at every tenth call."""
    calls = iter(range(10**6))
    return lambda x: x.sin() * (1.0 if next(calls) % 10 < 7 else 0.0)


def forgetful():
    """backward that answers differently each time."""
    calls = iter(range(10**6))
    return custom(lambda x: x.sin(), lambda g, x: g * x.cos() * (1 + next(calls) % 2))


COS = lambda g, x: g * x.cos()
POINT = [0.3, -0.7, 1.2]
F32 = cutaway.float32

VERDICTS = {
    # bug: the derivative exists, and backward gives another value
    "a sign": ("bug", custom(lambda x: x.cos(), lambda g, x: g * x.sin()), leaf(POINT)),
    "a factor": ("bug", custom(lambda x: x * x, lambda g, x: g * x), leaf(POINT)),
    "one percent": ("bug", custom(lambda x: x.exp(), lambda g, x: g * x.exp() * 1.01), leaf(POINT)),
    "one element": ("bug", custom(lambda x: x.sin(), lambda g, x: g * x.cos() * (x < 1)), leaf(POINT)),
    "a sign in float32": ("bug", custom(lambda x: x.sin(), lambda g, x: -g * x.cos()), leaf(POINT, F32)),
    "detach": ("bug", lambda x: x * x.detach(), leaf(POINT)),
    "all detached": ("bug", lambda x: x.detach() * 2, leaf(POINT)),
    "straight through": ("bug", custom(lambda x: x.round(), lambda g, x: g), leaf([0.3, 1.4995])),
    "nan from 0/0": ("bug", custom(lambda x: x * x, lambda g, x: g * 2 * x / x * x), leaf([0.0, 0.5])),
    "where with a nan": (
        "bug",
        lambda x: cutaway.where(x > 0, x.sqrt(), cutaway.zeros(1, dtype=cutaway.float64)),
        leaf([-0.5, 0.5]),
    ),
    "beside a kink": ("bug", custom(lambda x: x.relu(), lambda g, x: g * (x > 0) * 0.5), leaf([1e-5, 0.5])),
    "outside of a kink's slopes": ("bug", custom(lambda x: x.relu(), lambda g, x: g * ((x > 0) * 3 - 1)), leaf([0.0])),
    "kinks and a bug": (
        "bug",
        custom(lambda x: x.relu(), lambda g, x: g * (x > 0) * (1 + 0.01 * (x > 1))),
        leaf([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.5]),
    ),
    "small numbers": ("bug", custom(lambda x: x.log(), lambda g, x: g / x * 1.1), leaf([1e-3, 1e-7])),
    "large numbers": ("bug", custom(lambda x: x.sin(), lambda g, x: g * x.cos() * 1.1), leaf([1e4, 3e4])),
    # kink: no derivative at the point
    "relu at 0": ("kink", lambda x: x.relu(), leaf([0.0, 0.5])),
    "relu at 0 in float32": ("kink", lambda x: x.relu(), leaf([0.0], F32)),
    "abs at 0": ("kink", custom(lambda x: x.abs(), lambda g, x: g * ((x >= 0) * 2.0 - 1.0)), leaf([0.0, 0.5])),
    "abs at 0, under more": ("kink", lambda x: (x.relu() + x.exp()) * 3, leaf([0.0])),
    "maximum of equals": (
        "kink",
        custom(lambda a, b: cutaway.where(a > b, a, b), lambda g, a, b: (g * (a > b), g * (a <= b))),
        leaf([1.0]),
        leaf([1.0]),
    ),
    "clamp at its bound": ("kink", lambda x: x.clamp(0.0, 1.0), leaf([1.0, 0.5])),
    "within eps of a kink": ("kink", lambda x: x.relu(), leaf([1e-7])),
    "just beyond a kink": ("kink", lambda x: x.relu(), leaf([-3e-8])),
    "the parts have kinks": ("kink", lambda x: x.relu() - (-x).relu(), leaf([0.0, 0.5])),
    "a jump": ("kink", lambda x: x.floor() + x, leaf([2.0])),
    "a step": ("kink", lambda x: (x > 0).double() + 0 * x, leaf([0.0])),
    "nan at a kink": ("kink", lambda x: (x * x).sum().sqrt(), leaf([0.0, 0.0])),
    "the edge of the domain": ("kink", lambda x: x.sqrt(), leaf([0.0, 0.5])),
    "a vertical tangent": ("kink", lambda x: x.sign() * x.abs() ** (1 / 3), leaf([0.0])),
    # precision: backward is right, the numbers are too coarse
    "float32": ("precision", lambda x: x.sin(), leaf(POINT, F32)),
    "float32 and a tiny eps": ("precision", lambda x: x.exp() * 10, leaf(POINT, F32), 1e-9),
    "float32 inside": ("precision", lambda x: x.float().sin().double(), leaf(POINT)),
    "float16": ("precision", lambda x: x.sin(), leaf([0.5], cutaway.float16)),
    "float32 inside of a function": (
        "precision",
        custom(lambda x: x.float().sin().double(), COS),
        leaf(POINT),
    ),
    "a tiny eps": ("precision", lambda x: x.exp(), leaf([3.0, 5.0]), 1e-14),
    "cancellation": ("precision", lambda x: (x + 1e9) - 1e9, leaf([0.3, 0.7])),
    "cancellation of most digits": ("precision", lambda x: (x.sin() + 1e12) - 1e12, leaf([0.3, 0.7])),
    "an eps too large": ("precision", lambda x: (x * 1e6).sin(), leaf([0.3, 0.7])),
    "an eps far too large": ("precision", lambda x: x.exp(), leaf([0.3, 0.7]), 0.5),
    # randomness: the function does not repeat itself
    "dropout": ("randomness", lambda x: x * (cutaway.rand(3) > 0.5), leaf(POINT)),
    "noise": ("randomness", noisy(), leaf(POINT)),
    "now and then": ("randomness", sometimes(), leaf(POINT)),
    "backward": ("randomness", forgetful(), leaf(POINT)),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdict(case):
    verdict, f, *rest = VERDICTS[case]
    eps = rest.pop() if isinstance(rest[-1], float) else 1e-6
    report = check(f, *rest, eps=eps)
    assert report.verdict == verdict, str(report)


@pytest.mark.parametrize("fast", [False, True], ids=["whole", "fast"])
@pytest.mark.parametrize("seed", range(12))
def test_random_functions(seed, fast):
    """A random smooth function with a kink somewhere: the verdict depends on the planted fault and the distance alone."""
    rng = np.random.default_rng(seed)
    a, b, c, kink = rng.uniform(0.5, 2, 4)
    f = lambda x: (a * x).tanh() * (b * x).exp() + c * (x - kink).relu()
    slope = lambda x: (
        a * (1 - (a * x).tanh() ** 2) * (b * x).exp() + b * (a * x).tanh() * (b * x).exp() + c * (x > kink)
    )
    away = leaf(kink + rng.uniform(0.01, 1, 4) * rng.choice([-1, 1], 4))
    assert check(custom(f, lambda g, x: g * slope(x)), away, fast_mode=fast).ok
    factor = rng.choice([-1, 0, 0.5, 0.98, 1.02, 3])
    assert check(custom(f, lambda g, x: g * slope(x) * factor), away, fast_mode=fast).verdict == "bug"
    near = leaf([float(away[0]), kink + rng.uniform(-1e-7, 1e-7)])
    assert check(custom(f, lambda g, x: g * slope(x)), near, fast_mode=fast).verdict == "kink"
    assert check(custom(lambda x: f(x.float()).double(), lambda g, x: g * slope(x)), away).verdict == "precision"


def test_the_evidence_is_in_words():
    assert "1 from the right and 0 from the left" in check(lambda x: x.relu(), leaf([0.0])).findings[0].why
    assert "jumps by 1" in check(lambda x: x.floor(), leaf([2.0])).findings[0].why
    rounding = check(lambda x: x.sin(), leaf(POINT, F32)).findings[0]
    assert "rounding exceeds the tolerance; pass eps=1e-03" in rounding.why
    assert rounding.limit == pytest.approx(rounding.got, abs=1e-4)
    assert "too large for how the function bends" in check(lambda x: (x * 1e6).sin(), leaf(POINT)).findings[0].why
    finding = check(lambda x: x * (cutaway.rand(3) > 0.5), leaf(POINT)).findings[0]
    assert finding.labels == ("first call", "second call")
    assert "manual_seed" in str(finding)


def test_the_sweep_shows_the_plateau():
    finding = check(custom(lambda x: x.exp(), lambda g, x: g), leaf([0.5])).findings[0]
    error = {f"{r.h:.0e}": abs(r.central - np.exp(0.5)) for r in finding.sweep}
    assert error["1e-01"] > 1e-3 > 1e-7 > error["1e-05"]
    assert error["1e-12"] > 1e-6
    assert all(abs(r.central - np.exp(0.5)) <= 8 * r.rounding + r.h**2 for r in finding.sweep)


def test_backward_must_be_linear_in_g():
    for backward in (lambda g, x: g * g * x.cos(), lambda g, x: g.clamp(-1.0, 1.0) * x.cos()):
        report = check(custom(lambda x: x.sin(), backward), leaf(POINT))
        assert report.verdict == "bug"
        assert report.findings[0].hint.startswith("g not multiplied")


# --- hints ------------------------------------------------------------------------------------------------------------

SQUARE = np.array([[0.3, -0.7, 1.2], [0.5, 0.9, -0.4], [1.1, 0.2, 0.8]])
WIDE = np.array([[0.3, -0.7], [0.5, 0.9], [1.1, 0.2]])
ORDER = np.array([2, 0, 3, 1])

HINTS = {
    "sign": (lambda x: x.cos(), lambda g, x: g * x.sin(), POINT),
    "factor 1/2": (lambda x: x * x, lambda g, x: g * x, POINT),
    "factor 2": (lambda x: x.sum(), lambda g, x: g * 2 + 0 * x, POINT),
    "factor 1/3: every element is 1/3 times the expected one; dimension 0 of the input has 3": (
        lambda x: x.sum(),
        lambda g, x: g / 3 + 0 * x,
        POINT,
    ),
    "factor 3: every element is 3 times the expected one; dimension 0 of the input has 3": (
        lambda x: x.mean(),
        lambda g, x: g + 0 * x,
        POINT,
    ),
    "factor -1.37": (lambda x: x.sin(), lambda g, x: -1.37 * g * x.cos(), POINT),
    "missing": (lambda x: x.sin(), lambda g, x: None, POINT),
    "flat": (lambda x: x.round(), lambda g, x: g, POINT),
    "g unused": (lambda x: x.sin(), lambda g, x: x.cos(), POINT),
    "not transposed": (lambda x: x @ cutaway.tensor(SQUARE), lambda g, x: g @ cutaway.tensor(SQUARE), WIDE.T),
    "transposed": (lambda x: x.T * 1.0, lambda g, x: g, SQUARE),
    "transposed: the last two": (
        lambda x: (x * cutaway.tensor(WIDE)).sum(),
        lambda g, x: (g * cutaway.tensor(WIDE)).T.reshape(3, 2),
        WIDE,
    ),
    "summed: the gradient is summed over dimension 0 of the input": (
        lambda x: x.sin(),
        lambda g, x: (g * x.cos()).sum(0, keepdim=True).expand(3, 2),
        WIDE,
    ),
    "averaged: the gradient is averaged over dimension 1 of the input": (
        lambda x: x.sin(),
        lambda g, x: (g * x.cos()).mean(1, keepdim=True).expand(3, 2),
        WIDE,
    ),
    "not summed: only index 0 of the output's dimension 0": (
        lambda b: b + cutaway.tensor(WIDE),
        lambda g, b: g[0],
        [0.3, 0.4],
    ),
    "order": (
        lambda x: x[cutaway.tensor(ORDER)] ** 2,
        lambda g, x: (2 * x[cutaway.tensor(ORDER)] * g)[cutaway.tensor(ORDER)],
        [0.3, -0.7, 1.2, 0.8],
    ),
}


@pytest.mark.parametrize("text", HINTS)
def test_hint(text):
    forward, backward, x = HINTS[text]
    finding = check(custom(forward, backward), leaf(x)).findings[0]
    assert finding.verdict == "bug"
    assert finding.hint.startswith(text), finding.hint
    assert finding.hint in str(finding)


def test_a_hint_in_float32_is_not_hidden_by_rounding():
    finding = check(custom(lambda x: x.sin(), lambda g, x: -g * x.cos()), leaf(POINT, F32)).findings[0]
    assert finding.hint.startswith("sign")


def test_no_hint_where_no_slip_fits():
    assert check(custom(lambda x: x.sin(), lambda g, x: g * x.exp()), leaf(POINT)).findings[0].hint == ""


def test_nondet_tol_lets_small_differences_of_backward_pass():
    calls = iter(range(10**6))
    shaky = custom(lambda x: x.sin(), lambda g, x: g * x.cos() + 1e-8 * (next(calls) % 2))
    assert check(shaky, leaf(POINT)).verdict == "randomness"
    assert check(shaky, leaf(POINT), nondet_tol=1e-7).ok
