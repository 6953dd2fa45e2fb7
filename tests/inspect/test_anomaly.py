"""The NaN box: planted causes are named with their line, eager and compiled; Inf on purpose is not."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import cutaway
import cutaway.nn.functional as F
from cutaway import nn
from cutaway.inspect import detect_anomaly, is_anomaly_enabled, set_detect_anomaly


def marked(fn):
    """The number of the line with the comment `# here`."""
    lines, first = inspect.getsourcelines(fn)
    return next(first + k for k, text in enumerate(lines) if "# here" in text)


# --- planted causes: (the step, what x holds, the op, its direction, the cause, what the advice must name) --------------


def log_of_zero(net, x, opt):
    opt.zero_grad()
    p = net(x).relu()
    score = p.log()  # here
    loss = -score.mean()
    loss.backward()
    opt.step()
    return loss


def log_of_softmax(net, x, opt):
    opt.zero_grad()
    p = F.softmax(net(x) * 1e4, dim=-1)
    loss = -p.log().mean()  # here
    loss.backward()
    opt.step()
    return loss


def log_of_sigmoid(net, x, opt):
    opt.zero_grad()
    p = cutaway.sigmoid(net(x) * 1e6)
    loss = -(p.log() + (1 - p).log()).mean()  # here
    loss.backward()
    opt.step()
    return loss


def exp_overflow(net, x, opt):
    opt.zero_grad()
    z = net(x) * 1e4
    e = z.exp()  # here
    loss = (e / e.sum(-1, keepdim=True)).square().mean()
    loss.backward()
    opt.step()
    return loss


def zero_by_zero(net, x, opt):
    opt.zero_grad()
    y = net(x) * 0.0
    norm = y.abs().sum(-1, keepdim=True)
    loss = (y / norm).mean()  # here
    loss.backward()
    opt.step()
    return loss


def sqrt_at_zero(net, x, opt):
    opt.zero_grad()
    y = net(x)
    d = y - y.detach()
    loss = (d * d).sum(-1).sqrt().mean()  # here
    loss.backward()
    opt.step()
    return loss


def hidden_by_where(net, x, opt):
    opt.zero_grad()
    y = net(x)
    z = y.relu()
    loss = cutaway.where(z > 0, z.log(), y).mean()  # here
    loss.backward()
    opt.step()
    return loss


CAUSES = {
    log_of_zero: ("log", "forward", "log", "clamp"),
    log_of_softmax: ("log", "forward", "log", "log_softmax"),
    log_of_sigmoid: ("log", "forward", "log", "with_logits"),
    exp_overflow: ("exp", "forward", "exp", "logsumexp"),
    zero_by_zero: ("div", "forward", "div", "eps"),
    sqrt_at_zero: ("sqrt", "backward", "sqrt", "sqrt(x + eps)"),
    hidden_by_where: ("log", "backward", "log", "where"),
}


def network():
    cutaway.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    return net, cutaway.randn(5, 4), cutaway.optim.SGD(net.parameters(), lr=0.1)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("step", CAUSES, ids=lambda f: f.__name__)
def test_a_planted_cause_is_named_with_its_line(step, compiled):
    op, direction, cause, fix = CAUSES[step]
    net, x, opt = network()

    def whole(x):
        return step(net, x, opt)

    run = cutaway.compile(whole) if compiled else whole
    with pytest.raises(cutaway.AnomalyError) as caught, cutaway.autograd.detect_anomaly():
        run(x)
    e = caught.value
    assert isinstance(e, RuntimeError)
    assert (e.op, e.direction, e.cause) == (op, direction, cause), str(e)
    assert e.line == f"test_anomaly.py:{marked(step)}"
    assert fix in str(e).partition("fix ")[2]
    assert f"{e.line}: " in str(e) and e.steps


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_learning_rate_that_is_too_large(compiled):
    net, x, _ = network()
    opt = cutaway.optim.SGD(net.parameters(), lr=1e6)

    def step(x):
        opt.zero_grad()
        y = net[2](net[0](x))
        loss = y.square().mean()  # here
        loss.backward()
        opt.step()  # there
        return loss

    run = cutaway.compile(step) if compiled else step
    with pytest.raises(cutaway.AnomalyError) as caught, detect_anomaly():
        for _ in range(40):
            run(x)
    e = caught.value
    assert e.cause == "learning rate", str(e)
    lines, first = inspect.getsourcelines(test_a_learning_rate_that_is_too_large)
    inside = range(first + 6, first + 13)
    assert e.line.path == __file__ and e.line.number in inside
    there = next(first + k for k, text in enumerate(lines) if "# there" in text)
    assert f"SGD (lr=1000000.0) at test_anomaly.py:{there}" in str(e) and "clip_grad_norm_" in str(e) and " grew from " in str(e)


def test_the_numbers_around_the_bad_element_are_shown():
    x = cutaway.tensor([[4.0, 1.0, 0.0, 2.0]], requires_grad=True)
    with pytest.raises(cutaway.AnomalyError, match=r"around \[0, 2\]: 4 1 >0< 2") as caught, detect_anomaly():
        x.log().sum().backward()
    assert "4 1 >0< 2" in str(caught.value) and ">-inf<" in str(caught.value)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "float64"])
def test_every_floating_dtype(name):
    dtype = getattr(cutaway, name)
    x = cutaway.tensor([1.0, 800.0], dtype=dtype, requires_grad=True)
    limit = math.log(cutaway.finfo(dtype).max)
    with pytest.raises(cutaway.AnomalyError, match=f"overflows above {limit:.4g} in {name}"), detect_anomaly():
        (x.exp() * 2).sum().backward()
    y = cutaway.zeros(2, dtype=dtype, requires_grad=True)
    with pytest.raises(cutaway.AnomalyError, match="backward of sqrt"), detect_anomaly():
        y.sqrt().sum().backward()


def test_the_layer_is_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Sequential(nn.Linear(2, 2), Odd())

        def forward(self, x):
            return self.head(x)

    class Odd(nn.Module):
        def forward(self, x):
            return (x * 0).log()  # here

    with pytest.raises(cutaway.AnomalyError, match=r"in layer head.1 \(Odd\)") as caught, detect_anomaly():
        Net()(cutaway.ones(1, 2)).sum().backward()
    assert caught.value.line == f"test_anomaly.py:{marked(test_the_layer_is_named)}"


# --- Inf on purpose ---------------------------------------------------------------------------------------------------


def attention(x):
    mask = cutaway.ones(5, 5).tril() == 0
    scores = (x @ x.mT).masked_fill(mask, -math.inf)
    return (cutaway.softmax(scores, -1) @ x).square().mean()


def log_mask(x):
    bias = cutaway.ones(5, 5).tril().log()  # -inf, made by an operation
    return (cutaway.softmax(x @ x.mT + bias, -1) @ x).square().mean()


def maximum_over_inf(x):
    return cutaway.cat([x, cutaway.full((1, 4), -math.inf)]).amax(0).sum()


def clamped(x):
    return (1 / x.relu()).clamp(max=2.0).detach().sum() + x.sum()


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("program", [attention, log_mask, maximum_over_inf, clamped], ids=lambda f: f.__name__)
def test_inf_on_purpose_is_no_anomaly(program, compiled):
    _, x, _ = network()
    w = cutaway.ones(4, requires_grad=True)

    def whole(x):
        return cutaway.autograd.grad(program(x * w), [w])[0]

    expected = whole(x)
    with detect_anomaly():
        found = (cutaway.compile(whole) if compiled else whole)(x)
    assert expected.isfinite().all() and (found - expected).abs().max() < 1e-5


def test_attention_masks_agree_with_pytorch_s_verdict():
    torch = pytest.importorskip("torch")

    def program(t, masked):
        x = t.ones(3, 2, requires_grad=True)
        mask = t.tensor([[masked, True, True], [False, False, True], [False, False, False]])
        loss = t.softmax((x @ x.mT).masked_fill(mask, -math.inf), -1).sum()
        with t.autograd.detect_anomaly():
            loss.backward()

    import warnings

    for masked in (False, True):
        verdicts = []
        for t in (torch, cutaway):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    program(t, masked)
                verdicts.append("fine")
            except RuntimeError:
                verdicts.append("anomaly")
        assert verdicts == ["anomaly" if masked else "fine"] * 2


def ordinary(t):
    """(name, program) of `t`, which is cutaway or torch: extreme inputs that PyTorch's own functions bear."""
    f = t.nn.functional
    z = t.tensor([100.0, -100.0, 0.5], requires_grad=True)
    p = t.tensor([0.0, 1.0, 0.5], requires_grad=True)
    x = t.ones(2, 3, 4, requires_grad=True)
    encoder = t.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return {
        "bce at 0 and 1": lambda: f.binary_cross_entropy(p * 1, t.tensor([1.0, 0.0, 1.0])),
        "bce of scores": lambda: f.binary_cross_entropy_with_logits(z * 10, t.tensor([0.0, 1.0, 1.0])),
        "cross entropy": lambda: f.cross_entropy((z * 1e4).unsqueeze(0), t.tensor([1])),
        "kl to zeros": lambda: f.kl_div(f.log_softmax(z * 1, 0), t.tensor([0.0, 0.5, 0.5]), reduction="sum"),
        "norm of zeros": lambda: (z * 0).norm(),
        "sqrt of zeros": lambda: (z * 0).sqrt().sum(),
        "normalize zeros": lambda: f.normalize(z * 0, dim=0).sum(),
        "softplus": lambda: f.softplus(z * 10).sum(),
        "log of sigmoid": lambda: f.logsigmoid(z * 10).sum(),
        "log of softmax": lambda: f.softmax(z * 10, 0).log().mean(),
        "elu": lambda: f.elu(z * 10).sum(),
        "padded pooling": lambda: f.max_pool2d(x.unsqueeze(0), 3, padding=1).sum(),
        "causal attention": lambda: f.scaled_dot_product_attention(x, x, x, is_causal=True).sum(),
        "padded attention": lambda: encoder(x, src_key_padding_mask=t.tensor([[False, False, True]] * 2)).sum(),
        "0 ** 0.5": lambda: (p**0.5).sum(),
        "hidden by where": lambda: t.where(p > 0, p.log(), p).sum(),
        "1 / 0 taken away": lambda: t.where(p > 0, 1 / p.detach(), p).sum(),
    }


