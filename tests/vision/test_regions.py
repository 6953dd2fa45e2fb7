"""Pooling of regions and deformable convolution against loops over bins, samples and pixels, written from the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway import gradcheck
from cutaway.core.errors import ArgumentError, AssertedError, AssertedShape, DTypeError, IndexOutOfRange, ShapeError
from cutaway.vision import ops

# Of images of 9 x 11 pixels: inside, over the edges, thin, turned round, all outside.
REGIONS = [
    [0, 1.2, 2.3, 7.9, 6.1], [1, -2.5, -1.7, 4.4, 30.0], [1, 3.0, 3.0, 3.2, 8.0], [0, 6.0, 5.0, 4.0, 3.0],
    [0, 40.0, 40.0, 50.0, 60.0], [1, 0.0, 0.0, 11.0, 9.0], [0, 10.4, 8.3, 11.9, 9.9],
]  # fmt: skip


def read(x, y, u):
    """x[C, H, W] between pixels at (y, u), as RoIAlign does: the border's pixel as far as one pixel outside, else 0."""
    h, w = x.shape[1:]
    if not (-1 <= y <= h and -1 <= u <= w):
        return np.zeros(len(x))
    y, u = min(max(y, 0), h - 1), min(max(u, 0), w - 1)
    i, j = min(int(y), h - 1), min(int(u), w - 1)
    below, right, p, q = min(i + 1, h - 1), min(j + 1, w - 1), y - i, u - j
    return (
        (1 - p) * (1 - q) * x[:, i, j] + (1 - p) * q * x[:, i, right] + p * (1 - q) * x[:, below, j] + p * q * x[:, below, right]
    )


