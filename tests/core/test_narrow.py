"""float16 and bfloat16: PyTorch's numbers to the bit where one op computes them, its dtypes and errors everywhere."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.nn import functional as F

from .against import torch

KINDS = ["bfloat16", "float16"]
RNG = np.random.default_rng(0)
A, B = (RNG.standard_normal((24, 24)).astype(np.float32) for _ in range(2))
IMAGE, KERNEL = RNG.standard_normal((2, 3, 8, 8)), RNG.standard_normal((4, 3, 3, 3))


def tensors(kind: str, *arrays: Any) -> tuple[list[Any], list[Any]]:
    """The arrays in PyTorch and here, as leaves."""
    theirs = [torch.tensor(a, dtype=torch.float32).to(getattr(torch, kind)).requires_grad_() for a in arrays]
    ours = [cutaway.tensor(t.tolist()).to(getattr(cutaway, kind)).requires_grad_() for t in theirs]
    return theirs, ours


def numbers(t: Any) -> np.ndarray:
    return np.array(t.tolist(), np.float64)


def same(ours: Any, theirs: Any, differ: float = 0.0) -> None:
    """One dtype, and values equal but for a share `differ` of them, which are neighbours."""
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    a, b = numbers(ours), numbers(theirs)
    eps = {"bfloat16": 2.0**-7, "float16": 2.0**-10}.get(ours.dtype.name, 0)
    np.testing.assert_allclose(a, b, rtol=2 * eps, atol=eps * np.abs(b[np.isfinite(b)]).max(initial=0.0))
    assert np.mean((a != b) & ~(np.isnan(a) & np.isnan(b))) <= differ


# Each with the share of results, and of gradients, that may be off by one digit: where PyTorch's backward rounds on its way,
# or sums in another order.
CASES: dict[str, tuple[Callable[..., Any], float, float]] = {
    "add": (lambda t, a, b: a + b, 0, 0),
    "a number is rounded first": (lambda t, a, b: a + 0.1, 0, 0),
    "a factor is not": (lambda t, a, b: a * 0.1, 0, 0),
    "a factor on the left": (lambda t, a, b: 0.1 * a, 0, 0),
    "a divisor is not": (lambda t, a, b: a / 0.1, 0, 0),
    "a dividend": (lambda t, a, b: 0.1 / (a.abs() + 0.1), 0, 0.9),
    "0-d factor": (lambda t, a, b: a * t.tensor(0.1), 0, 0),
    "0-d factor on the left": (lambda t, a, b: t.tensor(0.1) * a, 0, 0.9),
    "sub, mul, div": (lambda t, a, b: (a - b) * b / a, 0, 0.9),
    "pow": (lambda t, a, b: a.abs() ** 1.5, 0, 0.9),
    "rsqrt": (lambda t, a, b: a.abs().rsqrt(), 0.003, 0.9),
    "exp": (lambda t, a, b: a.exp(), 0.003, 0.003),
    "tanh": (lambda t, a, b: a.tanh(), 0.003, 0.003),
    "sigmoid": (lambda t, a, b: a.sigmoid(), 0.003, 0.5),
    "clamp": (lambda t, a, b: a.clamp(-0.3, 0.7), 0, 0),
    "lerp": (lambda t, a, b: a.lerp(b, 0.3), 0.003, 0.9),
    "where": (lambda t, a, b: t.where(a > b, a, 0.1), 0, 0),
    "sum": (lambda t, a, b: a.sum(1), 0.05, 0),
    "mean": (lambda t, a, b: a.mean(0), 0.05, 0),
    "var": (lambda t, a, b: a.var(1), 0.05, 0.9),
    "cumsum": (lambda t, a, b: a.cumsum(0), 0.01, 0.1),
    "amax": (lambda t, a, b: a.amax(0), 0, 0),
    "sort": (lambda t, a, b: a.sort(dim=1, stable=True).values, 0, 0),
    "matmul": (lambda t, a, b: a @ b, 0.02, 0.02),
    "cat": (lambda t, a, b: t.cat([a, b.t()]), 0, 0),
    "index": (lambda t, a, b: a[[3, 1, 0], ::2], 0, 0),
    "softmax": (lambda t, a, b: a.softmax(-1), 0.01, 0.9),
    "gelu": (lambda t, a, b: t.nn.functional.gelu(a), 0.01, 0.02),
    "silu": (lambda t, a, b: t.nn.functional.silu(a), 0.01, 0.02),
    "softplus": (lambda t, a, b: t.nn.functional.softplus(a), 0.01, 0.02),
    "leaky_relu": (lambda t, a, b: t.nn.functional.leaky_relu(a, 0.1), 0, 0),
    "linear": (lambda t, a, b: t.nn.functional.linear(a, b, b[0]), 0.02, 0.02),
    "layer_norm": (lambda t, a, b: t.nn.functional.layer_norm(a, (24,), b[0], b[1]), 0.02, 0.9),
    "mse_loss": (lambda t, a, b: t.nn.functional.mse_loss(a, b), 1, 0.9),
    "cross_entropy": (lambda t, a, b: t.nn.functional.cross_entropy(a, t.arange(24)), 1, 0.9),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, kind):
    fn, differ, gradients_differ = CASES[name]
    theirs, ours = tensors(kind, A, B)
    y, z = fn(cutaway, *ours), fn(torch, *theirs)
    same(y, z, differ)
    g = RNG.standard_normal(tuple(z.shape)).astype(np.float32)
    z.backward(torch.tensor(g).to(z.dtype))
    y.backward(cutaway.tensor(g).to(y.dtype))
    for a, b in zip(ours, theirs, strict=True):
        if b.grad is not None:
            same(a.grad, b.grad, gradients_differ)


@pytest.mark.parametrize("kind", KINDS)
def test_convolution(kind):
    theirs, ours = tensors(kind, IMAGE, KERNEL, KERNEL[:, 0, 0, 0])
    y, z = (t.nn.functional.conv2d(*args, padding=1) for t, args in ((cutaway, ours), (torch, theirs)))
    same(y, z, 0.02)
    y.sum().backward(), z.sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        same(a.grad, b.grad, 0.6 if kind == "float16" else 0.02)


def test_every_float32_is_rounded_to_the_nearest_and_ties_to_even():
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    x = np.concatenate([(upper + low).view(np.float32) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)])
    want = torch.tensor(x).bfloat16()
    got = cutaway.tensor(x).bfloat16()
    bits = got._data.view(np.int16)
    nan = np.isnan(x)
    np.testing.assert_array_equal(bits[~nan], want.view(torch.int16).numpy()[~nan])
    assert got.isnan().tolist() == nan.tolist()
    np.testing.assert_array_equal(got.float().numpy(), want.float().numpy())


@pytest.mark.parametrize("other", ["float16", "float32", "float64", "int64", "uint8", "bool"])
def test_conversions(other):
    x = np.array([-2.7, -1.0, 0.0, 0.1, 1.0, 3.9, 1000.7])
    x = np.abs(x) % 200 if other == "uint8" else x
    a, b = torch.tensor(x).to(getattr(torch, other)), cutaway.tensor(x).to(getattr(cutaway, other))
    same(b.bfloat16(), a.bfloat16())
    same(b.bfloat16().to(b.dtype), a.bfloat16().to(a.dtype))


@pytest.mark.parametrize("kind", KINDS)
def test_random_numbers_are_pytorchs(kind):
    for make in (
        lambda t, d: t.rand(100, dtype=d),
        lambda t, d: t.randn(5, dtype=d),
        lambda t, d: t.randn(37, dtype=d),
        lambda t, d: t.zeros(50, dtype=d).uniform_(-2, 3),
        lambda t, d: t.zeros(50, dtype=d).normal_(1, 2),
        lambda t, d: t.randint(0, 100, (50,), dtype=d),
        lambda t, d: t.rand_like(t.zeros(3, 4, dtype=d)),
        lambda t, d: t.nn.Linear(5, 7, dtype=d).weight.detach(),
    ):
        torch.manual_seed(1), cutaway.manual_seed(1)
        same(make(cutaway, getattr(cutaway, kind)), make(torch, getattr(torch, kind)))


@pytest.mark.parametrize("values", [[1.5, -2.25], [[0.1, 100.0], [float("nan"), 3e-5]], 2.0, [], [1e30, 1.0]])
def test_printing(values):
    theirs, ours = torch.tensor(values, dtype=torch.bfloat16), cutaway.tensor(values, dtype=cutaway.bfloat16)
    assert repr(ours).replace("cutaway", "torch") == repr(theirs)


def test_finfo_and_iinfo():
    for name in ("bfloat16", "float16", "float32", "float64"):
        a, b = cutaway.finfo(getattr(cutaway, name)), torch.finfo(getattr(torch, name))
        assert repr(a) == repr(b)
        for key in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype"):
            assert getattr(a, key) == getattr(b, key), key
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        a, b = cutaway.iinfo(getattr(cutaway, name)), torch.iinfo(getattr(torch, name))
        assert (a.bits, a.max, a.min, a.dtype, repr(a)) == (b.bits, b.max, b.min, b.dtype, repr(b))
    assert cutaway.finfo() == cutaway.finfo(cutaway.float32) != cutaway.finfo(cutaway.float64)
    for wrong in (lambda: cutaway.finfo(cutaway.int8), lambda: cutaway.iinfo(cutaway.bfloat16), lambda: cutaway.iinfo(3)):
        with pytest.raises(TypeError, match="expected"):
            wrong()


def test_what_a_bfloat16_tensor_says_of_itself():
    x = cutaway.ones(2, 3, dtype=cutaway.bfloat16)
    assert (x.element_size(), x.nbytes, x.dtype.itemsize) == (2, 12, 2)
    assert x.is_floating_point() and x.dtype.is_floating_point and x.dtype.is_signed
    assert x.type() == "cutaway.BFloat16Tensor" and isinstance(x, cutaway.BFloat16Tensor)
    assert cutaway.BFloat16Tensor([1, 2]).tolist() == [1.0, 2.0] and x[0, 0].item() == 1.0
    assert cutaway.tensor([1.0]).type("torch.BFloat16Tensor").dtype is cutaway.bfloat16


def test_numpy_has_none():
    x = cutaway.ones(2).bfloat16()
    for leave in (lambda: x.numpy(), lambda: np.asarray(x), lambda: cutaway.from_numpy(x._data)):
        with pytest.raises(TypeError, match="bfloat16"):
            leave()


def test_copies_and_pickles():
    x = cutaway.randn(3).bfloat16()
    assert copy.deepcopy(x).dtype is cutaway.bfloat16
    program = f"import pickle, cutaway; print(pickle.loads({pickle.dumps(x)!r}).float().tolist())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=180)
    assert done.stdout.strip() == str(x.float().tolist())


def test_in_place():
    theirs, ours = tensors("bfloat16", A, B)
    (a, b), (x, y) = [t.detach() for t in ours], [t.detach() for t in theirs]
    a[0] = 1.1
    x[0] = 1.1
    a[a < 0] = 0.3
    x[x < 0] = 0.3
    same(a.mul_(0.1).add_(b).div_(3).clamp_(-1, 1), x.mul_(0.1).add_(y).div_(3).clamp_(-1, 1))
    same(a.copy_(b * 3).sub_(b), x.copy_(y * 3).sub_(y))


def test_a_module_goes_to_bfloat16_and_learns():
    torch.manual_seed(0), cutaway.manual_seed(0)
    losses = []
    for t in (torch, cutaway):
        net = t.nn.Sequential(t.nn.Linear(8, 16), t.nn.Tanh(), t.nn.Linear(16, 3)).to(t.bfloat16)
        assert all(p.dtype is t.bfloat16 for p in net.bfloat16().parameters())
        x, target = t.randn(64, 8).bfloat16(), t.randint(0, 3, (64,))
        opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        found = []
        for _ in range(50):
            opt.zero_grad()
            loss = t.nn.functional.cross_entropy(net(x), target)
            loss.backward()
            opt.step()
            found.append(loss.item())
        losses.append(found)
    assert losses[1][-1] < 0.8 * losses[1][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.03)


def test_different_dtypes_are_refused_where_pytorch_refuses_them():
    x, w = cutaway.ones(2, 3).bfloat16(), cutaway.ones(4, 3)
    for wrong in (lambda: F.linear(x, w), lambda: x @ w.t(), lambda: nn.Conv2d(1, 1, 1)(cutaway.ones(1, 1, 2, 2).half())):
        with pytest.raises(RuntimeError, match="dtype"):
            wrong()
