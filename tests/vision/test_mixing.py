"""Transforms that pull about, mix and blur images: against their formulas in NumPy and against themselves."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.vision import transforms as v1
from cutaway.vision.transforms import functional as F
from cutaway.vision.transforms import v2


def batch(rng, n=4, side=10):
    return cutaway.from_numpy(rng.random((n, 3, side, side + 2), np.float32))


def test_no_displacement_is_no_change_and_a_whole_pixel_is_a_shift(rng):
    x = batch(rng)[0]
    h, w = x.shape[1:]
    zero = cutaway.zeros(1, h, w, 2)
    np.testing.assert_allclose(F.elastic_transform(x, zero).numpy(), x.numpy(), atol=1e-5)
    right = zero.clone()
    right[..., 0] = 2.0 / w  # one pixel, in parts of half the width
    y = F.elastic_transform(x, right, v1.InterpolationMode.NEAREST, fill=0.5)
    np.testing.assert_array_equal(y.numpy()[:, :, :-1], x.numpy()[:, :, 1:])
    np.testing.assert_array_equal(y.numpy()[:, :, -1], np.full((3, h), np.float32(0.5)))


def test_an_elastic_transform_is_drawn_and_of_alpha_zero_nothing(rng):
    x = batch(rng, side=60)[0]
    cutaway.manual_seed(0)
    one = v1.ElasticTransform(alpha=80.0, sigma=3.0)
    y, z = one(x), one(x)
    assert y.shape == x.shape and not np.array_equal(y.numpy(), z.numpy())
    np.testing.assert_allclose(v1.ElasticTransform(0.0, 3.0)(x).numpy(), x.numpy(), atol=1e-5)
    d = one.get_params([80.0, 40.0], [3.0, 3.0], [61, 63]).numpy()
    assert d.shape == (1, 61, 63, 2) and abs(d[..., 0]).max() <= 80 / 63 and abs(d[..., 1]).max() <= 40 / 61
    assert repr(v1.ElasticTransform()) == (
        "ElasticTransform(alpha=[50.0, 50.0], sigma=[5.0, 5.0], interpolation=InterpolationMode.BILINEAR, fill=[0.0])"
    )
    assert v2.ElasticTransform(10.0, 2.0)((x, 7))[1] == 7


def test_an_elastic_transform_refuses(rng):
    x = batch(rng)[0]
    with pytest.raises(ArgumentError, match="shape should be"):
        F.elastic_transform(x, cutaway.zeros(1, 3, 3, 2))
    with pytest.raises(ArgumentTypeError):
        F.elastic_transform(x, np.zeros((1, 10, 12, 2)))
    with pytest.raises(ArgumentError):
        v1.ElasticTransform(alpha=[1.0, 2.0, 3.0])


def test_augmix_of_pillow_and_of_tensors_agree():
    Image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
    x = cutaway.from_numpy(pixels.transpose(2, 0, 1).copy())
    for seed in range(4):
        cutaway.manual_seed(seed)
        y = v1.AugMix(severity=5)(x)
        cutaway.manual_seed(seed)
        z = v1.AugMix(severity=5)(Image.fromarray(pixels))
        np.testing.assert_array_equal(np.asarray(z).transpose(2, 0, 1), y.numpy())
    assert y.dtype == cutaway.uint8 and y.shape == x.shape
    for severity in (0, 11):
        with pytest.raises(ArgumentError, match="severity"):
            v1.AugMix(severity)
    cutaway.manual_seed(1)
    flat = cutaway.full((3, 8, 8), 100, dtype=cutaway.uint8)
    assert abs(v1.AugMix(1, all_ops=False, mixture_width=1)(flat).numpy()[:, 3:5, 3:5].astype(int) - 100).max() <= 100


def test_mixup_is_the_weighted_sum_that_its_labels_tell(rng):
    x, y = batch(rng), cutaway.tensor([0, 2, 1, 2])
    cutaway.manual_seed(5)
    mixed, labels = v2.MixUp(alpha=0.7, num_classes=3)(x, y)
    hot = np.eye(3)[y.numpy()]
    share = float(labels.numpy()[0, 0])  # image 0 alone is of class 0, and image 3, rolled onto it, is of class 2
    np.testing.assert_allclose(labels.numpy(), share * hot + (1 - share) * np.roll(hot, 1, 0), rtol=1e-5)
    a = x.numpy()
    np.testing.assert_allclose(mixed.numpy(), share * a + (1 - share) * np.roll(a, 1, 0), rtol=1e-4, atol=1e-6)
    assert 0 < share < 1
    with pytest.raises(ArgumentError, match="floats"):
        v2.MixUp(num_classes=3)((x * 255).byte(), y)


def test_cutmix_takes_a_rectangle_whose_area_the_labels_tell(rng):
    x, y = batch(rng), cutaway.tensor([0, 2, 1, 2])
    cutaway.manual_seed(2)
    for _ in range(6):
        mixed, labels = v2.CutMix(num_classes=3)(x, y)
        same = (mixed.numpy() == x.numpy()).all(1)
        other = (mixed.numpy() == np.roll(x.numpy(), 1, 0)).all(1)
        assert (same | other).all() and (same == same[:1]).all()
        rows, columns = (np.flatnonzero(other[0].any(k)) for k in (1, 0))
        assert len(rows) * len(columns) == other[0].sum()  # a rectangle
        np.testing.assert_allclose(labels.numpy()[0, 0], 1 - other[0].mean(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(labels.numpy().sum(1), 1, rtol=1e-5)


def test_the_seed_draws_what_pytorch_draws(rng):
    torch = pytest.importorskip("torch")
    cutaway.manual_seed(9)
    torch.manual_seed(9)
    share = float(torch.distributions.Beta(torch.tensor([0.4]), torch.tensor([0.4])).sample())
    _, labels = v2.MixUp(alpha=0.4, num_classes=2)(batch(rng, 2), cutaway.tensor([0, 1]))
    np.testing.assert_allclose(labels.numpy()[0, 0], share, rtol=1e-5)
    x = batch(rng)[0]
    cutaway.manual_seed(4)
    torch.manual_seed(4)
    noise = torch.randn(tuple(x.shape)) * 0.2 + 0.1
    y = v2.GaussianNoise(0.1, 0.2, clip=False)(x)
    np.testing.assert_allclose(y.numpy(), x.numpy() + noise.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mix", [v2.MixUp, v2.CutMix])
def test_where_the_labels_are(mix, rng):
    x, y = batch(rng), cutaway.tensor([0, 2, 1, 2])
    out = mix(num_classes=3)({"image": x, "labels": y, "name": "a"})
    assert list(out) == ["image", "labels", "name"] and tuple(out["labels"].shape) == (4, 3) and out["name"] == "a"
    p = cutaway.tensor(np.eye(3)[y.numpy()])
    assert mix()(x, p)[1].dtype == cutaway.float64
    assert tuple(mix(num_classes=3, labels_getter=lambda s: s[2])((x, "a", y))[2].shape) == (4, 3)
    for inputs in ((x[0], y), (x, y[:2]), (x, "a"), (x,)):
        with pytest.raises(ArgumentError):
            mix(num_classes=3)(*inputs)
    with pytest.raises(ArgumentError, match="num_classes"):
        mix()(x, y)


def test_noise_and_scales(rng):
    x = batch(rng)[0]
    y = v2.GaussianNoise(sigma=3.0)(x)
    assert float(y.min()) == 0 and float(y.max()) == 1
    for bad in ((x * 255).long(), "a"):
        with pytest.raises(ArgumentError):
            v2.functional.gaussian_noise(bad)
    with pytest.raises(ArgumentError, match="negative"):
        v2.GaussianNoise(sigma=-1.0)(x)
    cutaway.manual_seed(0)
    sizes = {tuple(v2.ScaleJitter((20, 30), (0.5, 1.5))(x).shape) for _ in range(8)}
    assert len(sizes) > 3 and all(0.4 < h / w * 12 / 10 < 2.1 and 8 <= h <= 30 for _, h, w in sizes)
    assert v2.RandAugment()((x * 255).byte()).shape == x.shape and v2.AutoAugment()((x * 255).byte()).shape == x.shape


TORCHVISION = {
    "elastic": lambda v1, v2: v1.ElasticTransform(80.0, 3.0),
    "augmix": lambda v1, v2: v1.AugMix(severity=5),
    "v2 elastic": lambda v1, v2: v2.ElasticTransform(80.0, 3.0),
    "v2 augmix": lambda v1, v2: v2.AugMix(),
    "v2 auto": lambda v1, v2: v2.AutoAugment(),
    "v2 rand": lambda v1, v2: v2.RandAugment(),
    "v2 trivial": lambda v1, v2: v2.TrivialAugmentWide(),
    "v2 noise": lambda v1, v2: v2.GaussianNoise(0.1, 0.2),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_as_torchvision_of_the_same_seed(name, tv):
    import importlib

    import torch

    theirs_v2 = importlib.import_module("torchvision.transforms.v2")
    x = np.random.default_rng(0).integers(0, 256, (3, 60, 64), np.uint8)
    for seed in range(3):
        cutaway.manual_seed(seed)
        torch.manual_seed(seed)
        y = TORCHVISION[name](v1, v2)(cutaway.from_numpy(x)).numpy()
        z = TORCHVISION[name](tv.transforms, theirs_v2)(torch.from_numpy(x)).numpy()
        apart = abs(y.astype(int) - z.astype(int))
        assert y.dtype == z.dtype and apart.max() <= (1 if "augmix" in name or "elastic" in name else 2)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_mixtures_as_torchvision(name, tv, rng):
    import importlib

    import torch

    x, labels = batch(rng).numpy(), np.array([0, 2, 1, 2])
    for seed in range(3):
        cutaway.manual_seed(seed)
        torch.manual_seed(seed)
        ours = getattr(v2, name)(alpha=0.5, num_classes=3)(cutaway.from_numpy(x), cutaway.from_numpy(labels))
        made = getattr(importlib.import_module("torchvision.transforms.v2"), name)(alpha=0.5, num_classes=3)
        for y, z in zip(ours, made(torch.from_numpy(x), torch.from_numpy(labels)), strict=True):
            np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-6)
