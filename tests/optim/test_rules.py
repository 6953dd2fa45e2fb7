"""Every rule takes PyTorch's steps: all options, both dtypes, small and large parameters, several groups."""

import numpy as np
import pytest

import cutaway
from cutaway import optim
from cutaway.optim.record import TILE

torch = pytest.importorskip("torch")

SHAPES = [(7, 5), (5,), (), (1, 1, 3), (90, 60), (200, 200), (0, 4)]  # the largest takes two tiles
STEPS = 25

RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True, "weight_decay": 1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-6}),
    ("Adagrad", {"maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.01, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.01, "maximize": True}),
    ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.7, 0.9), "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"betas": (0.5, 0.7)}),  # never trusts the denominator
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
]


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    """Both libraries default to it, as PyTorch keeps NAdam's product of momenta in the default dtype."""
    torch.set_default_dtype(getattr(torch, request.param))
    cutaway.set_default_dtype(getattr(cutaway, request.param))
    yield request.param
    torch.set_default_dtype(torch.float32)
    cutaway.set_default_dtype(cutaway.float32)


def close(ours, theirs, dtype, factor=1.0):
    tolerance = {"float64": 1e-12, "float32": 2e-5}[dtype] * factor
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def twins(shapes, dtype, seed=0):
    """The same leaf tensors here and in PyTorch."""
    rng = np.random.RandomState(seed)
    values = [np.asarray(rng.randn(*s), dtype) for s in shapes]
    return (
        [cutaway.tensor(v, requires_grad=True) for v in values],
        [torch.tensor(v, requires_grad=True) for v in values],
    )


def set_gradients(ours, theirs, rng, skip=()):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        g = np.asarray(rng.randn(*a.shape) * 10.0 ** rng.randint(-2, 2), a.detach().numpy().dtype)
        a.grad, b.grad = (None, None) if i in skip else (cutaway.tensor(g), torch.tensor(g))


def same_state(ours, theirs, dtype):
    a, b = ours.state_dict()["state"], theirs.state_dict()["state"]
    assert a.keys() == b.keys()
    for n in a:
        held = {name: value for name, value in b[n].items() if value is not None}
        assert list(a[n]) == list(held)
        for name, value in held.items():
            assert a[n][name].shape == value.shape
            assert str(a[n][name].dtype).split(".")[1] == str(value.dtype).split(".")[1]
            close(a[n][name], value, dtype, factor=10)


def test_the_sizes_reach_a_second_tile():
    assert TILE < max(int(np.prod(s)) for s in SHAPES) < 2 * TILE


@pytest.mark.parametrize(("name", "options"), RULES)
def test_steps(name, options, dtype):
    ours, theirs = twins(SHAPES, dtype)
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    rng = np.random.RandomState(1)
    lost = 20 if options.get("centered") else 1  # v - m^2 cancels
    for step in range(STEPS):
        set_gradients(ours, theirs, rng, skip={1, 4} if step % 5 == 2 else ())  # a missing gradient is no step
        a.step(), b.step()
        for x, y in zip(ours, theirs):
            close(x, y, dtype, lost)
    same_state(a, b, dtype)


@pytest.mark.parametrize(("name", "options"), RULES)
def test_the_rule_is_the_same_on_tensors_and_on_arrays(name, options):
    """Pure: the arguments are not changed, and gradients flow through it."""
    rng = np.random.RandomState(2)
    p, g = rng.randn(2, 3, 4)
    rule = getattr(optim, name)([cutaway.zeros(1, requires_grad=True)], **options)
    h = rule.param_groups[0]
    start = rule.start(h)
    s = {k: v if k in rule.scalars else np.full_like(p, v) for k, v in start.items()}
    tp, tg = cutaway.tensor(p, requires_grad=True), cutaway.tensor(g, requires_grad=True)
    ts = {k: v if k in rule.scalars else cutaway.tensor(v) for k, v in s.items()}
    for t in (1, 2, 3):
        before = p.copy(), g.copy(), {k: np.copy(v) for k, v in s.items()}
        new_p, new_s = rule.apply(p, g, s, t, h)
        assert np.array_equal(before[0], p) and np.array_equal(before[1], g)
        assert all(np.array_equal(before[2][k], s[k]) for k in s)
        tp, ts = rule.apply(tp, tg, ts, t, h)
        p, s = new_p, new_s
        np.testing.assert_allclose(tp.detach().numpy(), p, rtol=1e-14, atol=1e-14)
        assert ts.keys() == s.keys()
    (dg,) = cutaway.autograd.grad(tp.sum(), tg)
    assert dg.shape == (3, 4) and np.isfinite(dg.numpy()).all() and (dg.numpy() != 0).any()


