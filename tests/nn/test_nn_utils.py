"""Clipping, and parameters as a vector, against PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradError, ShapeError
from cutaway.nn import utils

torch = pytest.importorskip("torch")


def parameters(lib, make, scale=1.0, dtype="float64"):
    """Three parameters with gradients, and one without."""
    rng = np.random.default_rng(2)
    made = []
    for shape in ((3, 4), (5,), ()):
        p = lib.nn.Parameter(make(rng.standard_normal(shape).astype(dtype)))
        p.grad = make((scale * rng.standard_normal(shape)).astype(dtype))
        made.append(p)
    return [*made, lib.nn.Parameter(lib.zeros(2))]


def array(a):
    return cutaway.from_numpy(np.array(a))


def other(a):
    return torch.from_numpy(np.array(a))


@pytest.mark.parametrize("norm_type", [2, 2.0, 1, 3.0, math.inf, "inf"])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(norm_type, max_norm):
    ours, theirs = parameters(cutaway, array), parameters(torch, other)
    held = ours[0].grad
    a = utils.clip_grad_norm_(ours, max_norm, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, float(norm_type))
    assert a.shape == () and a.item() == pytest.approx(b.item(), rel=1e-12)
    for p, q in zip(ours[:3], theirs[:3], strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-10)
    assert ours[0].grad is held and ours[3].grad is None


def test_one_tensor_and_none():
    p = parameters(cutaway, array)[0]
    before = p.grad.norm().item()
    assert utils.clip_grad_norm_(p, 1.0).item() == pytest.approx(before)
    assert p.grad.norm().item() == pytest.approx(1.0, abs=1e-5)
    assert utils.clip_grad_norm_([cutaway.nn.Parameter(cutaway.ones(2))], 1.0).item() == 0.0
    with pytest.warns(UserWarning, match="a generator can be used only once"):
        utils.clip_grad_norm_([], 1.0)
    with pytest.warns(FutureWarning, match="old name"):
        utils.clip_grad_norm(p, 1.0)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_large_gradients_do_not_overflow(dtype):
    ours = parameters(cutaway, array, 200.0, dtype)
    norm = utils.clip_grad_norm_(ours[:3], 1.0)
    assert math.isfinite(norm.item()) and norm.dtype.name == dtype
    assert math.sqrt(sum((p.grad.double() ** 2).sum().item() for p in ours[:3])) == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite(bad):
    ours, theirs = parameters(cutaway, array), parameters(torch, other)
    ours[1].grad[2] = bad
    theirs[1].grad[2] = bad
    before = ours[0].grad.clone()
    with pytest.raises(GradError, match=f"the total norm of the gradients is {bad}; look for"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    assert (ours[0].grad == before).all()
    a, b = utils.clip_grad_norm_(ours, 1.0), torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    assert str(a.item()) == str(b.item())
    for p, q in zip(ours[:3], theirs[:3], strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


def test_norm_first_and_scaling_afterwards():
    ours, theirs = parameters(cutaway, array)[:3], parameters(torch, other)[:3]
    a = utils.get_total_norm([p.grad for p in ours])
    utils.clip_grads_with_norm_(ours, 0.1, a)
    b = torch.nn.utils.get_total_norm([p.grad for p in theirs])
    torch.nn.utils.clip_grads_with_norm_(theirs, 0.1, b)
    assert a.item() == pytest.approx(b.item())
    np.testing.assert_allclose(ours[0].grad.numpy(), theirs[0].grad.numpy(), rtol=1e-10)
    assert utils.get_total_norm([]).item() == 0.0


def test_clip_grad_value():
    ours, theirs = parameters(cutaway, array), parameters(torch, other)
    utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    for p, q in zip(ours[:3], theirs[:3], strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


def test_parameters_as_one_vector_and_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    v = utils.parameters_to_vector(net.parameters())
    assert v.shape == (13,) and v.requires_grad
    assert v[:6].tolist() == net[0].weight.flatten().tolist() and v[-1].item() == net[1].bias.item()
    v.sum().backward()
    assert net[0].weight.grad.tolist() == [[1.0, 1.0]] * 3
    utils.vector_to_parameters(cutaway.arange(13.0), net.parameters())
    assert net[1].weight.tolist() == [[9.0, 10.0, 11.0]] and net[1].bias.tolist() == [12.0]
    net(cutaway.zeros(1, 2)).sum().backward()


ERRORS = [
    (lambda: utils.clip_grad_norm_(parameters(cutaway, array), 1.0, 0.0), ArgumentError, "norm_type must be positive"),
    (lambda: utils.parameters_to_vector([]), ShapeError, "no parameters were given"),
    (
        lambda: utils.vector_to_parameters(cutaway.zeros(3), [cutaway.zeros(2)]),
        ShapeError,
        r"hold 2 elements, got float32\[3\]",
    ),
    (lambda: utils.vector_to_parameters([1.0], [cutaway.zeros(1)]), ArgumentTypeError, "expected a Tensor, got list"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.5, float("inf")])
@pytest.mark.parametrize("most", [0.1, 100.0])
def test_clipping_within_a_compiled_step(norm, most):
    pytest.importorskip("llvmlite")
    results = []
    for wrap in (cutaway.compile, lambda f: f):
        cutaway.manual_seed(0)
        net = cutaway.nn.Sequential(cutaway.nn.Linear(3, 4), cutaway.nn.Linear(4, 2))
        optimizer = cutaway.optim.SGD(net.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            (net(x) ** 2).sum().backward()
            total = cutaway.nn.utils.clip_grad_norm_(net.parameters(), most, norm)
            cutaway.nn.utils.clip_grad_value_(net.parameters(), 0.5)
            optimizer.step()
            return total

        run = wrap(step)
        x = cutaway.linspace(-1, 1, 15).reshape(5, 3)
        results.append([run(x).item() for _ in range(3)] + [p.sum().item() for p in net.parameters()])
    np.testing.assert_allclose(*results, rtol=1e-4)


def test_functional_call_is_pytorch_s():
    torch = pytest.importorskip("torch")
    from cutaway.nn.utils.stateless import functional_call

    weight, bias, x = np.full((3, 2), 2.0), np.arange(3.0), np.array([[1.0, -2.0]])
    found = []
    for lib, call in ((cutaway, functional_call), (torch, torch.func.functional_call)):
        m = lib.nn.Sequential(lib.nn.Linear(2, 3, dtype=lib.float64), lib.nn.Tanh())
        own = m[0].weight
        given = {"0.weight": lib.tensor(weight, requires_grad=True), "0.bias": lib.tensor(bias), "0.other": lib.tensor(0.0)}
        y = call(m, given, (lib.tensor(x),))
        y.sum().backward()
        assert m[0].weight is own and own.grad is None
        found.append((y.detach().numpy(), given["0.weight"].grad.numpy()))
        with pytest.raises(AttributeError):
            call(m, {"9.weight": lib.tensor(weight)}, (lib.tensor(x),))
        with pytest.raises(RuntimeError):
            call(m, given, (lib.tensor(x),), strict=True)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs)
