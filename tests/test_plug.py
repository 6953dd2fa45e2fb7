"""`cutaway.use`: a part of one's own runs in the network, in the place of the library's, and goes away again."""

import sys

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.nn import functional as F
from cutaway.plug import arrays, rule


def net():
    cutaway.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def double(x):
    return 2 * x * (x > 0)


def test_a_function_replaces_every_way_to_call_it():
    x, model = cutaway.randn(5, 3), net()
    hidden = model[0](x)
    doubled = 2 * hidden.relu()
    expected = model[2](doubled)
    theirs = F.relu, cutaway.relu, cutaway.Tensor.relu, nn.functional.relu
    with cutaway.use(relu=double) as used:
        assert cutaway.equal(model(x), expected)
        for call in (F.relu, cutaway.relu, cutaway.Tensor.relu, nn.functional.relu):
            assert cutaway.equal(call(hidden), doubled)
        assert used.calls["relu"] == 5
    assert (F.relu, cutaway.relu, cutaway.Tensor.relu, nn.functional.relu) == theirs


def test_global_use_lasts_until_it_is_undone_and_nests():
    x = cutaway.tensor([1.0])
    first = cutaway.use(relu=lambda x: x + 10)
    second = cutaway.use(relu=lambda x: x + 20)
    assert F.relu(x).item() == 21
    second.undo()
    assert F.relu(x).item() == 11
    first.undo()
    assert F.relu(x).item() == 1


def test_inside_a_part_the_name_is_the_library_s():
    with cutaway.use(relu=lambda x: F.relu(x) + x.relu()):
        assert cutaway.tensor([3.0]).relu().item() == 6
        assert F.relu(cutaway.tensor([3.0])).item() == 6


def test_compiled_programs_and_native_composites_follow():
    x, model = cutaway.randn(64, 3), net()
    step = cutaway.compile(lambda x: model(x).sum())
    plain = step(x).item()
    from cutaway.core.accelerate import at_once

    with at_once():
        before = F.cross_entropy(model(x), cutaway.zeros(64).long()).item()
        with cutaway.use(relu=double, log_softmax=lambda x, dim=-1, dtype=None: 3 * x.log_softmax(dim)):
            assert step(x).item() == pytest.approx(model(x).sum().item(), rel=1e-5)
            assert step(x).item() != pytest.approx(plain)
        assert F.cross_entropy(model(x), cutaway.zeros(64).long()).item() == pytest.approx(before)
    assert step(x).item() == pytest.approx(plain)


def test_a_layer_and_an_optimiser():
    class Mine(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 100

    with cutaway.use(Linear=Mine, SGD=rule(lambda p, g, lr: p - 2 * lr * g)) as used:
        model = nn.Sequential(nn.Linear(2, 1))
        assert isinstance(model[0], Mine) and model(cutaway.zeros(1, 2)).item() > 90
        w = model[0].weight.detach().clone()
        model(cutaway.ones(1, 2)).sum().backward()
        optim.SGD(model.parameters(), lr=0.5).step()
        assert cutaway.allclose(model[0].weight, w - 1)
        assert used.calls == {"Linear": 1, "SGD": 1}
    assert not isinstance(nn.Linear(2, 1), Mine)


def momentum(p, g, v, lr, momentum):
    v = momentum * v - lr * g
    return p + v, v


def adam(p, g, m, v, lr, t, b1, b2):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    return p - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + 1e-8), m, v


RULES = {
    "momentum": (rule(momentum, "v", momentum=0.9), lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9)),
    "adam": (rule(adam, "m", "v", t=0, b1=0.9, b2=0.999), optim.Adam),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", RULES)
def test_a_rule_with_memory_is_the_library_s_to_the_number(name, compiled):
    ends = []
    for make in RULES[name]:
        model = net()
        optimizer = make(model.parameters(), lr=0.1)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        run = cutaway.compile(step) if compiled else step
        for n in range(4):
            run(cutaway.ones(2, 3) * (n + 1))
        ends.append(model[0].weight.detach().numpy())
    np.testing.assert_allclose(*ends, rtol=1e-4)


def test_a_rule_refuses_what_it_does_not_know():
    with pytest.raises(ArgumentError, match="your rule has no momentum"):
        rule(lambda p, g, lr: p - lr * g)(net().parameters(), lr=0.1, momentum=0.9)
    with pytest.raises(ArgumentTypeError, match="gives the new parameter and v"):
        optimizer = rule(lambda p, g, v, lr: p - lr * g, "v")(net().parameters(), lr=0.1)
        for p in optimizer.param_groups[0]["params"]:
            p.grad = cutaway.ones_like(p)
        optimizer.step()


def test_arrays_train_a_network_as_the_library_does():
    def forward(x):
        return np.where(x > 0, x, 0)

    def backward(g, x):
        return g * (x > 0)

    x = cutaway.randn(6, 3)
    gradients = []
    for parts in ({}, {"relu": arrays(forward, backward)}):
        model = net()
        if parts:
            with cutaway.use(**parts) as used:
                model(x).square().sum().backward()
            assert used.calls["relu"] == 1
        else:
            model(x).square().sum().backward()
        gradients.append([p.grad.numpy() for p in model.parameters()])
    for a, b in zip(*gradients):
        np.testing.assert_array_equal(a, b)


