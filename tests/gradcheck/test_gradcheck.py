"""gradcheck and gradgradcheck: right on every op, and of one mind with PyTorch's."""


import numpy as np
import pytest

import cutaway
from cutaway.autograd import Function, gradcheck, gradgradcheck
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.op import OPS
from cutaway.gradcheck import GradcheckError, check_gradients

from .planted import custom


def leaf(values, dtype=cutaway.float64):
    return cutaway.tensor(values, dtype=dtype).requires_grad_()


# --- every op ---------------------------------------------------------------------------------------------------------


def differentiable():
    return [op for op in OPS.values() if op.samples and any(r is not None for r in op.rules)]


def first_sample(op):
    """The op's first sample with elements, as float64 leaves."""
    rng = np.random.default_rng([7, *op.name.encode()])
    for sample in op.samples():
        arrays = [np.asarray(rng.uniform(*op.domain, x) if isinstance(x, tuple) else x) for x in sample.inputs]
        if all(a.size for a in arrays):
            tensors = [cutaway.tensor(a) for a in arrays]
            return [t.requires_grad_() if t.is_floating_point() else t for t in tensors], sample.attrs
    raise AssertionError(f"{op.name} has no sample with elements")


@pytest.mark.parametrize("op", differentiable(), ids=lambda op: op.name)
def test_every_op_passes(op):
    inputs, attrs = first_sample(op)
    assert gradcheck(lambda *xs: op(*xs, **attrs), inputs, fast_mode=True)
    assert gradgradcheck(lambda *xs: op(*xs, **attrs), inputs, fast_mode=True)


@pytest.mark.parametrize("name", ["mul", "matmul", "cumsum", "gather", "windows", "reshape"])
def test_whole_jacobians_and_a_spoilt_rule(name, monkeypatch):
    op = OPS[name]
    inputs, attrs = first_sample(op)
    report = check_gradients(lambda *xs: op(*xs, **attrs), inputs)
    out = op(*inputs, **attrs).numel()
    assert report.ok
    assert report.compared == out * sum(t.numel() for t in inputs if t.requires_grad)
    rule = op.rules[0]
    monkeypatch.setattr(rule, "fn", lambda *args, right=rule.fn: right(*args) * 1.01)
    for fast in (False, True):
        report = check_gradients(lambda *xs: op(*xs, **attrs), inputs, fast_mode=fast)
        assert report.verdict == "bug"
        assert report.findings[0].input == 0


# --- of one mind with PyTorch -----------------------------------------------------------------------------------------

CASES = {
    # name: (passes, forward, backward, inputs)
    "sin": (True, lambda x: x.sin(), lambda g, x: g * x.cos(), [[0.3, -0.7, 1.2]]),
    "scalar": (True, lambda x: (x * x).sum(), lambda g, x: g * 2 * x, [[0.3, -0.7]]),
    "matmul": (
        True,
        lambda a, b: a @ b,
        lambda g, a, b: (g @ b.T, a.T @ g),
        [[[1.0, 2.0], [0.5, -1.0], [0.1, 0.2]], [[1.0, 0.3, 2.0], [-1.0, 0.4, 0.2]]],
    ),
    "two outputs": (
        True,
        lambda x: (x.sin(), x * x),
        lambda g, h, x: g * x.cos() + h * 2 * x,
        [[0.3, -0.7, 1.2]],
    ),
    "relu away from 0": (True, lambda x: x.relu(), lambda g, x: g * (x > 0), [[0.3, -0.7]]),
    "step": (True, lambda x: (x > 0) * 1.0 + 0 * x, lambda g, x: g * 0, [[0.3, -0.7]]),
    "zero is the middle of abs": (True, lambda x: x.abs(), lambda g, x: g * x.sign(), [[0.0, -0.7]]),
    "sign": (False, lambda x: x.cos(), lambda g, x: g * x.sin(), [[0.3, -0.7, 1.2]]),
    "factor": (False, lambda x: (x * x).sum(), lambda g, x: g * x, [[0.3, -0.7]]),
    "half a percent": (False, lambda x: x.exp(), lambda g, x: 1.005 * g * x.exp(), [[0.3, -0.7]]),
    "one element": (
        False,
        lambda x: x.exp(),
        lambda g, x: g * x.exp() * (x < 1),
        [[0.3, -0.7, 1.2]],
    ),
    "ignores g": (False, lambda x: x.sin().sum(), lambda g, x: x.cos(), [[0.3, -0.7, 1.2]]),
    "second output forgotten": (
        False,
        lambda x: (x.sin(), x * x),
        lambda g, h, x: g * x.cos(),
        [[0.3, -0.7, 1.2]],
    ),
    "second input forgotten": (False, lambda a, b: a * b, lambda g, a, b: (g * b, None), [[0.3], [0.7]]),
    "relu at 0": (False, lambda x: x.relu(), lambda g, x: g * (x > 0), [[0.0, -0.7]]),
    "abs at 0": (False, lambda x: x.abs(), lambda g, x: g * ((x >= 0) * 2.0 - 1.0), [[0.0, -0.7]]),
    "floor at 1": (False, lambda x: x.floor(), lambda g, x: g * 0, [[1.0, 0.5]]),
    "sqrt at 0": (False, lambda x: x.sqrt(), lambda g, x: g * 0.5 / x.sqrt(), [[0.0]]),
    "nan": (False, lambda x: x * x, lambda g, x: g * 2 * x / x * x, [[0.0, 0.5]]),
}


