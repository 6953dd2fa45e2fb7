"""float16 and bfloat16 compiled: the bits of eager mode where ops are exact, float32 sums, memory of two bytes an element."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.tensor import Tensor
from cutaway.engine.compile import compile
from cutaway.engine.llvm.target import target

from .fuzz import crowd
from .test_isa import isa, same_bits  # noqa: F401  a fixture

KINDS = [cutaway.bfloat16, cutaway.float16]


def every(kind: cutaway.dtype) -> Tensor:
    """All 65,536 numbers of a dtype."""
    return Tensor._wrap(np.arange(1 << 16, dtype=np.uint16).view(kind.np))


def normal(x: np.ndarray) -> np.ndarray:
    """Which numbers do not count as zero inside a program."""
    return np.asarray((np.abs(x) >= 2.0**-126) | (x == 0) | np.isnan(x))


def equal_bits(a: Tensor, b: Tensor) -> bool:
    assert a.dtype is b.dtype
    return same_bits(a.double().numpy(), b.double().numpy())


@np.errstate(all="ignore")
def test_conversions_of_bfloat16(isa):  # noqa: F811
    halves = every(cutaway.bfloat16)
    singles = halves.float().numpy()
    kept = normal(singles)
    for y in compile(lambda x: (x.float(), x.double()))(halves):
        assert same_bits(y.numpy()[kept], singles.astype(y.numpy().dtype)[kept])
    words = (np.arange(1 << 16, dtype=np.uint32) << 16)[:, None] + np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    x = words.view(np.float32)
    x = x[normal(x)]
    for given in (x, x.astype(np.float64)):
        y = compile(lambda x: x.bfloat16())(cutaway.from_numpy(given))
        assert equal_bits(y, cutaway.from_numpy(given).bfloat16())
    whole = cutaway.arange(-1000, 1000) * 77
    assert equal_bits(compile(lambda x: x.bfloat16())(whole), whole.bfloat16())
    rest = every(cutaway.float16)
    assert equal_bits(compile(lambda x: x.bfloat16())(rest), rest.bfloat16())


@pytest.mark.parametrize("kind", KINDS, ids=lambda d: d.name)
def test_a_chain_has_the_bits_of_eager_mode(kind):
    cutaway.manual_seed(0)
    a, b = cutaway.randn(37, 61).to(kind), cutaway.randn(61).to(kind)

    def chain(a: Tensor, b: Tensor) -> Tensor:
        c = (a + b) * 0.1 - a / 3 + 0.1
        d = cutaway.where(c > b, c.abs().sqrt(), (-a).relu()).clamp(-0.7, 1.3)
        return (1 / (d + 2)) * b.to(d.dtype) + c.floor()

    assert equal_bits(compile(chain)(a, b), chain(a, b))


@pytest.mark.parametrize("kind", KINDS, ids=lambda d: d.name)
def test_long_sums_and_products_count_in_float32(kind):
    """Ten thousand times 1: bfloat16 itself stops at 256, float16 at 2048."""
    ones = cutaway.ones(3, 10_000, dtype=kind)
    total, product, running = compile(lambda x: (x.sum(1), x @ x.t(), x.cumsum(1)[:, -1]))(ones)
    exact = cutaway.tensor(10_000.0).to(kind).item()
    assert {*total.tolist(), *running.tolist(), *product.flatten().tolist()} == {exact}
    assert ones.sum().item() == cutaway.tensor(30_000.0).to(kind).item()


@pytest.mark.parametrize("kind", KINDS, ids=lambda d: d.name)
def test_rows_that_threads_share_do_not_touch_their_neighbours(kind):
    """A lane stored alone is two bytes, not four."""
    x = cutaway.arange(0, 42).reshape(14, 3).to(kind)
    with crowd():
        f = compile(lambda x: (x * 2).logsumexp(1))
        want = f(x).tolist()
        for _ in range(300):
            assert f(x).tolist() == want
    g = compile(lambda x: (x + 1).to(cutaway.int16).sum(1).to(cutaway.int16))
    with crowd():
        assert {tuple(g(x).tolist()) for _ in range(300)} == {tuple((x + 1).sum(1).to(cutaway.int16).tolist())}


def test_a_narrow_number_takes_two_bytes():
    f = compile(lambda x: (x.relu() + 1).flip(0))
    x = cutaway.ones(8, 8, dtype=cutaway.bfloat16)
    f(x)
    assert [k.outputs[0].aval.dtype.itemsize for k in f._latest().program.schedule.kernels] == [2]
    assert target().bits >= 128


@pytest.mark.parametrize("kind", KINDS, ids=lambda d: d.name)
def test_a_step_of_training_compiles(kind):
    def losses(compiled: bool) -> list[float]:
        cutaway.manual_seed(0)
        net = cutaway.nn.Sequential(cutaway.nn.Conv2d(2, 4, 3), cutaway.nn.ReLU(), cutaway.nn.Flatten(), cutaway.nn.Linear(64, 3))
        net = net.to(kind)
        x, y = cutaway.randn(8, 2, 6, 6).to(kind), cutaway.randint(0, 3, (8,))
        optimizer = cutaway.optim.SGD(net.parameters(), lr=0.05, momentum=0.5)

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = cutaway.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step) if compiled else step
        out = [run().item() for _ in range(6)]
        assert all(p.dtype is kind for p in net.parameters())
        return out

    a, b = losses(True), losses(False)
    assert b[-1] < b[0]
    np.testing.assert_allclose(a, b, rtol=0.02)
