"""Pooling against PyTorch; and what it refuses."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError

MAX = {
    "plain": {"kernel_size": 2},
    "overlapping": {"kernel_size": 3, "stride": 2},
    "padding": {"kernel_size": 3, "stride": 2, "padding": 1},
    "dilation": {"kernel_size": 2, "stride": 1, "dilation": 2},
    "ceil": {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    "ceil padding": {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    "apart": {"kernel_size": 2, "stride": 3},
    "one": {"kernel_size": 1},
}


def _distinct(rng, shape):
    """Values of which no two are equal, so that every maximum is one element."""
    return rng.permutation(int(np.prod(shape))).reshape(shape) * 0.1 - 3.0


@pytest.mark.parametrize("name", MAX)
@pytest.mark.parametrize(
    ("n", "shape"),
    [(1, (2, 3, 9)), (1, (3, 8)), (2, (2, 3, 7, 8)), (2, (3, 6, 9)), (2, (0, 3, 6, 6)), (3, (1, 2, 5, 6, 7))],
)
def test_max_pool(n, shape, name, agree, rng):
    options = MAX[name]
    ours, theirs = getattr(F, f"max_pool{n}d"), getattr(TF, f"max_pool{n}d")
    x = _distinct(rng, shape)
    agree(lambda x: ours(x, **options), lambda x: theirs(x, **options), x, second=True)
    if x.size:
        agree(lambda x: ours(x, return_indices=True, **options), lambda x: theirs(x, return_indices=True, **options), x)


def test_max_pool_oblong_and_tied(agree):
    options = {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)}
    agree(lambda x: F.max_pool2d(x, **options), lambda x: TF.max_pool2d(x, **options), np.ones((1, 2, 5, 7)))
    agree(lambda x: F.max_pool2d(x, 2), lambda x: TF.max_pool2d(x, 2), np.zeros((1, 1, 4, 4)))


def test_max_pool_of_nan_and_integers(agree):
    x = np.array([[[[1.0, np.nan], [2.0, 3.0]]]])
    agree(lambda x: F.max_pool2d(x, 2), lambda x: TF.max_pool2d(x, 2), x, gradient=False)
    y = F.max_pool2d(cutaway.tensor([[[-5, -7], [-6, -9]]]), 2, padding=1)
    assert y.tolist() == [[[-5, -7], [-6, -9]]]


@pytest.mark.parametrize("memory", ["rows", "channels last", "strided"])
def test_pooling_in_any_memory_order(memory, agree, rng):
    x = _distinct(rng, (2, 3, 6, 8))
    if memory == "channels last":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    elif memory == "strided":
        x = _distinct(rng, (2, 3, 12, 8))[:, :, ::2]
    agree(lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: TF.max_pool2d(x, 3, 2, 1), x)
    agree(lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: TF.avg_pool2d(x, 3, 2, 1), x)


@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)])  # at most half the kernel
@pytest.mark.parametrize("stride", [None, 1, 2, 3])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("include", [False, True])
def test_avg_pool(kernel, stride, padding, ceil, include, agree, rng):
    for n, shape in ((1, (2, 3, 8)), (2, (2, 3, 7, 5)), (2, (3, 6, 5)), (3, (1, 2, 4, 5, 3))):
        ours, theirs = getattr(F, f"avg_pool{n}d"), getattr(TF, f"avg_pool{n}d")
        args = (kernel, stride, padding, ceil, include)
        agree(
            lambda x, f=ours, a=args: f(x, *a),
            lambda x, f=theirs, a=args: f(x, *a),
            rng.standard_normal(shape),
            second=n == 2,
        )


@pytest.mark.parametrize("divisor", [1, 3, -2])
def test_avg_pool_divisor(divisor, agree, rng):
    agree(
        lambda x: F.avg_pool2d(x, 2, 1, 1, divisor_override=divisor),
        lambda x: TF.avg_pool2d(x, 2, 1, 1, divisor_override=divisor),
        rng.standard_normal((2, 3, 4, 5)),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 9])
def test_adaptive_1d(size, agree, rng):
    for shape in ((2, 3, 7), (3, 6)):
        agree(
            lambda x: F.adaptive_avg_pool1d(x, size),
            lambda x: TF.adaptive_avg_pool1d(x, size),
            rng.standard_normal(shape),
        )
        agree(
            lambda x: F.adaptive_max_pool1d(x, size), lambda x: TF.adaptive_max_pool1d(x, size), _distinct(rng, shape)
        )


@pytest.mark.parametrize("size", [1, 2, (3, 2), (None, 2), (7, 7), (5, 9), (1, 1)], ids=str)
def test_adaptive_2d(size, agree, rng):
    for shape in ((2, 3, 7, 6), (3, 5, 8), (0, 2, 4, 4)):
        agree(
            lambda x: F.adaptive_avg_pool2d(x, size),
            lambda x: TF.adaptive_avg_pool2d(x, size),
            rng.standard_normal(shape),
            second=True,
        )
        if shape[0]:
            agree(
                lambda x: F.adaptive_max_pool2d(x, size, return_indices=True),
                lambda x: TF.adaptive_max_pool2d(x, size, return_indices=True),
                _distinct(rng, shape),
            )
            agree(
                lambda x: F.adaptive_max_pool2d(x, size),
                lambda x: TF.adaptive_max_pool2d(x, size),
                _distinct(rng, shape),
            )


def test_adaptive_3d(agree, rng):
    agree(
        lambda x: F.adaptive_avg_pool3d(x, (2, 1, 3)),
        lambda x: TF.adaptive_avg_pool3d(x, (2, 1, 3)),
        rng.standard_normal((2, 3, 5, 4, 4)),
    )


def test_sizes_agree_with_pytorch_over_all_small_settings():
    for length, k, s, p, d, ceil in itertools.product(
        range(1, 8), range(1, 4), range(1, 4), (0, 1), (1, 2), (False, True)
    ):
        x = np.zeros((1, 1, length))
        try:
            expected = tuple(TF.max_pool1d(torch.from_numpy(x), k, s, p, d, ceil).shape)
        except RuntimeError:
            expected = None
        try:
            got = tuple(F.max_pool1d(cutaway.from_numpy(x), k, s, p, d, ceil).shape)
        except (ShapeError, ArgumentError):
            got = None
        assert got == expected, (length, k, s, p, d, ceil)


X = cutaway.zeros(2, 3, 6, 7)
BAD = {
    "too-large": (
        lambda: F.max_pool2d(X, 8),
        ShapeError,
        r"max_pool2d: no window of kernel \(8, 8\) fits into input float32\[2, 3, 6, 7\]",
    ),
    "padding": (lambda: F.max_pool2d(X, 2, padding=2), ArgumentError, "at most half of kernel_size"),
    "stride": (lambda: F.max_pool2d(X, 2, stride=0), ArgumentError, "stride 0 must be at least 1"),
    "dims": (lambda: F.max_pool2d(cutaway.zeros(6, 7), 2), ShapeError, "unsqueeze"),
    "avg-integers": (lambda: F.avg_pool2d(X.long(), 2), DTypeError, r"avg_pool2d.*int64\[2, 3, 6, 7\]"),
    "avg-divisor": (lambda: F.avg_pool2d(X, 2, divisor_override=0), ArgumentError, "divisor_override must not be 0"),
    "adaptive-dims": (
        lambda: F.adaptive_avg_pool2d(cutaway.zeros(3, 3), 1),
        ShapeError,
        "adaptive_avg_pool2d: expected",
    ),
    "adaptive-size": (lambda: F.adaptive_avg_pool2d(X, 0), ArgumentError, "output_size"),
    "adaptive-many": (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), ArgumentError, "output_size"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
