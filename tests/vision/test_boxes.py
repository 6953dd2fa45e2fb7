"""Boxes against their definitions, written here box by box in Python's floats; losses by numerical gradients, too."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway import gradcheck
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from cutaway.vision import ops


def some_boxes(rng, n, side=20.0, dtype=np.float64):
    low = rng.uniform(0, side, (n, 2))
    return np.concatenate((low, low + rng.uniform(0.5, side / 2, (n, 2))), 1).astype(dtype)


def area(a):
    return (a[2] - a[0]) * (a[3] - a[1])


def common(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return w * h if w > 0 and h > 0 else 0.0


def iou(a, b):
    return common(a, b) / (area(a) + area(b) - common(a, b))


def hull(a, b):
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def giou(a, b):
    union, c = area(a) + area(b) - common(a, b), area(hull(a, b))
    return iou(a, b) - (c - union) / c


def diou(a, b):
    x, y = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
    c = hull(a, b)
    return iou(a, b) - (x * x + y * y) / ((c[2] - c[0]) ** 2 + (c[3] - c[1]) ** 2)


def ciou(a, b):
    angle = lambda c: math.atan((c[2] - c[0]) / (c[3] - c[1]))
    v = 4 / math.pi**2 * (angle(a) - angle(b)) ** 2
    return diou(a, b) - (v / (1 - iou(a, b) + v) * v if v else 0.0)


PAIRS = {"box_iou": iou, "generalized_box_iou": giou, "distance_box_iou": diou, "complete_box_iou": ciou}


@pytest.mark.parametrize("name", PAIRS)
def test_all_pairs(rng, name):
    a, b = some_boxes(rng, 7), some_boxes(rng, 9)
    a[0] = b[0]
    expected = [[PAIRS[name](x, y) for y in b] for x in a]
    x, y = cutaway.from_numpy(a), cutaway.from_numpy(b)
    np.testing.assert_allclose(getattr(ops, name)(x, y).numpy(), expected, rtol=1e-5, atol=1e-6)
    batch = getattr(ops, name)(cutaway.stack((x, x + 1)), cutaway.stack((y, y + 1))).numpy()
    np.testing.assert_allclose(batch, [expected] * 2, rtol=1e-5, atol=1e-6)
    assert getattr(ops, name)(x[:0], y).shape == (0, 9)


def test_dtypes_of_areas_and_overlaps():
    wide = cutaway.tensor([[0, 0, 200, 100], [10, 10, 20, 30]])
    for kind in (cutaway.uint8, cutaway.int16, cutaway.int64, cutaway.float16, cutaway.float64):
        assert ops.box_area(wide.to(kind)).tolist() == [20000, 200]
        np.testing.assert_allclose(ops.box_iou(wide.to(kind), wide.to(kind)).numpy(), [[1, 0.01], [0.01, 1]])
    assert ops.box_area(wide.to(cutaway.uint8)).dtype == cutaway.int32
    assert ops.box_area(wide.to(cutaway.float16)).dtype == cutaway.float32


def test_formats(rng):
    a = some_boxes(rng, 5)
    x = cutaway.from_numpy(a)
    forms = {
        "xyxy": a,
        "xywh": np.concatenate((a[:, :2], a[:, 2:] - a[:, :2]), 1),
        "cxcywh": np.concatenate(((a[:, :2] + a[:, 2:]) / 2, a[:, 2:] - a[:, :2]), 1),
    }
    for one, given in forms.items():
        for other, expected in forms.items():
            got = ops.box_convert(cutaway.from_numpy(given), one, other)
            np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(ops.box_area(cutaway.from_numpy(given), one).numpy(), [area(b) for b in a])
        other = cutaway.from_numpy(given)
        np.testing.assert_allclose(ops.box_iou(other, other, fmt=one).numpy(), ops.box_iou(x, x).numpy(), atol=1e-12)
    assert ops.box_convert(x, "xyxy", "xyxy") is not x
    assert ops.box_convert(cutaway.tensor([[2, 2, 3, 3]]), "cxcywh", "xywh").tolist() == [[0.5, 0.5, 3, 3]]
    for call in (lambda: ops.box_convert(x, "xyxy", "yxyx"), lambda: ops.box_area(x, "cxcywhr")):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(NotImplementedError):
        ops.box_convert(x, "xywhr", "cxcywhr")


def test_clip_small_and_masks():
    boxes = cutaway.tensor([[-3.0, 2, 5, 40], [4, 5, 100, 6]])
    assert ops.clip_boxes_to_image(boxes, (30, 50)).tolist() == [[0, 2, 5, 30], [4, 5, 50, 6]]
    assert ops.remove_small_boxes(boxes, 1.0).tolist() == [0, 1] and ops.remove_small_boxes(boxes, 1.5).tolist() == [0]
    masks = cutaway.zeros(2, 6, 9, dtype=cutaway.uint8)
    masks[0, 2:4, 1:8] = 7
    masks[1, 5, 3] = 1
    found = ops.masks_to_boxes(masks)
    assert found.tolist() == [[1, 2, 7, 3], [3, 5, 3, 5]] and found.dtype == cutaway.float32
    assert ops.masks_to_boxes(masks[:0]).shape == (0, 4)
    with pytest.raises(ArgumentError, match=r"masks\[1\] is empty"):
        ops.masks_to_boxes(cutaway.stack((masks[0], masks[0] * 0)))


def greedy(boxes, scores, threshold):
    left, kept = sorted(range(len(boxes)), key=lambda i: -scores[i]), []
    while left:
        best, *left = left
        kept.append(best)
        left = [i for i in left if not iou(boxes[best], boxes[i]) > threshold]
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms_is_the_greedy_rule(rng, threshold):
    for n, side in ((0, 9.0), (1, 9.0), (200, 9.0), (200, 100.0)):
        boxes, scores = some_boxes(rng, n, side), rng.uniform(size=n).round(1)  # several of a score
        got = ops.nms(cutaway.from_numpy(boxes), cutaway.from_numpy(scores), threshold)
        assert got.tolist() == greedy(boxes, scores, threshold) and got.dtype == cutaway.int64
        idxs = rng.integers(0, 3, n)
        parts = [(-scores[m[k]], m[k]) for m in (np.flatnonzero(idxs == c) for c in range(3))
                 for k in greedy(boxes[m], scores[m], threshold)]  # fmt: skip
        got = ops.batched_nms(*map(cutaway.from_numpy, (boxes, scores, idxs)), threshold)
        assert got.tolist() == [i for _, i in sorted(parts)]


def test_nms_of_many_boxes(rng):
    """More than a tile of what is left is compared with more than a block of what is kept."""
    n = 2500
    at = np.stack(np.meshgrid(np.arange(50.0), np.arange(50.0)), -1).reshape(-1, 2) * 3
    boxes = np.concatenate((at, at + 2), 1).astype(np.float32)
    scores = rng.permutation(2 * n).astype(np.float32)
    both = np.concatenate((boxes, boxes + np.float32(0.25)))  # IoU of the twins: 3.0625 / 4.9375 = 0.62
    got = ops.nms(cutaway.from_numpy(both), cutaway.from_numpy(scores), 0.6).numpy()
    better = np.where(scores[:n] > scores[n:], np.arange(n), np.arange(n, 2 * n))
    assert got.tolist() == sorted(better, key=lambda i: -scores[i])
    assert len(ops.nms(cutaway.from_numpy(both), cutaway.from_numpy(scores), 0.63)) == 2 * n


def test_the_threshold_is_not_rounded():
    """IoU 0.1 in float32 is larger than 0.1, and PyTorch's comparison is in double precision."""
    boxes = cutaway.tensor([[0.0, 0, 10, 1], [0, 0, 1, 1]])
    assert ops.nms(boxes, cutaway.tensor([2.0, 1]), float(np.float32(0.1))).tolist() == [0, 1]
    assert ops.nms(boxes, cutaway.tensor([2.0, 1]), 0.1).tolist() == [0]


