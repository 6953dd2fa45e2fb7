"""New tensors against PyTorch: from data, filled, counted."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import cutaway

from .against import agree, raises, torch


@pytest.mark.parametrize(
    "source",
    [
        "t.tensor(3)", "t.tensor(2.5)", "t.tensor(True)", "t.tensor([])", "t.tensor([[]])", "t.tensor([1, 2])",
        "t.tensor([1, 2.5])", "t.tensor([[1, 2], [3, 4]])", "t.tensor([True, False])", "t.tensor([True, 2])",
        "t.tensor([True, 2.0])",
        "t.tensor((1, 2, 3))", "t.tensor([(1, 2), (3, 4)])", "t.tensor(range(4))", "t.tensor([1, 2], dtype=t.float64)",
        "t.tensor([1.7, -2.3], dtype=t.int64)", "t.tensor([0, 2], dtype=t.bool)", "t.tensor(np.arange(3))",
        "t.tensor(np.float32([1, 2]))", "t.tensor(np.float64([1, 2]))", "t.tensor(np.float64(2.5))",
        "t.tensor(np.float32(2.5))", "t.tensor(np.int32(3))", "t.tensor(np.bool_(True))",
        "t.tensor([np.float32(1), np.float32(2)])",
        "t.tensor([np.float64(1), np.float64(2)])", "t.tensor([np.int64(1), 2])",
        "t.tensor([t.tensor(1.0), t.tensor(2.0)])", "t.tensor([t.tensor(1), t.tensor(2)])",
        "t.tensor([[t.tensor(1.0), 2.0]])", "t.tensor([2.0, np.float64(1)])", "t.tensor([np.float32(1), 2.0])",
        "t.tensor([t.tensor([1.0]), t.tensor([[2.0]])])", "t.tensor([np.arange(2).tolist(), (3, 4)])",
        "t.arange(2, end=5)", "t.arange(1, end=7, step=2)", "t.tensor([1e40])", "t.tensor([1e-50])",
        "t.tensor([float('nan'), inf])",
        "t.tensor(2**40)", "t.tensor([2**62])", "t.tensor(-1)", "t.tensor([[[1]]])", "t.tensor(np.zeros((2, 0)))",
        "t.tensor(np.array(5))", "t.tensor([1, 2], dtype=t.uint8)", "t.tensor([0.5], dtype=t.half)",
        "t.tensor([1.0], device='cpu')",
        "t.tensor([1.5, 2], requires_grad=True)", "t.tensor(np.arange(6).reshape(2, 3)[:, ::2])",
        "t.tensor(np.arange(6)[::-1].copy())", "t.tensor([[1.0, 2.0], [3.0, 4.0]]).dtype == t.float32",
        "t.as_tensor([1.0, 2.0])", "t.as_tensor(3)", "t.as_tensor(np.arange(3))",
        "t.as_tensor([1, 2], dtype=t.float32)", "t.as_tensor(np.float64([1]), dtype=t.float32)",
        "t.as_tensor(t.ones(2))", "t.as_tensor(t.ones(2), dtype=t.int64)", "t.from_numpy(np.arange(3.0))",
        "t.from_numpy(np.arange(6).reshape(2, 3).T)", "t.from_numpy(np.float16([1]))",
        "t.Tensor([1, 2])", "t.Tensor([[1, 2], [3, 4]])", "t.Tensor(2, 3).shape == (2, 3)", "t.Tensor(np.arange(3))",
        "t.Tensor([]).shape == (0,)", "t.Tensor().shape == (0,)", "t.Tensor(t.ones(2))", "t.Tensor((1.0, 2.0))",
        "t.zeros(2)", "t.zeros(2, 3)", "t.zeros((2, 3))", "t.zeros([2, 3])", "t.zeros(())", "t.zeros(0)",
        "t.zeros(2, dtype=t.int64)", "t.zeros(t.ones(2, 3).shape)", "t.zeros(2, 3, dtype=t.bool)",
        "t.zeros(size=(2, 2))", "t.ones(3)", "t.ones((2,), dtype=t.uint8)", "t.ones(1, 2, requires_grad=True)",
        "t.ones(2, device='cpu')", "t.empty(2, 3).shape == (2, 3)", "t.empty(0)",
        "t.empty(2, dtype=t.int32).dtype == t.int32", "t.full((2, 3), 7)", "t.full((2,), 1.5)", "t.full((2,), True)",
        "t.full((2, 2), 3, dtype=t.float32)", "t.full((), 2.0)", "t.full([2], inf)", "t.full((2,), t.tensor(3.0))",
        "t.full((1, 3), -inf)",
        "t.zeros_like(t.ones(2, 3))", "t.ones_like(t.tensor([1, 2]))", "t.full_like(t.ones(2), 5)",
        "t.full_like(t.tensor([1, 2]), 2)", "t.zeros_like(t.ones(2), dtype=t.int64)",
        "t.empty_like(t.ones(2, 3)).shape == (2, 3)", "t.rand_like(t.ones(2)).shape == (2,)",
        "t.ones_like(t.tensor(True))",
        "t.arange(5)", "t.arange(5.0)", "t.arange(2, 7)", "t.arange(0, 10, 3)", "t.arange(5, 0, -2)", "t.arange(0)",
        "t.arange(0, 1, 0.1)", "t.arange(0.5, 3.2)", "t.arange(0, 1, 0.25, dtype=t.float64)",
        "t.arange(3, dtype=t.float32)", "t.arange(1, 2.5, 0.5)", "t.arange(-3, 3)", "t.arange(3, 3)",
        "t.arange(10, 0, -0.7)",
        "t.arange(start=1, end=4)", "t.arange(end=3)", "t.arange(0, 6, step=2)", "t.arange(1, 4, dtype=t.int32)",
        "t.arange(0, 3, device='cpu')", "t.arange(t.tensor(3))", "t.arange(0.0, 0.3, 0.1, dtype=t.float64)",
        "t.arange(2, requires_grad=False)", "t.arange(0, 2.0, 1)",
        "t.linspace(0, 1, 5)", "t.linspace(0, 10, 1)", "t.linspace(0, 1, 0)", "t.linspace(1, 0, 3, dtype=t.float64)",
        "t.linspace(0, 1, steps=7)", "t.linspace(start=0, end=3, steps=4)", "t.logspace(0, 2, 3)",
        "t.logspace(-1, 1, 5, base=2.0)", "t.linspace(0, 1, 1000, dtype=t.float64)",
        "t.eye(3)", "t.eye(2, 3)", "t.eye(3, 2)", "t.eye(2, dtype=t.int64)", "t.eye(0)", "t.eye(2, requires_grad=True)",
        "t.randn(2, 3).shape == (2, 3)", "t.rand((2, 2)).dtype == t.float32", "t.randint(0, 5, (3,)).dtype == t.int64",
        "t.randint(3, (2, 2)).shape == (2, 2)", "t.randperm(5).sort()[0]", "t.is_tensor(t.ones(1))",
        "t.normal(0.0, 1.0, (2, 3)).shape == (2, 3)", "t.normal(t.zeros(3), t.ones(3)).shape == (3,)",
        "t.bernoulli(t.ones(3))", "t.bernoulli(t.zeros(3))", "t.multinomial(t.tensor([0.0, 1.0]), 1)",
        "t.randn_like(t.ones(2, dtype=t.float64)).dtype == t.float64", "t.randn(2, requires_grad=True).requires_grad",
        "t.ones(2, 3).new_zeros(2).shape == (2,)",
    ],
)  # fmt: skip
def test_creation(source):
    agree(source, rtol=1e-6, gradient=False)


@pytest.mark.parametrize("dtype", "float32 float64 float16 bfloat16 int64 int16".split())
def test_linspace_has_the_bits_of_pytorch(dtype):
    """So it prints alike: the middle of -1 to 1 in 11 steps is -1.5e-8."""
    for steps in (1, 2, 3, 8, 11, 28, 100, 257):
        for start, end in ((-1, 1), (0, 1), (1e-4, 0.02), (-3.3, 2.7), (5, -2), (0, steps - 1)):
            ours, theirs = (
                t.linspace(start, end, steps, dtype=getattr(t, dtype)).to(t.float64).tolist() for t in (cutaway, torch)
            )
            assert ours == theirs, (start, end, steps)


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_arange_of_integers(start, end, step):
    if (end - start) * step < 0:
        with pytest.raises(cutaway.ArgumentError, match="does not lead"):
            cutaway.arange(start, end, step)
    else:
        assert cutaway.arange(start, end, step).tolist() == torch.arange(start, end, step).tolist()


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.05, 3))
def test_arange_of_fractions(start, end, step):
    if end < start:
        step = -step
    ours, theirs = cutaway.arange(start, end, step), torch.arange(start, end, step)
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)


def test_memory_is_shared_or_not_as_in_pytorch():
    for t in (cutaway, torch):
        a = np.arange(3.0)
        t.from_numpy(a)[0] = 7
        assert a[0] == 7
        t.as_tensor(a)[1] = 8
        assert a[1] == 8
        t.tensor(a)[2] = 9
        assert a[2] == 2
        t.as_tensor(a, dtype=t.float32)[2] = 9
        assert a[2] == 2
        x = t.ones(3)
        x.numpy()[0] = 5
        assert x[0] == 5 and t.as_tensor(x) is x


def test_a_frozen_array_is_not_written_through():
    a = np.arange(3.0)
    a.flags.writeable = False
    x = cutaway.from_numpy(a)
    with pytest.raises(cutaway.ShapeError, match="read-only"):
        x.add_(1)
    assert (x + 1).tolist() == [1, 2, 3]


def test_arrays_of_other_byte_order():
    a = np.array([1.5, 2.5], ">f4")
    assert cutaway.tensor(a).tolist() == [1.5, 2.5] and cutaway.tensor(a).dtype == cutaway.float32
    assert cutaway.from_numpy(a).sum().item() == 4


@pytest.mark.parametrize(
    "bad",
    [
        np.array(["a"]),
        np.array([object()]),
        {"a": 1},
        {1, 2},
        b"bytes",
        lambda: 0,
        "text",
        None,
        [None],
        [[1], 2],
        [1, [2]],
        [1, "a"],
    ],
)
def test_what_cannot_become_a_tensor(bad):
    for make in (cutaway.tensor, cutaway.as_tensor):
        with pytest.raises(cutaway.CutawayError, match="tensor"):
            make(bad)


def test_numbers_out_of_range():
    with pytest.raises(cutaway.CutawayError):
        cutaway.tensor(2**70)
    with pytest.raises(cutaway.CutawayError):
        cutaway.tensor([300], dtype=cutaway.uint8)
    for source in (
        "t.tensor([300], dtype=t.uint8)", "t.full((2,), 300, dtype=t.uint8)", "t.full((2,), nan, dtype=t.int64)",
        "t.tensor([1e20], dtype=t.int64)", "t.as_tensor([nan], dtype=t.int32)",
        "t.zeros_like(t.tensor([1, 2])).masked_fill(t.tensor([True, False]), nan)",
    ):  # fmt: skip
        raises(source, match="does not fit")
    for source in (
        "t.zeros(2, foo=3)", "t.arange(0, 3, step=1, stop=2)", "t.ones_like(t.ones(2), shape=3)", "t.arange()",
    ):  # fmt: skip
        with pytest.raises(TypeError):
            eval(source, {"t": cutaway})
    for source in ("t.tensor([t.ones(2), t.ones(2)])",):
        raises(source, match="stack")
