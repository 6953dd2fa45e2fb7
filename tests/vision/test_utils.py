"""make_grid and save_image against torchvision, pixel by pixel, and what they refuse."""

from __future__ import annotations

import io

import numpy as np
import pytest

import cutaway
from cutaway.vision import utils

Image = pytest.importorskip("PIL.Image")

SHAPES = [(9, 3, 5, 7), (4, 1, 6, 6), (1, 3, 5, 5), (3, 8, 8), (1, 8, 8), (8, 9), (20, 3, 4, 4)]
OPTIONS = [
    {}, {"nrow": 3}, {"padding": 0}, {"padding": 4, "pad_value": 0.7}, {"normalize": True}, {"normalize": True, "scale_each": True},
    {"normalize": True, "value_range": (-1, 1)}, {"nrow": 50},
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_as_torchvision_does(shape, options, tv, rng):
    import torch

    x = (rng.standard_normal(shape) * 0.6 + 0.4).astype(np.float32)
    before = x.copy()
    ours = utils.make_grid(cutaway.from_numpy(x), **options).numpy()
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(ours, tv.utils.make_grid(torch.from_numpy(x), **options).numpy(), atol=1e-7)
    files = io.BytesIO(), io.BytesIO()
    utils.save_image(cutaway.from_numpy(x), files[0], format="png", **options)
    tv.utils.save_image(torch.from_numpy(x), files[1], format="png", **options)
    assert files[0].getvalue() == files[1].getvalue()


def test_a_grid_by_hand(rng):
    x = rng.random((3, 3, 2, 4), np.float32)
    grid = utils.make_grid(cutaway.from_numpy(x), nrow=2, padding=1, pad_value=0.5).numpy()
    assert grid.shape == (3, 7, 11)
    np.testing.assert_array_equal(grid[:, 1:3, 6:10], x[1])
    np.testing.assert_array_equal(grid[:, 4:6, 1:5], x[2])
    assert (grid[:, 4:6, 6:10] == 0.5).all() and (grid[:, 0] == 0.5).all()


def test_a_file_by_its_name(tmp_path, rng):
    x = rng.random((3, 6, 5), np.float32)
    utils.save_image([cutaway.from_numpy(x)], tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")).transpose(2, 0, 1), (x * 255 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("bad", [np.zeros((2, 3, 4, 4)), "x", [1, 2]], ids=["array", "text", "numbers"])
def test_what_is_no_tensor_is_refused(bad):
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        utils.make_grid(bad)
