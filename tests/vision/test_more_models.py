"""The networks that torchvision is not asked about here: published numbers of parameters, values by PyTorch's functions."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, AssertedShape
from cutaway.vision import models, ops
from cutaway.vision.models import (
    convnext,
    efficientnet,
    mobilenet_v3,
    regnet,
    shufflenet,
    swin,
    vision_transformer,
)

# torchvision's documentation of each, num_params; of googlenet with both auxiliary classifiers
PUBLISHED = {
    "mobilenet_v3_large": 5_483_032, "mobilenet_v3_small": 2_542_856, "efficientnet_b0": 5_288_548,
    "efficientnet_b3": 12_233_232, "efficientnet_v2_s": 21_458_488, "vit_b_16": 86_567_656, "convnext_tiny": 28_589_128,
    "inception_v3": 27_161_264, "shufflenet_v2_x0_5": 1_366_792, "shufflenet_v2_x1_0": 2_278_604, "mnasnet0_5": 2_218_512,
    "mnasnet1_3": 6_282_256, "regnet_y_400mf": 4_344_144, "regnet_x_1_6gf": 9_190_136, "swin_t": 28_288_354,
}  # fmt: skip


@pytest.fixture
def blank_weights(monkeypatch):
    """Without initial values, which would take long."""
    for draw in ("uniform_", "normal_", "trunc_normal_"):
        monkeypatch.setattr(f"cutaway.nn.init.{draw}", lambda x, *_, **__: x)


@pytest.mark.filterwarnings("ignore:Inception")
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_number_of_parameters_is_the_published_one(name, blank_weights):
    assert sum(p.numel() for p in getattr(models, name)().parameters()) == PUBLISHED[name]


def test_googlenet_and_what_helps_to_train_it(blank_weights):
    with pytest.warns(FutureWarning, match="init_weights"):
        net = models.googlenet()
    assert sum(p.numel() for p in net.parameters()) == 13_004_888
    aux = sum(p.numel() for m in (net.aux1, net.aux2) for p in m.parameters())
    assert sum(p.numel() for p in net.parameters()) - aux == 6_624_904


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "shufflenet_v2_x0_5", "regnet_y_400mf", "mnasnet0_5"])
def test_names_initial_values_and_results_are_torchvisions(name, tv, rng):
    import torch

    torch.manual_seed(3)
    cutaway.manual_seed(3)
    theirs, ours = getattr(tv.models, name)(num_classes=7).eval(), getattr(models, name)(num_classes=7).eval()
    assert [k for k, _ in ours.named_modules()] == [k for k, _ in theirs.named_modules()]
    for (k, a), (l, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert k == l
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6, err_msg=k)
    x = rng.standard_normal((1, 3, 64, 64)).astype(np.float32)
    y, z = ours(cutaway.from_numpy(x)).detach().numpy(), theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y, z, rtol=1e-3, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "vit_b_16", "convnext_tiny", "swin_t", "efficientnet_v2_s"])
def test_names_and_shapes_are_torchvisions(name, tv, blank_weights):
    import torch

    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    ours = getattr(models, name)(**options)
    with torch.device("meta"):
        theirs = getattr(tv.models, name)(**options)
    shapes = lambda net: [(k, tuple(v.shape)) for k, v in net.state_dict().items()]
    assert shapes(ours) == shapes(theirs)


NORM = partial(cutaway.nn.BatchNorm2d, eps=0.001)
SMALL = {
    "mobile": (lambda: models.MobileNetV3(mobilenet_v3.SMALL[:3], 32, 5), 32),
    "efficient": (lambda: models.EfficientNet(efficientnet.B0[:2], 0.2, num_classes=5), 32),
    "fused": (lambda: models.EfficientNet(efficientnet.V2["s"][:2], 0.2, 0.5, 5, NORM, 64), 32),
    "vit": (lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5), 32),
    "convnext": (lambda: models.ConvNeXt([(8, 16, 1), (16, None, 2)], 0.2, num_classes=5), 32),
    "shuffle": (lambda: models.ShuffleNetV2((2, 2, 2), (8, 16, 24, 32, 40), 5), 64),
    "regnet": (lambda: models.RegNet([regnet.Stage(16, 1, 8), regnet.Stage(24, 2, 8)], 5, 8, se_ratio=0.25), 32),
    "swin": (lambda: models.SwinTransformer([4, 4], 8, [2, 2], [2, 4], [3, 3], num_classes=5), 44),
    "inception": (lambda: models.Inception3(5, aux_logits=False, init_weights=False).eval(), 75),
    "google": (lambda: models.GoogLeNet(5, aux_logits=False, init_weights=False).eval(), 32),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_one_gives_logits_and_a_gradient_to_every_parameter(name, rng):
    make, side = SMALL[name]
    net = make()
    if name == "vit":  # its head begins with zeros, and nothing would pass
        cutaway.nn.init.normal_(net.heads.head.weight)
    y = net(cutaway.from_numpy(rng.standard_normal((2, 3, side, side)).astype(np.float32)))
    assert tuple(y.shape) == (2, 5) and bool(y.isfinite().all())
    y.sum().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None] == []


def test_state_dicts_name_what_torchvision_names():
    names = lambda net: set(net.state_dict())
    assert {"features.1.block.0.0.weight", "features.1.block.1.fc1.bias", "classifier.3.weight"} <= names(SMALL["mobile"][0]())
    assert {"features.1.0.block.1.fc2.weight", "features.2.1.block.3.1.running_var"} <= names(SMALL["efficient"][0]())
    assert {
        "class_token", "conv_proj.bias", "encoder.pos_embedding", "encoder.layers.encoder_layer_1.mlp.3.weight",
        "encoder.layers.encoder_layer_0.self_attention.in_proj_weight", "encoder.ln.bias", "heads.head.weight",
    } <= names(SMALL["vit"][0]())  # fmt: skip
    assert {"features.0.1.weight", "features.1.0.layer_scale", "features.2.1.weight", "features.3.1.block.5.bias"} <= names(
        SMALL["convnext"][0]()
    )
    assert {"stage2.0.branch1.2.weight", "stage4.1.branch2.6.weight", "conv5.1.bias"} <= names(SMALL["shuffle"][0]())
    assert {"trunk_output.block2.block2-1.f.se.fc1.weight", "trunk_output.block1.block1-0.proj.1.bias"} <= names(
        SMALL["regnet"][0]()
    )
    assert {
        "features.1.1.attn.relative_position_index", "features.2.reduction.weight", "features.3.0.mlp.3.bias", "head.bias",
    } <= names(SMALL["swin"][0]())  # fmt: skip


def test_the_block_of_a_vision_transformer_is_a_pre_norm_encoder_layer(rng):
    torch = pytest.importorskip("torch")
    ours = vision_transformer.EncoderBlock(2, 8, 16, 0.0, 0.0).double()
    for p in ours.parameters():
        p.data.copy_(cutaway.from_numpy(rng.standard_normal(p.shape)))
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", 1e-6, True, True, dtype=torch.float64)
    named = {
        "norm1": "ln_1", "norm2": "ln_2", "self_attn": "self_attention", "linear1": "mlp.0", "linear2": "mlp.3",
    }  # fmt: skip
    state = {k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()}
    theirs.load_state_dict({k: state[k.replace(k.split(".")[0], named[k.split(".")[0]], 1)] for k in theirs.state_dict()})
    x = rng.standard_normal((2, 5, 8))
    np.testing.assert_allclose(
        ours(cutaway.from_numpy(x)).detach().numpy(), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-9, atol=1e-11
    )


def test_attention_in_windows_is_attention_with_a_mask(rng):
    """All patches at once, those of other windows (before and after the shift) masked."""
    torch = pytest.importorskip("torch")
    side, a, heads, dim = 6, 3, 2, 4
    for shift in (0, 1):
        ours = swin.ShiftedWindowAttention(dim, [a, a], [shift, shift], heads).double()
        for p in ours.parameters():
            p.data.copy_(cutaway.from_numpy(rng.standard_normal(p.shape)))
        x = rng.standard_normal((2, side, side, dim))
        table = ours.relative_position_bias_table.detach().numpy()
        place = [(i, j) for i in range(side) for j in range(side)]
        moved = {s: ((s[0] - shift) % side, (s[1] - shift) % side) for s in place}
        wrapped = {s: (s[0] < shift, s[1] < shift) for s in place}
        bias = np.full((heads, side**2, side**2), -np.inf)
        for n, s in enumerate(place):
            for m, t in enumerate(place):
                (i, j), (k, l) = moved[s], moved[t]
                if (i // a, j // a) == (k // a, l // a):
                    value = table[(i - k + a - 1) * (2 * a - 1) + j - l + a - 1]
                    bias[:, n, m] = value if wrapped[s] == wrapped[t] else value - 100.0
        w = {k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()}
        flat = torch.from_numpy(x).reshape(2, side**2, dim)
        q, k, v = (flat @ w["qkv.weight"].T + w["qkv.bias"]).reshape(2, side**2, 3, heads, -1).permute(2, 0, 3, 1, 4)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, torch.from_numpy(bias))
        y = y.transpose(1, 2).reshape(2, side, side, dim) @ w["proj.weight"].T + w["proj.bias"]
        np.testing.assert_allclose(ours(cutaway.from_numpy(x)).detach().numpy(), y.numpy(), rtol=1e-9, atol=1e-11)


def test_attention_to_channels_and_a_block_of_convnext(rng):
    torch = pytest.importorskip("torch")
    TF = torch.nn.functional
    se, block = ops.SqueezeExcitation(4, 2).double(), convnext.CNBlock(4, 0.5, 0.0).double()
    x = rng.standard_normal((2, 4, 5, 6))
    z = torch.from_numpy(x)
    s = {k: torch.from_numpy(v.numpy()) for k, v in se.state_dict().items()}
    scale = TF.conv2d(TF.conv2d(z.mean((2, 3), True), s["fc1.weight"], s["fc1.bias"]).relu(), s["fc2.weight"], s["fc2.bias"])
    np.testing.assert_allclose(se(cutaway.from_numpy(x)).detach().numpy(), (scale.sigmoid() * z).numpy(), rtol=1e-9)
    s = {k: torch.from_numpy(v.numpy()) for k, v in block.state_dict().items()}
    y = TF.conv2d(z, s["block.0.weight"], s["block.0.bias"], padding=3, groups=4).permute(0, 2, 3, 1)
    y = TF.gelu(TF.linear(TF.layer_norm(y, (4,), None, None, 1e-6), s["block.3.weight"], s["block.3.bias"]))
    y = TF.linear(y, s["block.5.weight"], s["block.5.bias"]).permute(0, 3, 1, 2) * 0.5 + z
    np.testing.assert_allclose(block(cutaway.from_numpy(x)).detach().numpy(), y.numpy(), rtol=1e-8, atol=1e-10)


def test_a_branch_is_left_out_row_by_row():
    cutaway.manual_seed(0)
    drop, x = ops.StochasticDepth(0.25, "row"), cutaway.ones(400, 2, 1, 1)
    y = drop(x).numpy()[:, :, 0, 0]
    assert (y[:, 0] == y[:, 1]).all() and set(np.unique(y).round(4)) == {0.0, np.float32(1.3333)}
    assert 0.18 < (y[:, 0] == 0).mean() < 0.32 and drop.eval()(x) is x
    assert len(np.unique(ops.StochasticDepth(0.5, "batch")(x).numpy())) == 1
    for p, mode in ((1.5, "row"), (0.5, "column")):
        with pytest.raises(ArgumentError):
            ops.StochasticDepth(p, mode)


def test_what_is_refused():
    with pytest.raises(AssertedShape, match="Wrong image size"):
        SMALL["vit"][0]()(cutaway.zeros(1, 3, 16, 16))
    for make in (
        lambda: models.MobileNetV3([], 8),
        lambda: models.EfficientNet([], 0.2),
        lambda: models.ConvNeXt([]),
        lambda: models.ShuffleNetV2((1, 1), (8, 16, 24, 32, 40)),
        lambda: shufflenet.InvertedResidual(8, 16, 1),
        lambda: models.MNASNet(0.0),
        lambda: regnet.stages(4, 50, 1.0, 2.0, 8),
        lambda: models.vit_b_16(weights=models.ViT_B_16_Weights.DEFAULT),
    ):
        with pytest.raises(ArgumentError):
            make()
