"""A compiled function inside an ordinary program: its results have a history, and `loss.backward()` outside goes through it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import cutaway
from cutaway import GradError, TraceError, nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.strict import set_lenient
from cutaway.nn import functional as F


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.linear, self.drop = nn.Linear(6 * 9, 5), nn.Dropout(0.3)

    def forward(self, x):
        x = F.max_pool2d(F.gelu(self.norm(self.conv(x))), 2)
        return self.linear(self.drop(x.flatten(1)))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(11, 8), nn.LSTM(8, 6, batch_first=True)
        self.attention = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, dropout=0.1)
        self.linear = nn.Linear(6, 5)

    def forward(self, x):
        return self.linear(self.attention(self.lstm(self.embedding(x))[0])[:, -1])


def data(name):
    rng = np.random.default_rng(0)
    t = cutaway.tensor(rng.integers(0, 5, 8))
    if name is Words:
        return cutaway.tensor(rng.integers(0, 11, (8, 7))), t
    return cutaway.tensor(rng.standard_normal((8, 2, 6, 6)), dtype=cutaway.float32), t


def trained(kind, wrap, steps=5):
    cutaway.manual_seed(3)
    net = kind()
    model = wrap(net)
    optimizer = cutaway.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, t = data(kind)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with cutaway.no_grad():
        losses.append(F.cross_entropy(model(x), t).item())
    return losses, [v.numpy() for v in net.state_dict().values()]


@pytest.mark.parametrize("kind", [Pictures, Words])
def test_a_compiled_model_trains_in_an_eager_loop(kind):
    (ours, states), (want, wanted) = trained(kind, cutaway.compile), trained(kind, lambda m: m)
    np.testing.assert_allclose(ours, want, rtol=2e-4)
    for a, b in zip(states, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_it_is_pytorch_s_training(tmp_path):
    torch = pytest.importorskip("torch")

    def run(t, wrap):
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.Linear(4, 16), t.nn.Tanh(), t.nn.Linear(16, 3))
        model = wrap(net)
        optimizer = t.optim.Adam(model.parameters(), lr=0.01)
        x = t.linspace(-1, 1, 40).reshape(10, 4)
        losses = []
        for _ in range(10):
            loss = (model(x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    np.testing.assert_allclose(run(cutaway, cutaway.compile), run(torch, lambda m: m), rtol=1e-4)


def test_several_results_arguments_and_partial_use():
    w = cutaway.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)

    def fn(x, *, scale):
        y = (x @ w).tanh() * scale
        return {"y": y, "sums": (y.sum(0), x * 2), "again": y, "indices": y.argmax(1), "plain": x.detach() + 1}

    def gradients(call, use):
        x = cutaway.tensor([[0.1, 0.2], [-0.3, 0.4]], requires_grad=True)
        z = x * 1  # not a leaf
        loss = use(call(z, scale=3.0))
        w.grad = None
        loss.backward()
        return x.grad.tolist(), None if w.grad is None else w.grad.tolist()

    native = cutaway.compile(fn)
    for use in (
        lambda r: r["y"].sum() + (r["sums"][0] * r["sums"][1]).sum(),
        lambda r: r["sums"][1].sum(),
        lambda r: (r["again"] ** 2).sum() + r["y"].sum() * r["plain"].sum(),
    ):
        for a, b in zip(gradients(native, use), gradients(fn, use), strict=True):
            np.testing.assert_allclose(0 if a is None else a, 0 if b is None else b, rtol=1e-5, atol=1e-6)
    made = native(cutaway.ones(1, 2), scale=1.0)
    assert not made["indices"].requires_grad and not made["plain"].requires_grad and made["y"].requires_grad


def test_without_recording_there_is_no_history():
    model = cutaway.compile(nn.Linear(3, 2))
    x = cutaway.ones(1, 3)
    with cutaway.no_grad():
        assert not model(x).requires_grad
    assert model(x).requires_grad and model(x).grad_fn is not None
    for p in model.parameters():
        p.requires_grad_(False)
    assert not model(x).requires_grad


def test_a_frozen_part_gets_no_gradient():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    net[0].requires_grad_(False)
    cutaway.compile(net)(cutaway.ones(2, 3)).sum().backward()
    assert net[0].weight.grad is None and net[1].weight.grad.abs().sum() > 0


def test_what_was_overwritten_or_used_up_is_refused():
    w = cutaway.ones(2, requires_grad=True)
    fn = cutaway.compile(lambda x: (x * w).exp())
    y = fn(cutaway.ones(2))
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    with pytest.raises(GradError, match="already used"):
        y.sum().backward()
    x = cutaway.ones(2)
    for write in (lambda y: x.add_(1), lambda y: y.detach().mul_(2)):
        y = fn(x)
        write(y)
        with pytest.raises(GradError, match="was overwritten by an in-place operation after the call"):
            y.sum().backward()
    y = fn(x)
    w.data.add_(1)  # through .data: not counted, as in PyTorch
    y.sum().backward()


def test_a_gradient_of_the_gradient_is_refused_with_words():
    x = cutaway.ones(2, requires_grad=True)
    y = cutaway.compile(lambda x: (x**3).sum())(x)
    with pytest.raises(GradError, match="no gradient of a gradient"):
        cutaway.autograd.grad(y, x, create_graph=True)


def test_a_result_with_a_history_outside_is_to_be_an_argument():
    outer = cutaway.ones(2, requires_grad=True) * 2
    with pytest.raises(TraceError, match="pass it as an argument"):
        cutaway.compile(lambda x: x * outer)(cutaway.ones(2))


@pytest.mark.parametrize("how", ["argument", "in a list", "closed over", "gradient asked for"])
def test_backward_inside_does_not_stop_at_a_history_outside(how):
    w = cutaway.ones(2, requires_grad=True)
    outer = w * 2
    step = {
        "argument": lambda x: (x * x).sum().backward(),
        "in a list": lambda x: (x[0] * x[0]).sum().backward(),
        "closed over": lambda x: (outer * x.detach()).sum().backward(),
        "gradient asked for": lambda x: cutaway.autograd.grad((x * w).sum(), w),
    }[how]
    with pytest.raises(TraceError, match="was computed before the function was called"):
        cutaway.compile(step)([outer] if how == "in a list" else outer)


def test_the_gradient_towards_an_argument_with_a_history_is_given():
    w = cutaway.ones(2, requires_grad=True)
    (g,) = cutaway.compile(lambda x: cutaway.autograd.grad((x * x).sum(), x))(w * 2)
    assert g.tolist() == [4.0, 4.0]


def test_compiled_inside_compiled():
    net = nn.Linear(2, 1)
    model = cutaway.compile(net)
    optimizer = cutaway.optim.SGD(net.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    fast = cutaway.compile(step)
    losses = [fast(cutaway.ones(4, 2)).item() for _ in range(5)]
    assert losses[-1] < losses[0] and not fast(cutaway.ones(4, 2)).requires_grad


def test_a_compiled_module_is_the_module_s_stand_in():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.note = nn.Linear(2, 2), "here"

        def forward(self, x):
            return self.linear(x)

        def twice(self, x):
            return self(self(x))

    net = Net()
    model = cutaway.compile(net, mode="reduce-overhead", dynamic=True, backend="inductor", fullgraph=True)
    assert isinstance(model, nn.Module) and model._orig_mod is net and model.note == "here"
    assert list(model.state_dict()) == ["_orig_mod.linear.weight", "_orig_mod.linear.bias"]
    assert [p is q for p, q in zip(model.parameters(), net.parameters(), strict=True)] == [True, True]
    model.load_state_dict(model.state_dict())
    x = cutaway.ones(1, 2)
    np.testing.assert_allclose(model.twice(x).tolist(), net(net(x)).tolist(), rtol=1e-6)
    model.eval()
    assert not net.training and not model.training and not net.linear.training
    assert model.train() is model and net.training
    model(x)
    assert len(model.variants) >= 1 and "Net" in repr(model)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = model.nothing_like_it
    whole = nn.Sequential(model, nn.ReLU())
    assert whole(x).requires_grad and "0._orig_mod.linear.bias" in whole.state_dict()


@pytest.mark.parametrize("lenient", [False, True])
def test_a_method_is_compiled_for_each_object(lenient):
    set_lenient(lenient)
    try:

        class Net(nn.Module):
            def __init__(self, k):
                super().__init__()
                self.k, self.linear, self.drop = k, nn.Linear(2, 1), nn.Dropout(0.5)

            @cutaway.compile
            def forward(self, x):
                return self.drop(self.linear(x)) * self.k
    finally:
        set_lenient(False)
    a, b = Net(1.0), Net(-2.0)
    x = cutaway.ones(3, 2)
    for net in (a, b, a):
        net.eval()
        np.testing.assert_allclose(net(x).tolist(), (net.linear(x) * net.k).tolist(), rtol=1e-6)
        net.train()
        assert 0 in cutaway.cat([net(x) for _ in range(8)]).flatten().tolist(), "the mode is seen"
        net(x).sum().backward()
        assert net.linear.weight.grad is not None


def test_options_and_decorators():
    @cutaway.compile
    def a(x):
        return x + 1

    @cutaway.compile(mode="max-autotune")
    def b(x):
        return x * 2

    assert a(cutaway.ones(1)).item() == b(cutaway.ones(1)).item() == 2
    fn = lambda x: x
    assert cutaway.compile(fn, disable=True) is fn
    with pytest.raises(ArgumentError, match="mode"):
        cutaway.compile(fn, mode="fast")
    with pytest.raises(ArgumentTypeError, match="int"):
        cutaway.compile(3)


def test_what_cannot_be_traced_goes_on_eagerly_where_pytorch_s_programs_run():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, x):
            y = self.linear(x)
            return y * 2 if y.sum() > 0 else y

    x = cutaway.ones(3, 2)
    with pytest.raises(TraceError):
        cutaway.compile(Branch())(x)
    set_lenient(True)
    try:
        net = Branch()
        model = cutaway.compile(net)
        with pytest.warns(UserWarning, match=r"Branch goes on operation by operation: .*test_history.py") as seen:
            y = model(x)
        assert seen[0].filename == __file__
        assert y.tolist() == net(x).tolist() == model(x).tolist()
        y.sum().backward()
        assert net.linear.weight.grad is not None
        with pytest.raises(TraceError):
            cutaway.compile(Branch(), fullgraph=True)(x)
    finally:
        set_lenient(False)