def test_what_nms_refuses():
    boxes, scores = cutaway.zeros(3, 4), cutaway.zeros(3)
    for b, s in ((boxes[0], scores), (cutaway.zeros(3, 5), scores), (boxes, scores[:2]), (boxes, boxes)):
        with pytest.raises(ShapeError):
            ops.nms(b, s, 0.5)
    for b, s in ((boxes.double(), scores), (boxes.half(), scores.half()), (boxes.long(), scores.long())):
        with pytest.raises(DTypeError):
            ops.nms(b, s, 0.5)
    with pytest.raises(ShapeError):
        ops.batched_nms(boxes, scores, scores[:2], 0.5)


LOSSES = {"generalized_box_iou_loss": giou, "distance_box_iou_loss": diou, "complete_box_iou_loss": ciou}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_pairs(rng, name):
    loss = getattr(ops, name)
    a, b = some_boxes(rng, 8, 6.0), some_boxes(rng, 8, 6.0)
    expected = np.array([1 - LOSSES[name](x, y) for x, y in zip(a, b)])
    x, y = cutaway.from_numpy(a), cutaway.from_numpy(b)
    np.testing.assert_allclose(loss(x, y).numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(float(loss(x, y, reduction="mean")), expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(float(loss(x, y, "sum")), expected.sum(), rtol=1e-5)
    assert loss(x.half(), y.half()).dtype == cutaway.float32
    none = x[:0].requires_grad_()
    loss(none, y[:0], reduction="mean").backward()
    assert none.grad.shape == (0, 4)
    with pytest.raises(ArgumentError, match="Supported reduction modes"):
        loss(x, y, reduction="max")
    x.requires_grad_(), y.requires_grad_()
    if name == "complete_box_iou_loss":  # its alpha is a constant: the gradient is that with alpha held
        return
    assert gradcheck.gradcheck(loss, (x, y)) and gradcheck.gradgradcheck(loss, (x[:2], y[:2]))


def test_the_trade_off_of_the_complete_loss_is_a_constant(rng):
    a, b = some_boxes(rng, 4, 6.0), some_boxes(rng, 4, 6.0)
    x, y = cutaway.from_numpy(a).requires_grad_(), cutaway.from_numpy(b)
    ops.complete_box_iou_loss(x, y, reduction="sum").backward()
    angle = lambda c: math.atan((c[2] - c[0]) / (c[3] - c[1]))
    v = lambda c, k: 4 / math.pi**2 * (angle(c) - angle(b[k])) ** 2
    alphas = [(diou(p, q) - ciou(p, q)) / v(p, k) for k, (p, q) in enumerate(zip(a, b))]
    held = lambda box, k: 1 - diou(box, b[k]) + alphas[k] * v(box, k)
    for k in range(4):
        for i in range(4):
            step = np.eye(4)[i] * 1e-6
            slope = (held(a[k] + step, k) - held(a[k] - step, k)) / 2e-6
            np.testing.assert_allclose(float(x.grad[k, i]), slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2), (-1, 2), (0.7, 0.5), (0.25, 0)])