def align(x, rois, out, scale, ratio, aligned, own=False):
    h, w = out
    y = np.zeros((len(rois), x.shape[1] // (h * w if own else 1), h, w))
    for k, (n, *box) in enumerate(rois):
        left, top, right, bottom = (v * scale - (0.5 if aligned else 0) for v in box)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        gy, gx = (ratio, ratio) if ratio > 0 else (max(math.ceil(height / h), 0), max(math.ceil(width / w), 0))
        for i in range(h):
            for j in range(w):
                image = x[int(n)]
                if own:
                    image = image.reshape(-1, h * w, *x.shape[2:])[:, i * w + j]
                samples = [
                    read(image, top + height / h * (i + (a + 0.5) / gy), left + width / w * (j + (b + 0.5) / gx))
                    for a in range(gy) for b in range(gx)
                ]  # fmt: skip
                y[k, :, i, j] = sum(samples) / max(len(samples), 1)
    return y


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("scale", "ratio"), [(1.0, -1), (1.0, 2), (0.5, 3), (0.25, 0)])
def test_roi_align(rng, scale, ratio, aligned):
    x, rois = rng.standard_normal((2, 3, 9, 11)), np.array(REGIONS)
    got = ops.roi_align(cutaway.from_numpy(x), cutaway.from_numpy(rois), (3, 2), scale, ratio, aligned)
    np.testing.assert_allclose(got.numpy(), align(x, rois, (3, 2), scale, ratio, aligned), rtol=1e-9, atol=1e-12)
    assert got.is_contiguous()


def test_regions_by_image_and_as_modules(rng):
    x = cutaway.from_numpy(rng.standard_normal((2, 3, 9, 11)).astype(np.float32))
    rois = cutaway.tensor(REGIONS)
    order = [k for image in (0, 1) for k, r in enumerate(REGIONS) if r[0] == image]
    boxes = [rois[rois[:, 0] == 0, 1:], rois[rois[:, 0] == 1, 1:]]
    for module in (ops.RoIAlign((3, 2), 0.5, 2, aligned=True), ops.RoIAlign(2, 1.0, -1), ops.RoIPool((2, 3), 1.0)):
        y = module(x, rois)
        assert y.dtype == cutaway.float32 and (module(x, boxes) == y[order]).all()
        assert module(x, rois[:0]).shape == (0, *y.shape[1:])
    np.testing.assert_allclose(
        ops.roi_align(x, rois, 2).numpy(), align(x.numpy(), np.array(REGIONS), (2, 2), 1.0, -1, False), rtol=1e-4, atol=1e-5
    )
    assert ops.roi_align(x.bfloat16(), rois.bfloat16(), 2).dtype == cutaway.bfloat16
    assert repr(ops.RoIAlign(7, 0.25, 2)) == "RoIAlign(output_size=7, spatial_scale=0.25, sampling_ratio=2, aligned=False)"
    assert repr(ops.RoIPool(7, 0.25)) == "RoIPool(output_size=7, spatial_scale=0.25)"


@pytest.mark.parametrize("ratio", [2, -1])
def test_ps_roi_align(rng, ratio):
    x, rois = rng.standard_normal((2, 12, 9, 11)), np.array([r for r in REGIONS if r[1] < r[3]])
    module = ops.PSRoIAlign((3, 2), 0.7, ratio)
    got = module(cutaway.from_numpy(x), cutaway.from_numpy(rois)).numpy()
    np.testing.assert_allclose(got, align(x, rois, (3, 2), 0.7, ratio, True, own=True), rtol=1e-9, atol=1e-12)
    with pytest.raises(ShapeError, match="multiple"):
        ops.ps_roi_align(cutaway.zeros(1, 5, 4, 4), cutaway.zeros(1, 5), 2)


def pool(x, rois, out, scale):
    h, w = out
    y = np.zeros((len(rois), x.shape[1], h, w))
    away = lambda v: int(math.copysign(math.floor(abs(v) + 0.5), v))
    for k, (n, *box) in enumerate(rois):
        left, top, right, bottom = (away(v * scale) for v in box)
        high, wide = max(bottom - top + 1, 1) / h, max(right - left + 1, 1) / w
        for i in range(h):
            for j in range(w):
                rows = [r for r in range(top + math.floor(i * high), top + math.ceil((i + 1) * high)) if 0 <= r < x.shape[2]]
                columns = [c for c in range(left + math.floor(j * wide), left + math.ceil((j + 1) * wide)) if 0 <= c < x.shape[3]]
                if rows and columns:
                    y[k, :, i, j] = x[int(n)][:, rows][:, :, columns].max((1, 2))
    return y


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_roi_pool(rng, scale):
    x, rois = rng.standard_normal((2, 3, 9, 11)), np.array(REGIONS)
    got = ops.roi_pool(cutaway.from_numpy(x), cutaway.from_numpy(rois), (3, 2), scale)
    np.testing.assert_array_equal(got.numpy(), pool(x, rois, (3, 2), scale))
    even = cutaway.zeros(1, 1, 4, 4, requires_grad=True)
    ops.roi_pool(even, cutaway.tensor([[0.0, 0, 0, 3, 3]]), 1).sum().backward()
    assert even.grad.flatten().tolist() == [1] + [0] * 15  # the first of equal ones


def test_ps_roi_pool(rng):
    x, rois, (h, w) = rng.standard_normal((2, 12, 9, 11)), np.array(REGIONS), (3, 2)
    got = ops.PSRoIPool((h, w), 0.8)(cutaway.from_numpy(x), cutaway.from_numpy(rois)).numpy()
    away = lambda v: int(math.copysign(math.floor(abs(v) + 0.5), v))
    for k, (n, *box) in enumerate(rois):
        left, top, right, bottom = (away(v * 0.8) for v in box)
        high, wide = max(bottom - top, 1) / h, max(right - left, 1) / w
        for c, i, j in np.ndindex(2, h, w):
            rows = [r for r in range(top + math.floor(i * high), top + math.ceil((i + 1) * high)) if 0 <= r < 8]
            columns = [s for s in range(left + math.floor(j * wide), left + math.ceil((j + 1) * wide)) if 0 <= s < 10]
            pixels = x[int(n), (c * h + i) * w + j][rows][:, columns]
            np.testing.assert_allclose(got[k, c, i, j], pixels.mean() if pixels.size else 0, atol=1e-12)
    assert repr(ops.PSRoIPool(7, 0.25)) == "PSRoIPool(output_size=7, spatial_scale=0.25)"
    with pytest.raises(ShapeError, match="multiple"):
        ops.ps_roi_pool(cutaway.zeros(1, 5, 4, 4), cutaway.zeros(1, 5), 2)


def test_gradients_of_regions(rng):
    x = cutaway.from_numpy(rng.standard_normal((2, 4, 5, 6))).requires_grad_()
    rois = cutaway.from_numpy(np.array(REGIONS[:3]))
    for f in (
        lambda x: ops.roi_align(x, rois, (2, 2), 0.6, 2),
        lambda x: ops.roi_align(x, rois, (2, 2), 0.6, -1, True) ** 2,
        lambda x: ops.ps_roi_align(x, rois, (2, 2), 0.6, 2),
        lambda x: ops.roi_pool(x, rois, (2, 2), 0.6) ** 2,
        lambda x: ops.ps_roi_pool(x, rois, (2, 2), 0.6),
    ):
        assert gradcheck.gradcheck(f, (x,))
    assert gradcheck.gradgradcheck(lambda x: ops.roi_align(x[:, :1], rois, 2, 0.6, 2) ** 2, (x,))


def test_roi_align_in_a_compiled_function(rng):
    x, rois = cutaway.from_numpy(rng.standard_normal((2, 3, 9, 11)).astype(np.float32)), cutaway.tensor(REGIONS)
    f = lambda x: ops.roi_align(x * 2, rois, 2, 0.5, 2)
    np.testing.assert_allclose(cutaway.compile(f)(x).numpy(), f(x).numpy(), rtol=1e-5, atol=1e-6)


def test_what_regions_refuse():
    x, rois = cutaway.zeros(2, 3, 9, 11), cutaway.tensor(REGIONS)
    for f in (ops.roi_align, ops.roi_pool):
        for boxes, error in (
            (rois[:, 1:], AssertedShape),
            ([rois[:, :3]], AssertedShape),
            ("boxes", AssertedError),
            (rois.double(), DTypeError),
            (rois + 1, IndexOutOfRange),
            (rois * float("nan"), ArgumentError),
        ):
            with pytest.raises(error, match=f.__name__):
                f(x, boxes, 2)
        with pytest.raises(ShapeError):
            f(x[0], rois, 2)
        with pytest.raises(ArgumentError):
            f(x, rois, 0)


def test_levels_of_a_pyramid(rng):
    """A box of sides 224 belongs to level 4, of twice the sides to the next one (Lin et al. 2017, equation 1)."""
    maps = {name: cutaway.from_numpy(rng.standard_normal((2, 3, 512 // s, 512 // s))) for name, s in
            (("fine", 4), ("middle", 8), ("unused", 1), ("coarse", 16))}  # fmt: skip
    boxes = [np.array([[3.0, 4, 40, 60], [0, 0, 120, 115]]), np.array([[10.0, 9, 300, 400], [0, 0, 500, 500.0], [5, 5, 6, 6]])]
    pooler = ops.MultiScaleRoIAlign(["fine", "middle", "coarse"], 2, 2)
    y = pooler(maps, [cutaway.from_numpy(b) for b in boxes], [(512, 480), (500, 512)])
    assert pooler.scales == [1 / 4, 1 / 8, 1 / 16]
    k = 0
    for image, listed in enumerate(boxes):
        for box in listed:
            side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
            level = min(max(math.floor(4 + math.log2(side / 224)), 2), 4) - 2
            name = ("fine", "middle", "coarse")[level]
            one = align(maps[name].numpy(), [[image, *box]], (2, 2), pooler.scales[level], 2, False)
            np.testing.assert_allclose(y[k].numpy(), one[0], rtol=1e-9, atol=1e-12)
            k += 1
    with pytest.raises(ArgumentError, match="none of"):
        ops.MultiScaleRoIAlign(["p2"], 2, 2)(maps, [cutaway.from_numpy(b) for b in boxes], [(512, 512)])


# --- deformable convolution -------------------------------------------------------------------------------------------


def deformed(x, offset, weight, bias, stride, padding, dilation, mask):
    (n, c, h, w), (o, each, kh, kw) = x.shape, weight.shape
    rows, columns = offset.shape[2:]
    shares = offset.shape[1] // (2 * kh * kw)
    at = lambda b, ch, i, j: x[b, ch, i, j] if 0 <= i < h and 0 <= j < w else 0.0
    y = np.zeros((n, o, rows, columns))
    for b, out, r, s, e, i, j in np.ndindex(n, o, rows, columns, each, kh, kw):
        ch = out // (o * each // c) * each + e
        tap = ch // (c // shares) * kh * kw + i * kw + j
        v = r * stride[0] - padding[0] + i * dilation[0] + offset[b, 2 * tap, r, s]
        u = s * stride[1] - padding[1] + j * dilation[1] + offset[b, 2 * tap + 1, r, s]
        top, left = math.floor(v), math.floor(u)
        p, q = v - top, u - left
        value = (
            (1 - p) * (1 - q) * at(b, ch, top, left) + (1 - p) * q * at(b, ch, top, left + 1)
            + p * (1 - q) * at(b, ch, top + 1, left) + p * q * at(b, ch, top + 1, left + 1)
        )  # fmt: skip
        y[b, out, r, s] += weight[out, e, i, j] * value * (1 if mask is None else mask[b, tap, r, s])
    return y + bias[:, None, None]


@pytest.mark.parametrize("masked", [False, True])
def test_deform_conv2d(rng, masked):
    x, weight, bias = rng.standard_normal((2, 4, 6, 5)), rng.standard_normal((6, 2, 3, 2)), rng.standard_normal(6)
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    offset = rng.standard_normal((2, 2 * 2 * 6, 3, 7)) * 2
    mask = rng.uniform(size=(2, 2 * 6, 3, 7)) if masked else None
    given = [cutaway.from_numpy(a) for a in (x, offset, weight, bias)] + ([cutaway.from_numpy(mask)] if masked else [])
    f = lambda x, offset, weight, bias, mask=None: ops.deform_conv2d(x, offset, weight, bias, **options, mask=mask)
    np.testing.assert_allclose(f(*given).numpy(), deformed(x, offset, weight, bias, **options, mask=mask), rtol=1e-9, atol=1e-12)
    if masked:
        few = [g.requires_grad_() for g in (given[0][:1, :, :3, :2], given[1][:1, :, :2, :4], *given[2:4], given[4][:1, :, :2, :4])]
        assert gradcheck.gradcheck(f, few)


def test_deformable_convolution_without_offsets_is_a_convolution(rng):
    cutaway.manual_seed(0)
    module = ops.DeformConv2d(4, 6, 3, stride=2, padding=1, groups=2)
    cutaway.manual_seed(0)
    plain = cutaway.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    x = cutaway.randn(2, 4, 7, 7)
    np.testing.assert_allclose(
        module(x, cutaway.zeros(2, 18, 4, 4)).detach().numpy(), plain(x).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    assert repr(module) == "DeformConv2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2)"
    for offset in (cutaway.zeros(2, 17, 4, 4), cutaway.zeros(2, 18, 4, 5)):
        with pytest.raises(ShapeError, match="offset"):
            module(x, offset)
    with pytest.raises(ShapeError, match="mask"):
        module(x, cutaway.zeros(2, 18, 4, 4), cutaway.zeros(2, 18, 4, 4))
    with pytest.raises(ArgumentError):
        ops.DeformConv2d(4, 6, 3, groups=3)