@pytest.mark.parametrize("name", ordinary(cutaway))
def test_verdicts_are_pytorch_s_or_sharper(name):
    torch = pytest.importorskip("torch")
    program, other = ordinary(cutaway)[name], ordinary(torch)[name]
    loss = other()
    loss.backward()
    leaf = [x for x in (c.cell_contents for c in other.__closure__) if isinstance(x, torch.Tensor) and x.is_leaf]
    bad = not loss.isfinite() or any(x.grad is not None and not x.grad.isfinite().all() for x in leaf)
    if bad:
        with pytest.raises(cutaway.AnomalyError), detect_anomaly():
            program().backward()
    else:
        with detect_anomaly():
            program().backward()


def test_a_row_that_is_masked_altogether_is_explained():
    x = cutaway.ones(2, 2, requires_grad=True)
    with pytest.raises(cutaway.AnomalyError, match="masked altogether") as caught, detect_anomaly():
        scores = x.masked_fill(cutaway.tensor([[True, True], [False, False]]), -math.inf)
        cutaway.softmax(scores, -1).sum().backward()  # here
    assert caught.value.line == f"test_anomaly.py:{marked(test_a_row_that_is_masked_altogether_is_explained)}"


# --- other ways in and out --------------------------------------------------------------------------------------------


def test_without_backward_what_is_left_over_is_reported():
    net, x, _ = network()
    with pytest.raises(cutaway.AnomalyError, match="left at the end") as caught, detect_anomaly(), cutaway.no_grad():
        y = (net(x) - 100).sqrt()  # here
        left = y.mean()
    assert left.isnan() and caught.value.op == "sqrt"
    assert caught.value.line == f"test_anomaly.py:{marked(test_without_backward_what_is_left_over_is_reported)}"
    with detect_anomaly():
        z = cutaway.where(y.detach().isnan(), 0.0, 1.0)
    assert not z.any()


