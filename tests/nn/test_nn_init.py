"""Initial values: equal to PyTorch's under the same seed, of the promised spread, by name, and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, CutawayError, ShapeError
from cutaway.nn import init

torch = pytest.importorskip("torch")

CASES = [
    ("zeros_", (3, 4), {}),
    ("ones_", (3, 4), {}),
    ("constant_", (3, 4), {"val": 0.3}),
    ("eye_", (3, 4), {}),
    ("dirac_", (4, 2, 3, 3), {}),
    ("dirac_", (4, 3, 5), {"groups": 2}),
    ("uniform_", (7, 9), {"a": -0.3, "b": 1.7}),
    ("normal_", (7, 9), {"mean": 2.0, "std": 0.1}),
    ("xavier_uniform_", (7, 9), {}),
    ("xavier_uniform_", (7, 9, 3, 2), {"gain": 1.5}),
    ("xavier_normal_", (7, 9), {"gain": 0.5}),
    ("kaiming_uniform_", (7, 9), {}),
    ("kaiming_uniform_", (7, 9, 3), {"a": 0.3, "mode": "fan_out"}),
    ("kaiming_uniform_", (7, 9), {"nonlinearity": "relu"}),
    ("kaiming_normal_", (7, 9, 3, 2), {"mode": "fan_out", "nonlinearity": "tanh"}),
    ("orthogonal_", (7, 9), {}),
    ("orthogonal_", (9, 7), {"gain": 2.0}),
    ("orthogonal_", (4, 2, 3), {}),
    ("sparse_", (7, 9), {"sparsity": 0.3}),
    ("trunc_normal_", (7, 9), {}),
    ("trunc_normal_", (70, 90), {"mean": 1.0, "std": 2.0, "a": -1.0, "b": 1.5}),
    ("trunc_normal_", (70, 9), {"std": 1.0, "a": 1.5, "b": 4.0}),
    ("trunc_normal_", (70, 9), {"std": 1.0, "a": -0.1, "b": 0.1}),
]
EXACT = ("zeros_", "ones_", "constant_", "eye_", "dirac_", "uniform_", "xavier_uniform_", "kaiming_uniform_")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "shape", "options"), CASES, ids=[f"{n}-{s}-{list(o)}" for n, s, o in CASES])
def test_same_seed_gives_the_same_values(name, shape, options, dtype):
    ours = cutaway.empty(*shape, dtype=getattr(cutaway, dtype), requires_grad=True)
    theirs = torch.empty(*shape, dtype=getattr(torch, dtype))
    cutaway.manual_seed(5)
    torch.manual_seed(5)
    assert getattr(init, name)(ours, **options) is ours
    getattr(torch.nn.init, name)(theirs, **options)
    a, b = ours.detach().numpy(), theirs.numpy()
    if name in EXACT:
        np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_allclose(a, b, atol=2e-6 if dtype == "float32" else 1e-12)
    assert ours.is_leaf and ours.requires_grad
    assert cutaway.rand(()).item() == torch.rand(()).item()


def test_a_generator_of_ones_own():
    a, b = cutaway.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    x, y = cutaway.empty(4, 5), torch.empty(4, 5)
    for name in ("uniform_", "xavier_uniform_", "kaiming_uniform_"):
        getattr(init, name)(x, generator=a)
        getattr(torch.nn.init, name)(y, generator=b)
        np.testing.assert_array_equal(x.numpy(), y.numpy())


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "conv_transpose1d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"]
)
def test_gains(name):
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


def test_gain_of_a_slope():
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_spreads():
    cutaway.manual_seed(0)
    w = cutaway.empty(400, 300)
    assert init.xavier_normal_(w).std().item() == pytest.approx(math.sqrt(2 / 700), rel=0.01)
    assert init.kaiming_normal_(w, nonlinearity="relu").std().item() == pytest.approx(math.sqrt(2 / 300), rel=0.01)
    assert init.kaiming_uniform_(w, mode="fan_out").std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.01)
    q = init.orthogonal_(w).T @ w
    np.testing.assert_allclose(q.numpy(), np.eye(300), atol=1e-5)
    assert init.trunc_normal_(w, a=-0.5, b=0.7).min().item() >= -0.5 and w.max().item() <= np.float32(0.7)
    assert (init.sparse_(w, 0.25) == 0).sum(0).tolist() == [100] * 300


def test_a_delta_passes_its_input_on():
    conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    init.dirac_(conv.weight)
    x = cutaway.randn(2, 3, 5, 5)
    assert (conv(x) == x).all()


@pytest.mark.parametrize(
    "name",
    "uniform normal constant eye dirac xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal sparse".split(),
)
def test_old_names_warn(name):
    options = {"constant": {"val": 2.0}, "sparse": {"sparsity": 0.5}}.get(name, {})
    w = cutaway.empty(4, 3, 3) if name == "dirac" else cutaway.empty(4, 3)
    with pytest.warns(FutureWarning, match=f"nn.init.{name} is the old name of nn.init.{name}_"):
        assert getattr(init, name)(w, **options) is w


# --- by name ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("he", math.sqrt(2 / 300)), ("kaiming", math.sqrt(2 / 300)), ("relu", math.sqrt(2 / 300)),
        ("he_uniform", math.sqrt(2 / 300)), ("kaiming-normal", math.sqrt(2 / 300)),
        ("xavier", math.sqrt(2 / 700)), ("Glorot", math.sqrt(2 / 700)), ("xavier_uniform_", math.sqrt(2 / 700)),
        ("sigmoid", math.sqrt(2 / 700)), ("std=0.01", 0.01), ("0.25", 0.25), ("std=1e-3", 1e-3),
        ("orthogonal", math.sqrt(1 / 400)),
    ],
)  # fmt: skip
def test_initialisers_by_name(name, std):
    cutaway.manual_seed(0)
    w = cutaway.empty(400, 300)
    assert init.by_name(name)(w).std().item() == pytest.approx(std, rel=0.02)


def test_applying_a_name_to_a_network():
    cutaway.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 20, 5), nn.BatchNorm2d(20), nn.Flatten(), nn.Linear(300, 400))
    assert init.apply_(net, "he") is net
    assert net[0].weight.std().item() == pytest.approx(math.sqrt(2 / 75), rel=0.05)
    assert net[3].weight.std().item() == pytest.approx(math.sqrt(2 / 300), rel=0.02)
    assert not net[0].bias.any() and not net[3].bias.any()
    assert net[1].weight.tolist() == [1.0] * 20
    init.apply_(net, init.ones_)
    assert (net[3].weight == 1).all()
    lstm = nn.LSTM(2, 3)
    init.apply_(lstm, "std=0")
    assert not any(p.any() for p in lstm.parameters())


ERRORS = [
    (lambda: init.by_name("magic"), ArgumentError, "init: 'magic' is unknown; use one of he, .*or std=0.01"),
    (lambda: init.by_name("std=-1"), ArgumentError, "unknown"),
    (lambda: init.by_name("std=inf"), ArgumentError, "unknown"),
    (lambda: init.calculate_gain("softmax"), ArgumentError, "no gain is known for 'softmax'"),
    (
        lambda: init.calculate_gain("leaky_relu", True),
        ArgumentError,
        "the slope of leaky_relu must be a number, got True",
    ),
    (
        lambda: init.xavier_normal_(cutaway.empty(3)),
        ShapeError,
        r"at least 2 dimensions \[out, in, ...\], got float32\[3\]",
    ),
    (lambda: init.kaiming_normal_(cutaway.empty(3)), ShapeError, "at least 2 dimensions"),
    (lambda: init.kaiming_uniform_(cutaway.empty(3, 2), mode="fan"), ArgumentError, "use 'fan_in' or 'fan_out'"),
    (lambda: init.orthogonal_(cutaway.empty(3)), ShapeError, "at least 2 dimensions"),
    (lambda: init.eye_(cutaway.empty(3)), ShapeError, "eye_: need a tensor of 2 dimensions"),
    (lambda: init.sparse_(cutaway.empty(3, 3, 3), 0.1), ShapeError, "sparse_: need a tensor of 2 dimensions"),
    (lambda: init.sparse_(cutaway.empty(3, 3), 1.5), ArgumentError, "sparsity must lie between 0 and 1, got 1.5"),
    (lambda: init.dirac_(cutaway.empty(3, 3)), ShapeError, "3 to 5 dimensions"),
    (
        lambda: init.dirac_(cutaway.empty(3, 3, 3), groups=2),
        ArgumentError,
        "3 output channels do not divide into 2 groups",
    ),
    (lambda: init.uniform_(cutaway.empty(3), 2.0, 1.0), CutawayError, "low <= high"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_warnings():
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(cutaway.empty(3), mean=10.0, a=0.0, b=1.0)
    with pytest.warns(UserWarning, match="without elements"):
        init.kaiming_uniform_(cutaway.empty(0, 3))
