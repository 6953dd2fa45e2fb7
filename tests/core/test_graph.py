"""torch.autograd.graph beside PyTorch, where a line of tests/conformance/graph.txt is too short; the order of leaves' hooks."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.accelerate import at_once

from .against import torch


def network(t, bias):
    nn = t.nn
    shared = nn.Linear(8, 8)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.GroupNorm(2, 4),
        nn.Flatten(), nn.Linear(64, 8, bias=bias), nn.LayerNorm(8, bias=bias), shared, nn.Tanh(), shared, nn.Linear(8, 3),
    )  # fmt: skip


def hooks_called(t, bias):
    """Names in the order in which hooks of a network's parameters are called; one weight is used twice."""
    model, log = network(t, bias), []
    for name, p in model.named_parameters():
        p.register_hook(lambda g, name=name: log.append(name))
        p.register_post_accumulate_grad_hook(lambda p, name=name: log.append(f"{name}, added"))
    x = t.ones(2, 1, 8, 8)
    model(x).sum().backward()
    return log


@pytest.mark.parametrize("bias", [True, False])
def test_leaves_hooks_are_called_in_pytorchs_order(bias):
    wanted = hooks_called(torch, bias)
    assert hooks_called(cutaway, bias) == wanted
    with at_once():
        assert hooks_called(cutaway, bias) == wanted


def test_a_leaf_may_step_in_its_hook_while_backward_goes_on():
    found = {}
    for t in (cutaway, torch):
        w = [t.full((3, 3), 0.1 * (k + 1), dtype=t.float64, requires_grad=True) for k in range(3)]

        def step(p, t=t):
            with t.no_grad():
                p -= 0.1 * p.grad
            p.grad = None

        for p in w:
            p.register_post_accumulate_grad_hook(step)
        x = t.ones(2, 3, dtype=t.float64)
        for _ in range(2):
            (((x @ w[0]).tanh() @ w[1]).tanh() @ w[2] @ w[0]).sum().backward()
        found[t] = [p.detach().numpy() for p in w]
    for ours, theirs in zip(found[cutaway], found[torch], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def both(fn):
    ours, theirs = fn(cutaway), fn(torch)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def cube(t):
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            ctx.note = 5
            return x**3, x * y

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return g * 3 * x**2 + h * y, h * x

    return Cube


def test_what_a_function_saves_is_packed_and_has_second_derivatives():
    def run(t):
        x = t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)
        with t.autograd.graph.saved_tensors_hooks(lambda s: s.detach().numpy().copy(), t.from_numpy):
            a, b = cube(t).apply(x, x * 2)
            loss = (a * b).sum()
        (g,) = t.autograd.grad(loss, x, create_graph=True)
        g.sum().backward()
        return [g, x.grad]

    both(run)


def test_a_functions_node_is_one_for_all_its_outputs():
    def run(t):
        x = t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)
        a, b = cube(t).apply(x, x * 2)
        seen = []
        assert a.grad_fn.note == 5 and len(a.grad_fn.saved_tensors) == 2
        assert [n[0].name() for n in a.grad_fn.next_functions] == ["torch::autograd::AccumulateGrad", "MulBackward0"]
        b.grad_fn.register_hook(lambda gi, go: seen.extend([*gi, *go]))
        a.grad_fn.register_prehook(lambda go: (go[0] * 2, go[1]))
        (a * b).sum().backward()
        return [*seen, x.grad]

    both(run)


def test_hooks_of_a_native_programs_node():
    def run(t):
        x = t.linspace(-1, 1, 12, dtype=t.float64).reshape(3, 4).requires_grad_()
        seen = []
        y = t.nn.functional.softmax(x, 1)
        y.grad_fn.register_hook(lambda gi, go: seen.extend([*gi, *go]))
        (y * y).sum().backward()
        return [*seen, x.grad]

    with at_once():
        both(run)


def test_nothing_is_packed_where_no_hooks_are_set():
    x = cutaway.ones(3, requires_grad=True)
    seen = []
    with cutaway.autograd.graph.saved_tensors_hooks(lambda s: seen.append(1) or s, lambda s: s):
        x.exp()
    before = len(seen)
    y = x.exp()
    y.sum().backward()
    assert before == 1 and len(seen) == 1
    assert type(y._node).__mro__[-2] is cutaway.core.autograd.Node


def test_a_traced_program_says_that_it_packs_nothing():
    def f(x):
        with cutaway.autograd.graph.saved_tensors_hooks(lambda s: s, lambda s: s):
            y = x.exp()
        y.sum().backward()
        return x.grad

    with pytest.raises(cutaway.TraceError, match="saved_tensors_hooks"):
        cutaway.compile(f)(cutaway.ones(3, requires_grad=True))
