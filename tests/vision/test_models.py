"""Networks against torchvision's: parameters' names and shapes, initial values, values and gradients, what is refused."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import cutaway
from cutaway.interop.pytorch import installed
from cutaway.vision import models


def same_values(a, b, tolerance):
    assert list(a) == list(b)
    for name, x in a.items():
        y = b[name].detach().numpy()
        assert tuple(x.shape) == y.shape, name
        np.testing.assert_allclose(x.detach().numpy(), y, atol=tolerance, rtol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    "name", ["densenet121", "mobilenet_v2", "resnet18", "resnet50", "resnext50_32x4d", "squeezenet1_0", "squeezenet1_1"]
)
def test_names_shapes_and_initial_values(name, tv):
    import torch

    cutaway.manual_seed(3)
    ours = getattr(models, name)(num_classes=7)
    torch.manual_seed(3)
    theirs = getattr(tv.models, name)(num_classes=7)
    same_values(ours.state_dict(), theirs.state_dict(), 1e-6)  # normals differ by the rounding of log, sin, cos
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


@pytest.mark.parametrize(
    "name", ["resnet34", "resnet152", "wide_resnet50_2", "densenet161", "vgg11", "vgg13_bn", "vgg16", "vgg19_bn", "alexnet"]
)
def test_names_and_shapes(name, tv, monkeypatch):
    """Large ones without numbers: initial values would take long."""
    import torch

    for module, draw in (("cutaway.nn.init", "uniform_"), ("cutaway.nn.init", "normal_")):
        monkeypatch.setattr(f"{module}.{draw}", lambda x, *_, **__: x)
    ours = getattr(models, name)().state_dict()
    with torch.device("meta"):
        theirs = getattr(tv.models, name)().state_dict()
    assert {k: tuple(v.shape) for k, v in ours.items()} == {k: tuple(v.shape) for k, v in theirs.items()}


# a small network of each family, m being either side's `models`; the side of its images
SMALL = {
    "basic": (lambda m: m.ResNet(m.resnet.BasicBlock, (2, 1, 1, 1), num_classes=5, zero_init_residual=True), 48),
    "bottleneck": (lambda m: m.ResNet(m.resnet.Bottleneck, (1, 2, 1, 1), num_classes=5), 48),
    "grouped": (lambda m: m.ResNet(m.resnet.Bottleneck, (1, 1, 1, 1), 5, groups=32, width_per_group=4), 48),
    "dilated": (lambda m: m.ResNet(m.resnet.Bottleneck, (1, 1, 2, 1), 5, replace_stride_with_dilation=(False, True, True)), 32),
    "dense": (lambda m: m.DenseNet(8, (2, 3, 2), 16, num_classes=5), 64),
    "mobile": (lambda m: m.MobileNetV2(5, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]], dropout=0.0), 40),
    "squeeze": (lambda m: m.SqueezeNet("1_1", 5, dropout=0.0), 40),
    "vgg_bn": (lambda m: m.vgg11_bn().features[:15], 16),
    "alex": (lambda m: m.alexnet().features, 67),
}


@pytest.mark.parametrize("name", SMALL)
def test_values_and_gradients(name, tv, rng, monkeypatch):
    import torch

    make, side = SMALL[name]
    theirs = make(tv.models).double()
    if name in ("vgg_bn", "alex"):  # their last layers are large, and their numbers not wanted
        for draw in ("uniform_", "normal_"):
            monkeypatch.setattr(f"cutaway.nn.init.{draw}", lambda x, *_, **__: x)
    ours = make(models).double()
    ours.load_state_dict({k: cutaway.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    x = rng.standard_normal((3, 3, side, side))
    y, z = ours(cutaway.from_numpy(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-7, atol=1e-9)
    w = rng.standard_normal(y.shape)
    (y * cutaway.from_numpy(w)).sum().backward()
    (z * torch.from_numpy(w)).sum().backward()
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        size = max(float(q.grad.abs().max()), 1e-6)
        np.testing.assert_allclose(p.grad.numpy() / size, q.grad.numpy() / size, atol=1e-6, err_msg=key)
    same_values(ours.state_dict(), theirs.state_dict(), 1e-9)  # running statistics, too


def from_torch(state):
    """(convolution, batch normalisation with the batch's statistics) by PyTorch, of the weights in a state."""
    import torch
    import torch.nn.functional as TF

    s = {k: torch.from_numpy(v.numpy()) for k, v in state.items()}
    norm = lambda x, key: TF.batch_norm(x, None, None, s[f"{key}.weight"], s[f"{key}.bias"], training=True)
    return lambda x, key, **o: TF.conv2d(x, s[f"{key}.weight"], s.get(f"{key}.bias"), **o), norm


def basic_block(x, conv, norm):
    y = norm(conv(norm(conv(x, "conv1", stride=2, padding=1), "bn1").relu(), "conv2", padding=1), "bn2")
    return (y + norm(conv(x, "downsample.0", stride=2), "downsample.1")).relu()


def bottleneck(x, conv, norm):
    y = norm(conv(x, "conv1"), "bn1").relu()
    y = norm(conv(y, "conv2", stride=1, padding=1, groups=2), "bn2").relu()
    return (x + norm(conv(y, "conv3"), "bn3")).relu()


def dense_block(x, conv, norm):
    import torch

    for key in ("denselayer1", "denselayer2"):
        y = norm(conv(norm(x, f"{key}.norm1").relu(), f"{key}.conv1"), f"{key}.norm2").relu()
        x = torch.cat([x, conv(y, f"{key}.conv2", padding=1)], 1)
    return x


def inverted_residual(x, conv, norm):
    y = norm(conv(x, "conv.0.0"), "conv.0.1").clamp(0, 6)
    y = norm(conv(y, "conv.1.0", padding=1, groups=24), "conv.1.1").clamp(0, 6)
    return x + norm(conv(y, "conv.2"), "conv.3")


def fire(x, conv, norm):
    import torch

    y = conv(x, "squeeze").relu()
    return torch.cat([conv(y, "expand1x1").relu(), conv(y, "expand3x3", padding=1).relu()], 1)


def vgg_features(x, conv, norm):
    import torch.nn.functional as TF

    x = TF.max_pool2d(norm(conv(x, "0", padding=1), "1").relu(), 2)
    return TF.max_pool2d(norm(conv(x, "4", padding=1), "5").relu(), 2)


BLOCKS = {
    basic_block: lambda: models.resnet.BasicBlock(8, 12, 2, cutaway.nn.Sequential(cutaway.nn.Conv2d(8, 12, 1, 2, bias=False), cutaway.nn.BatchNorm2d(12))),
    bottleneck: lambda: models.resnet.Bottleneck(8, 2, groups=2, base_width=96),
    dense_block: lambda: models.densenet._DenseBlock(2, 8, 4, 5, 0.0),
    inverted_residual: lambda: models.mobilenet.InvertedResidual(8, 8, 1, 3),
    fire: lambda: models.squeezenet.Fire(8, 3, 5, 6),
    vgg_features: lambda: models.vgg._features(11, True)[:8],
}  # fmt: skip


@pytest.mark.parametrize("formula", BLOCKS, ids=lambda f: f.__name__)
def test_blocks_are_their_formulas(formula, rng):
    """Where torchvision is not installed, PyTorch's functions are the oracle."""
    torch = pytest.importorskip("torch")
    block = BLOCKS[formula]().double()
    x = rng.standard_normal((3, 3 if formula is vgg_features else 8, 8, 8))
    expected = formula(torch.from_numpy(x), *from_torch(block.state_dict()))
    np.testing.assert_allclose(block(cutaway.from_numpy(x)).detach().numpy(), expected.numpy(), atol=1e-9)


def test_as_many_parameters_as_torchvision_documents():
    documented = {
        "resnet18": 11_689_512, "resnet50": 25_557_032, "resnext50_32x4d": 25_028_904, "densenet121": 7_978_856,
        "mobilenet_v2": 3_504_872, "squeezenet1_0": 1_248_424, "squeezenet1_1": 1_235_496,
    }  # fmt: skip
    for name, count in documented.items():
        model = models.get_model(name)
        assert sum(math.prod(p.shape) for p in model.parameters()) == count, name


def test_a_network_is_changed_and_trained_as_usual(rng):
    model = models.resnet18(weights=None)
    model.conv1 = cutaway.nn.Conv2d(1, 64, 3, padding=1, bias=False)
    model.maxpool = cutaway.nn.Identity()
    model.fc = cutaway.nn.Linear(model.fc.in_features, 4)
    optimizer = cutaway.optim.SGD(model.parameters(), 0.01)
    before = model.conv1.weight.detach().clone()
    loss = cutaway.nn.functional.cross_entropy(model(cutaway.rand(2, 1, 8, 8)), cutaway.tensor([1, 3]))
    loss.backward()
    optimizer.step()
    assert model.conv1.weight.shape == (64, 1, 3, 3) and not (model.conv1.weight == before).all()


@pytest.mark.parametrize(
    "asked",
    [{"weights": "DEFAULT"}, {"pretrained": True}, {"weights": True}, {"weights": models.ResNet18_Weights.IMAGENET1K_V1}],
    ids=str,
)
def test_trained_weights_are_refused_with_the_way_to_have_them(asked):
    (name,) = asked
    with pytest.raises(ValueError, match=rf"resnet18: trained weights are not fetched .* got {name}=.* model.load_state_dict"):
        models.resnet18(**asked)


@pytest.mark.parametrize("asked", [{"pretrained": False}, {"weights": False}, {"weights": None}], ids=str)
def test_the_older_ways_to_ask_for_fresh_weights_warn_as_torchvision_does(asked, tv):
    said = []
    for made in (models, tv.models):
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            made.squeezenet1_1(**asked)
        said.append([w.category for w in heard])
    assert said[0] == said[1]


def test_files_of_torchvision_s_are_found_as_modules_and_as_attributes(tv):
    program = (
        "import torchvision, torchvision.models.mobilenetv2, torchvision.models.mobilenetv3 as third\n"
        "from torchvision.models.shufflenetv2 import ShuffleNetV2\nfrom torchvision.io.image import ImageReadMode\n"
        "from torchvision.models.swin_transformer import SwinTransformer\n"
        "spaces = torchvision.transforms.transforms, torchvision.datasets.folder, torchvision.models.resnet, third\n"
        "names = 'Compose', 'ImageFolder', 'BasicBlock', 'MobileNetV3'\n"
        "found = [getattr(s, n) for s, n in zip(spaces, names)] + [torchvision.models.mobilenetv2.MobileNetV2]\n"
        "assert torchvision.io.image.ImageReadMode is ImageReadMode and ShuffleNetV2 and SwinTransformer\n"
    )
    ours, theirs = {}, {}
    with installed():
        exec(program, ours)
    exec(program, theirs)
    assert [c.__name__ for c in ours["found"]] == [c.__name__ for c in theirs["found"]]
    assert all(c.__module__.startswith("cutaway.") for c in ours["found"])


def test_names_of_weights_can_be_imported():
    assert models.VGG16_BN_Weights.DEFAULT.name == "DEFAULT" and models.MobileNet_V2_Weights is models.MobileNet_V2_Weights
    with pytest.raises(AttributeError):
        models.MaxVit_T_Weights  # noqa: B018


def test_absent_names():
    with pytest.raises(AttributeError, match="'resnet18'"):
        models.resnet_18  # noqa: B018
    with pytest.raises(AttributeError, match="'resnet18'"):
        models.get_model("resnet_18")
    assert models.get_model("ResNet18", num_classes=3).fc.out_features == 3
    with pytest.raises(ValueError, match="3-element"):
        models.resnet50(replace_stride_with_dilation=(True,))
    with pytest.raises(ValueError, match="1_0 or 1_1"):
        models.SqueezeNet("2")
