"""weight_norm, spectral_norm and parametrize against PyTorch: values, gradients, names in the state_dict, taking off again."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.nn.utils import parametrizations, parametrize

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")

LAYERS = {
    "linear": (lambda t: t.nn.Linear(4, 3), (5, 4)),
    "conv": (lambda t: t.nn.Conv2d(2, 3, 3), (2, 2, 5, 5)),
    "transposed": (lambda t: t.nn.ConvTranspose1d(2, 3, 3), (2, 2, 5)),
    "embedding": (lambda t: t.nn.Embedding(5, 3), None),
}
WAYS = {
    "weight": lambda t, m: t.nn.utils.weight_norm(m),
    "weight-all": lambda t, m: t.nn.utils.weight_norm(m, dim=None),
    "weight-1": lambda t, m: t.nn.utils.weight_norm(m, "weight", 1),
    "spectral": lambda t, m: t.nn.utils.spectral_norm(m),
    "spectral-3": lambda t, m: t.nn.utils.spectral_norm(m, n_power_iterations=3, eps=1e-6),
    "new-weight": lambda t, m: t.nn.utils.parametrizations.weight_norm(m),
    "new-spectral": lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=2),
}


def same(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5 if ours.dtype == cutaway.float32 else 1e-9, atol=1e-6 if ours.dtype == cutaway.float32 else 1e-9)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layer", LAYERS)
def test_normalised_layers(layer, way):
    make, shape = LAYERS[layer]
    x = np.arange(4) if shape is None else np.random.default_rng(0).normal(size=shape)
    sides = []
    for t in (cutaway, torch):
        t.manual_seed(0)
        sides.append(WAYS[way](t, make(t).double()))
    ours, theirs = sides
    optimizers = [
        cutaway.optim.SGD(ours.parameters(), 0.1),
        torch.optim.SGD(theirs.parameters(), 0.1),
    ]
    for training in (True, True, False):
        for t, m, o in zip((cutaway, torch), sides, optimizers):
            m.train(training)
            o.zero_grad()
            m(t.from_numpy(x)).pow(2).sum().backward()
            o.step()
        same(ours(cutaway.from_numpy(x)), theirs(torch.from_numpy(x)))
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    for name in state:
        same(state[name], expected[name])
    again = make(cutaway).double()
    WAYS[way](cutaway, again).load_state_dict(state)
    again.eval(), ours.eval()
    assert np.array_equal(again(cutaway.from_numpy(x)).detach().numpy(), ours(cutaway.from_numpy(x)).detach().numpy())


@pytest.mark.parametrize(
    "take_off",
    [
        lambda u, m: u.remove_weight_norm(u.weight_norm(m)),
        lambda u, m: u.remove_spectral_norm(u.spectral_norm(m)),
        lambda u, m: u.parametrize.remove_parametrizations(u.parametrizations.weight_norm(m), "weight"),
    ],
)
def test_taking_it_off(take_off):
    sides = []
    for t in (cutaway, torch):
        t.manual_seed(0)
        sides.append(take_off(t.nn.utils, t.nn.Linear(4, 3)))
    ours, theirs = sides
    same(ours.weight, theirs.weight)
    assert type(ours) is nn.Linear and [*ours.state_dict()] == ["bias", "weight"] and ours.weight.requires_grad


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)

    def right_inverse(self, a):
        return a.triu()


class Rank1(nn.Module):
    def forward(self, x, y):
        return x.unsqueeze(-1) @ y.unsqueeze(-2)

    def right_inverse(self, z):
        return z[:, 0], z[0]


def test_parametrizations_of_ones_own():
    m = nn.Linear(3, 3)
    parametrize.register_parametrization(m, "weight", Symmetric())
    assert parametrize.is_parametrized(m, "weight") and not parametrize.is_parametrized(m, "bias")
    assert np.array_equal(m.weight.detach().numpy(), m.weight.T.detach().numpy())
    m.weight = cutaway.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    assert m.weight.tolist() == [[1, 2, 3], [2, 4, 5], [3, 5, 6]]
    assert [n for n, _ in m.named_parameters()] == ["bias", "parametrizations.weight.original"]
    m.weight.sum().backward()
    assert m.parametrizations.weight.original.grad.tolist() == [[1, 2, 2], [0, 1, 2], [0, 0, 1]]
    with parametrize.cached():
        assert m.weight is m.weight
    assert m.weight is not m.weight
    twin = copy.deepcopy(m)
    assert twin.weight.tolist() == m.weight.tolist()
    plain = nn.Linear(3, 3)
    assert not parametrize.is_parametrized(plain) and type(plain) is nn.Linear
    assert type(parametrize.remove_parametrizations(m, "weight", leave_parametrized=False)) is nn.Linear
    parametrize.register_parametrization(m, "weight", Rank1())
    assert [*m.state_dict()] == ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]


def test_refusals():
    m = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match="no parameter 'w'"):
        nn.utils.weight_norm(m, "w")
    nn.utils.weight_norm(m)
    with pytest.raises(ArgumentError, match="already"):
        nn.utils.weight_norm(m)
    with pytest.raises(ArgumentError, match="not normalised"):
        nn.utils.remove_spectral_norm(m)
    with pytest.raises(ArgumentError, match="positive"):
        nn.utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(ArgumentError, match="'w'"):
        parametrizations.spectral_norm(nn.Linear(2, 2), "w")
    with pytest.raises(ArgumentError, match="unsafe=True allows"):
        parametrize.register_parametrization(nn.Linear(2, 3), "weight", nn.Flatten(0))
    with pytest.raises(ArgumentError, match="not parametrized"):
        parametrize.remove_parametrizations(nn.Linear(2, 3), "weight")