@pytest.mark.parametrize("fast", [False, True], ids=["whole", "fast"])
@pytest.mark.parametrize("case", CASES)
def test_passes_and_fails_what_pytorch_passes_and_fails(case, fast):
    torch = pytest.importorskip("torch")
    passes, forward, backward, values = CASES[case]
    ours = gradcheck(
        custom(Function, forward, backward), [leaf(v) for v in values], raise_exception=False, fast_mode=fast
    )
    theirs = torch.autograd.gradcheck(
        custom(torch.autograd.Function, forward, backward),
        [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values],
        raise_exception=False,
        fast_mode=fast,
    )
    assert (ours, theirs) == (passes, passes)


def test_the_signatures_are_pytorch_s():
    torch = pytest.importorskip("torch")
    import inspect

    for ours, theirs in ((gradcheck, torch.autograd.gradcheck), (gradgradcheck, torch.autograd.gradgradcheck)):
        a, b = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
        assert [(p.name, p.kind, p.default) for p in a.values()] == [(p.name, p.kind, p.default) for p in b.values()]


# --- second order -----------------------------------------------------------------------------------------------------

SECOND = {
    "detached": lambda g, x: g * x.detach().cos(),
    "wrong in second order": lambda g, x: g * (x.detach().cos() + (x.detach() - x) * 0.5),
}


@pytest.mark.parametrize("fast", [False, True], ids=["whole", "fast"])
@pytest.mark.parametrize("case", SECOND)
def test_only_gradgradcheck_sees_a_wrong_second_derivative(case, fast):
    torch = pytest.importorskip("torch")
    x = leaf([0.3, -0.7, 1.2])
    u = torch.tensor([0.3, -0.7, 1.2], dtype=torch.float64, requires_grad=True)
    f = custom(Function, lambda x: x.sin(), SECOND[case])
    h = custom(torch.autograd.Function, lambda x: x.sin(), SECOND[case])
    assert gradcheck(f, x, fast_mode=fast)
    assert torch.autograd.gradcheck(h, u, fast_mode=fast)
    assert not gradgradcheck(f, x, fast_mode=fast, raise_exception=False)
    assert not torch.autograd.gradgradcheck(h, u, fast_mode=fast, raise_exception=False)


def test_the_report_of_second_order_names_gradients():
    f = custom(Function, lambda a, b: a * b, lambda g, a, b: (g * b.detach(), g * a))
    report = check_gradients(f, (leaf([0.3, 0.5]), leaf([0.7, 1.0])), order=2)
    assert report.verdict == "bug"
    assert [(f.input_label, f.output_label) for f in report.findings] == [
        ("input 1, float64[2]", "gradient of input 0, float64[2]")
    ]
    assert report.findings[0].hint.startswith("missing")


