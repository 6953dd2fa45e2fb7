"""The layers of vision.ops against PyTorch's own functions, and the paths under which programs find them."""

from __future__ import annotations

import importlib
from collections import OrderedDict

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.interop.pytorch import installed
from cutaway.vision import ops
from cutaway.vision.ops import misc
from cutaway.vision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7


def theirs(torch, module):
    return {k: torch.from_numpy(v.numpy()) for k, v in module.state_dict().items()}


def test_frozen_norm(rng):
    norm = nn.BatchNorm2d(3, eps=1e-3)
    for t in norm.state_dict().values():
        t.copy_(cutaway.from_numpy(rng.uniform(0.5, 2, t.shape)))
    frozen = ops.FrozenBatchNorm2d(3, eps=1e-3)
    frozen.load_state_dict(norm.state_dict())  # strictly, though it counts no batches
    assert not list(frozen.parameters()) and list(frozen.state_dict()) == ["weight", "bias", "running_mean", "running_var"]
    x = cutaway.from_numpy(rng.standard_normal((2, 3, 4, 5)).astype(np.float32))
    np.testing.assert_allclose(frozen(x).numpy(), norm.eval()(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(frozen.train()(x).numpy(), frozen.eval()(x).numpy())
    assert repr(frozen) == "FrozenBatchNorm2d(3, eps=0.001)"


def test_convolution_norm_activation(rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 4, 9, 8)).astype(np.float32)
    block = ops.Conv2dNormActivation(4, 6, (3, 5), stride=2, dilation=(2, 1), groups=2, norm_layer=None)
    s = theirs(torch, block)
    y = torch.nn.functional.conv2d(torch.from_numpy(x), s["0.weight"], s["0.bias"], 2, (2, 2), (2, 1), 2).relu()
    np.testing.assert_allclose(block(cutaway.from_numpy(x)).detach().numpy(), y.numpy(), rtol=1e-4, atol=1e-5)
    assert block.out_channels == 6
    solid = ops.Conv3dNormActivation(2, 3, activation_layer=nn.GELU, inplace=None)
    assert [type(m).__name__ for m in solid] == ["Conv3d", "BatchNorm3d", "GELU"] and solid[0].bias is None
    assert solid(cutaway.zeros(1, 2, 4, 5, 6)).shape == (1, 3, 4, 5, 6)
    with pytest.warns(UserWarning, match="Don't use ConvNormActivation"):
        misc.ConvNormActivation(2, 3)


def test_mlp_and_permute(rng):
    torch = pytest.importorskip("torch")
    mlp = ops.MLP(4, [5, 6, 3], norm_layer=nn.LayerNorm, activation_layer=nn.Tanh, bias=False)
    assert [type(m).__name__ for m in mlp] == ["Linear", "LayerNorm", "Tanh", "Dropout"] * 2 + ["Linear", "Dropout"]
    x, s = rng.standard_normal((7, 4)).astype(np.float32), theirs(torch, mlp)
    y = torch.from_numpy(x)
    for i, width in ((0, 5), (4, 6)):
        y = torch.nn.functional.layer_norm(y @ s[f"{i}.weight"].T, (width,)).tanh()
    np.testing.assert_allclose(mlp(cutaway.from_numpy(x)).detach().numpy(), (y @ s["8.weight"].T).numpy(), rtol=1e-4, atol=1e-5)
    assert ops.MLP(4, [5, 3], inplace=True, dropout=0.5)[1].inplace
    assert ops.Permute([2, 0, 1])(cutaway.zeros(3, 4, 5)).shape == (5, 3, 4)


def test_stochastic_depth_as_a_function():
    x = cutaway.ones(300, 2)
    assert ops.stochastic_depth(x, 0.5, "row", training=False) is x
    assert set(ops.stochastic_depth(x, 0.5, "row").flatten().tolist()) == {0.0, 2.0}
    assert not ops.stochastic_depth(x, 1.0, "batch").any()
    assert repr(ops.StochasticDepth(0.2, "row")) == "StochasticDepth(p=0.2, mode=row)"


@pytest.mark.parametrize("dims", [2, 3])
def test_drop_block(dims):
    """What is dropped is a union of whole blocks; the mean stays; about a part p is dropped."""
    cutaway.manual_seed(0)
    side, block = (40, 5) if dims == 2 else (16, 3)
    layer = (ops.DropBlock2d, ops.DropBlock3d)[dims - 2](0.1, block)
    x = cutaway.ones(4, 6, *[side] * dims)
    y = layer(x)
    dropped = y.numpy() == 0
    assert 0.06 < dropped.mean() < 0.12  # less than 0.1 where blocks overlap
    np.testing.assert_allclose(float(y.mean()), 1, rtol=1e-5)
    covered = np.zeros_like(dropped)
    for at in np.ndindex(*[side - block + 1] * dims):
        window = (..., *(slice(i, i + block) for i in at))
        whole = dropped[window].all(tuple(range(2, 2 + dims)))
        covered[window] |= whole.reshape(*whole.shape, *[1] * dims)
    assert (covered == dropped).all()
    assert layer.eval()(x) is x and repr(layer).endswith(f"(p=0.1, block_size={block}, inplace=False)")
    function = (ops.drop_block2d, ops.drop_block3d)[dims - 2]
    z = x.clone()
    assert function(z, 0.1, block, inplace=True) is z and (z == 0).any()
    for error, call in (
        (ArgumentError, lambda: function(x, 1.5, block)),
        (ArgumentError, lambda: function(x, 0.1, 4)),
        (ShapeError, lambda: function(x[0], 0.1, block)),
    ):
        with pytest.raises(error):
            call()


def test_feature_pyramid(rng):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    sizes = {"c3": (4, 12), "c4": (6, 6), "c5": (8, 3)}
    maps = OrderedDict((k, rng.standard_normal((2, c, s, s + 1)).astype(np.float32)) for k, (c, s) in sizes.items())
    fpn = ops.FeaturePyramidNetwork([4, 6, 8], 5, LastLevelP6P7(8, 5))
    for name, p in fpn.named_parameters():
        if name.endswith("bias"):
            assert not p.any()
            p.data.copy_(cutaway.from_numpy(rng.standard_normal(p.shape)))
    y = fpn({k: cutaway.from_numpy(v) for k, v in maps.items()})
    assert isinstance(y, OrderedDict) and list(y) == ["c3", "c4", "c5", "p6", "p7"]
    s = theirs(torch, fpn)
    carried, given, expected = None, [torch.from_numpy(v) for v in maps.values()], {}
    for i in (2, 1, 0):
        lateral = F.conv2d(given[i], s[f"inner_blocks.{i}.0.weight"], s[f"inner_blocks.{i}.0.bias"])
        carried = lateral if carried is None else lateral + F.interpolate(carried, size=lateral.shape[-2:], mode="nearest")
        expected[f"c{i + 3}"] = F.conv2d(carried, s[f"layer_blocks.{i}.0.weight"], s[f"layer_blocks.{i}.0.bias"], padding=1)
    expected["p6"] = F.conv2d(given[2], s["extra_blocks.p6.weight"], s["extra_blocks.p6.bias"], 2, 1)
    expected["p7"] = F.conv2d(expected["p6"].relu(), s["extra_blocks.p7.weight"], s["extra_blocks.p7.bias"], 2, 1)
    for name, tensor in y.items():
        np.testing.assert_allclose(tensor.detach().numpy(), expected[name].numpy(), rtol=1e-4, atol=1e-5)


def test_the_state_of_an_old_pyramid_is_read():
    new = ops.FeaturePyramidNetwork([4, 6], 5, LastLevelMaxPool())
    assert list(new({"a": cutaway.zeros(1, 4, 4, 4), "b": cutaway.zeros(1, 6, 2, 2)})) == ["a", "b", "pool"]
    old = OrderedDict((k.replace(".0.weight", ".weight").replace(".0.bias", ".bias"), v) for k, v in new.state_dict().items())
    assert "inner_blocks.1.weight" in old
    other = ops.FeaturePyramidNetwork([4, 6], 5)
    other.load_state_dict(old)
    for p, q in zip(new.parameters(), other.parameters()):
        assert (p == q).all()
    assert ops.FeaturePyramidNetwork([4], 5, norm_layer=nn.BatchNorm2d).inner_blocks[0][0].bias is None
    with pytest.raises(ArgumentError, match="in_channels=0"):
        ops.FeaturePyramidNetwork([4, 0], 5)
    with pytest.raises(ArgumentTypeError, match="ExtraFPNBlock"):
        ops.FeaturePyramidNetwork([4], 5, nn.ReLU())


def test_under_autocast(rng):
    x, boxes = cutaway.from_numpy(rng.standard_normal((1, 2, 6, 6)).astype(np.float32)), cutaway.tensor([[0.0, 1, 1, 5, 4]])
    with cutaway.autocast("cpu", dtype=cutaway.bfloat16):
        y = ops.roi_align(x.bfloat16(), boxes, 2)
        kept = ops.nms(boxes[:, 1:].bfloat16(), cutaway.tensor([1.0]), 0.5)
        assert ops.roi_pool(x.bfloat16(), [boxes[:, 1:]], 2).dtype == cutaway.bfloat16
        assert ops.sigmoid_focal_loss(x.bfloat16(), (x > 0).bfloat16()).dtype == cutaway.float32
    assert y.dtype == cutaway.bfloat16 and kept.tolist() == [0]
    np.testing.assert_allclose(y.float().numpy(), ops.roi_align(x, boxes, 2).numpy(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("ops", "nms roi_align RoIAlign MLP"),
        ("ops.boxes", "nms batched_nms box_iou masks_to_boxes"),
        ("ops.misc", "FrozenBatchNorm2d ConvNormActivation Conv2dNormActivation SqueezeExcitation MLP Permute"),
        ("ops.focal_loss", "sigmoid_focal_loss"),
        ("ops.giou_loss", "generalized_box_iou_loss"),
        ("ops.diou_loss", "distance_box_iou_loss"),
        ("ops.ciou_loss", "complete_box_iou_loss"),
        ("ops.feature_pyramid_network", "ExtraFPNBlock FeaturePyramidNetwork LastLevelMaxPool LastLevelP6P7"),
        ("ops.poolers", "MultiScaleRoIAlign"),
        ("ops.roi_align", "RoIAlign roi_align"),
        ("ops.ps_roi_align", "PSRoIAlign ps_roi_align"),
        ("ops.roi_pool", "RoIPool roi_pool"),
        ("ops.ps_roi_pool", "PSRoIPool ps_roi_pool"),
        ("ops.deform_conv", "DeformConv2d deform_conv2d"),
        ("ops.drop_block", "DropBlock2d drop_block2d"),
        ("ops.stochastic_depth", "StochasticDepth stochastic_depth"),
    ],
)
def test_paths_of_torchvision(path, names):
    with installed():
        module = importlib.import_module(f"torchvision.{path}")
        for name in names.split():
            assert callable(getattr(module, name))
        package = importlib.import_module("torchvision.ops")
        for name in ("roi_align", "roi_pool", "stochastic_depth"):  # not the files of these names
            assert type(getattr(package, name)) is type(test_mlp_and_permute)
