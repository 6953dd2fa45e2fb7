"""Transforms against torchvision: the same numbers drawn, the same pixels, the same printed form."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.vision import transforms as T

from .conftest import photograph, seeded

Image = pytest.importorskip("PIL.Image")

IMAGES = {
    "RGB": Image.fromarray(photograph()),
    "L": Image.fromarray(photograph()[..., 0]),
    "tall": Image.fromarray(photograph(50, 20)),
}

# a transform, by the expression that makes it; T is either side's `transforms`
PLAIN = """
T.Resize(20)  T.Resize([20])  T.Resize((17,60))  T.Resize(20,max_size=22)  T.Resize(60)
T.Resize((16,20),T.InterpolationMode.NEAREST)  T.Resize((16,20),T.InterpolationMode.BICUBIC)  T.Resize(25,2)  T.Resize(41)
T.CenterCrop(20)  T.CenterCrop((21,30))  T.CenterCrop([50])  T.CenterCrop((60,15))  T.FiveCrop(12)  T.TenCrop((10,12))
T.TenCrop(9,vertical_flip=True)  T.Pad(3)  T.Pad((2,5))  T.Pad([1,2,3,4],fill=7)  T.Pad(4,padding_mode="edge")
T.Pad((3,1,0,2),padding_mode="reflect")  T.Pad(5,padding_mode="symmetric")  T.Pad([-2,-3,4,1],padding_mode="reflect")
T.Pad(-3)  T.Grayscale()  T.Grayscale(3)
""".split()
DRAWN = """
T.RandomCrop(20)  T.RandomCrop((18,15),padding=4)  T.RandomCrop((32,23),padding=(1,2,3,4),fill=9)  T.RandomCrop(18,padding=2,padding_mode="reflect")
T.RandomCrop((60,70),pad_if_needed=True)  T.RandomHorizontalFlip()  T.RandomHorizontalFlip(0.7)  T.RandomVerticalFlip()
T.RandomResizedCrop(16)  T.RandomResizedCrop((12,20),scale=(0.5,1.0))  T.RandomResizedCrop(14,ratio=(5.0,9.0))
T.RandomRotation(30)  T.RandomRotation((10,80),expand=True)  T.RandomRotation(45,center=(3,7),fill=5)
T.RandomRotation(20,T.InterpolationMode.BILINEAR)  T.RandomAffine(25)  T.RandomAffine(10,translate=(0.2,0.3),scale=(0.7,1.3),shear=12)
T.RandomAffine(0,shear=(-5,5,-9,9),interpolation=T.InterpolationMode.BILINEAR,fill=20,center=(4,4))
T.RandomPerspective()  T.RandomPerspective(0.3,p=1.0,fill=3)  T.RandomPerspective(0.6,1.0,T.InterpolationMode.NEAREST)
T.RandomGrayscale(0.5)  T.GaussianBlur(3)  T.GaussianBlur((5,3),sigma=(0.5,1.5))  T.RandomAdjustSharpness(2.0)  T.RandomAdjustSharpness(0.3)
T.RandomAutocontrast()  T.RandomEqualize()  T.RandomInvert()  T.RandomPosterize(3)  T.RandomSolarize(120)
T.ColorJitter()  T.ColorJitter(0.4,0.4,0.4,0.1)  T.ColorJitter(brightness=(0.5,2.0))  T.ColorJitter(hue=0.5)
T.RandomApply([T.RandomCrop(18),T.RandomHorizontalFlip()],p=0.6)  T.RandomChoice([T.RandomCrop(18),T.CenterCrop(10),T.Pad(2)])
T.RandomChoice([T.Pad(1),T.Pad(2)],p=[1,3])  T.RandomOrder([T.Pad(2),T.RandomCrop(19),T.RandomVerticalFlip()])
T.Compose([T.Resize(30),T.RandomCrop(20),T.RandomHorizontalFlip()])
T.RandAugment()  T.RandAugment(4,20,fill=7)  T.TrivialAugmentWide()  T.TrivialAugmentWide(interpolation=T.InterpolationMode.BILINEAR)
T.AutoAugment()  T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)  T.AutoAugment(T.AutoAugmentPolicy.SVHN,fill=3)
""".split()


def trials(expression: str) -> int:
    return 1 if expression in PLAIN else 40 if "Augment" in expression else 6


def each(result):
    return list(result) if isinstance(result, tuple) else [result]


def spelled(expression: str, T):
    return eval(expression, {"T": T})


@pytest.mark.parametrize("mode", IMAGES)
@pytest.mark.parametrize("expression", PLAIN + DRAWN)
def test_on_images(expression, mode, tv):
    ours, theirs = spelled(expression, T), spelled(expression, tv.transforms)
    assert repr(ours) == repr(theirs)
    for seed in range(trials(expression)):
        seeded(seed)
        a = each(ours(IMAGES[mode]))
        seeded(seed)
        b = each(theirs(IMAGES[mode]))
        for x, y in zip(a, b, strict=True):
            assert x.mode == y.mode and x.size == y.size
            x, y = np.asarray(x, np.int64), np.asarray(y, np.int64)
            if "Blur" in expression:  # sums of floats, rounded
                assert np.abs(x - y).max() <= 1 and (x != y).mean() < 1e-3
            else:
                np.testing.assert_array_equal(x, y)


def tensors(name: str):
    rng = np.random.default_rng(3)
    return {
        "uint8": lambda: photograph().transpose(2, 0, 1).copy(),
        "float": lambda: (photograph(50, 20).transpose(2, 0, 1) / 255).astype(np.float32),
        "gray": lambda: photograph()[None, ..., 0].copy(),
        "batch": lambda: rng.random((2, 3, 31, 37), np.float32),
    }[name]()


ONLY_BYTES = ("Augment", "Posterize", "Solarize(120", "Equalize")


@pytest.mark.parametrize("kind", ["uint8", "float", "gray", "batch"])
@pytest.mark.parametrize("expression", PLAIN + DRAWN)
def test_on_tensors(expression, kind, tv):
    import torch

    x = tensors(kind)
    if any(part in expression for part in ONLY_BYTES) and x.dtype != np.uint8:
        return
    if expression == "T.Grayscale(3)" and kind == "gray":  # torchvision leaves one channel
        assert T.Grayscale(3)(cutaway.from_numpy(x)).shape[0] == 3
        return
    ours, theirs = spelled(expression, T), spelled(expression, tv.transforms)
    for seed in range(trials(expression)):
        seeded(seed)
        a = each(ours(cutaway.from_numpy(x.copy())))
        seeded(seed)
        b = each(theirs(torch.from_numpy(x.copy())))
        for y, z in zip(a, b, strict=True):
            assert tuple(y.shape) == tuple(z.shape) and y.dtype.name == str(z.dtype).removeprefix("torch.")
            y, z = y.numpy().astype(np.float64), z.numpy().astype(np.float64)
            off = np.abs(y - z) > (1 if x.dtype == np.uint8 else 1e-4)
            assert off.mean() <= 0.004, off.mean()  # a nearest pixel may be another where a place is half way
            assert (y != z).mean() < (0.05 if "Augment" in expression else 0.02) or x.dtype != np.uint8
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "expression",
    ["T.RandomResizedCrop(24)", "T.RandomGrayscale(0.5)", "T.RandomApply([T.RandomCrop(9)])", "T.AutoAugment()"],
)
def test_draws_are_of_the_default_dtype(expression, photo, tv, doubles):
    ours, theirs = spelled(expression, T), spelled(expression, tv.transforms)
    seeded(3)
    mine = [np.asarray(ours(Image.fromarray(photo)), np.int16) for _ in range(8)]
    seeded(3)
    for a in mine:
        b = np.asarray(theirs(Image.fromarray(photo)), np.int16)
        assert a.shape == b.shape and np.abs(a - b).max() <= 1


ERASING = """
T.RandomErasing()  T.RandomErasing(1.0)  T.RandomErasing(1.0,value=(0.1,0.2,0.3))  T.RandomErasing(1.0,value="random")
T.RandomErasing(0.8,scale=(0.3,0.9),ratio=(0.5,2.0),value=3)  T.RandomErasing(1.0,scale=(1.0,1.0),ratio=(1.0,1.0))
""".split()


@pytest.mark.parametrize("expression", ERASING)
def test_erasing(expression, tv):
    import torch

    x = tensors("float")
    ours, theirs = spelled(expression, T), spelled(expression, tv.transforms)
    assert repr(ours) == repr(theirs)
    for seed in range(6):
        seeded(seed)
        a = ours(cutaway.from_numpy(x.copy())).numpy()
        seeded(seed)
        np.testing.assert_allclose(a, theirs(torch.from_numpy(x.copy())).numpy(), atol=1e-6)
