"""Transforms against Pillow, NumPy and PyTorch alone: what must hold where torchvision is not installed."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ShapeError
from cutaway.gradcheck import gradcheck
from cutaway.vision import transforms as T
from cutaway.vision.transforms import functional as F

from .conftest import photograph, seeded

Image = pytest.importorskip("PIL.Image")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")
ImageOps = pytest.importorskip("PIL.ImageOps")

PHOTO = photograph()
IMAGE = Image.fromarray(PHOTO)


def tensor_of(image) -> cutaway.Tensor:
    return F.pil_to_tensor(image)


# ---- between kinds


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "1", "I", "F", "I;16", "CMYK", "P"])
def test_images_to_tensors_and_back(mode):
    image = Image.fromarray(PHOTO[..., 0].astype(np.uint16)) if mode == "I;16" else IMAGE.convert(mode)
    x, bytes_or_wider = T.ToTensor()(image), T.PILToTensor()(image)
    pixels = np.array(image).reshape(33, 41, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(bytes_or_wider.numpy(), pixels)
    scale = 1 if mode in ("I", "F", "I;16") else 1 / 255
    expected = pixels * 1.0 if mode == "1" else pixels * scale
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-6)
    assert x.dtype == {"I": cutaway.int32, "I;16": cutaway.int16}.get(mode, cutaway.float32)
    if mode not in ("1", "P"):
        back = T.ToPILImage(mode if mode in ("CMYK", "F") else None)(bytes_or_wider)
        assert back.mode == mode and back.tobytes() == image.tobytes()


def test_to_tensor_of_arrays():
    np.testing.assert_allclose(F.to_tensor(PHOTO).numpy(), PHOTO.transpose(2, 0, 1) / 255, rtol=1e-6)
    assert F.to_tensor(PHOTO[..., 0]).shape == (1, 33, 41)
    floats = np.full((4, 5, 2), 7.5)
    assert F.to_tensor(floats).dtype == cutaway.float64 and F.to_tensor(floats).max() == 7.5
    floats[:] = 0  # a copy was made
    x = F.to_tensor(PHOTO)
    x.add_(1.0)
    assert PHOTO.max() <= 255


@pytest.mark.parametrize("bad", [PHOTO[None], np.zeros((3, 3, 5), np.uint8), np.zeros((3, 3, 2), np.int64)], ids=["4d", "channels", "int64"])
def test_no_image_can_be_made_of(bad):
    with pytest.raises((ValueError, TypeError), match=r"to_pil_image: .*(dimensional|channels|fit)"):
        F.to_pil_image(bad)


def test_dtypes_keep_black_and_white():
    x = cutaway.tensor([[[0, 1, 127, 128, 255]]], dtype=cutaway.uint8)
    kinds = (cutaway.float32, cutaway.float64, cutaway.int16, cutaway.int32, cutaway.int64, cutaway.int8)
    for kind in kinds:
        y = F.convert_image_dtype(x, kind)
        top = 1 if kind.is_floating_point else np.iinfo(kind.np).max
        assert y.dtype == kind and float(y[0, 0, 0]) == 0 and float(y[0, 0, -1]) >= 0.99 * top
        if kind is not cutaway.int8:
            np.testing.assert_array_equal(F.convert_image_dtype(y, cutaway.uint8).numpy(), x.numpy())
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(cutaway.rand(1, 2, 2), cutaway.int32)


def test_normalize(rng):
    x = rng.random((2, 3, 4, 5), np.float32)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    t = cutaway.from_numpy(x.copy())
    expected = (x - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(T.Normalize(mean, std)(t).numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(t.numpy(), x)
    for given in (np.array(mean), cutaway.tensor(mean), [np.float32(v) for v in mean], [[[v]] for v in mean]):
        np.testing.assert_allclose(F.normalize(t, given, list(std)).numpy(), expected, atol=1e-6)
    assert F.normalize(t, [0.5], 2).shape == t.shape
    assert T.Normalize(cutaway.tensor(mean), std, inplace=True)(t) is t
    np.testing.assert_allclose(t.numpy(), expected, atol=1e-6)


# ---- places


@pytest.mark.parametrize("size", [(20, 30), (50, 60), (33, 20), (7, 7)], ids=str)
@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC"])
def test_tensors_are_resized_as_pillow_does(size, mode):
    image = F.resize(IMAGE, size, T.InterpolationMode[mode])
    ours = F.resize(tensor_of(IMAGE), size, T.InterpolationMode[mode])
    expected = np.asarray(IMAGE.resize(size[::-1], getattr(Image.Resampling, mode)))
    np.testing.assert_array_equal(np.asarray(image), expected)
    off = np.abs(ours.numpy().transpose(1, 2, 0).astype(int) - expected)
    assert off.max() <= 1 and off.mean() < 0.25  # Pillow rounds after each direction


@pytest.mark.parametrize("size, max_size, expected", [(20, None, (20, 24)), ([66], None, (66, 82)), (30, 32, (25, 32)), ((5, 6), None, (5, 6))])
def test_one_number_is_for_the_shorter_side(size, max_size, expected):
    for image in (IMAGE, tensor_of(IMAGE)):
        assert F.get_image_size(F.resize(image, size, max_size=max_size)) == list(expected[::-1])
        sideways = F.resize(image.transpose(Image.Transpose.ROTATE_90) if image is IMAGE else image.mT, size, max_size=max_size)
        if not isinstance(size, tuple):
            assert F.get_image_size(sideways) == list(expected)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("amounts", [3, (2, 5), (1, 2, 3, 4), (-2, 3, -1, 0)], ids=str)
def test_pad(mode, amounts):
    left, top, right, bottom = {1: lambda a: (a[0],) * 4, 2: lambda a: a * 2, 4: lambda a: a}[len(np.atleast_1d(amounts))](
        tuple(np.atleast_1d(amounts).tolist())
    )
    kept = PHOTO[max(-top, 0) : 33 - max(-bottom, 0), max(-left, 0) : 41 - max(-right, 0)]
    around = ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0))
    expected = np.pad(kept, around, mode)
    np.testing.assert_array_equal(F.pad(tensor_of(IMAGE), amounts, padding_mode=mode).numpy().transpose(1, 2, 0), expected)
    if mode != "constant" or min(np.atleast_1d(amounts)) >= 0:
        np.testing.assert_array_equal(np.asarray(F.pad(IMAGE, amounts, padding_mode=mode)), expected)


@pytest.mark.parametrize("place", [(3, 4, 10, 12), (-3, -2, 12, 9), (28, 35, 10, 10), (-5, 0, 60, 41), (-20, 3, 10, 8)], ids=str)
def test_crop_is_black_outside(place):
    top, left, h, w = place
    wide = np.zeros((200, 200, 3), np.uint8)
    wide[80 : 80 + 33, 80 : 80 + 41] = PHOTO
    expected = wide[80 + top : 80 + top + h, 80 + left : 80 + left + w]
    np.testing.assert_array_equal(np.asarray(F.crop(IMAGE, *place)), expected)
    np.testing.assert_array_equal(F.crop(tensor_of(IMAGE), *place).numpy().transpose(1, 2, 0), expected)


@pytest.mark.parametrize("size", [(20, 31), 10, (40, 50), (50, 7)], ids=str)
def test_center_crop_is_one_thing_for_both_kinds(size):
    a, b = F.center_crop(IMAGE, size), F.center_crop(tensor_of(IMAGE), size)
    np.testing.assert_array_equal(tensor_of(a).numpy(), b.numpy())


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_right_angles_only_move_pixels(quarter):
    expected = np.rot90(PHOTO, quarter)
    for image in (IMAGE, tensor_of(IMAGE)):
        turned = F.rotate(image, 90 * quarter, expand=True)
        turned = turned if isinstance(turned, cutaway.Tensor) else tensor_of(turned)
        np.testing.assert_array_equal(turned.numpy().transpose(1, 2, 0), expected)


@pytest.mark.parametrize("mode", [T.InterpolationMode.NEAREST, T.InterpolationMode.BILINEAR])
def test_turning_tensors_is_like_turning_images(mode):
    smooth = Image.fromarray(np.indices((40, 50)).sum(0).astype(np.uint8) * 2)
    for turn in (
        lambda x: F.rotate(x, 33.0, mode),
        lambda x: F.rotate(x, -20.0, mode, center=(5, 9)),
        lambda x: F.affine(x, 15, (4, -3), 1.2, (8.0, -4.0), mode),
    ):
        a, b = np.asarray(turn(smooth)).astype(int), turn(tensor_of(smooth)).numpy()[0].astype(int)
        inside = (a > 0) & (b > 0)
        assert inside.mean() > 0.3
        assert (np.abs(a - b)[inside] > 4).mean() < 0.08  # at the border tensors fade, images do not


def test_perspective_leads_corners_to_corners():
    start, end = [(0, 0), (40, 0), (40, 32), (0, 32)], [(3, 2), (37, 5), (35, 30), (1, 27)]
    marked = np.zeros((1, 33, 41), np.float32)
    for x, y in start:
        marked[0, y, x] = 1
    moved = F.perspective(cutaway.from_numpy(marked), start, end, T.InterpolationMode.BILINEAR).numpy()[0]
    for x, y in end:
        assert moved[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].sum() > 0.2
    with pytest.raises(ValueError, match="four corners"):
        F.perspective(IMAGE, start[:3], end[:3])


@pytest.mark.parametrize(
    "change",
    [
        lambda x: F.rotate(x, 30.0, T.InterpolationMode.BILINEAR, fill=0.5),
        lambda x: F.resize(x, (3, 4)),
        lambda x: F.crop(x, -1, 2, 5, 6),
        lambda x: F.pad(x, (1, 2), padding_mode="symmetric"),
        lambda x: F.gaussian_blur(x, 3, 0.7),
        lambda x: F.adjust_contrast(x, 0.7),
        lambda x: F.adjust_hue(x, 0.2) if x.dtype == cutaway.float32 else F.adjust_saturation(x, 0.4),
        lambda x: F.normalize(x, (0.2, 0.3, 0.4), (0.5, 0.6, 0.7)),
    ],
)
def test_floats_have_gradients(change, rng):
    x = cutaway.from_numpy(0.2 + 0.6 * rng.random((3, 6, 7))).requires_grad_()
    assert gradcheck(change, (x,))


# ---- colours


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_colours_as_pillow_makes_them(factor):
    for ours, name in ((F.adjust_brightness, "Brightness"), (F.adjust_contrast, "Contrast"), (F.adjust_saturation, "Color")):
        expected = np.asarray(getattr(ImageEnhance, name)(IMAGE).enhance(factor)).astype(int)
        np.testing.assert_array_equal(np.asarray(ours(IMAGE, factor)), expected)
        assert np.abs(ours(tensor_of(IMAGE), factor).numpy().transpose(1, 2, 0) - expected).max() <= 2


@pytest.mark.parametrize("factor", [-0.5, -0.2, 0.0, 0.1, 0.5])
def test_hue_is_colorsys_s(factor):
    import colorsys

    x = PHOTO[:6, :6].transpose(2, 0, 1) / np.float32(255)
    expected = np.empty_like(x)
    for i, j in np.ndindex(6, 6):
        h, s, v = colorsys.rgb_to_hsv(*x[:, i, j].tolist())
        expected[:, i, j] = colorsys.hsv_to_rgb((h + factor) % 1.0, s, v)
    np.testing.assert_allclose(F.adjust_hue(cutaway.from_numpy(x), factor).numpy(), expected, atol=1e-5)


def test_whole_images_by_pillow_s_operations():
    x = tensor_of(IMAGE)
    same = {
        "invert": (F.invert, (), ImageOps.invert(IMAGE)),
        "posterize": (F.posterize, (3,), ImageOps.posterize(IMAGE, 3)),
        "solarize": (F.solarize, (100,), ImageOps.solarize(IMAGE, 100)),
        "equalize": (F.equalize, (), ImageOps.equalize(IMAGE)),
    }
    for name, (ours, arguments, expected) in same.items():
        np.testing.assert_array_equal(np.asarray(ours(IMAGE, *arguments)), np.asarray(expected), err_msg=name)
        np.testing.assert_array_equal(ours(x, *arguments).numpy().transpose(1, 2, 0), np.asarray(expected), err_msg=name)
    expected = np.asarray(ImageOps.autocontrast(IMAGE)).astype(int)
    assert np.abs(F.autocontrast(x).numpy().transpose(1, 2, 0) - expected).max() <= 1
    assert F.autocontrast(cutaway.ones(1, 3, 3)).tolist() == cutaway.ones(1, 3, 3).tolist()  # one colour stays


# ---- chance, by PyTorch's generator


def test_the_numbers_are_pytorch_s():
    torch = pytest.importorskip("torch")
    image = Image.fromarray(photograph(40, 52))
    for seed in range(20):
        torch.manual_seed(seed)
        flip = bool(torch.rand(1) < 0.3)
        top, left = torch.randint(0, 40 - 21 + 1, size=(1,)).item(), torch.randint(0, 52 - 30 + 1, size=(1,)).item()
        angle = torch.empty(1).uniform_(-25.0, 25.0).item()
        order = torch.randperm(4).tolist()
        factors = [torch.empty(1).uniform_(*r).item() for r in ((0.6, 1.4), (0.5, 1.5), (0.0, 2.0), (-0.1, 0.1))]
        after = torch.rand(1).item()
        expected = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image
        expected = expected.crop((left, top, left + 30, top + 21)).rotate(angle, fillcolor=(0, 0, 0))
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order:
            expected = changes[i](expected, factors[i])
        seeded(seed)
        jitter = T.ColorJitter(0.4, 0.5, (0.0, 2.0), 0.1)
        ours = T.Compose([T.RandomHorizontalFlip(0.3), T.RandomCrop((21, 30)), T.RandomRotation(25), jitter])(image)
        assert ours.tobytes() == expected.tobytes() and cutaway.rand(1).item() == after


def test_resized_crops_keep_to_their_ranges():
    for seed in range(30):
        cutaway.manual_seed(seed)
        top, left, h, w = T.RandomResizedCrop.get_params(IMAGE, (0.2, 0.6), (0.5, 2.0))
        assert 0 <= top <= 33 - h and 0 <= left <= 41 - w
        assert 0.15 < h * w / (33 * 41) < 0.65 and 0.4 < w / h < 2.3
    assert T.RandomResizedCrop.get_params(IMAGE, (1.0, 1.0), (9.0, 9.0)) == (14, 0, 5, 41)  # none fits: the middle


def test_erasing_writes_one_rectangle():
    x = cutaway.rand(3, 20, 24)
    for value, expected in ((0, 0.0), ((1.0, 2.0, 3.0), 2.0)):
        y = T.RandomErasing(1.0, (0.1, 0.3), value=value)(x)
        changed = (y != x).numpy().any(0)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert changed.sum() == len(rows) * len(columns) and 0.05 < changed.mean() < 0.35
        assert float(y[1, rows[0], columns[0]]) == expected
    assert T.RandomErasing(0.0)(x) is x


def test_a_seed_makes_a_loader_repeat_itself():
    from cutaway.data import DataLoader
    from cutaway.vision import datasets

    usual = T.Compose([T.RandomCrop(28, padding=4), T.RandomHorizontalFlip(), T.ToTensor()])
    test = datasets.MNIST("data", train=False, transform=usual)
    batches = []
    for _ in range(2):
        cutaway.manual_seed(5)
        batches.append(next(iter(DataLoader(test, 16, shuffle=True)))[0].numpy())
    np.testing.assert_array_equal(*batches)


def test_transforms_are_modules():
    both = cutaway.nn.Sequential(T.Resize(8), T.Normalize((0.5,), (0.5,)))
    assert both(cutaway.rand(1, 20, 20)).shape == (1, 8, 8)
    white = T.LinearTransformation(2 * cutaway.eye(12), cutaway.ones(12))
    np.testing.assert_allclose(white(cutaway.full((5, 3, 2, 2), 1.5)).numpy(), 1.0)


# ---- refusals

X = cutaway.rand(3, 8, 8)
REFUSED = {
    "array": (lambda: F.hflip(PHOTO), TypeError, r"PIL Image or Tensor, got .*ToPILImage"),
    "text": (lambda: F.resize("x", 3), TypeError, "PIL Image or Tensor"),
    "normalize-image": (lambda: T.Normalize((0.5,), (0.5,))(IMAGE), TypeError, "use ToTensor first"),
    "normalize-bytes": (lambda: F.normalize(tensor_of(IMAGE), (0.5,), (0.5,)), TypeError, "float tensor"),
    "normalize-std": (lambda: F.normalize(X, (0.5,), (0.0,)), ValueError, "std evaluated to zero"),
    "normalize-channels": (lambda: F.normalize(X, (0.5, 0.5), (1.0,)), ValueError, "mean has 2 values"),
    "crop-too-large": (lambda: T.RandomCrop(9)(X), ValueError, r"\(9, 9\) is larger than input image size \(8, 8\)"),
    "size": (lambda: T.Resize((1, 2, 3)), ValueError, "1 or 2 values"),
    "size-type": (lambda: T.CenterCrop("big"), TypeError, "size should be an int"),
    "max-size": (lambda: F.resize(X, 9, max_size=9), ValueError, "strictly greater"),
    "mode": (lambda: F.resize(X, 4, T.InterpolationMode.LANCZOS), ValueError, "tensors know nearest"),
    "mode-type": (lambda: F.resize(X, 4, "bilinear"), TypeError, "InterpolationMode"),
    "pad-mode": (lambda: T.Pad(1, padding_mode="wrap"), ValueError, "constant, edge, reflect or symmetric"),
    "pad-fill": (lambda: F.pad(X, 1, fill=(1, 2, 3)), TypeError, "one number"),
    "pad-symmetric": (lambda: F.pad(X, 9, padding_mode="symmetric"), ShapeError, "at most 8 pixels"),
    "fill": (lambda: F.rotate(IMAGE, 3, fill=(1, 2)), ValueError, "fill has 2 values, but the image has 3"),
    "fill-tensor": (lambda: F.rotate(X, 3, fill=(1, 2)), ValueError, r"\(2 != 3\)"),
    "hue": (lambda: F.adjust_hue(X, 0.6), ValueError, r"not in \[-0.5, 0.5\]"),
    "brightness": (lambda: F.adjust_brightness(IMAGE, -1), ValueError, "not non-negative"),
    "jitter": (lambda: T.ColorJitter(hue=0.7), ValueError, "hue values should be between"),
    "channels": (lambda: F.adjust_contrast(cutaway.rand(2, 4, 4), 1.0), TypeError, "1 or 3, but found 2"),
    "blur": (lambda: T.GaussianBlur(4), ValueError, "odd and positive"),
    "sigma": (lambda: F.gaussian_blur(X, 3, -1.0), ValueError, "positive values"),
    "affine-scale": (lambda: F.affine(X, 0, (0, 0), 0, 0), ValueError, "scale should be positive"),
    "translate": (lambda: T.RandomAffine(0, translate=(2, 0)), ValueError, "between 0 and 1"),
    "degrees": (lambda: T.RandomRotation(-3), ValueError, "must be positive"),
    "erase-image": (lambda: T.RandomErasing(1.0)(IMAGE), TypeError, "after ToTensor"),
    "erase-value": (lambda: T.RandomErasing(1.0, value=(1, 2))(X), ValueError, "3 .number of input"),
    "lambda": (lambda: T.Lambda(3), TypeError, "callable"),
    "choice": (lambda: T.RandomChoice(3), TypeError, "sequence"),
    "absent": (lambda: T.RandomFlip, AttributeError, "nearest name is"),
    "five": (lambda: T.FiveCrop(9)(X), ValueError, "bigger than input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    call, kind, text = REFUSED[name]
    with pytest.raises(kind, match=text) as e:
        call()
    assert isinstance(e.value, cutaway.CutawayError)


def test_antialias_false_has_no_effect_on_images():
    with pytest.warns(UserWarning, match="always antialiased"):
        F.resize(IMAGE, 5, antialias=False)


