"""Lazy layers find their sizes at the first input, or in a saved state."""

from __future__ import annotations

import copy

import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import CutawayError, GradError, ShapeError

torch = pytest.importorskip("torch")

LAYERS = [
    ("LazyLinear", (4,), (2, 3), "Linear"),
    ("LazyLinear", (4, False), (2, 5, 3), "Linear"),
    ("LazyConv1d", (4, 3), (2, 3, 8), "Conv1d"),
    ("LazyConv2d", (4, 3, 1, 1, 1, 2), (2, 6, 8, 8), "Conv2d"),
    ("LazyConv2d", (4, (3, 2)), (6, 8, 8), "Conv2d"),
    ("LazyConv3d", (4, 2), (2, 3, 4, 4, 4), "Conv3d"),
    ("LazyBatchNorm1d", (), (5, 3), "BatchNorm1d"),
    ("LazyBatchNorm2d", (1e-3, 0.2), (5, 3, 2, 2), "BatchNorm2d"),
    ("LazyBatchNorm3d", (), (5, 3, 2, 2, 2), "BatchNorm3d"),
]


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize(("name", "args", "shape", "becomes"), LAYERS)
def test_becomes_the_ordinary_layer(name, args, shape, becomes):
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(ours) == repr(theirs)
    assert ours.has_uninitialized_params()
    held = list(ours.parameters())
    cutaway.manual_seed(4)
    torch.manual_seed(4)
    ours(cutaway.ones(shape)), theirs(torch.ones(shape))
    assert type(ours) is getattr(nn, becomes)
    assert repr(ours) == repr(theirs)
    assert all(p is q and type(p) is nn.Parameter for p, q in zip(ours.parameters(), held, strict=True))
    for (key, a), (other, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert key == other and a.shape == tuple(b.shape)
        assert a.tolist() == pytest.approx(b.tolist(), abs=1e-6) if a.ndim == 1 else a.tolist() == b.tolist()
    ours(cutaway.ones(shape)).sum().backward()
    assert all(p.grad is not None for p in ours.parameters())


def test_a_network_of_lazy_layers():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)).double()
    assert repr(net[0].weight) == "<UninitializedParameter>"
    y = net(cutaway.zeros(2, 1, 5, 5, dtype=cutaway.float64))
    assert y.shape == (2, 2) and y.dtype is cutaway.float64
    assert net[4].in_features == 36 and net[1].running_mean.shape == (4,)


def test_a_saved_state_tells_the_sizes():
    full = nn.Sequential(nn.Conv2d(6, 4, 3, groups=2), nn.BatchNorm2d(4), nn.Linear(9, 2))
    full[1](cutaway.randn(3, 4, 2, 2))
    lazy = nn.Sequential(nn.LazyConv2d(4, 3, groups=2), nn.LazyBatchNorm2d(), nn.LazyLinear(2))
    lazy.load_state_dict(full.state_dict())
    assert repr(lazy) == repr(full)
    for key, value in full.state_dict().items():
        assert (lazy.state_dict()[key] == value).all()


def test_a_lazy_state_into_a_lazy_layer():
    a, b = nn.LazyLinear(2), nn.LazyLinear(2)
    b.load_state_dict(a.state_dict())
    assert b.has_uninitialized_params()
    assert copy.deepcopy(a)(cutaway.zeros(1, 3)).shape == (1, 2) and a.has_uninitialized_params()


def test_running_statistics_without_weights():
    full = nn.BatchNorm1d(3, affine=False)
    full(cutaway.randn(4, 3))
    lazy = nn.LazyBatchNorm1d(affine=False).double()
    nn.LazyBatchNorm1d(affine=False).load_state_dict(lazy.state_dict())
    lazy.load_state_dict(full.state_dict())
    assert lazy.running_var.tolist() == full.running_var.tolist() and lazy.running_var.dtype is cutaway.float64
    with pytest.raises(CutawayError, match='Missing key.*"weight"'):
        nn.LazyLinear(3).load_state_dict({})


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("optimiser", ["SGD", "Adam", "RMSprop", "Adafactor", "LBFGS"])
def test_an_optimiser_and_initial_values_before_the_sizes_are_known(optimiser):
    def losses(torch):
        torch.manual_seed(2)
        net = torch.nn.Sequential(torch.nn.LazyLinear(4), torch.nn.Tanh(), torch.nn.LazyLinear(1))
        for p in net.parameters():
            assert p.data.normal_(0, 100).shape == (0,) and type(p.data) is torch.Tensor
        step = getattr(torch.optim, optimiser)(net.parameters(), lr=0.1)
        x = torch.linspace(-1, 1, 12).reshape(4, 3)

        def loss():
            step.zero_grad()
            value = net(x).pow(2).mean()
            value.backward()
            return value

        return [step.step(loss).item() for _ in range(3)]

    assert losses(cutaway) == pytest.approx(losses(torch), rel=1e-4, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_errors():
    for names in (nn, torch.nn):
        with pytest.raises(ValueError):
            names.LazyLinear(2).weight.numel()
    for package in (cutaway, torch):
        with pytest.raises(ValueError):
            package.optim.Adagrad(package.nn.LazyLinear(2).parameters())
    with pytest.raises(GradError, match="has no shape yet; call the model once"):
        _ = nn.LazyLinear(2).weight.shape
    with pytest.raises(ShapeError, match="LazyConv2d: expected 4 dimensions, or 3 without the batch"):
        nn.LazyConv2d(2, 3)(cutaway.zeros(2, 3))
    with pytest.raises(ShapeError, match="3 channels do not divide into groups=2"):
        nn.LazyConv2d(4, 3, groups=2)(cutaway.zeros(1, 3, 5, 5))
    with pytest.raises(ShapeError, match="LazyBatchNorm2d: expected"):
        nn.LazyBatchNorm2d()(cutaway.zeros(1, 3, 5))
    with pytest.raises(CutawayError, match="out_features must be a positive int"):
        nn.LazyLinear(0)
