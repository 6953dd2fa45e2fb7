"""How far results and gradients in float32 lie from float64, beside PyTorch's: no further, up to a few units in the last place.

Each call is made op by op on NumPy, as native programs, and compiled. Numbers are hard on purpose: large offsets, tails, large
scores, infinities. Compiled programs count denormal numbers as zero, so there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.core import accelerate

torch = pytest.importorskip("torch")
SINGLE = 2.0**-24  # the relative error of one rounding
RNG = np.random.default_rng(0)
TAILS = np.concatenate([np.linspace(-80, 80, 400), RNG.normal(size=200), 10.0 ** RNG.uniform(-6, 2, 200)])
EDGES = np.array([np.inf, -np.inf, np.nan, 0.0, 1.0, -1.0, 100.0, -100.0, 3.4e38, -3.4e38])


def run(t: Any, f: Callable[..., Any], arrays: tuple[np.ndarray, ...], dtype: Any) -> list[np.ndarray]:
    """The result, and the gradients that come from weights of 1, -1, 1, ..."""
    xs = [t.tensor(a.astype(np.float32) if a.dtype.kind == "f" else a) for a in arrays]
    xs = [x.to(dtype) if x.is_floating_point() else x for x in xs]
    leaves = [x.requires_grad_() for x in xs if x.is_floating_point()]
    y = f(t, *xs)
    g = t.tensor(np.resize([1.0, -1.0], tuple(y.shape)), dtype=y.dtype)
    grads = t.autograd.grad(y, leaves, g, allow_unused=True)
    return [v.detach().double().numpy() for v in (y, *(x for x in grads if x is not None))]


def compiled(f: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The same, as one program."""
    xs = [cutaway.tensor(a.astype(np.float32) if a.dtype.kind == "f" else a) for a in arrays]

    def whole(*given: Any) -> Any:
        parts = [x.detach().requires_grad_() if x.is_floating_point() else x for x in given]
        y = f(cutaway, *parts)
        g = cutaway.tensor(np.resize([1.0, -1.0], tuple(y.shape)), dtype=y.dtype)
        leaves = [x for x in parts if x.is_floating_point()]
        return y.detach(), *(x for x in cutaway.autograd.grad(y, leaves, g, allow_unused=True) if x is not None)

    return [v.double().numpy() for v in cutaway.compile(whole)(*xs)]


