"""The book's two-layer network: numerical gradients and backprop give the same (section 5.7.4), one of them quickly."""

import time

import numpy as np
import pytest

import cutaway
from cutaway.autograd import gradcheck
from cutaway.gradcheck import numerical_derivative, numerical_gradient


class TwoLayerNet:
    """x[N, inputs] -> hidden sigmoid units -> scores[N, outputs]; the loss is softmax with cross-entropy."""

    def __init__(self, inputs, hidden, outputs, n, scale, seed=0):
        rng = np.random.default_rng(seed)
        self.params = {
            "w1": cutaway.tensor(scale * rng.standard_normal((inputs, hidden))).requires_grad_(),
            "b1": cutaway.tensor(scale * rng.standard_normal(hidden)).requires_grad_(),
            "w2": cutaway.tensor(scale * rng.standard_normal((hidden, outputs))).requires_grad_(),
            "b2": cutaway.tensor(scale * rng.standard_normal(outputs)).requires_grad_(),
        }
        self.x = cutaway.tensor(rng.uniform(0, 1, (n, inputs)) * (rng.uniform(0, 1, (n, inputs)) < 0.2))
        self.t = cutaway.tensor(rng.integers(0, outputs, (n, 1)))

    def loss(self):
        p = self.params
        z = (self.x @ p["w1"] + p["b1"]).sigmoid() @ p["w2"] + p["b2"]
        return -z.log_softmax(-1).gather(-1, self.t).mean()

    def backprop(self):
        for p in self.params.values():
            p.grad = None
        self.loss().backward()
        return {name: p.grad for name, p in self.params.items()}


def test_a_small_network_whole():
    net = TwoLayerNet(6, 5, 3, n=7, scale=0.5)
    numerical, analytical = numerical_gradient(net.loss, net.params), net.backprop()
    for name, g in analytical.items():
        np.testing.assert_allclose(numerical[name].numpy(), g.numpy(), rtol=1e-6, atol=1e-9, err_msg=name)
        assert np.abs(g.numpy()).max() > 1e-3
    assert gradcheck(lambda *_: net.loss(), list(net.params.values()), eps=1e-5, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.01, 0.3])
def test_784_50_10_agrees_on_weights_drawn_from_each_parameter(scale):
    net = TwoLayerNet(784, 50, 10, n=10, scale=scale)
    analytical = net.backprop()
    rng = np.random.default_rng(1)
    for name, p in net.params.items():
        g = analytical[name].numpy()
        largest = np.unravel_index(np.abs(g).argmax(), g.shape)
        drawn = [tuple(int(rng.integers(n)) for n in g.shape) for _ in range(15)]
        for index in [tuple(map(int, largest)), *drawn]:
            numerical = numerical_derivative(net.loss, p, index)
            assert numerical == pytest.approx(g[index], rel=1e-6, abs=1e-9), (name, index)


def test_784_50_10_agrees_along_random_directions_in_all_weights():
    net = TwoLayerNet(784, 50, 10, n=10, scale=0.01)
    assert gradcheck(
        lambda *_: net.loss(), list(net.params.values()), eps=1e-5, atol=1e-8, rtol=1e-6, fast_mode=True
    )


def test_backprop_is_a_thousand_times_faster():
    net = TwoLayerNet(784, 50, 10, n=100, scale=0.01)
    indices = [(i * 31 % 784, i % 50) for i in range(20)]

    def seconds(run):
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    net.backprop()
    backprop = min(seconds(net.backprop) for _ in range(5))
    some = min(seconds(lambda: [numerical_derivative(net.loss, net.params["w1"], i) for i in indices]) for _ in range(2))
    weights = sum(p.numel() for p in net.params.values())
    assert weights == 39_760
    assert some / len(indices) * weights > 1000 * backprop
