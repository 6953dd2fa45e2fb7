"""Dropout: what it keeps, how it scales, and that one seed gives one mask."""

import warnings

import numpy as np
import pytest

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_values_are_zero_or_scaled(p):
    cutaway.manual_seed(3)
    y = F.dropout(cutaway.full((100, 200), 2.0), p).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], 2.0 / (1.0 - p), rtol=1e-6)
    assert abs(kept.mean() - (1.0 - p)) < 0.02  # 20,000 draws: 0.02 is over five standard deviations


def test_the_gradient_passes_where_the_value_did():
    cutaway.manual_seed(0)
    x = cutaway.ones(50, dtype=cutaway.float64).requires_grad_()
    y = F.dropout(x, 0.3)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert 0 < (y == 0).sum().item() < 50


def test_one_seed_one_mask_and_the_next_call_another():
    x = cutaway.ones(1000)
    cutaway.manual_seed(7)
    a, b = F.dropout(x), F.dropout(x)
    cutaway.manual_seed(7)
    c = F.dropout(x)
    assert a.tolist() == c.tolist() != b.tolist()


def test_outside_training_nothing_happens():
    x = cutaway.randn(4, 5)
    for f in (F.dropout, F.alpha_dropout):
        assert f(x, 0.5, training=False) is x
        assert f(x, 0.0, training=True).tolist() == x.tolist()
    assert F.dropout2d(cutaway.ones(1, 2, 3, 4), 0.5, training=False).sum().item() == 24


@pytest.mark.parametrize("f", [F.dropout, F.alpha_dropout])
def test_all_is_dropped_at_one(f):
    x = cutaway.ones(5).requires_grad_()
    y = f(x, 1.0, training=True)
    y.sum().backward()
    assert y.tolist() == [0.0] * 5 and x.grad.tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (F.dropout1d, (20, 30, 4)),
        (F.dropout1d, (60, 4)),
        (F.dropout2d, (20, 30, 3, 4)),
        (F.dropout2d, (60, 3, 4)),
        (F.dropout3d, (20, 30, 2, 3, 2)),
    ],
)
def test_channels_fall_together(f, shape):
    cutaway.manual_seed(1)
    y = f(cutaway.ones(*shape), 0.4).numpy()
    space = tuple(range(len(shape) - {F.dropout1d: 1, F.dropout2d: 2, F.dropout3d: 3}[f], len(shape)))
    low, high = y.min(space), y.max(space)
    np.testing.assert_array_equal(low, high)
    assert 0 < (low == 0).mean() < 1
    np.testing.assert_allclose(low[low != 0], 1 / 0.6, rtol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance():
    cutaway.manual_seed(2)
    y = F.alpha_dropout(cutaway.randn(200_000), 0.3, training=True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1.0) < 0.02


def test_inplace_and_dtype():
    x = cutaway.ones(100, dtype=cutaway.float64)
    with cutaway.no_grad():
        y = F.dropout(x, 0.5, inplace=True)
    assert y is x and set(x.tolist()) == {0.0, 2.0} and y.dtype is cutaway.float64


def test_empty():
    assert tuple(F.dropout(cutaway.zeros(0, 3)).shape) == (0, 3)


@pytest.mark.parametrize("f", [F.dropout, F.alpha_dropout])
@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_refuses_what_is_no_probability(f, p):
    with pytest.raises(ArgumentError, match=f"{f.__name__}: p=.* is not a probability"):
        f(cutaway.ones(3), p, training=True)


def test_refused():
    with pytest.raises(ShapeError, match="2 dimensions of space"):
        F.dropout2d(cutaway.ones(3))
    with pytest.raises(ArgumentTypeError, match="dropout: input must be a Tensor, got list"):
        F.dropout([1.0])


def test_rows_of_features_are_warned_of_once_a_line_as_in_pytorch():
    torch = pytest.importorskip("torch")
    counts = []
    for library in (cutaway, torch):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("default")
            for n in (2, 3, 4):
                library.nn.functional.dropout2d(library.ones(n, 5))
        counts.append([w.category for w in seen])
    assert counts[0] == counts[1] == [UserWarning]
