"""`cutaway.distributions` against PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway import distributions as ours
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError, NotWritten
from cutaway.distributions.certain import certain

torch = pytest.importorskip("torch")
theirs = torch.distributions

RNG = np.random.default_rng(0)
PARAMETERS = {
    "Normal": [
        {"loc": [0.5, -1.0], "scale": [1.0, 2.5]}, {"loc": 0.0, "scale": 1.0}, {"loc": [[1.0], [2.0]], "scale": [0.1, 0.2, 0.3]},
        {"loc": 3, "scale": [2.0]}, {"loc": np.zeros((0, 2)).tolist(), "scale": 1.0},
    ],
    "Bernoulli": [{"probs": [0.2, 0.7, 0.5]}, {"logits": [-1.0, 3.0]}, {"probs": 0.3}, {"logits": 0.0}, {"probs": [0.0, 1.0, 0.5]}],
    "Categorical": [
        {"probs": [0.2, 0.3, 0.5]}, {"probs": [[1.0, 2.0], [3.0, 0.0]]}, {"logits": [[0.5, -1.0, 2.0]]}, {"logits": [0.0]},
        {"probs": RNG.random((2, 3, 4)).tolist()},
    ],
}  # fmt: skip
CASES = [(name, p) for name, ps in PARAMETERS.items() for p in ps]


def make(name, p, lib, grad=False):
    module = ours if lib is cutaway else theirs
    given = {
        k: lib.tensor(v, dtype=lib.float32, requires_grad=grad) if isinstance(v, list) else v for k, v in p.items()
    }
    return getattr(module, name)(**given), [v for v in given.values() if not isinstance(v, (int, float))]


def close(a, b, rtol=1e-5, atol=1e-6):
    assert str(a.dtype)[8:] == str(b.dtype)[6:] and tuple(a.shape) == tuple(b.shape)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "p"), CASES)
@pytest.mark.parametrize("sample_shape", [(), (4,), (2, 3)])
def test_the_same_seed_draws_the_same(name, p, sample_shape):
    for lib in (cutaway, torch):
        lib.manual_seed(7)
    a, b = make(name, p, cutaway)[0], make(name, p, torch)[0]
    close(a.sample(sample_shape), b.sample(sample_shape))
    assert not a.sample().requires_grad
    assert tuple(a.batch_shape) == tuple(b.batch_shape) and tuple(a.event_shape) == tuple(b.event_shape)


@pytest.mark.parametrize(("name", "p"), CASES)
def test_values_and_gradients(name, p):
    torch.manual_seed(1)
    value = make(name, p, torch)[0].sample((3,))
    v = cutaway.tensor(value.numpy())
    for compute in (lambda d, x: d.log_prob(x), lambda d, x: d.entropy(), lambda d, x: d.perplexity()):
        a, x = make(name, p, cutaway, grad=True)
        b, y = make(name, p, torch, grad=True)
        a.sample()  # must not leave parameters without history
        one, other = compute(a, v), compute(b, value)
        close(one, other)
        if x and other.numel():
            one.sum().backward()
            other.sum().backward()
            for s, t in zip(x, y):
                assert (s.grad is None) == (t.grad is None)
                if t.grad is not None:
                    close(s.grad, t.grad, rtol=1e-4)


@pytest.mark.parametrize(("name", "p"), CASES)
@pytest.mark.parametrize("what", "mean mode variance stddev probs logits loc scale param_shape".split())
def test_properties(name, p, what):
    a, b = make(name, p, cutaway)[0], make(name, p, torch)[0]
    if not hasattr(b, what):
        assert not hasattr(a, what)
        return
    one, other = getattr(a, what), getattr(b, what)
    if what == "param_shape":
        assert tuple(one) == tuple(other)
    else:
        close(one, other)


@pytest.mark.parametrize("name", PARAMETERS)
def test_divergence_expand_and_repr(name):
    first, second = (
        PARAMETERS[name][0],
        PARAMETERS[name][0 if name == "Categorical" else -1 if name == "Bernoulli" else 1],
    )
    a, b = ([make(name, p, lib)[0] for p in (first, second)] for lib in (cutaway, torch))
    close(ours.kl_divergence(*a), theirs.kl_divergence(*b))
    close(ours.kl_divergence(a[0], a[0]), theirs.kl_divergence(b[0], b[0]))
    one, other = a[0].expand((2, *a[0].batch_shape)), b[0].expand((2, *b[0].batch_shape))
    close(one.log_prob(one.mode.nan_to_num(0.0)), other.log_prob(other.mode.nan_to_num(0.0)))
    assert repr(a[0]).replace("cutaway.", "torch.") == repr(b[0])
    if name != "Normal":
        close(a[0].enumerate_support(), b[0].enumerate_support())
        close(a[0].enumerate_support(False), b[0].enumerate_support(False))


def test_divergence_where_a_probability_is_zero():
    for p, q in (([0.0, 1.0], [0.5, 0.5]), ([0.5, 0.5], [0.0, 1.0]), ([0.0, 1.0], [0.0, 1.0])):
        for name in ("Categorical", "Bernoulli"):
            a, b = (
                [getattr(m, name)(probs=lib.tensor(x)) for x in (p, q)] for m, lib in ((ours, cutaway), (theirs, torch))
            )
            close(ours.kl_divergence(*a), theirs.kl_divergence(*b))
    with pytest.raises(NotWritten, match="register_kl"):
        ours.kl_divergence(ours.Normal(0.0, 1.0), ours.Bernoulli(0.5))


def test_cdf_and_rsample():
    a, b = ours.Normal(0.5, 2.0), theirs.Normal(0.5, 2.0)
    x = np.linspace(-4, 4, 9, dtype=np.float32)
    close(a.cdf(cutaway.tensor(x)), b.cdf(torch.tensor(x)))
    for lib in (cutaway, torch):
        lib.manual_seed(3)
    close(a.rsample((20,)), b.rsample((20,)))
    loc, scale = cutaway.tensor(1.0, requires_grad=True), cutaway.tensor(2.0, requires_grad=True)
    cutaway.manual_seed(0)
    x = ours.Normal(loc, scale).rsample((5,))
    x.sum().backward()
    assert loc.grad.item() == 5 and math.isclose(scale.grad.item(), ((x - 1) / 2).sum().item(), rel_tol=1e-5)


@pytest.mark.parametrize("given", ["probs", "logits"])
def test_a_categorical_says_what_it_has_computed(given):
    said = []
    for d, t in ((ours, cutaway), (theirs, torch)):
        one = d.Categorical(**{given: t.ones(2, 4)})
        said.append([repr(one), (one.sample(), repr(one))[1], (one.log_prob(t.ones(2)), repr(one))[1], (one.entropy(), repr(one))[1]])
    assert [s.replace("cutaway.", "torch.") for s in said[0]] == said[1]


BAD = [
    lambda d, t: d.Normal(0.0, -1.0),
    lambda d, t: d.Normal(t.zeros(2), t.tensor([1.0, 0.0])),
    lambda d, t: d.Normal(float("nan"), 1.0),
    lambda d, t: d.Bernoulli(1.5),
    lambda d, t: d.Bernoulli(),
    lambda d, t: d.Bernoulli(0.5, 0.0),
    lambda d, t: d.Categorical(t.tensor([-1.0, 2.0])),
    lambda d, t: d.Categorical(t.tensor(1.0)),
    lambda d, t: d.Categorical(logits=t.tensor([float("nan"), 0.0])),
    lambda d, t: d.Categorical(),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(t.tensor(float("nan"))),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(1.0),
    lambda d, t: d.Normal(t.zeros(2), t.ones(2)).log_prob(t.zeros(3)),
    lambda d, t: d.Bernoulli(0.5).log_prob(t.tensor(0.5)),
    lambda d, t: d.Categorical(t.ones(3)).log_prob(t.tensor(3)),
    lambda d, t: d.Categorical(t.ones(3)).log_prob(t.tensor([0.5])),
    lambda d, t: d.Categorical(t.ones(2, 3)).log_prob(t.zeros(4)),
]


@pytest.mark.parametrize("call", BAD)
def test_what_pytorch_refuses_is_refused(call):
    with pytest.raises(ValueError) as e:
        call(theirs, torch)
    with pytest.raises(type(e.value)) as e:
        call(ours, cutaway)
    assert isinstance(e.value, ArgumentError)


def test_other_refusals():
    with pytest.raises(NotImplementedError):
        ours.Bernoulli(0.5).rsample()
    with pytest.raises(TypeError, match=r"\(3,\)"):
        ours.Normal(0.0, 1.0).sample(3)
    with pytest.raises(ArgumentTypeError):
        ours.Normal("a", 1.0)
    with pytest.raises(CutawayError):
        ours.Normal(cutaway.zeros(2), cutaway.ones(3))
    with pytest.raises(AttributeError, match="'Normal'"):
        ours.Norml  # noqa: B018
    assert ours.Normal(0.0, -1.0, validate_args=False).scale == -1
    with pytest.raises(ArgumentError):
        ours.Distribution.set_default_validate_args(3)
    ours.Distribution.set_default_validate_args(False)
    try:
        ours.Normal(0.0, -1.0)
    finally:
        ours.Distribution.set_default_validate_args(True)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.2, 0.8], [1.0, 2.0, 3.0], [-1.0, 0.5], [float("nan"), 1.0], [0.5, 0.6], [float("inf")], []])
def test_what_is_certain_at_a_glance_holds(values):
    c = cutaway.distributions.constraints
    kinds = [
        c.real, c.positive, c.nonnegative, c.unit_interval, c.nonnegative_integer, c.boolean, c.simplex, c.real_vector,
        c.integer_interval(0, 2), c.interval(0.0, cutaway.tensor(2.0)), c.less_than(1), c.half_open_interval(0, 1), c.lower_cholesky,
    ]  # fmt: skip
    x = cutaway.tensor(values)
    found = {repr(k): certain(k, x) for k in kinds}
    for k in kinds[:-1]:
        assert found[repr(k)] == bool(k.check(x).all()) or not isinstance(getattr(k, "upper_bound", 0), (int, float))
    assert not certain(c.lower_cholesky, x) and not certain(c.interval(0.0, cutaway.tensor(2.0)), x)