def test_focal_loss(rng, alpha, gamma):
    z, t = rng.standard_normal((3, 5)) * 3, rng.integers(0, 2, (3, 5)).astype(np.float64)
    p = 1 / (1 + np.exp(-z))
    p_t = np.where(t == 1, p, 1 - p)
    weight = 1.0 if alpha < 0 else np.where(t == 1, alpha, 1 - alpha)
    expected = -weight * (1 - p_t) ** gamma * np.log(p_t)
    x, y = cutaway.from_numpy(z).requires_grad_(), cutaway.from_numpy(t)
    loss = lambda x, reduction="none": ops.sigmoid_focal_loss(x, y, alpha, gamma, reduction)
    np.testing.assert_allclose(loss(x).detach().numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(float(loss(x, "mean")), expected.mean(), rtol=1e-9)
    assert gradcheck.gradcheck(loss, (x,)) and gradcheck.gradgradcheck(loss, (x,))


def test_losses_in_a_compiled_step(rng):
    a, b = (cutaway.from_numpy(some_boxes(rng, 6, 6.0, np.float32)) for _ in "ab")
    losses = (ops.generalized_box_iou_loss, ops.distance_box_iou_loss, ops.complete_box_iou_loss)
    f = lambda x: sum(loss(x, b, reduction="sum") for loss in losses) + ops.sigmoid_focal_loss(x, b / 20, reduction="mean")
    whole = cutaway.compile(lambda x: cutaway.autograd.grad(f(x), x)[0])
    x = a.clone().requires_grad_()
    np.testing.assert_allclose(whole(x).numpy(), cutaway.autograd.grad(f(x), x)[0].numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ArgumentTypeError, match="box_iou"):
        ops.box_iou([[0, 0, 1, 1]], a)


def test_what_focal_loss_refuses():
    x = cutaway.zeros(3)
    for options in ({"alpha": 1.5}, {"alpha": -0.5}, {"reduction": "max"}):
        with pytest.raises(ArgumentError):
            ops.sigmoid_focal_loss(x, x, **options)
    with pytest.raises(ShapeError):
        ops.sigmoid_focal_loss(x, cutaway.zeros(3, 2))
