"""Every layer against PyTorch's: values and gradients in float64, the repr, the names and the first values of weights."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn

torch = pytest.importorskip("torch")


def case(name, *args, x=(2, 3), **kwargs):
    """One layer: its arguments and the shape of its input."""
    label = ",".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())]).replace(" ", "")
    return pytest.param(name, args, kwargs, x, id=f"{name}({label})-{'x'.join(map(str, x))}")


LAYERS = [
    case("Identity", 5, "anything", x=(2, 3)),
    case("Linear", 3, 4, x=(2, 3)),
    case("Linear", 3, 4, x=(3,)),
    case("Linear", 3, 4, bias=False, x=(2, 5, 3)),
    # convolution
    case("Conv1d", 4, 6, 3, x=(2, 4, 9)),
    case("Conv1d", 4, 6, 3, stride=2, padding=1, dilation=2, groups=2, x=(2, 4, 9)),
    case("Conv1d", 4, 6, 4, padding="same", x=(2, 4, 9)),
    case("Conv1d", 4, 6, 3, padding=2, padding_mode="reflect", x=(4, 9)),
    case("Conv2d", 3, 4, 3, x=(2, 3, 7, 6)),
    case("Conv2d", 3, 4, (3, 2), (2, 1), (1, 0), bias=False, x=(2, 3, 7, 6)),
    case("Conv2d", 4, 4, 3, padding=1, groups=4, x=(2, 4, 5, 5)),
    case("Conv2d", 4, 6, (2, 3), padding="same", dilation=2, x=(2, 4, 7, 7)),
    case("Conv2d", 4, 6, 3, padding="valid", x=(4, 7, 7)),
    case("Conv2d", 2, 3, 3, padding=(2, 1), padding_mode="circular", x=(2, 2, 5, 4)),
    case("Conv2d", 2, 3, (2, 3), padding="same", padding_mode="replicate", x=(2, 2, 5, 4)),
    case("Conv3d", 2, 4, 2, stride=(1, 2, 1), x=(2, 2, 4, 4, 3)),
    case("ConvTranspose1d", 4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, x=(2, 4, 5)),
    case("ConvTranspose2d", 3, 4, 3, x=(2, 3, 4, 3)),
    case("ConvTranspose2d", 4, 6, (3, 2), (2, 3), (1, 0), (1, 2), groups=2, dilation=2, bias=False, x=(2, 4, 4, 3)),
    case("ConvTranspose3d", 2, 3, 2, x=(1, 2, 3, 2, 2)),
    case("Unfold", (2, 3), 1, 1, 2, x=(2, 3, 5, 6)),
    case("Fold", (4, 5), (2, 2), x=(2, 12, 12)),
    # pooling
    case("MaxPool1d", 2, x=(2, 3, 7)),
    case("MaxPool1d", 3, 2, 1, ceil_mode=True, x=(3, 8)),
    case("MaxPool2d", 2, x=(2, 3, 6, 5)),
    case("MaxPool2d", (3, 2), (2, 1), (1, 1), dilation=(2, 1), x=(2, 3, 8, 6)),
    case("MaxPool2d", 3, 2, ceil_mode=True, return_indices=True, x=(2, 3, 6, 6)),
    case("MaxPool3d", 2, x=(2, 2, 4, 4, 4)),
    case("AvgPool1d", 3, 2, 1, x=(2, 3, 7)),
    case("AvgPool2d", 2, x=(2, 3, 6, 5)),
    case("AvgPool2d", 3, 2, 1, count_include_pad=False, ceil_mode=True, x=(2, 3, 6, 6)),
    case("AvgPool2d", 2, divisor_override=3, x=(3, 6, 6)),
    case("AvgPool3d", 2, x=(2, 2, 4, 4, 4)),
    case("AdaptiveAvgPool1d", 3, x=(2, 3, 7)),
    case("AdaptiveAvgPool2d", (1, 1), x=(2, 3, 6, 5)),
    case("AdaptiveAvgPool2d", (4, None), x=(2, 3, 6, 5)),
    case("AdaptiveAvgPool3d", 2, x=(2, 2, 3, 4, 5)),
    case("AdaptiveMaxPool1d", 3, x=(2, 3, 7)),
    case("AdaptiveMaxPool2d", (2, 3), return_indices=True, x=(2, 3, 6, 5)),
    # normalisation
    case("BatchNorm1d", 3, x=(5, 3)),
    case("BatchNorm1d", 3, affine=False, momentum=0.3, x=(5, 3, 4)),
    case("BatchNorm1d", 3, bias=False, x=(5, 3)),
    case("BatchNorm2d", 3, x=(4, 3, 2, 5)),
    case("BatchNorm2d", 3, momentum=None, x=(4, 3, 2, 5)),
    case("BatchNorm2d", 3, track_running_stats=False, eps=1e-3, x=(4, 3, 2, 5)),
    case("BatchNorm3d", 2, x=(3, 2, 2, 2, 3)),
    case("InstanceNorm1d", 3, x=(4, 3, 5)),
    case("InstanceNorm2d", 3, affine=True, track_running_stats=True, x=(4, 3, 2, 5)),
    case("InstanceNorm2d", 3, affine=True, x=(3, 4, 5)),
    case("InstanceNorm3d", 2, x=(3, 2, 2, 2, 3)),
    case("LayerNorm", 5, x=(4, 3, 5)),
    case("LayerNorm", (3, 5), bias=False, x=(4, 3, 5)),
    case("LayerNorm", [5], elementwise_affine=False, eps=1e-3, x=(4, 5)),
    case("RMSNorm", 5, x=(4, 5)),
    case("RMSNorm", (3, 5), eps=1e-3, elementwise_affine=False, x=(4, 3, 5)),
    case("GroupNorm", 2, 4, x=(3, 4, 5)),
    case("GroupNorm", 4, 4, bias=False, x=(3, 4, 2, 2)),
    case("GroupNorm", 1, 4, affine=False, x=(3, 4)),
    case("LocalResponseNorm", 3, alpha=0.1, x=(2, 5, 4)),
    # activations
    *[case(name, x=(3, 5)) for name in """CELU ELU GELU Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU
        ReLU ReLU6 SELU SiLU Sigmoid Softplus Softsign Tanh Tanhshrink""".split()],
    case("CELU", 2.0, x=(3, 5)),
    case("ELU", 0.5, x=(3, 5)),
    case("GELU", approximate="tanh", x=(3, 5)),
    case("Hardtanh", -0.5, 0.25, x=(3, 5)),
    case("LeakyReLU", 0.3, x=(3, 5)),
    case("PReLU", 4, 0.1, x=(3, 4, 2)),
    case("Softplus", beta=2.0, threshold=1.0, x=(3, 5)),
    case("Threshold", 0.1, 20.0, x=(3, 5)),
    case("GLU", x=(3, 6)),
    case("GLU", 0, x=(4, 3)),
    case("Softmax", 1, x=(3, 5)),
    case("Softmax", dim=0, x=(3, 5, 2)),
    case("LogSoftmax", -1, x=(3, 5)),
    case("Softmin", 1, x=(3, 5)),
    case("Softmax2d", x=(2, 3, 2, 2)),
    # shape
    case("Flatten", x=(2, 3, 4, 5)),
    case("Flatten", 0, 1, x=(2, 3, 4, 5)),
    case("Unflatten", 1, (2, -1), x=(3, 6)),
    case("PixelShuffle", 2, x=(2, 8, 3, 2)),
    case("PixelUnshuffle", 2, x=(2, 3, 4, 6)),
    case("ZeroPad1d", (1, 2), x=(2, 3, 4)),
    case("ZeroPad2d", (1, -1, 0, 2), x=(2, 3, 4, 5)),
    case("ZeroPad3d", 1, x=(1, 2, 2, 2, 2)),
    case("ConstantPad1d", 2, 3.5, x=(2, 3, 4)),
    case("ConstantPad2d", (0, 1, 2, 3), -1.0, x=(2, 3, 4, 5)),
    case("ConstantPad3d", 1, 2.0, x=(1, 2, 2, 2, 2)),
    case("ReflectionPad1d", (2, 1), x=(2, 3, 4)),
    case("ReflectionPad2d", 2, x=(2, 3, 4, 5)),
    case("ReplicationPad1d", 2, x=(2, 3, 4)),
    case("ReplicationPad2d", (0, 1, 2, 3), x=(2, 3, 4, 5)),
    case("CircularPad1d", 2, x=(2, 3, 4)),
    case("CircularPad2d", (1, 0, 2, 1), x=(2, 3, 4, 5)),
    case("Upsample", scale_factor=2, x=(2, 3, 4)),
    case("Upsample", (5, 3), mode="bilinear", align_corners=False, x=(2, 3, 4, 5)),
    case("Upsample", scale_factor=(2.0, 1.5), mode="bicubic", x=(1, 2, 4, 4)),
    case("UpsamplingNearest2d", scale_factor=2, x=(2, 3, 2, 3)),
    case("UpsamplingBilinear2d", 5, x=(2, 3, 2, 3)),
    # off outside training
    case("Dropout", 0.3, x=(3, 5)),
    case("Dropout1d", x=(3, 5, 2)),
    case("Dropout2d", 0.1, True, x=(3, 5, 2, 2)),
    case("Dropout3d", x=(3, 5, 2, 2, 2)),
    case("AlphaDropout", x=(3, 5)),
]  # fmt: skip

EXACT = {"Hardsigmoid": 1e-7}  # PyTorch's slope is 1/6 rounded to float32, in float64 too
RANDOM = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout")


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_same_values_and_gradients(twin, rng, name, args, kwargs, shape):
    pair = twin(name, *args, **kwargs)
    for training in (True, False):
        if not (training and name in RANDOM):
            pair.train(training).check(rng.standard_normal(shape), atol=EXACT.get(name, 1e-10))


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_same_repr(name, args, kwargs, shape):
    ours, theirs = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    assert ours.extra_repr() == theirs.extra_repr()


WEIGHTED = [
    case("Linear", 3, 4), case("Linear", 40, 30, False), case("Bilinear", 3, 4, 5), case("Bilinear", 3, 4, 5, bias=False),
    case("Conv1d", 2, 4, 3), case("Conv2d", 2, 4, (3, 2), groups=2), case("Conv2d", 2, 4, 3, bias=False),
    case("Conv3d", 2, 4, 2), case("ConvTranspose1d", 2, 4, 3), case("ConvTranspose2d", 4, 6, 3, groups=2),
    case("ConvTranspose3d", 2, 4, 2), case("BatchNorm1d", 3), case("BatchNorm2d", 3, affine=False),
    case("BatchNorm3d", 3, track_running_stats=False), case("InstanceNorm2d", 3), case("InstanceNorm2d", 3, affine=True),
    case("LayerNorm", (2, 3)), case("RMSNorm", 3), case("GroupNorm", 2, 4), case("PReLU", 3), case("Embedding", 30, 4),
    case("Embedding", 5, 4, padding_idx=-1), case("RNN", 3, 5), case("RNN", 3, 5, 2, "relu", False, True, 0.1, True),
    case("LSTM", 3, 5, 3, bidirectional=True), case("GRU", 3, 5, 2, bias=False), case("RNNCell", 3, 5),
    case("RNNCell", 3, 5, nonlinearity="relu"), case("LSTMCell", 3, 5, False), case("GRUCell", 3, 5),
    case("MultiheadAttention", 8, 2), case("MultiheadAttention", 8, 4, 0.1, False, batch_first=True),
    case("MultiheadAttention", 8, 2, kdim=5, vdim=3), case("MultiheadAttention", 8, 2, add_bias_kv=True),
    case("TransformerEncoderLayer", 8, 2, 16), case("TransformerDecoderLayer", 8, 2, 16, bias=False),
    case("Transformer", 8, 2, 2, 1, 16),
    *[case(name) for name in """MSELoss L1Loss SmoothL1Loss HuberLoss CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss
        KLDivLoss HingeEmbeddingLoss MultiMarginLoss CosineEmbeddingLoss MarginRankingLoss TripletMarginLoss
        CosineSimilarity PairwiseDistance""".split()],
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), WEIGHTED)
def test_same_seed_gives_the_same_network(name, args, kwargs, shape):
    cutaway.manual_seed(11)
    torch.manual_seed(11)
    ours, theirs = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    for key, value in b.items():
        assert a[key].dtype.name == str(value.dtype).removeprefix("torch.")
        # Uniforms are equal to the bit; normals and Xavier normals up to the rounding of log, sin and cos.
        tolerance = 2e-7 if name == "Embedding" or (key.startswith("bias_") and "add_bias_kv" in kwargs) else 0
        np.testing.assert_allclose(a[key].numpy(), value.numpy(), atol=tolerance, rtol=tolerance, err_msg=key)
    assert repr(ours) == repr(theirs)
    # and the generators stand at the same place
    assert cutaway.rand(()).item() == torch.rand(()).item()


def test_two_inputs(twin, rng):
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    twin("CosineSimilarity", 0, 0.1).check(a, b)
    twin("PairwiseDistance", 1.0, keepdim=True).check(a, b)
    twin("Bilinear", 3, 5, 2).check(rng.standard_normal((4, 2, 3)), rng.standard_normal((4, 2, 5)))


def test_embedding(twin, rng):
    index = np.array([[0, 3, 2], [3, 1, 3]])
    twin("Embedding", 5, 4).check(index)
    twin("Embedding", 5, 4, padding_idx=3).check(index)
    twin("Embedding", 5, 4, padding_idx=-2, sparse=False).check(index)
    pair = twin("Embedding", 5, 4, max_norm=1.0)
    pair.check(index, gradient=True)
    np.testing.assert_allclose(pair.ours.weight.detach().numpy(), pair.theirs.weight.detach().numpy(), atol=1e-12)


def test_embedding_around_a_table():
    table = cutaway.randn(6, 2)
    layer = nn.Embedding.from_pretrained(table, padding_idx=0)
    assert not layer.weight.requires_grad and layer.padding_idx == 0
    assert layer(cutaway.tensor([5])).tolist() == table[5:].tolist()
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


def test_a_padding_row_starts_at_zero_and_stays():
    layer = nn.Embedding(4, 3, padding_idx=2)
    assert layer.weight[2].tolist() == [0.0, 0.0, 0.0]
    layer(cutaway.tensor([2, 1])).sum().backward()
    assert layer.weight.grad[2].tolist() == [0.0, 0.0, 0.0]
    assert layer.weight.grad[1].tolist() == [1.0, 1.0, 1.0]


def test_transposed_convolution_to_a_given_size(twin, rng):
    pair = twin("ConvTranspose2d", 3, 2, 3, stride=2, padding=1)
    x = rng.standard_normal((1, 3, 4, 5))
    for size in ([7, 9], [8, 10], [7, 10]):
        assert list(pair.check(x, output_size=size).shape[-2:]) == size


@pytest.mark.parametrize(
    ("name", "args"), [("ReLU", ()), ("LeakyReLU", (0.5,)), ("Hardtanh", (-1.0, 1.0)), ("SiLU", ())]
)
def test_inplace_writes_over_the_input(name, args):
    x = cutaway.tensor([-2.0, 3.0])
    expected = getattr(nn, name)(*args)(x).tolist()
    assert x.tolist() == [-2.0, 3.0]
    getattr(nn, name)(*args, inplace=True)(x)
    assert x.tolist() == expected


def test_dropout_drops_in_training_only():
    cutaway.manual_seed(0)
    layer, x = nn.Dropout(0.25), cutaway.ones(20000)
    y = layer(x)
    assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert (y == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert layer.eval()(x) is x


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Dropout1d(), (8, 16, 5)), (nn.Dropout2d(), (8, 16, 2, 3)), (nn.Dropout3d(), (8, 16, 2, 1, 3))],
)
def test_channel_dropout_drops_whole_channels(layer, shape):
    y = layer(cutaway.ones(shape)).flatten(2)
    assert (y == y[..., :1]).all()
    assert set(y.unique().tolist()) == {0.0, 2.0}


def test_step_and_its_gradient():
    x = cutaway.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    y = nn.Step()(x)
    assert y.tolist() == [0.0, 0.0, 1.0]


def test_batch_norm_counts_its_batches():
    layer = nn.BatchNorm1d(2)
    x = cutaway.randn(6, 2)
    layer(x), layer(x)
    layer.eval()(x)
    assert layer.num_batches_tracked.item() == 2
    layer.reset_running_stats()
    assert (layer.num_batches_tracked.item(), layer.running_mean.tolist(), layer.running_var.tolist()) == (
        0,
        [0, 0],
        [1, 1],
    )


def test_dtype_and_device_of_weights():
    assert nn.Linear(2, 3, device="cpu", dtype=cutaway.float64).weight.dtype is cutaway.float64
    layer = nn.BatchNorm2d(3, dtype=cutaway.float64)
    assert layer.running_var.dtype is cutaway.float64 and layer.num_batches_tracked.dtype is cutaway.int64
    assert (
        nn.LSTM(2, 3, dtype=cutaway.float64)(cutaway.zeros(4, 1, 2, dtype=cutaway.float64))[0].dtype is cutaway.float64
    )
    assert nn.Conv2d(1, 1, 2, dtype=cutaway.float64).bias.dtype is cutaway.float64
