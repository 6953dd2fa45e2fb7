"""Sums of many float32 are right to a few roundings, however the numbers lie in memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cutaway
from cutaway.nn import functional as F

SHAPES = [(12800, 8), (32, 8, 20, 20), (7, 300, 5), (3, 1, 70, 70), (100_001,), (513, 2, 3), (0, 300), (300, 0, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_are_accurate_in_every_layout(shape):
    x = np.random.default_rng(0).normal(1, 1, shape).astype(np.float32)
    for order in itertools.permutations(range(x.ndim)):
        a = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        for b in (a, a[::-1], a[..., ::2]):
            for count in range(1, x.ndim + 1):
                for dim in itertools.combinations(range(x.ndim), count):
                    for keepdim in (False, True):
                        y = cutaway.from_numpy(b.copy("K")).sum(dim, keepdim=keepdim).numpy()
                        expected = b.astype(np.float64).sum(dim, keepdims=keepdim)
                        assert y.shape == expected.shape and y.dtype == np.float32
                        size = np.abs(b).astype(np.float64).sum(dim, keepdims=keepdim)
                        assert np.all(np.abs(y - expected) <= 2e-6 * size)


def test_batch_norm_of_images_that_lie_channels_last():
    x = np.maximum(np.random.default_rng(0).normal(size=(32, 20, 20, 8)), 0).astype(np.float32).transpose(0, 3, 1, 2)
    ours = F.batch_norm(cutaway.from_numpy(x), None, None, training=True).numpy()
    x = x.astype(np.float64)
    expected = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()
