"""Toy sets: what their formulas say, the seed, the noise."""

import math

import numpy as np
import pytest

import cutaway
from cutaway import data
from cutaway.core.errors import ArgumentError

PLANE = ["spiral", "moons", "circles", "xor", "gauss"]


def arrays(name, *args, **options):
    x, y = data.TOYS[name](*args, **options)
    return x.numpy(), y.numpy()


@pytest.mark.parametrize("name", PLANE)
@pytest.mark.parametrize("n", [1, 7, 100])
def test_points_and_labels(name, n):
    x, y = data.TOYS[name](n, seed=0)
    assert tuple(x.shape) == (n, 2) and x.dtype == cutaway.float32
    assert tuple(y.shape) == (n,) and y.dtype == cutaway.int64
    counts = np.bincount(y.numpy())
    assert counts.max() - counts.min() <= (1 if name != "xor" else 2)


@pytest.mark.parametrize("name", data.TOYS)
def test_the_seed_decides_the_points(name):
    a, b, c = (arrays(name, seed=s)[0] for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    given = arrays(name, generator=cutaway.Generator().manual_seed(1))[0]
    cutaway.manual_seed(1)
    assert np.array_equal(a, given) and np.array_equal(a, arrays(name)[0])
    state = cutaway.get_rng_state()
    arrays(name, seed=3)
    assert cutaway.get_rng_state().tolist() == state.tolist()  # a seed leaves the default generator alone


@pytest.mark.parametrize("name", data.TOYS)
def test_noise_is_a_standard_deviation(name):
    clean, loud = (arrays(name, 4000, noise=noise, seed=0) for noise in (0.0, 0.01))
    if name == "regression":
        difference = loud[1] - clean[1]
    else:
        difference = np.linalg.norm(loud[0] - clean[0], axis=1)
    if name == "spiral":  # there it is an angle: the way is radius * angle
        difference = (difference / np.linalg.norm(clean[0], axis=1).clip(1e-3))[np.linalg.norm(clean[0], axis=1) > 0.1]
    per_axis = 1 if name in ("regression", "spiral") else 2
    assert math.sqrt((difference**2).mean() / per_axis) == pytest.approx(0.01, rel=0.05)


def test_spiral_without_noise():
    x, y = arrays("spiral", 300, 3, noise=0)
    assert y.tolist() == [0] * 100 + [1] * 100 + [2] * 100
    r = np.linspace(0, 1, 100)
    for arm in range(3):  # CS231n: t from 4 j to 4 (j + 1), x = (r sin t, r cos t)
        t = np.linspace(4 * arm, 4 * (arm + 1), 100)
        assert np.allclose(x[y == arm], np.stack([r * np.sin(t), r * np.cos(t)], 1), atol=1e-6)


def test_moons_without_noise():
    x, y = arrays("moons", 100, noise=0)
    upper, lower = x[y == 0], x[y == 1]
    assert np.allclose(np.linalg.norm(upper, axis=1), 1, atol=1e-6) and (upper[:, 1] >= -1e-6).all()
    assert np.allclose(np.linalg.norm(lower - [1, 0.5], axis=1), 1, atol=1e-6) and (lower[:, 1] <= 0.5 + 1e-6).all()


def test_circles_without_noise():
    x, y = arrays("circles", 51, noise=0, ratio=0.3)
    assert np.allclose(np.linalg.norm(x, axis=1), np.where(y, 0.3, 1), atol=1e-6)
    assert len(np.unique(x.round(5), axis=0)) == 51  # the end does not meet the start


def test_xor_of_four_is_the_truth_table():
    x, y = arrays("xor", 4, noise=0)
    assert np.column_stack([x, y]).tolist() == [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_gauss_has_its_centres_on_the_unit_circle():
    x, y = arrays("gauss", 8, 4, noise=0)
    assert np.allclose([x[y == c].mean(0) for c in range(4)], [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=1e-6)


def test_regression_is_a_sine_in_a_column():
    x, y = data.regression(50, noise=0, seed=0)
    assert tuple(x.shape) == tuple(y.shape) == (50, 1) and y.dtype == x.dtype == cutaway.float32
    assert np.allclose(y.numpy(), np.sin(2 * np.pi * x.numpy()), atol=1e-6)
    assert x.min().item() >= 0 and x.max().item() < 1 and x.std().item() > 0.2


@pytest.mark.parametrize("name", data.TOYS)
@pytest.mark.parametrize(
    "options, message",
    [
        ({"n": 0}, "n=0"),
        ({"noise": -0.1}, "noise is a standard deviation, 0 or more, got -0.1"),
        ({"noise": float("nan")}, "noise"),
        ({"seed": 1, "generator": cutaway.Generator()}, "seed and generator contradict"),
    ],
    ids=str,
)
def test_impossible_arguments_are_told(name, options, message):
    with pytest.raises(ArgumentError, match=f"{name}: .*{message}"):
        data.TOYS[name](**options)


@pytest.mark.parametrize("name", ["spiral", "gauss"])
def test_no_classes(name):
    with pytest.raises(ArgumentError, match=f"{name}: .*classes=0"):
        data.TOYS[name](10, 0)