def test_nan_in_the_data_is_said_to_be_in_the_data():
    net, x, _ = network()
    with cutaway.no_grad():
        x[1, 2] = math.nan
    with pytest.raises(cutaway.AnomalyError, match=r"tensor that was given, float32\[5, 4\]") as caught, detect_anomaly():
        net(x).sum().backward()  # here
    assert caught.value.cause == "data"
    assert caught.value.line == f"test_anomaly.py:{marked(test_nan_in_the_data_is_said_to_be_in_the_data)}"


def test_a_forward_outside_of_the_box_still_names_the_op():
    x = cutaway.zeros(3, requires_grad=True)
    loss = x.sqrt().sum()
    with pytest.raises(cutaway.AnomalyError, match="backward of sqrt") as caught, detect_anomaly():
        loss.backward()
    assert caught.value.line == "" and "an unknown line" in str(caught.value)


def test_a_gradient_that_is_given_bad_and_one_that_is_written_bad():
    x = cutaway.ones(2, requires_grad=True)
    with pytest.raises(cutaway.AnomalyError, match="the gradient that backward was given"), detect_anomaly():
        (x * 2).backward(cutaway.tensor([1.0, math.nan]))
    y = cutaway.ones(2)
    with pytest.raises(cutaway.AnomalyError) as caught, detect_anomaly():
        z = y * 3
        with cutaway.no_grad():
            z[0] = math.nan
        (z * x).sum().backward()  # here
    assert caught.value.cause == "data"
    assert caught.value.line == f"test_anomaly.py:{marked(test_a_gradient_that_is_given_bad_and_one_that_is_written_bad)}"


