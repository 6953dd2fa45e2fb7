"""What is drawn over an image: where, in which colour, and what stays."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.vision import utils

pytest.importorskip("PIL.ImageDraw")


def black(dtype="uint8"):
    return cutaway.zeros(3, 20, 30, dtype=getattr(cutaway, dtype))


def test_a_box_is_its_outline():
    y = utils.draw_bounding_boxes(black(), cutaway.tensor([[5, 3, 20, 12]]), colors="red").numpy()
    expected = np.zeros((20, 30), bool)
    expected[3:13, 5:21] = True
    expected[4:12, 6:20] = False
    np.testing.assert_array_equal(y[0], np.where(expected, 255, 0))
    assert not y[1:].any()
    wide = utils.draw_bounding_boxes(black(), cutaway.tensor([[5.6, 3, 20, 12]]), colors=[(0, 255, 0)], width=2).numpy()
    assert (wide[1, 3:5, 5:21] == 255).all() and not wide[1, 5:11, 7:19].any()
    filled = utils.draw_bounding_boxes(black(), cutaway.tensor([[5, 3, 20, 12]]), colors="#0000ff", fill=True).numpy()
    assert 90 < filled[2, 8, 12] < 110 and filled[2, 3, 5] == 255


def test_floats_and_gray_images_and_words():
    y = utils.draw_bounding_boxes(cutaway.zeros(1, 20, 30), cutaway.tensor([[2, 2, 9, 9], [12, 2, 19, 9]]), ["a", None])
    assert y.dtype == cutaway.float32 and tuple(y.shape) == (3, 20, 30) and float(y.max()) <= 1
    colours = {tuple(y[:, 2, x].tolist()) for x in (2, 12)}
    assert len(colours) == 2  # the palette's first is black
    assert float(y[:, 4:9, 14:19].max()) == 0


def test_masks_are_mixed_in_and_black_where_they_overlap():
    x = cutaway.full((3, 4, 6), 100, dtype=cutaway.uint8)
    masks = np.zeros((2, 4, 6), bool)
    masks[0, :2], masks[1, 1:3] = True, True
    y = utils.draw_segmentation_masks(x, cutaway.from_numpy(masks), 0.5, ["red", (0, 255, 0)]).numpy()
    np.testing.assert_array_equal(y[:, 0, 0], [177, 50, 50])
    np.testing.assert_array_equal(y[:, 1, 0], [50, 50, 50])
    np.testing.assert_array_equal(y[:, 2, 0], [50, 177, 50])
    np.testing.assert_array_equal(y[:, 3, 0], [100, 100, 100])
    one = utils.draw_segmentation_masks(x, cutaway.from_numpy(masks[0]), 1.0, "blue").numpy()
    np.testing.assert_array_equal(one[:, 0, 0], [0, 0, 255])


def test_points_and_lines_between_them():
    points = cutaway.tensor([[[4.0, 10.0], [24.0, 10.0]]])
    y = utils.draw_keypoints(black(), points, colors="red", radius=1).numpy()
    assert y[0, 10, 4] == 255 and y[0, 10, 24] == 255 and not y[0, 10, 10]
    joined = utils.draw_keypoints(black(), points, [(0, 1)], width=1).numpy()
    assert joined[:, 10, 5:24].min() == 255


def test_what_is_refused():
    box = cutaway.tensor([[1, 1, 5, 5]])
    for call, error in (
        (lambda: utils.draw_bounding_boxes(np.zeros((3, 4, 4)), box), ArgumentTypeError),
        (lambda: utils.draw_bounding_boxes(cutaway.zeros(1, 3, 4, 4), box), ArgumentError),
        (lambda: utils.draw_bounding_boxes(cutaway.zeros(2, 4, 4), box), ArgumentError),
        (lambda: utils.draw_bounding_boxes(black("int64"), box), ArgumentError),
        (lambda: utils.draw_bounding_boxes(black(), cutaway.tensor([[5, 1, 1, 5]])), ArgumentError),
        (lambda: utils.draw_bounding_boxes(black(), cutaway.ones(2, 3)), ArgumentError),
        (lambda: utils.draw_bounding_boxes(black(), box, ["a", "b"]), ArgumentError),
        (lambda: utils.draw_bounding_boxes(black(), cutaway.cat([box, box]), colors=["red"]), ArgumentError),
        (lambda: utils.draw_segmentation_masks(black(), cutaway.zeros(20, 30)), ArgumentError),
        (lambda: utils.draw_segmentation_masks(black(), cutaway.zeros(2, 3).bool()), ArgumentError),
        (lambda: utils.draw_keypoints(black(), cutaway.zeros(2, 3)), ArgumentError),
    ):
        with pytest.raises(error):
            call()
    with pytest.warns(UserWarning, match="any box"):
        utils.draw_bounding_boxes(black(), cutaway.zeros(0, 4))
    with pytest.warns(UserWarning, match="any mask"):
        utils.draw_segmentation_masks(black(), cutaway.zeros(0, 20, 30).bool())


@pytest.mark.parametrize(
    "options",
    [{"colors": "red"}, {"colors": ["red", (0, 255, 0)], "width": 3}, {"fill": True, "colors": "blue"}, {},
     {"labels": ["a", "b"], "fill_labels": True, "label_background_colors": "yellow"}],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_boxes_and_masks_as_torchvision(options, dtype, tv, rng):
    import torch

    x = rng.integers(0, 256, (3, 60, 64), np.uint8)
    x = x if dtype == "uint8" else (x / 255).astype(np.float32)
    boxes = np.array([[5.0, 3, 20, 12], [10.5, 20, 40, 50]])
    y = utils.draw_bounding_boxes(cutaway.from_numpy(x), cutaway.from_numpy(boxes), **options)
    z = tv.utils.draw_bounding_boxes(torch.from_numpy(x), torch.from_numpy(boxes), **options)
    np.testing.assert_allclose(y.numpy(), z.numpy(), atol=1e-6)
    masks = np.zeros((2, 60, 64), bool)
    masks[0, :30], masks[1, 20:40] = True, True
    for alpha in (0.8, 0.3):
        y = utils.draw_segmentation_masks(cutaway.from_numpy(x), cutaway.from_numpy(masks), alpha, options.get("colors"))
        z = tv.utils.draw_segmentation_masks(torch.from_numpy(x), torch.from_numpy(masks), alpha, options.get("colors"))
        np.testing.assert_allclose(y.numpy(), z.numpy(), atol=1e-6)
