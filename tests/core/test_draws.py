"""Random tensors and fillings: with one seed, PyTorch's numbers, in PyTorch's shapes and dtypes."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway

from .against import torch

SOURCES = [
    "t.rand(5)", "t.rand(2, 3)", "t.rand((3, 40))", "t.rand(4, dtype=t.float64)", "t.randn(5)", "t.randn(3, 40)",
    "t.randn((7,), dtype=t.float64)", "t.randint(10, (5,))", "t.randint(-3, 8, (2, 3))",
    "t.randint(0, 2, (4,), dtype=t.float32)", "t.randint(low=2, high=9, size=(3,))", "t.randperm(20)",
    "t.rand_like(t.ones(3, 3))", "t.randn_like(t.ones(2, 2, dtype=t.float64))",
    "t.randint_like(t.ones(4, dtype=t.int64), 5)", "t.normal(0.0, 2.0, (4, 5))", "t.normal(t.arange(3.0), 0.5)",
    "t.normal(t.arange(3.0), t.ones(3) * 2)", "t.normal(1.0, t.arange(1.0, 4.0))",
    "t.bernoulli(t.full((30,), 0.3))", "t.full((30,), 0.3).bernoulli()", "t.multinomial(t.tensor([0.1, 0.2, 0.7]), 2)",
    "t.multinomial(t.tensor([[1.0, 2.0], [3.0, 1.0]]), 6, replacement=True)",
    "t.tensor([1.0, 3.0, 6.0]).multinomial(8, True)", "t.zeros(40).uniform_()", "t.zeros(5).uniform_(-2, 3)",
    "t.zeros(40).normal_()", "t.zeros(5).normal_(1, 0.1)", "t.zeros(3, 20).normal_(std=2.0)",
    "t.zeros(6, dtype=t.int64).random_(10)", "t.zeros(6).random_(2, 7)", "t.zeros(4, dtype=t.int32).random_()",
    "t.zeros(6, 2).t().normal_()", "t.zeros(6, 20).t().normal_()", "t.zeros(6, 20).t().uniform_()",
    "t.zeros(6, 20)[:, ::2].normal_()", "t.zeros(2, 3, 4).permute(2, 0, 1).random_(9)",
    "t.zeros(5, 6).t().bernoulli_(t.linspace(0, 1, 5))", "t.zeros(30).bernoulli_(t.full((30,), 0.4))",
    "t.rand(3, generator=t.Generator().manual_seed(5))", "t.randn(3, generator=t.Generator().manual_seed(5))",
    "t.randperm(6, generator=t.Generator().manual_seed(5))",
    "t.zeros(3).uniform_(generator=t.Generator().manual_seed(5))",
    "[t.rand(2), t.randn(3), t.randint(5, (2,)), t.randperm(4), t.rand(1)]",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_draws(source):
    found = []
    for t in (cutaway, torch):
        t.manual_seed(7)
        y = eval(source, {"t": t})
        found.append(y if isinstance(y, list) else [y])
    for y, z in zip(*found):
        assert y.dtype.name == str(z.dtype).removeprefix("torch.") and tuple(y.shape) == tuple(z.shape)
        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=2e-6, atol=1e-6 if y.is_floating_point() else 0)


def test_the_state_can_be_kept():
    cutaway.manual_seed(3)
    state = cutaway.get_rng_state()
    first = cutaway.rand(4)
    cutaway.set_rng_state(state)
    assert cutaway.rand(4).tolist() == first.tolist() and cutaway.initial_seed() == 3
    assert cutaway.manual_seed(3) is cutaway.default_generator


def test_draws_may_require_a_gradient():
    x = cutaway.randn(3, requires_grad=True)
    (x * x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())
    mean = cutaway.zeros(3, requires_grad=True)
    cutaway.normal(mean, 1.0).sum().backward()
    assert mean.grad.tolist() == [1, 1, 1]  # PyTorch has no gradient here; ours is that of mean + std z


def test_bad_draws():
    for call, match in (
        (lambda: cutaway.rand(-1), "negative"), (lambda: cutaway.randint(5, 5, (2,)), "low < high"),
        (lambda: cutaway.zeros(2).normal_(0, -1), "std"), (lambda: cutaway.zeros(2).uniform_(3, 2), "low"),
        (lambda: cutaway.tensor([2.0]).bernoulli(), "bernoulli"),
        (lambda: cutaway.multinomial(cutaway.tensor([1.0, -1.0]), 1), "negative"),
        (lambda: cutaway.multinomial(cutaway.tensor([1.0, 1.0]), 3), "replacement"),
        (lambda: cutaway.randperm(-1), "n"), (lambda: cutaway.zeros(2, dtype=cutaway.int64).normal_(), "floating"),
        (lambda: cutaway.ones(2, requires_grad=True).normal_(), "leaf"),
        (lambda: cutaway.rand(2, generator=3), "Generator"), (lambda: cutaway.normal(0.0, 1.0), "size"),
    ):  # fmt: skip
        with pytest.raises(cutaway.CutawayError, match=match):
            call()