def test_what_is_left_over_survives_an_optimisers_step():
    net, x, opt = network()
    with pytest.raises(cutaway.AnomalyError, match="left at the end") as caught, detect_anomaly():
        with cutaway.no_grad():
            metric = (net(x) * 0 - 1).sqrt().mean() + 1  # here
        net(x).sum().backward()
        opt.step()
    assert metric.isnan() and caught.value.op == "sqrt"


def test_a_user_s_function():
    class Bad(cutaway.autograd.Function):
        calls = 0

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            Bad.calls += 1
            return g / 0

    x = cutaway.ones(3, requires_grad=True)
    with pytest.raises(cutaway.AnomalyError, match="backward of Bad") as caught, detect_anomaly():
        Bad.apply(x).sum().backward()
    assert Bad.calls == 1
    line = inspect.getsourcelines(Bad.backward)[1] + 3
    assert str(caught.value.line) == f"test_anomaly.py:{line}" and "return g / 0 (the backward that you wrote)" in str(caught.value)


class Quotient(cutaway.autograd.Function):
    """x / (x - 3), whose backward is wrong: it divides by (x - 1)², in a helper or in NumPy."""

    in_numpy = False

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / (x - 3)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        if Quotient.in_numpy:
            with np.errstate(all="ignore"):
                return cutaway.tensor(-3 * g.numpy() / (x.numpy() - 1) ** 2)
        h = g * -3
        h = over(h, x - 1)
        return h * 1.0


def over(h, x):
    return h / (x * x)


