"""linear, bilinear, embedding, one_hot against PyTorch; and what they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 4, 3), (0, 3), (1, 1, 3)], ids=str)
def test_linear(shape, bias, agree, rng):
    call = lambda f: lambda x, w, b: f(x, w, b if bias else None)
    agree(
        call(F.linear),
        call(TF.linear),
        rng.standard_normal(shape),
        rng.standard_normal((2, 3)),
        rng.standard_normal(2),
        second=True,
    )


def test_linear_with_a_vector_and_not_contiguous(agree, rng):
    agree(F.linear, TF.linear, rng.standard_normal((4, 3)), rng.standard_normal(3))
    agree(
        F.linear, TF.linear, rng.standard_normal((3, 8)).T[::2], rng.standard_normal((3, 5)).T, rng.standard_normal(5)
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("lead", [(4,), (), (2, 3)], ids=str)
def test_bilinear(lead, bias, agree, rng):
    x, y, w, b = (
        rng.standard_normal((*lead, 3)),
        rng.standard_normal((*lead, 2)),
        rng.standard_normal((5, 3, 2)),
        rng.standard_normal(5),
    )
    call = lambda f: lambda x, y, w, b: f(x, y, w, b if bias else None)
    agree(call(F.bilinear), call(TF.bilinear), x, y, w, b, second=True)


@pytest.mark.parametrize("padding", [None, 0, -1])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (), (0,)], ids=str)
def test_embedding(shape, padding, agree, rng):
    i = rng.integers(0, 5, shape)
    agree(
        lambda i, w: F.embedding(i, w, padding_idx=padding),
        lambda i, w: TF.embedding(i, w, padding_idx=padding),
        np.asarray(i),
        rng.standard_normal((5, 3)),
    )


def test_embedding_max_norm_shortens_rows_in_place(rng):
    table, i = rng.standard_normal((6, 3)) * 2, np.array([1, 4, 1])
    ours, theirs = cutaway.from_numpy(table.copy()), torch.from_numpy(table.copy())
    y, z = (
        F.embedding(cutaway.from_numpy(i), ours, max_norm=1.0),
        TF.embedding(torch.from_numpy(i), theirs, max_norm=1.0),
    )
    np.testing.assert_allclose(y.numpy(), z.numpy())
    np.testing.assert_allclose(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("shape", [(4,), (2, 3), ()], ids=str)
@pytest.mark.parametrize("classes", [-1, 7])
def test_one_hot(shape, classes, agree, rng):
    i = np.asarray(rng.integers(0, 5, shape))
    agree(lambda i: F.one_hot(i, classes), lambda i: TF.one_hot(i, classes), i)


def test_one_hot_of_nothing(agree):
    agree(lambda i: F.one_hot(i, 3), lambda i: TF.one_hot(i, 3), np.zeros((0, 2), np.int64))


X, W = cutaway.zeros(4, 3), cutaway.zeros(2, 3)
I = cutaway.tensor([0, 2])
BAD = {
    "features": (
        lambda: F.linear(cutaway.zeros(4, 5), W),
        ShapeError,
        r"linear.*float32\[4, 5\] has 5 features.*float32\[2, 3\] takes 3",
    ),
    "flatten": (lambda: F.linear(cutaway.zeros(4, 1, 3, 1), W), ShapeError, r"x\.flatten\(1\)"),
    "turned": (lambda: F.linear(cutaway.zeros(4, 2), W), ShapeError, r"weight\.t\(\)"),
    "scalar": (lambda: F.linear(cutaway.tensor(1.0), W), ShapeError, "no features"),
    "weight-3d": (lambda: F.linear(X, cutaway.zeros(2, 3, 3)), ShapeError, r"\[out_features, in_features\]"),
    "dtype": (lambda: F.linear(X.double(), W), DTypeError, r"float64\[4, 3\].*float32\[2, 3\].*weight\.dtype"),
    "bias": (lambda: F.linear(X, W, cutaway.zeros(3)), ShapeError, r"bias float32\[3\].*\[2\]"),
    "bilinear": (lambda: F.bilinear(X, X, cutaway.zeros(2, 3, 4)), ShapeError, "bilinear: expected"),
    "bilinear-dtype": (
        lambda: F.bilinear(X, X.double(), cutaway.zeros(2, 3, 3)),
        DTypeError,
        "bilinear: dtypes differ",
    ),
    "bilinear-bias": (lambda: F.bilinear(X, X, cutaway.zeros(2, 3, 3), cutaway.zeros(3)), ShapeError, "bilinear: bias"),
    "index-high": (
        lambda: F.embedding(cutaway.tensor([0, 4]), X),
        IndexOutOfRange,
        "embedding: index 4.*4 rows.*0 to 3",
    ),
    "index-low": (lambda: F.embedding(cutaway.tensor([0, -1]), X), IndexOutOfRange, "embedding: index -1"),
    "index-float": (lambda: F.embedding(I.float(), X), DTypeError, r"input must hold integers.*\.long\(\)"),
    "table": (lambda: F.embedding(I, cutaway.zeros(3)), ShapeError, r"\[vocabulary, features\]"),
    "padding": (lambda: F.embedding(I, X, padding_idx=4), ArgumentError, "padding_idx 4"),
    "one_hot-high": (lambda: F.one_hot(I, 2), IndexOutOfRange, "one_hot: class 2.*num_classes=2"),
    "one_hot-low": (lambda: F.one_hot(cutaway.tensor([-1])), (IndexOutOfRange, ArgumentError), "one_hot"),
    "one_hot-float": (lambda: F.one_hot(I.float()), DTypeError, "one_hot: classes must be int64"),
    "one_hot-empty": (lambda: F.one_hot(cutaway.zeros(0).long()), ArgumentError, "give num_classes"),
    "one_hot-zero": (lambda: F.one_hot(I, 0), ArgumentError, "num_classes must be positive"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
