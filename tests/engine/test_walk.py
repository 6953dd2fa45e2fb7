"""Recurrent layers in eager mode: one step as a native program, against the same walk op by op."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core import accelerate
from cutaway.core.errors import GradError
from cutaway.engine.eager import composite
from cutaway.engine.eager import walk as walk_module
from cutaway.engine.eager.native import Native
from cutaway.engine.eager.walk import Walk


class Patched:
    """NumPy, with some functions of our own."""

    def __init__(self, **own) -> None:
        self.__dict__.update(own)

    def __getattr__(self, name):
        return getattr(np, name)


KINDS = {"RNN": 1, "GRU": 1, "LSTM": 2}
SHORT = (3, 7, 1, 5, 2)


@pytest.fixture(autouse=True)
def native() -> Iterator[None]:
    composite.CALLS.clear()
    with accelerate.at_once():
        yield


def walks() -> list[Walk]:
    return [p for p in composite.CALLS.values() if isinstance(p, Walk)]


def everything(
    kind: str, *, times: int = 7, batch: int = 5, dtype: str = "float32", given: bool = True, lengths=None, **options
) -> list[np.ndarray]:
    """The layer's results, all gradients, and gradients of a function of the gradients."""
    cutaway.manual_seed(0)
    rng = np.random.default_rng(1)
    draw = lambda *shape: cutaway.from_numpy(np.asarray(rng.standard_normal(shape), dtype)).requires_grad_()
    layer = getattr(nn, kind)(3, 8, 2, **options).to(getattr(cutaway, dtype))
    x = draw(times, batch, 3)
    state = tuple(draw(4 if options.get("bidirectional") else 2, batch, 8) for _ in range(KINDS[kind]))
    sequence = x if lengths is None else nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    y, last = layer(sequence, (state if kind == "LSTM" else state[0]) if given else None)
    if lengths is not None:
        y = nn.utils.rnn.pad_packed_sequence(y)[0]
    results = [y, *(last if isinstance(last, tuple) else (last,))]
    loss = sum([(r * r * r).sum() for r in results[1:]], (y * y).sum())
    wanted = [x, *layer.parameters(), *(state if given else ())]
    first = cutaway.autograd.grad(loss, wanted, create_graph=True)
    second = cutaway.autograd.grad(sum([(g * g).sum() for g in first], cutaway.tensor(0.0)), wanted, retain_graph=True)
    again = cutaway.autograd.grad(loss, wanted)
    return [t.detach().numpy() for t in (*results, *first, *second, *again)]


CASES = {
    "plain": {},
    "backwards too": {"bidirectional": True},
    "one time": {"times": 1},
    "one sequence": {"batch": 1},
    "no state given": {"given": False},
    "no bias": {"bias": False},
    "lengths": {"lengths": SHORT},
    "lengths, backwards too": {"lengths": SHORT, "bidirectional": True},
    "float64": {"dtype": "float64"},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_as_op_by_op(kind, case):
    with accelerate.numpy_only():
        want = everything(kind, **CASES[case])
    assert not walks()
    got = everything(kind, **CASES[case])
    assert walks()
    tolerance = 2e-5 if CASES[case].get("dtype") != "float64" else 1e-12
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize("kind", KINDS)
def test_sequences_of_all_lengths_share_a_walk(kind):
    lengths = 7, 3, 1, 12
    with accelerate.numpy_only():
        wants = [everything(kind, times=t) for t in lengths]
    gots, count = [everything(kind, times=lengths[0])], len(walks())
    gots += [everything(kind, times=t) for t in lengths[1:]]
    assert len(walks()) == count
    for got, want in zip(gots, wants, strict=True):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * max(1.0, float(np.abs(b).max())))
    none = cutaway.randn(0, 5, 3)
    with accelerate.numpy_only(), pytest.raises(Exception) as op_by_op:
        getattr(nn, kind)(3, 8, 2)(none)
    with pytest.raises(op_by_op.type):
        getattr(nn, kind)(3, 8, 2)(none)


def test_the_weights_product_has_a_kernel_for_each_length(monkeypatch):
    monkeypatch.setattr(walk_module, "WORK", 1)
    layer = nn.GRU(3, 4)
    for times in (6, 9, 6):
        layer(cutaway.randn(times, 2, 3))[0].sum().backward()
    (walk,) = walks()
    assert sorted(walk._products) == [5 * 2, 8 * 2]


def test_without_recording_nothing_is_kept():
    layer, x = nn.LSTM(3, 4), cutaway.randn(6, 2, 3)
    recorded = layer(x)[0]
    with cutaway.no_grad():
        y, (h, c) = layer(x)
    assert not (y.requires_grad or h.requires_grad or c.requires_grad)
    assert [len(w.made) > 0 for w in walks()] == [True, False]
    np.testing.assert_array_equal(y.numpy(), recorded.detach().numpy())
    np.testing.assert_array_equal(h[0].numpy(), y[-1].numpy())


def test_frozen_weights_get_no_gradient():
    layer, x = nn.GRU(3, 4), cutaway.randn(6, 2, 3)
    layer.weight_hh_l0.requires_grad_(False)
    layer(x)[0].sum().backward()
    assert layer.weight_hh_l0.grad is None and layer.bias_hh_l0.grad is not None
    assert len(walks()) == 1


def test_overwritten_values_are_refused():
    layer, x = nn.RNN(3, 4), cutaway.randn(6, 2, 3)
    y, _ = layer(x)
    with cutaway.no_grad():
        layer.weight_hh_l0.mul_(2.0)
    with pytest.raises(GradError, match="overwritten"):
        y.sum().backward()
    y, _ = layer(x)
    loss = y.sum()
    loss.backward()
    with pytest.raises(GradError, match="already used"):
        loss.backward()


def test_the_last_state_is_no_view_of_all_of_them():
    y, h = nn.RNN(3, 4)(cutaway.randn(6, 2, 3))
    with cutaway.no_grad():
        before = y.clone()
        h.zero_()
    np.testing.assert_array_equal(y.detach().numpy(), before.numpy())


def test_memory_is_alive_while_the_programs_run(monkeypatch):
    """They know addresses only: a zero that was let go of would be someone else's number by then."""
    made, seen = [], []
    zeros, repeat = np.zeros, Native.repeat

    def held(*args, **kwargs):
        array = zeros(*args, **kwargs)
        made.append(weakref.ref(array))
        return array

    def watched(self, *args, **kwargs):
        seen.append([r() is not None for r in made])
        return repeat(self, *args, **kwargs)

    layer, x = nn.LSTM(3, 4), cutaway.randn(6, 2, 3)
    y = layer(x)[0].sum()
    monkeypatch.setattr(walk_module, "np", Patched(zeros=held))
    monkeypatch.setattr(Native, "repeat", watched)
    y.backward()
    assert len(seen) == 1 and seen[0] and all(seen[0])