def test_the_line_in_a_users_backward_is_named_where_it_is_of_our_operations(monkeypatch):
    x = cutaway.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cutaway.AnomalyError) as caught, detect_anomaly():
        (Quotient.apply(x) ** 2).sum().backward()
    assert str(caught.value.line) == f"test_anomaly.py:{inspect.getsourcelines(over)[1] + 1}"
    assert "around [0]: >0< 1" in str(caught.value) and caught.value.cause == "function"  # what it divided by
    monkeypatch.setattr(Quotient, "in_numpy", True)
    with pytest.raises(cutaway.AnomalyError) as caught, detect_anomaly():
        (Quotient.apply(x) ** 2).sum().backward()
    assert str(caught.value.line) == f"test_anomaly.py:{inspect.getsourcelines(Quotient.backward)[1] + 1}"
    monkeypatch.setattr(Quotient, "in_numpy", False)
    good = cutaway.tensor([2.0, 5.0], requires_grad=True)
    with detect_anomaly():
        Quotient.apply(good).sum().backward()
        (g,) = cutaway.autograd.grad(Quotient.apply(good).sum(), good, create_graph=True)
        g.sum().backward()


def test_numbers_are_those_without_the_box():
    net, x, opt = network()
    loss = net(x).square().mean()
    loss.backward()
    expected = [p.grad.clone() for p in net.parameters()]
    opt.zero_grad()
    with detect_anomaly():
        net(x).square().mean().backward()
    for p, g in zip(net.parameters(), expected):
        assert (p.grad - g).abs().max() < 1e-6


def test_a_compiled_step_inside_the_box_learns_the_same():
    def trained(box):
        net, x, opt = network()

        @cutaway.compile
        def step(x):
            opt.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            opt.step()
            return loss

        for k in range(4):
            if box and k % 2:
                with detect_anomaly():
                    step(x)
            else:
                step(x)
        return [p.detach().clone() for p in net.parameters()]

    for a, b in zip(trained(False), trained(True)):
        assert (a - b).abs().max() < 1e-6


def test_switching_on_and_off():
    x = cutaway.zeros(2, requires_grad=True)
    assert not is_anomaly_enabled()
    set_detect_anomaly(True)
    try:
        assert is_anomaly_enabled()
        set_detect_anomaly(True)
        with pytest.raises(cutaway.AnomalyError):
            x.sqrt().sum().backward()
    finally:
        set_detect_anomaly(False)
    assert not is_anomaly_enabled()
    x.sqrt().sum().backward()
    with cutaway.autograd.set_detect_anomaly(True):
        assert is_anomaly_enabled()
    assert not is_anomaly_enabled()

    @detect_anomaly()
    def step():
        (x * 0).log().sum().backward()

    with pytest.raises(cutaway.AnomalyError):
        step()
    with detect_anomaly(check_nan=False):
        (x * 0).log().sum().backward()
    with pytest.raises(cutaway.ArgumentTypeError, match="mode must be True or False"):
        set_detect_anomaly(3)
    with pytest.raises(cutaway.ArgumentError, match="around the call"):
        cutaway.compile(lambda x: detect_anomaly().__enter__())(x)


def test_an_error_leaves_nothing_switched_on():
    from cutaway.core.autograd import WATCH
    from cutaway.core.op import INTERPRETER, SCOPE

    with pytest.raises(ZeroDivisionError), detect_anomaly():
        1 / 0  # noqa: B018
    assert INTERPRETER.get() is SCOPE.get() is WATCH.get() is None


def test_memory_does_not_grow_with_the_steps():
    from cutaway.inspect.facts import alive
    from cutaway.inspect.watch import Step

    net, x, opt = network()
    h = cutaway.zeros(5, 3)
    counts = []
    with detect_anomaly():
        for _ in range(6):
            opt.zero_grad()
            h = net(x).tanh() + h.detach() * 0.5
            h.square().mean().backward()
            opt.step()
            counts.append(len(alive(Step)))
    assert counts[-1] <= counts[1] + 5
