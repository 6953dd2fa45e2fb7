"""Random shifts and flips: each result is one of the possible ones, all of which come up."""

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.data.augment import augment, random_flip, random_shift

X = np.arange(1, 1 + 400 * 2 * 5 * 4, dtype=np.float32).reshape(400, 2, 5, 4)


def moved(image, down, right, fill=0.0):
    """The slow, obvious version."""
    _, h, w = image.shape
    result = np.full_like(image, fill)
    for i in range(h):
        for j in range(w):
            if 0 <= i - down < h and 0 <= j - right < w:
                result[:, i, j] = image[:, i - down, j - right]
    return result


def generator(seed=0):
    return cutaway.Generator().manual_seed(seed)


@pytest.mark.parametrize("pixels, fill", [(1, 0.0), (2, -0.5), (6, 0.0)])
def test_every_image_is_moved_by_its_own_shift(pixels, fill):
    result = random_shift(X, pixels, fill=fill, generator=generator())
    steps = range(-pixels, pixels + 1)
    seen = set()
    for before, after in zip(X, result, strict=True):
        found = [(d, r) for d in steps for r in steps if np.array_equal(moved(before, d, r, fill), after)]
        assert found
        seen.update(found if len(found) == 1 else [])
    reachable = sum(abs(d) < 5 and abs(r) < 4 for d in steps for r in steps)
    assert len(seen) == reachable or pixels == 6  # all shifts come up (6: too many to see each in 400)


def test_flips_are_about_half():
    result = random_flip(X, generator=generator())
    flipped = (result == X[..., ::-1]).all((1, 2, 3))
    assert np.array_equal(flipped, ~(result == X).all((1, 2, 3)))
    assert 160 < flipped.sum() < 240
    assert np.array_equal(random_flip(X, 0.0), X) and np.array_equal(random_flip(X, 1.0), X[..., ::-1])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_kind_and_dtype_stay(dtype):
    x = X[:8].astype(dtype)
    kept = x.copy()
    for f in (random_flip, random_shift):
        as_array, as_tensor = f(x, generator=generator(3)), f(cutaway.tensor(x), generator=generator(3))
        assert type(as_array) is np.ndarray and as_array.dtype == dtype and not np.shares_memory(as_array, x)
        assert isinstance(as_tensor, cutaway.Tensor) and np.array_equal(as_tensor.numpy(), as_array)
    assert np.array_equal(x, kept)


def test_augment_is_flip_then_shift_from_one_stream():
    g = generator(5)
    step_by_step = random_shift(random_flip(X, generator=g), 2, generator=g)
    assert np.array_equal(augment(X, shift=2, flip=True, generator=generator(5)), step_by_step)
    assert augment(X) is X
    cutaway.manual_seed(5)
    assert np.array_equal(augment(X, shift=2, flip=True), step_by_step)


def test_no_images_and_no_pixels():
    assert random_shift(X[:0], 2).shape == random_flip(X[:0]).shape == (0, 2, 5, 4)
    assert np.array_equal(random_shift(X, 0), X)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: random_shift(X[0], 1), ShapeError, r"random_shift: .*x\[B, C, H, W\], got float32\[2, 5, 4\]"),
        (lambda: random_flip(X[0, 0]), ShapeError, r"random_flip: .*float32\[5, 4\]"),
        (lambda: random_shift(X, -1), ArgumentError, "pixels must be 0 or more, got -1"),
        (lambda: augment(X, shift=-1), ArgumentError, "pixels must be 0 or more, got -1"),
        (lambda: random_flip(X, 1.1), ArgumentError, "p is a probability, 0 to 1, got 1.1"),
    ],
)
def test_misuse_is_told(call, error, message):
    with pytest.raises(error, match=message):
        call()
