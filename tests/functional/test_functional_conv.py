"""Convolutions, unfold / fold, pixel_shuffle, pad and interpolate against PyTorch; and what they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError

CONV1D = {
    "plain": ((2, 3, 9), (4, 3, 3), {}),
    "stride": ((2, 3, 9), (4, 3, 3), {"stride": 2}),
    "padding": ((2, 3, 9), (4, 3, 3), {"padding": 2}),
    "dilation": ((2, 3, 9), (4, 3, 3), {"dilation": 3}),
    "groups": ((2, 4, 9), (6, 2, 3), {"groups": 2}),
    "no batch": ((3, 9), (4, 3, 3), {"padding": (1,)}),
    "same": ((2, 3, 9), (4, 3, 4), {"padding": "same"}),
    "one wide": ((2, 3, 5), (4, 3, 1), {}),
    "whole": ((2, 3, 5), (4, 3, 5), {}),
}
CONV2D = {
    "plain": ((2, 3, 6, 7), (4, 3, 3, 3), {}),
    "oblong": ((2, 3, 6, 7), (4, 3, 2, 5), {"stride": (2, 1), "padding": (1, 2)}),
    "stride 3": ((1, 1, 8, 9), (2, 1, 2, 2), {"stride": 3}),
    "padding": ((2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1}),
    "dilation": ((2, 3, 8, 9), (4, 3, 3, 2), {"dilation": (2, 3), "padding": 1}),
    "groups": ((2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((2, 3, 5, 5), (3, 1, 3, 3), {"groups": 3}),
    "depthwise x2": ((2, 3, 5, 5), (6, 1, 3, 3), {"groups": 3, "stride": 2}),
    "no batch": ((3, 6, 7), (4, 3, 3, 3), {}),
    "empty batch": ((0, 3, 6, 7), (4, 3, 3, 3), {"padding": 1}),
    "1x1": ((2, 3, 4, 5), (4, 3, 1, 1), {}),
    "1x1 strided": ((2, 3, 4, 5), (4, 3, 1, 1), {"stride": 2}),
    "same even": ((2, 3, 6, 7), (4, 3, 4, 2), {"padding": "same"}),
    "same dilated": ((2, 3, 6, 7), (4, 3, 3, 3), {"padding": "same", "dilation": 2}),
    "valid": ((2, 3, 6, 7), (4, 3, 3, 3), {"padding": "valid"}),
    "whole": ((2, 3, 4, 5), (4, 3, 4, 5), {}),
    "rows left over": ((1, 2, 7, 8), (3, 2, 2, 3), {"stride": (2, 4)}),
}
CONV3D = {
    "plain": ((2, 2, 4, 5, 3), (3, 2, 2, 3, 2), {"stride": (1, 2, 1), "padding": (0, 1, 1)}),
    "groups": ((1, 4, 3, 3, 3), (4, 2, 2, 2, 2), {"groups": 2}),
}


def _with_bias(name, bias, options):
    return lambda f: lambda x, w, b: getattr(f, name)(x, w, b if bias else None, **options)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("name", "case"),
    [("conv1d", c) for c in CONV1D] + [("conv2d", c) for c in CONV2D] + [("conv3d", c) for c in CONV3D],
)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv(name, case, bias, agree, rng):
    x, w, options = {"conv1d": CONV1D, "conv2d": CONV2D, "conv3d": CONV3D}[name][case]
    call = _with_bias(name, bias, options)
    agree(call(F), call(TF), rng.standard_normal(x), rng.standard_normal(w), rng.standard_normal(w[0]), second=bias)


def test_conv2d_not_contiguous(agree, rng):
    x = rng.standard_normal((2, 12, 7, 3)).transpose(0, 3, 1, 2)[:, :, ::2]
    agree(F.conv2d, TF.conv2d, x, rng.standard_normal((3, 3, 4, 3)).transpose(2, 0, 1, 3)[:, :, ::-1].copy())


def test_conv2d_float32(agree, rng):
    agree(
        lambda x, w: F.conv2d(x, w, padding=1),
        lambda x, w: TF.conv2d(x, w, padding=1),
        rng.standard_normal((2, 3, 5, 5), np.float32),
        rng.standard_normal((4, 3, 3, 3), np.float32),
        atol=1e-4,
    )


def test_conv2d_stacked_with_relu_and_pooling(agree, rng):
    def net(f):
        return lambda x, v, w: f.max_pool2d(f.relu(f.conv2d(f.relu(f.conv2d(x, v, padding=1)), w, stride=2)), 2)

    agree(
        net(F),
        net(TF),
        rng.standard_normal((2, 1, 12, 12)),
        rng.standard_normal((3, 1, 3, 3)),
        rng.standard_normal((4, 3, 3, 3)),
    )


TRANSPOSED = {
    "conv_transpose1d": {
        "plain": ((2, 3, 5), (3, 4, 3), {}),
        "stride": ((2, 3, 5), (3, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
        "groups": ((2, 4, 5), (4, 3, 3), {"groups": 2, "dilation": 2}),
        "no batch": ((3, 5), (3, 4, 3), {}),
    },
    "conv_transpose2d": {
        "plain": ((2, 3, 4, 5), (3, 4, 3, 3), {}),
        "stride": ((2, 3, 4, 5), (3, 4, 3, 2), {"stride": (2, 3)}),
        "doubling": ((2, 3, 4, 5), (3, 4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
        "dcgan": ((2, 3, 4, 4), (3, 4, 4, 4), {"stride": 2, "padding": 1}),
        "dilation": ((1, 2, 3, 4), (2, 3, 3, 3), {"dilation": 2, "output_padding": 1}),
        "groups": ((2, 4, 3, 4), (4, 2, 3, 3), {"groups": 2, "padding": 1, "stride": 2}),
        "depthwise": ((2, 4, 3, 4), (4, 1, 2, 2), {"groups": 4}),
        "no batch": ((3, 4, 5), (3, 4, 3, 3), {"padding": (2, 1)}),
        "empty batch": ((0, 3, 4, 5), (3, 4, 3, 3), {}),
        "apart": ((1, 1, 3, 3), (1, 2, 2, 2), {"stride": 4}),
    },
    "conv_transpose3d": {"plain": ((1, 2, 2, 3, 2), (2, 3, 2, 2, 3), {"stride": 2, "padding": 1})},
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("name", "case"), [(n, c) for n in TRANSPOSED for c in TRANSPOSED[n]])
def test_conv_transpose(name, case, bias, agree, rng):
    x, w, options = TRANSPOSED[name][case]
    outputs = w[1] * options.get("groups", 1)
    call = _with_bias(name, bias, options)
    agree(call(F), call(TF), rng.standard_normal(x), rng.standard_normal(w), rng.standard_normal(outputs), second=bias)


WINDOWS = [
    {},
    {"padding": 1},
    {"stride": 2},
    {"dilation": (2, 1)},
    {"padding": (1, 2), "stride": (2, 3), "dilation": 2},
]


@pytest.mark.parametrize("options", WINDOWS, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 6, 7), (3, 6, 7)], ids=str)
def test_unfold_and_fold(shape, options, agree, rng):
    x = rng.standard_normal(shape)
    agree(lambda x: F.unfold(x, (2, 3), **options), lambda x: TF.unfold(x, (2, 3), **options), x, second=True)
    columns = TF.unfold(torch.from_numpy(x), (2, 3), **options).numpy()
    agree(
        lambda x: F.fold(x, (6, 7), (2, 3), **options),
        lambda x: TF.fold(x, (6, 7), (2, 3), **options),
        columns,
        second=True,
    )


@pytest.mark.parametrize("shape", [(2, 12, 3, 4), (12, 3, 4), (2, 1, 4, 2, 2)], ids=str)
def test_pixel_shuffle(shape, agree, rng):
    agree(lambda x: F.pixel_shuffle(x, 2), lambda x: TF.pixel_shuffle(x, 2), rng.standard_normal(shape))
    back = (*shape[:-3], shape[-3] // 4, shape[-2] * 2, shape[-1] * 2)
    agree(lambda x: F.pixel_unshuffle(x, 2), lambda x: TF.pixel_unshuffle(x, 2), rng.standard_normal(back))


def test_pixel_shuffle_of_nothing():
    assert tuple(F.pixel_shuffle(cutaway.zeros(0, 4, 2, 2), 2).shape) == (0, 1, 4, 4)


PADS = [
    ((2, 3, 4, 5), (1, 2), "constant", None),
    ((2, 3, 4, 5), (1, 2, 3, 0), "constant", 1.5),
    ((2, 3, 4, 5), (0, 0, 1, 1, 2, 0, 0, 1), "constant", -1.0),
    ((2, 3, 4, 5), (-1, 2, 1, -2), "constant", 2.0),
    ((2, 3, 4, 5), (-1, -2), "constant", None),
    ((3, 4), (0, 0), "constant", None),
    ((4,), (1, 1), "constant", None),
    ((2, 3, 5), (2, 1), "reflect", None),
    ((2, 3, 4, 5), (2, 1, 3, 0), "reflect", None),
    ((3, 4, 5), (2, 1, 3, 0), "reflect", None),
    ((2, 3, 5), (4, 7), "replicate", None),
    ((2, 3, 4, 5), (1, 2, 3, 1), "replicate", None),
    ((2, 3, 5), (2, 5), "circular", None),
    ((2, 3, 4, 5), (1, 2, 3, 0), "circular", None),
    ((2, 3, 4, 5, 3), (1, 2, 3, 0, 1, 1), "reflect", None),
    ((2, 3, 4, 5), (-1, 2, 0, -1), "circular", None),
]


@pytest.mark.parametrize(("shape", "pad", "mode", "value"), PADS, ids=str)
def test_pad(shape, pad, mode, value, agree, rng):
    agree(
        lambda x: F.pad(x, pad, mode, value),
        lambda x: TF.pad(x, pad, mode, value),
        rng.standard_normal(shape),
        second=True,
    )


def test_pad_bool_and_integers(agree):
    agree(lambda x: F.pad(x, (1, 1)), lambda x: TF.pad(x, (1, 1)), np.array([[True, False]]))
    agree(lambda x: F.pad(x, (1, 1), value=7), lambda x: TF.pad(x, (1, 1), value=7), np.array([[1, 2]]))


SIZES = {"size": [(9,), (4,), (5,), (1,), (2,)], "scale_factor": [(2.0,), (0.5,), (1.7,), (3.0,), (1.2,)]}
MODES = {
    "nearest": [(2, 3, 5), (2, 3, 5, 4), (1, 2, 3, 2, 4)],
    "nearest-exact": [(2, 3, 5), (2, 3, 5, 4)],
    "linear": [(2, 3, 5)],
    "bilinear": [(2, 3, 5, 4), (1, 1, 1, 3)],
    "bicubic": [(2, 3, 5, 4)],
    "trilinear": [(1, 2, 3, 2, 4)],
    "area": [(2, 3, 5), (2, 3, 5, 4)],
}


ALIGN = {mode: (None,) if mode in ("nearest", "nearest-exact", "area") else (None, False, True) for mode in MODES}


@pytest.mark.parametrize("how", ["size", "scale_factor"])
@pytest.mark.parametrize(("mode", "shape", "align"), [(m, s, a) for m in MODES for s in MODES[m] for a in ALIGN[m]])
def test_interpolate(mode, shape, how, align, agree, rng):
    x = rng.standard_normal(shape)
    for value in SIZES[how]:
        for recompute in (None, True) if how == "scale_factor" else (None,):
            wanted = value * (len(shape) - 2)
            if how == "scale_factor" and min(int(s * f) for s, f in zip(shape[2:], wanted, strict=True)) < 1:
                continue
            options = {how: wanted, "mode": mode, "align_corners": align, "recompute_scale_factor": recompute}
            # In three dimensions PyTorch's backward looks at other pixels than its forward where a factor keeps a size.
            wrong = mode == "nearest" and len(shape) == 5 and value == (1.2,)
            agree(
                lambda x, o=options: F.interpolate(x, **o),
                lambda x, o=options: TF.interpolate(x, **o),
                x,
                atol=1e-7 if mode == "bicubic" else 1e-10,
                gradient=not wrong,
            )


@pytest.mark.parametrize("n", range(1, 12))
def test_nearest_picks_the_same_pixels(n):
    x = np.arange(n, dtype=np.float64).reshape(1, 1, n)
    for out in range(1, 40):
        for mode in ("nearest", "nearest-exact"):
            ours = F.interpolate(cutaway.from_numpy(x), size=out, mode=mode).numpy()
            np.testing.assert_array_equal(ours, TF.interpolate(torch.from_numpy(x), size=out, mode=mode).numpy())
    for factor in (0.3, 0.7, 1.1, 1.3, 2.5, 3.3):
        if int(n * factor):
            ours = F.interpolate(cutaway.from_numpy(x), scale_factor=factor).numpy()
            np.testing.assert_array_equal(ours, TF.interpolate(torch.from_numpy(x), scale_factor=factor).numpy())


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("how", [{"size": (3, 9)}, {"size": (1, 16)}, {"scale_factor": 0.37}, {"scale_factor": 1.7}], ids=str)
@pytest.mark.parametrize("align", [False, True])
def test_interpolate_antialiased(mode, how, align, agree, rng):
    options = dict(mode=mode, align_corners=align, antialias=True, **how)
    x = rng.standard_normal((2, 3, 10, 12))
    agree(lambda x: F.interpolate(x, **options), lambda x: TF.interpolate(x, **options), x)


def test_interpolate_antialiased_in_single_precision(agree, rng):
    x = rng.random((1, 2, 61, 47), np.float32)
    options = {"size": (20, 30), "mode": "bilinear", "antialias": True}
    agree(lambda x: F.interpolate(x, **options), lambda x: TF.interpolate(x, **options), x, atol=1e-6, gradient=False)



def test_upsample_is_the_older_name():
    with pytest.warns(UserWarning, match="write interpolate"):
        y = F.upsample(cutaway.ones(1, 1, 2, 2), scale_factor=2)
    assert tuple(y.shape) == (1, 1, 4, 4)


X, W = cutaway.zeros(2, 3, 6, 7), cutaway.zeros(4, 3, 3, 3)
V = cutaway.zeros(3, 4, 3, 3)
BAD = {
    "channels": (
        lambda: F.conv2d(cutaway.zeros(2, 5, 6, 7), W),
        ShapeError,
        r"conv2d: input float32\[2, 5, 6, 7\] has 5 channels, weight float32\[4, 3, 3, 3\].*takes 3",
    ),
    "channels-last": (lambda: F.conv2d(cutaway.zeros(2, 6, 7, 3), W), ShapeError, r"movedim\(-1, 1\)"),
    "groups": (lambda: F.conv2d(X, W, groups=2), ShapeError, "groups=2 takes 6"),
    "groups-outputs": (
        lambda: F.conv2d(cutaway.zeros(1, 6, 5, 5), cutaway.zeros(3, 3, 2, 2), groups=2),
        ShapeError,
        "groups=2 must divide",
    ),
    "groups-zero": (lambda: F.conv2d(X, W, groups=0), ArgumentError, "groups must be at least 1"),
    "too-large": (lambda: F.conv2d(cutaway.zeros(2, 3, 2, 7), W), ShapeError, "kernel .* does not fit into input"),
    "too-large-dilated": (lambda: F.conv2d(X, W, dilation=3), ShapeError, "does not fit"),
    "dims": (lambda: F.conv2d(cutaway.zeros(2, 3), W), ShapeError, r"\[N, C, H, W\].*unsqueeze"),
    "dims-many": (lambda: F.conv1d(X, cutaway.zeros(4, 3, 3)), ShapeError, r"\[N, C, L\].*flatten or reshape"),
    "weight-dims": (lambda: F.conv2d(X, cutaway.zeros(4, 3, 3)), ShapeError, "weight must be"),
    "dtype": (lambda: F.conv2d(X.double(), W), DTypeError, r"float64\[2, 3, 6, 7\].*float32\[4, 3, 3, 3\].*same dtype"),
    "bias": (lambda: F.conv2d(X, W, cutaway.zeros(3)), ShapeError, r"bias float32\[3\].*\[4\]"),
    "stride": (lambda: F.conv2d(X, W, stride=0), ArgumentError, "stride 0 must be at least 1"),
    "stride-many": (lambda: F.conv2d(X, W, stride=(1, 1, 1)), ArgumentError, "3 numbers"),
    "stride-text": (lambda: F.conv2d(X, W, stride="two"), ArgumentTypeError, "stride must be an int"),
    "padding-negative": (lambda: F.conv2d(X, W, padding=-1), ArgumentError, "padding -1 must be at least 0"),
    "padding-name": (lambda: F.conv2d(X, W, padding="full"), ArgumentError, "'valid', 'same'"),
    "padding-same-stride": (lambda: F.conv2d(X, W, padding="same", stride=2), ArgumentError, "needs stride 1"),
    "not-a-tensor": (
        lambda: F.conv2d(np.zeros((1, 3, 5, 5)), W),
        ArgumentTypeError,
        "input must be a Tensor, got ndarray",
    ),
    "transposed-channels": (lambda: F.conv_transpose2d(X, W), ShapeError, r"conv_transpose2d.*3 channels.*takes 4"),
    "transposed-extra": (
        lambda: F.conv_transpose2d(X, V, output_padding=1),
        ArgumentError,
        "output_padding 1 must be smaller",
    ),
    "transposed-empty": (
        lambda: F.conv_transpose2d(cutaway.zeros(1, 3, 1, 1), V, padding=2),
        ShapeError,
        "output size .* is empty",
    ),
    "unfold": (lambda: F.unfold(X, 8), ShapeError, "unfold: kernel"),
    "fold-rows": (lambda: F.fold(cutaway.zeros(1, 7, 4), (3, 3), 2), ShapeError, "fold: .*7 rows"),
    "fold-columns": (lambda: F.fold(cutaway.zeros(1, 8, 5), (3, 3), 2), ShapeError, "2 x 2 = 4 patches.*holds 5"),
    "shuffle": (lambda: F.pixel_shuffle(X, 2), ShapeError, "multiple of 4 channels"),
    "unshuffle": (lambda: F.pixel_unshuffle(X, 2), ShapeError, "multiples of 2"),
    "pad-odd": (lambda: F.pad(X, (1, 1, 1)), ArgumentError, "two numbers a dimension"),
    "pad-long": (lambda: F.pad(cutaway.zeros(2), (1, 1, 1, 1)), ArgumentError, "at most the 1"),
    "pad-int": (lambda: F.pad(X, 1), ArgumentTypeError, "sequence of ints"),
    "pad-mode": (lambda: F.pad(X, (1, 1), "mirror"), ArgumentError, "'reflect'"),
    "pad-value": (lambda: F.pad(X, (1, 1), "reflect", 2.0), ArgumentError, "value=2.0 has no meaning"),
    "pad-reflect": (lambda: F.pad(X[0], (7, 1), "reflect"), ShapeError, "at most 6 elements to dimension 2"),
    "pad-circular": (lambda: F.pad(X[0], (8, 1), "circular"), ShapeError, "at most 7 elements"),
    "pad-crop": (lambda: F.pad(X, (-4, -4)), ShapeError, "less than nothing of dimension 3"),
    "resize-both": (lambda: F.interpolate(X, 4, 2.0), ArgumentError, "either size or scale_factor"),
    "resize-neither": (lambda: F.interpolate(X), ArgumentError, "either size or scale_factor"),
    "resize-mode": (lambda: F.interpolate(X, 4, mode="cubic"), ArgumentError, "'cubic' is unknown"),
    "resize-dims": (lambda: F.interpolate(X, 4, mode="linear"), ShapeError, "use mode='bilinear'"),
    "resize-align": (lambda: F.interpolate(X, 4, align_corners=True), ArgumentError, "align_corners has no meaning"),
    "resize-antialias": (lambda: F.interpolate(X, 4, mode="nearest", antialias=True), ArgumentError, "antialias"),
    "resize-sizes": (lambda: F.interpolate(X, (4, 4, 4)), ArgumentError, "one number, or 2"),
    "resize-empty": (lambda: F.interpolate(X, 0), ShapeError, "at least one pixel"),
    "resize-recompute": (
        lambda: F.interpolate(X, 4, recompute_scale_factor=True),
        ArgumentError,
        "recompute_scale_factor",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
