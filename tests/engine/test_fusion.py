"""What is made together: epilogues, borders, pooling, sums by parts, segments, streaks. Values are eager mode's."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.engine import program, segments, streaks, threads
from cutaway.engine.compile import Compiled, compile
from cutaway.engine.schedule import Kernel
from cutaway.nn import functional as F

from .stepping import stepping


@pytest.fixture
def several(monkeypatch):
    """Small programs are divided too, among as many threads as asked for."""
    before = threads.get_num_threads()
    monkeypatch.setattr(program, "ALONE_BELOW", 0)
    monkeypatch.setattr(segments, "FEWEST", 2)
    yield threads.set_num_threads
    threads.set_num_threads(before)


def kernels(c: Compiled) -> list[Kernel]:
    """Of the latest program."""
    return list(c.variants.values())[-1].program.schedule.kernels


def random(*shape: int, seed: int = 0) -> cutaway.Tensor:
    """Standard normal numbers."""
    return cutaway.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def close(a: cutaway.Tensor, b: cutaway.Tensor, rtol: float = 2e-5) -> None:
    """Equal to rounding."""
    x, y = a.detach().numpy(), b.detach().numpy()
    np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * float(np.abs(y).max() or 1))


# --- epilogues --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finish", ["relu", "sigmoid", "tanh", "residual", "scaled", "twice"])
@pytest.mark.parametrize("columns", [1, 3, 16, 50])
def test_what_follows_a_product_is_made_in_its_registers(finish, columns):
    x, w, b, r = random(13, 20), random(columns, 20, seed=1), random(columns, seed=2), random(13, columns, seed=3)

    def fn(x, w, b, r):
        y = F.linear(x, w, b)
        if finish == "residual":
            return y + r
        if finish == "scaled":
            return y * (b.sum() + 1.0)
        return cutaway.tanh(y) * r + b if finish == "twice" else getattr(cutaway, finish)(y)

    c = compile(fn)
    close(c(x, w, b, r), fn(x, w, b, r))
    cores = [k for k in kernels(c) if k.core is not None]
    assert [k.outputs[0].aval.shape for k in cores] == [(13, columns)]
    assert not any(k.name in ("einsum", "matmul") for k in kernels(c))


def test_a_product_that_is_needed_itself_is_stored():
    x, w = random(8, 5), random(4, 5, seed=1)
    c = compile(lambda x, w: (lambda y: (cutaway.relu(y).sum(1), (y * y).sum(1)))(F.linear(x, w)))
    a, b = c(x, w)
    close(a, cutaway.relu(F.linear(x, w)).sum(1))
    close(b, (F.linear(x, w) ** 2).sum(1))
    assert all(k.core is None for k in kernels(c))


CONVOLUTIONS = {
    "padded": {"padding": 1},
    "wide": {"padding": 2},
    "strided": {"padding": 1, "stride": 2},
    "dilated": {"padding": 2, "dilation": 2},
    "grouped": {"padding": 1, "groups": 2},
    "bare": {},
    "one sided": {"padding": (0, 1)},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("n", [2, 9])
def test_convolutions_and_their_gradients(name, n, several):
    several(3)
    x, y = random(n, 4, 11, 9), nn.Conv2d(4, 6, 3, **CONVOLUTIONS[name])
    z = nn.Conv2d(6, 2, 3, padding=1)
    parts = [*y.parameters(), *z.parameters()]

    def fn(x):
        return cutaway.autograd.grad(cutaway.tanh(z(cutaway.relu(y(x)))).sum(), parts)

    for a, b in zip(compile(fn)(x), fn(x), strict=True):
        close(a, b, 1e-4)


def test_borders_are_not_copied_nor_computed():
    x, y, z = random(12, 4, 10, 10), nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)
    parts = [*y.parameters(), *z.parameters()]
    c = compile(lambda x: cutaway.autograd.grad(cutaway.relu(z(cutaway.relu(y(x)))).sum(), parts))
    c(x)
    names = [k.name for k in kernels(c)]
    assert "pad" not in names and "einsum_relu" in names and "slice_gate" in names
    assert all(o.aval.shape != (12, 12, 12, 6) for k in kernels(c) for o in k.outputs)


def test_a_border_that_is_a_result_is_written():
    x = random(4, 3, 5)
    c = compile(lambda x: F.pad(x.permute(0, 2, 1), (1, 2)))
    np.testing.assert_array_equal(c(x).numpy(), F.pad(x.permute(0, 2, 1), (1, 2)).numpy())


def test_a_product_of_one_number():
    x = random(1, 1, 1)
    c = compile(lambda x: cutaway.cos(cutaway.where(x == 0, x, x @ x)))
    close(c(x), cutaway.cos(x @ x))


# --- pooling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel, stride", [(2, 2), (3, 3), (3, 2), (2, 1), ((2, 3), (2, 3))])
@pytest.mark.parametrize("size", [(12, 12), (13, 11)])
def test_pooling_and_its_gradient(kernel, stride, size, several):
    several(3)
    conv = nn.Conv2d(3, 7, 3)
    x = random(5, 3, size[0] + 2, size[1] + 2)

    def fn(x):
        y = F.max_pool2d(cutaway.relu(conv(x)), kernel, stride)
        return (y.detach(), *cutaway.autograd.grad((y * y).sum(), list(conv.parameters())))

    for a, b in zip(compile(fn)(x), fn(x), strict=True):
        close(a, b, 1e-4)


def test_pooling_makes_code_and_maximum_in_one_pass_and_its_gradient_stays_small():
    conv, x = nn.Conv2d(3, 8, 3), random(16, 3, 14, 14)

    def fn(x):
        y = F.max_pool2d(cutaway.relu(conv(x)), 2)
        return cutaway.autograd.grad((y * y).sum(), list(conv.parameters()))

    c = compile(fn)
    c(x)
    names = [k.name for k in kernels(c)]
    assert [len(k.outputs) for k in kernels(c) if k.name == "window_argmax"] == [2]
    large = [k.name for k in kernels(c) if k.outputs[0].aval.shape == (16, 12, 12, 8)]
    assert large == ["einsum_relu", "window_scatter"], names  # no gate, no sum over the whole image


# --- sums by parts ----------------------------------------------------------------------------------------------------


def test_long_sums_are_made_by_parts():
    x = random(32, 6, 16, 16)
    c = compile(lambda x: cutaway.tanh(x).sum((0, 2, 3)))
    close(c(x), cutaway.tanh(x).sum((0, 2, 3)))
    shapes = [v.aval.shape for v in c.graph().values if v.op is not None and v.op.name == "sum"]
    assert shapes[-1] == (6,) and shapes[0][0] == 32


@pytest.mark.parametrize("n", [20, 23])
def test_gradients_of_weights_are_made_by_parts(n):
    conv, x = nn.Conv2d(1, 8, 5), random(n, 1, 28, 28)
    w = conv.weight

    def fn(x):
        return cutaway.autograd.grad(cutaway.relu(conv(x)).sum(), [w])[0]

    c = compile(fn)
    close(c(x), fn(x), 1e-4)
    shapes = [v.aval.shape for v in c.graph().values if v.op is not None and v.op.name == "einsum"]
    assert ((10, 5, 5, 1, 8) in shapes) is (n == 20)  # 23 images have no equal parts


# --- rows, segments, streaks ------------------------------------------------------------------------------------------


def net() -> nn.Module:
    """Convolutions, pooling, dense layers."""
    return nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(5, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 25, 30),
        nn.Sigmoid(),
        nn.Linear(30, 10),
    )


def trained(batch: int, steps: int = 3) -> tuple[list[np.ndarray], Compiled]:
    """Parameters after some compiled steps, and the program."""
    cutaway.manual_seed(0)
    model = net()
    optimiser = cutaway.optim.Adam(model.parameters(), lr=0.01)
    x, t = random(batch, 1, 12, 12), cutaway.from_numpy(np.arange(batch) % 10)

    c = compile(stepping(model, optimiser))
    for _ in range(steps):
        c(x, t)
    return [p.detach().numpy().copy() for p in model.parameters()], c


@pytest.mark.parametrize("batch", [3, 20, 100])
def test_any_number_of_threads_gives_the_same_numbers(batch, several, monkeypatch):
    monkeypatch.setattr(streaks, "LARGE", 0)
    monkeypatch.setattr(streaks, "TURN", 1 << 12)
    found = []
    for n in (1, 2, 3, 7):
        several(n)
        found.append(trained(batch)[0])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_streaks_change_no_number(several, monkeypatch):
    several(2)
    want, whole = trained(20)
    assert not whole.variants[next(iter(whole.variants))].program.schedule.private
    monkeypatch.setattr(streaks, "LARGE", 0)
    monkeypatch.setattr(streaks, "TURN", 1 << 12)
    got, c = trained(20)
    p = c.variants[next(iter(c.variants))].program
    assert p.schedule.private and p.memory.private > 0
    assert {k.streak for k in kernels(c)} > {0}
    assert all(p.memory.slots[v].offset is None for v in p.schedule.private)
    for a, b in zip(want, got, strict=True):
        np.testing.assert_array_equal(a, b)


def test_within_a_segment_only_own_rows_are_read(several):
    several(3)
    _, c = trained(20, 1)
    ks = kernels(c)
    for n, k in enumerate(ks):
        for m, before in enumerate(ks[:n]):
            if before.segment == k.segment and set(before.outputs) & set(k.reads):
                assert before.each or (before.rows and k.rows), (m, before.name, n, k.name)
    assert ks[-1].segment + 1 < len(ks) / 3  # a barrier for every kernel would be many


def test_a_network_of_dense_layers_needs_few_barriers(several):
    several(2)
    model = nn.Sequential(nn.Linear(20, 12), nn.Sigmoid(), nn.Linear(12, 10))
    optimiser = cutaway.optim.SGD(model.parameters(), lr=0.1)

    c = compile(stepping(model, optimiser))
    c(random(32, 20), cutaway.from_numpy(np.arange(32) % 10))
    assert sum(segments.barriers(kernels(c))) <= 4


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_plain_gradient_descent_subtracts_in_the_products_registers(options, several):
    x, y = random(40, 30), cutaway.arange(40) % 20
    found = {}
    for wrap in (compile, lambda f: f):
        cutaway.manual_seed(1)
        model = nn.Linear(30, 20)
        optimizer = cutaway.optim.SGD(model.parameters(), lr=0.1, **options)
        step = wrap(stepping(model, optimizer))
        losses = [float(step(x, y).detach().numpy()) for _ in range(4)]
        found[wrap] = step, losses, [p.detach().numpy() for p in model.parameters()]
    (compiled, a, mine), (_, b, others) = found.values()
    np.testing.assert_allclose(a, b, rtol=1e-5)
    for p, q in zip(mine, others, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6)
    s = list(compiled.variants.values())[-1].program.schedule
    fused = [k for k in s.kernels if k.core is not None and k.outputs[0] in s.direct]
    assert len(fused) == ("momentum" not in options)


def test_updates_of_one_form_share_their_code():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    optimiser = cutaway.optim.Adam(model.parameters())

    def step(x):
        optimiser.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimiser.step()
        return loss

    c = compile(step)
    c(random(16, 6))
    updates = [k for k in kernels(c) if len(k.outputs) == 3]
    assert len(updates) == 6
    text = c.llvm()
    assert sum(f'define internal void @"k{n}_' in text for n, k in enumerate(kernels(c)) if len(k.outputs) == 3) <= 2


# --- vectors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [6, 10, 16, 17, 30, 50])
def test_short_rows(width, several):
    several(2)
    x, b, t = random(9, 4, width), random(width, seed=1), random(width, 9, 4, seed=2)
    whole = cutaway.from_numpy(np.arange(9 * 4 * width).reshape(9, 4, width) % 7)

    def fn(x, b, t, whole):
        y = cutaway.exp(x * b) + t.permute(1, 2, 0)
        return y, y > 1.0, whole * 2 + (x > 0), y.sum((0, 1)), y.amax(1), y.sum(0), whole.sum(0)

    for a, e in zip(compile(fn)(x, b, t, whole), fn(x, b, t, whole), strict=True):
        assert a.dtype == e.dtype
        close(a.double(), e.double())


def test_products_of_halves_are_summed_in_float32():
    rng = np.random.default_rng(0)
    a, b = (cutaway.from_numpy((3 * rng.standard_normal(s)).astype(np.float16)) for s in ((40, 700), (700, 33)))
    got, want = compile(lambda a, b: a @ b)(a, b).numpy(), (a @ b).numpy()
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=2e-3)
    exact = a.numpy().astype(np.float64) @ b.numpy().astype(np.float64)
    assert np.abs(got - exact).max() < 0.5  # float16 sums would be off by some units