def test_impossible_parts_are_refused():
    for wrong, said in (({}, "name a part"), ({"rleu": double}, "did you mean relu"), ({"linaer": double}, "linear")):
        with pytest.raises(ArgumentError, match=said):
            cutaway.use(**wrong)
    with pytest.raises(ArgumentTypeError, match="must be a function"):
        cutaway.use(relu=3)
    with cutaway.use(relu=lambda x: x.numpy()), pytest.raises(ArgumentTypeError, match="must give a Tensor"):
        F.relu(cutaway.ones(2))
    bad = arrays(lambda x: x, lambda g, x: g[0], "wrong")
    with pytest.raises(ShapeError, match=r"wrong: backward's gradient 1 has shape \[\], the input \[2\]"):
        bad(cutaway.ones(2, requires_grad=True)).sum().backward()
    with cutaway.use(relu=double), pytest.raises(ArgumentError):  # what was replaced before the refused name is put back
        cutaway.use(sigmoid=double, nothing=double)
    assert F.sigmoid(cutaway.zeros(1)).item() == cutaway.sigmoid(cutaway.zeros(1)).item() == 0.5


class Value:
    """A tape of one's own, as chapter 11 has it made: each number knows how to hand its gradient back."""

    def __init__(self, data, back=()):
        self.data, self.grad, self.back = float(data), 0.0, back

    def __add__(self, o):
        o = o if isinstance(o, Value) else Value(o)
        return Value(self.data + o.data, ((self, 1.0), (o, 1.0)))

    def __mul__(self, o):
        o = o if isinstance(o, Value) else Value(o)
        return Value(self.data * o.data, ((self, o.data), (o, self.data)))

    def __pow__(self, n):
        return Value(self.data**n, ((self, n * self.data ** (n - 1)),))

    def exp(self):
        y = np.exp(self.data)
        return Value(y, ((self, y),))

    def log(self):
        return Value(np.log(self.data), ((self, 1 / self.data),))

    __radd__, __rmul__ = __add__, __mul__
    __neg__ = lambda self: self * -1.0
    __sub__ = lambda self, o: self + -o
    __rsub__ = lambda self, o: -self + o
    __truediv__ = lambda self, o: self * (o**-1 if isinstance(o, Value) else 1 / o)
    __rtruediv__ = lambda self, o: self**-1 * o

    def backward(self):
        order, seen, left = [], set(), [(self, False)]
        while left:
            v, done = left.pop()
            if done:
                order.append(v)
            elif id(v) not in seen:
                seen.add(id(v))
                left += [(v, True), *((parent, False) for parent, _ in v.back)]
        self.grad = 1.0
        for v in reversed(order):
            for parent, slope in v.back:
                parent.grad += slope * v.grad


def test_an_autograd_of_one_s_own_trains_a_network_of_the_library():
    x, t = cutaway.randn(6, 2), cutaway.tensor([0, 1, 1, 0, 1, 0])

    def learn(**parts):
        cutaway.manual_seed(1)
        model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.Sigmoid(), nn.Linear(3, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.5)

        def steps():
            for _ in range(3):
                optimizer.zero_grad()
                F.cross_entropy(model(x), t).backward()
                optimizer.step()

        if parts:
            with cutaway.use(**parts) as used:
                steps()
                F.mse_loss(model(x).softmax(1), cutaway.eye(2)[t]).backward()
            assert used.calls["autograd"] == 4
        else:
            steps()
            F.mse_loss(model(x).softmax(1), cutaway.eye(2)[t]).backward()
        return [v.detach().numpy() for p in model.parameters() for v in (p, p.grad)]

    for mine, theirs in zip(learn(autograd=Value), learn()):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-6)


def test_a_wrong_autograd_shows():
    class Wrong(Value):
        def exp(self):
            return Wrong(np.exp(self.data) * 2)

    w = cutaway.tensor(1.0, requires_grad=True)
    with cutaway.use(autograd=Wrong), pytest.raises(ArgumentError, match=r"your forward came to 5.4\d+, the library's to 2.7"):
        w.exp().backward()
    with cutaway.use(autograd=Value), pytest.raises(ArgumentError, match=r"your Value has no sin\(\)"):
        w.sin().backward()
    assert w.grad is None


def test_the_torch_of_a_pytorch_program_has_the_part_too():
    from cutaway.interop.pytorch.facade import Facade

    torch = sys.modules["torch_of_a_program"] = Facade()
    try:
        x, theirs = cutaway.tensor([-1.0, 2.0]), torch.relu
        assert "relu" in vars(torch) and theirs(x).tolist() == [0.0, 2.0]
        with cutaway.use(relu=lambda x: x * 10):
            assert torch.relu(x).tolist() == cutaway.relu(x).tolist() == [-10.0, 20.0]
        assert torch.relu is theirs and cutaway.relu(x).tolist() == [0.0, 2.0]
    finally:
        del sys.modules["torch_of_a_program"]