def test_gradgradcheck_takes_grad_outputs():
    x = leaf([0.3, 0.5])
    assert gradgradcheck(lambda x: (x.sin(), x.exp()), x, (leaf([1.0, 2.0]), cutaway.ones(2, dtype=cutaway.float64)))
    assert gradgradcheck(lambda x: x.sin(), x, leaf([1.0, 2.0]), gen_non_contig_grad_outputs=True)
    assert gradgradcheck(lambda x: x.sin(), x, gen_non_contig_grad_outputs=True)
    with pytest.raises(ArgumentTypeError, match="1 outputs require grad, but got 2"):
        gradgradcheck(lambda x: x.sin(), x, (x, x))


# --- inputs and outputs -----------------------------------------------------------------------------------------------


def test_inputs_of_all_sorts():
    x, y = leaf([0.3, -0.7]), cutaway.tensor([2.0, 3.0], dtype=cutaway.float64)
    assert gradcheck(lambda a, k, b: (a**k * b, a.argmax()), (x, 3, y))
    assert gradcheck(lambda a, b: a * b, (x, x))
    assert gradcheck(lambda a: a, (x,))
    assert gradcheck(lambda a: a.T * 1.0, (leaf([[1.0, 2.0], [3.0, 4.0]]),))
    assert gradcheck(lambda a: a.sum(0), (leaf(np.zeros((0, 3))),))
    assert gradcheck(lambda *_: (x * x).sum(), [x])
    assert gradcheck(lambda a: a.argmax(), (x,))
    result = x * 2
    assert gradcheck(lambda a: a.sin(), (result,))


def test_unused_inputs_have_the_gradient_zero():
    assert check_gradients(lambda a, b: a.sin(), (leaf([0.3]), leaf([0.7]))).compared == 2


def test_one_wrong_weight_among_many_is_found_by_halving():
    x = leaf(np.linspace(-1, 1, 5000))

    def backward(g, x):
        wrong = np.zeros(5000)
        wrong[1234] = 0.5
        return g * (x.cos() + cutaway.tensor(wrong))

    calls = []

    def f(x):
        calls.append(1)
        return custom(Function, lambda x: x.sin(), backward)(x)

    report = check_gradients(f, x, fast_mode=True)
    assert report.verdict == "bug"
    assert report.findings[0].index == (1234,)
    assert len(calls) < 150


def test_nothing_is_left_behind():
    x = leaf([0.3, 0.0, -0.7])
    before, version, state = x.detach().numpy().tobytes(), x._version, cutaway.get_rng_state().tolist()
    check_gradients(lambda x: x.relu(), x)
    gradgradcheck(lambda x: x.exp(), x, fast_mode=True)
    assert (x.detach().numpy().tobytes(), x._version, x.grad) == (before, version, None)
    assert cutaway.get_rng_state().tolist() == state


def test_it_records_even_under_no_grad_and_where_func_takes_gradients_itself():
    x = leaf([0.3, -0.7])
    with cutaway.no_grad():
        assert gradcheck(lambda x: x.sin(), x)
    penalty = lambda x: cutaway.autograd.grad(x.exp().sum(), x, create_graph=True)[0] ** 2
    assert gradcheck(penalty, x)