@pytest.mark.parametrize("name", ["Adam", "NAdam", "RAdam"])
def test_the_number_of_the_step_may_be_a_tensor(name):
    """As it is when a whole training step is traced."""
    rule = getattr(optim, name)([cutaway.zeros(1, requires_grad=True)], betas=(0.9, 0.99))
    h = rule.param_groups[0]
    p, g = cutaway.tensor([1.0, 2.0], dtype=cutaway.float64), cutaway.tensor([0.5, -3.0], dtype=cutaway.float64)
    s = {k: v if k in rule.scalars else cutaway.full((2,), v, dtype=cutaway.float64) for k, v in rule.start(h).items()}
    for t in (1, 5, 6, 7, 50):
        number, _ = rule.apply(p, g, s, t, h)
        traced, _ = rule.apply(p, g, s, cutaway.tensor(float(t), dtype=cutaway.float64), h)
        np.testing.assert_allclose(traced.numpy(), number.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "NAdam", "RAdam"])
def test_groups_with_their_own_options(name, dtype):
    ours, theirs = twins(SHAPES, dtype)

    def build(library, p):
        groups = [{"params": p[:2], "lr": 0.3}, {"params": p[2], "weight_decay": 0.2}, {"params": iter(p[3:5])}]
        made = getattr(library, name)(groups, lr=0.05)
        made.add_param_group({"params": p[5:], "lr": 0.01, "maximize": True})
        return made

    a, b = build(optim, ours), build(torch.optim, theirs)
    rng = np.random.RandomState(3)
    for _ in range(20):
        set_gradients(ours, theirs, rng)
        a.step(), b.step()
    for x, y in zip(ours, theirs):
        close(x, y, dtype)
    assert [g["lr"] for g in a.param_groups] == [0.3, 0.05, 0.05, 0.01]
    assert [len(g["params"]) for g in a.param_groups] == [2, 1, 2, 2]


@pytest.mark.parametrize(("name", "options"), RULES)
def test_state_travels_to_pytorch_and_back(name, options, dtype):
    ours, theirs = twins(SHAPES, dtype)
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    rng = np.random.RandomState(4)

    def run(steps):
        for _ in range(steps):
            set_gradients(ours, theirs, rng)
            a.step(), b.step()
        for x, y in zip(ours, theirs):
            close(x, y, dtype, 20 if options.get("centered") else 1)

    run(3)
    saved = b.state_dict()
    a = getattr(optim, name)(ours, **{**options, "lr": 0.7})
    a.load_state_dict(saved)
    assert a.param_groups[0]["lr"] == b.param_groups[0]["lr"]
    run(3)
    saved = a.state_dict()
    as_torch = {n: {k: torch.tensor(v.numpy()) for k, v in memory.items()} for n, memory in saved["state"].items()}
    b = getattr(torch.optim, name)(theirs, **{**options, "lr": 0.7})
    b.load_state_dict({"state": as_torch, "param_groups": saved["param_groups"]})
    run(3)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_and_nesterov_are_the_books(nesterov):
    """Book 6.1.4, and Bengio's form of Nesterov's momentum, written out."""
    rng = np.random.RandomState(5)
    p = rng.randn(6)
    t = cutaway.tensor(p, requires_grad=True)
    rule = (optim.Nesterov if nesterov else optim.Momentum)([t], lr=0.1)
    v = np.zeros(6)
    for _ in range(10):
        g = rng.randn(6)
        if nesterov:
            p = p + 0.9 * 0.9 * v - (1 + 0.9) * 0.1 * g
            v = 0.9 * v - 0.1 * g
        else:
            v = 0.9 * v - 0.1 * g
            p = p + v
        t.grad = cutaway.tensor(g)
        rule.step()
        np.testing.assert_allclose(t.detach().numpy(), p, rtol=1e-12)


def test_memory_that_is_not_contiguous(dtype):
    """A leaf that is a view of every other column, and one that is a transposed view."""
    base, other = (
        np.asarray(np.random.RandomState(6).randn(180, 240), dtype),
        np.asarray(np.random.RandomState(7).randn(4, 3), dtype),
    )
    ours = [cutaway.from_numpy(base.copy())[:, ::2], cutaway.from_numpy(other.copy()).t()]
    theirs = [torch.from_numpy(base.copy())[:, ::2], torch.from_numpy(other.copy()).t()]
    for p in (*ours, *theirs):
        p.requires_grad_()
    a, b = optim.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    rng = np.random.RandomState(8)
    for _ in range(5):
        set_gradients(ours, theirs, rng)
        a.step(), b.step()
    for x, y in zip(ours, theirs):
        close(x, y, dtype)