def each_way(f: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> dict[str, list[np.ndarray]]:
    with accelerate.numpy_only():
        ways = {"op by op": run(cutaway, f, arrays, cutaway.float32)}
    with accelerate.at_once():
        ways["native"] = run(cutaway, f, arrays, cutaway.float32)
    return ways | {"compiled": compiled(f, arrays)}


def kinds(x: np.ndarray) -> np.ndarray:
    """NaN, an infinity of either sign, or a number."""
    return np.where(np.isnan(x), 2.0, np.where(np.isinf(x), np.sign(x), 0.5))


ELEMENTWISE = {
    "sigmoid": lambda t, x: t.sigmoid(x),
    "silu": lambda t, x: t.nn.functional.silu(x),
    "elu": lambda t, x: t.nn.functional.elu(x, 1.3),
    "selu": lambda t, x: t.nn.functional.selu(x),
    "celu": lambda t, x: t.nn.functional.celu(x, 1.3),
    "softplus": lambda t, x: t.nn.functional.softplus(x),
    "logsigmoid": lambda t, x: t.nn.functional.logsigmoid(x),
    "expm1": lambda t, x: t.expm1(x.clamp(-10, 50)),
    "acosh": lambda t, x: t.acosh(x.abs() + 1),
    "atanh": lambda t, x: t.atanh(x / 100),
    "logit": lambda t, x: t.logit(x / 200 + 0.5),
    "logaddexp": lambda t, x: t.logaddexp(x, -0.01 * x),
    "logaddexp2": lambda t, x: t.logaddexp2(x, -0.01 * x),
    "lerp": lambda t, x: t.lerp(x, x * x, 0.9),
}
EDGED = {
    **{name: ELEMENTWISE[name] for name in ("sigmoid", "softplus", "logsigmoid")},
    "relu": lambda t, x: t.relu(x),
    "gelu by tanh": lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
    "clamp": lambda t, x: x.clamp(-0.5, 0.5),
    "maximum": lambda t, x: t.maximum(x, x.flip(0)),
    "minimum": lambda t, x: t.minimum(x, x.flip(0)),
    "fmax": lambda t, x: t.fmax(x, x.flip(0)),
    "fmin": lambda t, x: t.fmin(x, x.flip(0)),
    "logaddexp": lambda t, x: t.logaddexp(x, x.flip(0)),
    "hypot": lambda t, x: t.hypot(x, x.flip(0)),
    "logit": lambda t, x: t.logit(x),
    "entr": lambda t, x: t.special.entr(x),
    "lerp": lambda t, x: t.lerp(x, x.detach().clamp(-1, 1), 0.9),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_each_number_keeps_its_digits(name: str) -> None:
    """Relative errors, element by element: also where a value or a gradient is small."""
    f, arrays = ELEMENTWISE[name], (TAILS,)
    exact, theirs = run(torch, f, arrays, torch.float64), run(torch, f, arrays, torch.float32)
    for way, ours in each_way(f, arrays).items():
        for what, y, z, t in zip(("value", "gradient"), ours, theirs, exact, strict=True):
            usual = np.abs(t) > 1e-36
            off, beside = (np.abs(v - t)[usual] / np.abs(t)[usual] for v in (y, z))
            assert (off <= 3 * beside + 16 * SINGLE).all() or off.mean() <= 2 * beside.mean(), (way, what, off.max())


@pytest.mark.parametrize("name", EDGED)
def test_infinities_and_nan_come_out_where_pytorch_has_them(name: str) -> None:
    f = EDGED[name]
    theirs = run(torch, f, (EDGES,), torch.float32)
    for way, ours in each_way(f, (EDGES,)).items():
        for y, z in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(kinds(y), kinds(z), err_msg=way)
            finite = np.isfinite(z)
            np.testing.assert_allclose(y[finite], z[finite], rtol=1e-5, atol=1e-37, err_msg=way)


@pytest.mark.parametrize("name", ["ndtri", "log_ndtr", "entr", "digamma", "trigamma", "tetragamma"])
def test_special_functions_far_out(name: str) -> None:
    """In float64, which PyTorch's are accurate in: near the poles left of 0, and far in the tails of the normal distribution."""
    x = np.concatenate([RNG.uniform(-900.4, 0.4, 50), 10.0 ** RNG.uniform(-30, -0.1, 50), RNG.uniform(-30, 9, 50)])
    x = x[(x > 0) & (x < 1)] if name == "ndtri" else x
    ours, theirs = [], []
    for found, t in ((ours, cutaway), (theirs, torch)):
        g = {"trigamma": lambda v, t=t: t.polygamma(1, v), "tetragamma": lambda v, t=t: t.polygamma(2, v)}.get(
            name, getattr(t.special, name, None)
        )
        v = t.tensor(x, requires_grad=True)
        y = g(v)
        found += [y.detach().numpy(), t.autograd.grad(y.sum(), v)[0].numpy()]
    for y, z in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-6 if name == "log_ndtr" else 1e-9)


def offset(*shape: int) -> np.ndarray:
    return 1e4 + RNG.normal(size=shape)


SCORES, CLASSES = RNG.normal(size=(64, 10)), RNG.integers(0, 10, 64)
WHOLE: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "a running sum": (lambda t, x: t.cumsum(x, 0), (RNG.uniform(0, 1, 5000),)),
    "a sum of columns": (lambda t, x: x.sum(0), (RNG.uniform(0, 1, (5001, 20)),)),
    "a sum of few columns": (lambda t, x: x.sum(0), (RNG.uniform(0, 1, (5001, 3)),)),
    "a mean of equal numbers": (lambda t, x: t.exp(x).mean(), (np.full((4, 33, 30), 0.3),)),
    "a mean over channels": (lambda t, x: x.mean((0, 2, 3)), (RNG.uniform(0, 1, (4, 16, 30, 30)),)),
    "a variance far from 0": (lambda t, x: x.var(0), (offset(1000, 20),)),
    "logsumexp of columns": (lambda t, x: t.logsumexp(x, 0), (RNG.normal(size=(5001, 3)),)),
    "cross entropy": (lambda t, x, c: t.nn.functional.cross_entropy(x, c), (SCORES * 1e3, CLASSES)),
    "cross entropy, some left out": (
        lambda t, x, c: t.nn.functional.cross_entropy(x, c, ignore_index=3), (SCORES * 1e3, CLASSES),
    ),
    "cross entropy from scores": (
        lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
        (RNG.uniform(20, 200, 500), RNG.uniform(0.999, 1, 500)),
    ),
    "known statistics": (
        lambda t, x, w, b: t.nn.functional.batch_norm(x, t.full_like(w, 1e4).detach(), t.full_like(w, 0.5).detach(), w, b),
        (offset(64, 5, 7), RNG.normal(size=5), RNG.normal(size=5)),
    ),
    "huber_loss": (
        lambda t, x: t.nn.functional.huber_loss(x, t.zeros_like(x), reduction="none", delta=2.0), (RNG.normal(size=500) * 3,)
    ),
    "smooth_l1_loss": (
        lambda t, x: t.nn.functional.smooth_l1_loss(x, t.zeros_like(x), reduction="none"), (RNG.normal(size=500) * 3,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_sums_and_losses(name: str) -> None:
    """Errors relative to the largest number of a result."""
    f, given = WHOLE[name]
    arrays = tuple(a.astype(np.float32) if a.dtype.kind == "f" else a for a in given)
    exact, theirs = run(torch, f, tuple(np.asarray(a) for a in arrays), torch.float64), run(torch, f, arrays, torch.float32)
    for way, ours in each_way(f, arrays).items():
        for k, (y, z, t) in enumerate(zip(ours, theirs, exact, strict=True)):
            off, beside = (np.abs(v - t).max() / (np.abs(t).max() or 1.0) for v in (y, z))
            assert off <= 3 * beside + 8 * SINGLE, (way, k, off, beside)


NARROW = {
    "asinh": lambda t, x: t.asinh(x),
    "atanh": lambda t, x: t.atanh(x * 0.25),
    "acosh": lambda t, x: t.acosh(x.abs() + 1),
    "sinc": lambda t, x: t.sinc(x),
    "hypot": lambda t, x: t.hypot(x, x.flip(0)),
    "logaddexp": lambda t, x: t.logaddexp(x, x.flip(0)),
    "logaddexp2": lambda t, x: t.logaddexp2(x, x.flip(0)),
    "addcmul": lambda t, x: t.addcmul(x, x, x.flip(0), value=0.3),
    "addcdiv": lambda t, x: t.addcdiv(x, x, x.flip(0), value=0.3),
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", NARROW)
def test_one_rounding_of_a_narrow_result(name: str, dtype: str) -> None:
    """Intermediate values are float32, as in PyTorch: the result is its neighbour at most."""
    x = RNG.uniform(0.1, 3, 200) * RNG.choice([-1, 1], 200)
    x = torch.tensor(x).to(getattr(torch, dtype)).double().numpy()
    ours, theirs = (run(t, NARROW[name], (x,), getattr(t, dtype))[0] for t in (cutaway, torch))
    np.testing.assert_allclose(ours, theirs, rtol=2 * torch.finfo(getattr(torch, dtype)).eps)
    assert (ours == theirs).mean() > 0.95