class Pair(Function):
    """Two outputs whose backward is given None for the one that is not used."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x * 3.0

    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return g * x.cos() + h * 3.0


def test_undefined_gradients():
    x = leaf([0.3])
    with pytest.raises(TypeError) as caught:
        gradcheck(Pair.apply, x)
    assert "set_materialize_grads" in caught.value.__notes__[0]
    assert gradcheck(Pair.apply, x, check_undefined_grad=False)


def test_float32_warns():
    with pytest.warns(UserWarning, match=r"input 1 is float32\[1\].*too coarse"):
        check_gradients(lambda a, b: a + b, (leaf([0.3]), leaf([0.5], cutaway.float32)))
    with pytest.warns(UserWarning, match="float32"):
        assert gradcheck(lambda x: x.sin(), leaf([0.5], cutaway.float32), eps=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: gradcheck(lambda x: x, cutaway.ones(2)),
            ArgumentError,
            r"none of the 1 inputs requires grad.*requires_grad_\(\)",
        ),
        (lambda: gradcheck(lambda x: 3.0, leaf([1.0])), ArgumentTypeError, "must return a Tensor.*float"),
        (lambda: gradcheck(lambda x: x, leaf([1.0]).expand(3)), ShapeError, r"float64\[3\] share one place"),
        (lambda: gradcheck(lambda x: x.detach().mul_(2.0) + x, leaf([1.0])), ArgumentError, "input 0 in place"),
        (lambda: gradcheck(lambda x: x, leaf([1.0]), check_forward_ad=True), ArgumentError, "reverse only"),
        (lambda: gradcheck(lambda x: x, leaf([1.0]), check_batched_grad=True), ArgumentError, "vmap"),
        (lambda: gradcheck(lambda x: x, leaf([1.0]), check_backward_ad=False), ArgumentError, "nothing is left"),
        (lambda: gradcheck(lambda x: x, leaf([1.0]), eps=0), ArgumentError, "eps must be positive"),
        (lambda: gradcheck(lambda x: x, leaf([1.0]), rtol=-1), ArgumentError, "rtol must be at least 0"),
        (lambda: gradgradcheck(lambda x: x.detach(), leaf([1.0])), ArgumentError, "no output of func depends"),
        (lambda: check_gradients(lambda x: x, leaf([1.0]), order=3), ArgumentError, "order must be 1 or 2"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_shapes_that_change_between_calls_are_refused():
    sizes = iter(range(1, 100))
    with pytest.raises(ArgumentError, match="the same shapes each time"):
        gradcheck(lambda x: x.expand(next(sizes)), leaf(1.0))


# --- the error --------------------------------------------------------------------------------------------------------


def test_the_error_says_where_and_why():
    f = custom(Function, lambda x: x.exp(), lambda g, x: g * x.exp() * (x < 1))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, leaf([[0.3, 1.5], [-0.7, 0.2]]))
    finding = caught.value.report.findings[0]
    assert (finding.verdict, finding.input, finding.index, finding.output, finding.at) == ("bug", 0, (0, 1), 0, (0, 1))
    assert finding.expected == pytest.approx(np.exp(1.5))
    assert finding.limit == pytest.approx(np.exp(1.5))
    assert finding.got == 0
    assert (finding.failed, finding.total) == (1, 16)
    text = str(caught.value)
    assert "input 0, float64[2, 2], at [0, 1] -> output 0, float64[2, 2], at [0, 1]" in text
    assert "1 of 16 elements" in text
    assert text.count("<- eps") == 1
    assert "1.0e-06" in next(line for line in text.splitlines() if "<- eps" in line)
    assert isinstance(caught.value, RuntimeError)


def test_a_good_report_is_true_and_short():
    report = check_gradients(lambda x: x.sin(), leaf([0.3, 0.5]))
    assert report
    assert str(report) == "gradcheck: numerical and analytical gradients agree (4 compared, eps=1e-06)"


def test_all_pairs_are_reported_bugs_first():
    f = custom(Function, lambda a, b: a.relu() * b, lambda g, a, b: (g * (a > 0) * b, g * a))
    report = check_gradients(f, (leaf([0.0, 0.5]), leaf([1.0, -2.0])))
    assert [f.verdict for f in report.findings] == ["kink"]
    g = custom(Function, lambda a, b: a.relu() * b, lambda g, a, b: (g * (a > 0) * b, -g * a))
    report = check_gradients(g, (leaf([0.0, 0.5]), leaf([1.0, -2.0])))
    assert [(f.verdict, f.input) for f in report.findings] == [("bug", 1), ("kink", 0)]
    assert str(report).count("verdict") == 2
