"""Whole models as ONNX files, run at the sizes they were exported with and at others."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.bench.workloads import w2_mlp, w5_resnet20, w6_gpt, w7_char_lstm
from cutaway.interop.onnx.sizes import Size, Symbol, compute, fit
from cutaway.nn import functional as F
from cutaway.train.recipes import gates, mnist_cnn, mnist_deep, mnist_mlp

from .exported import check, exported, kinds

cutaway.manual_seed(0)
X, I = cutaway.randn(2, 3, 8), cutaway.randn(2, 3, 8, 8)


def resized(x, sizes):
    """Random values of x's dtype in another shape."""
    shape = [sizes.get(d, n) for d, n in enumerate(x.shape)]
    v = np.random.default_rng(1).random(shape)
    return cutaway.tensor(v > 0.5 if x.dtype is cutaway.bool else (v * 5).astype(x.dtype.np))


def dynamic(model, *inputs, axes, others=((1, 4), (5, 2)), **options):
    """Export with `axes` dynamic in all inputs, and check at the given sizes and at `others`."""
    names = [f"x{k}" for k in range(len(inputs))]
    named = {n: {d: f"d{d}" for d in axes} for n in names}
    more = tuple(tuple(resized(x, dict(zip(axes, sizes))) for x in inputs) for sizes in others)
    return check(model, *inputs, others=more, input_names=names, dynamic_axes=named, **options)


RECIPES = [(mnist_mlp, (1, 28, 28), 10), (mnist_cnn, (1, 28, 28), 10), (mnist_deep, (1, 28, 28), 10), (gates, (6,), 2)]


@pytest.mark.parametrize("recipe, shape, classes", RECIPES, ids=[r.__name__.split(".")[-1] for r, *_ in RECIPES])
def test_recipes(recipe, shape, classes):
    model = recipe.model(shape, classes, recipe.Config())
    proto = dynamic(model, cutaway.rand(2, *shape), axes=(0,))
    layers = [type(m).__name__ for m in model.modules() if type(m).__name__ not in ("Sequential", "Dropout")]
    there = {"Linear": "Gemm", "Conv2d": "Conv", "MaxPool2d": "MaxPool", "ReLU": "Relu"}
    assert kinds(proto) == [there.get(name, name) for name in layers]


@pytest.mark.parametrize("workload", [w2_mlp, w5_resnet20, w7_char_lstm], ids=lambda w: w.__name__.split(".")[-1])
def test_workloads(workload):
    model, _, data = workload.build(cutaway)
    proto = dynamic(model, data[0][:3], axes=(0,))
    assert not {"Einsum", "GatherND", "ScatterElements"} & {*kinds(proto)}


def test_a_resnet_looks_like_one():
    proto = exported(w5_resnet20.build(cutaway)[0], cutaway.rand(2, 3, 32, 32))
    found = kinds(proto)
    assert (found.count("Conv"), found.count("BatchNormalization"), found.count("Relu")) == (19, 19, 19)
    assert (found.count("Slice"), found.count("Pad")) == (2, 2)
    assert found[-3:] == ["GlobalAveragePool", "Flatten", "Gemm"]
    names = {n.name for n in proto.graph.node}
    assert {"/0/Conv", "/3/conv1/Conv", "/3/bn1/BatchNormalization", "/14/Gemm"} <= names
    assert {"3.conv1.weight", "3.bn1.running_mean", "14.bias"} <= {i.name for i in proto.graph.initializer}
    inside = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in proto.graph.value_info}
    assert inside["/6/conv1/Conv_output_0"] == [2, 32, 16, 16]


def test_a_gpt_at_other_batches_and_lengths():
    model = w6_gpt.build(cutaway)[0]
    tokens = cutaway.randint(0, 65, (2, 16))
    proto = dynamic(model, tokens, axes=(0, 1), others=((1, 1), (3, 64), (4, 7)))
    assert kinds(proto).count("Softmax") == kinds(proto).count("LayerNormalization") / 2 - 0.5 == 4


def test_transformers_at_other_batches_and_lengths():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    dynamic(nn.TransformerEncoder(layer, 2), X, axes=(0, 1))
    padding = cutaway.tensor([[False, False, True], [False, True, True]])

    def padded(x, mask):
        return layer.eval()(x, src_key_padding_mask=mask)

    axes = {0: "n", 1: "t"}
    given = (resized(X, {0: 3, 1: 5}), cutaway.arange(5)[None].expand(3, 5) > cutaway.tensor([[4], [2], [0]]))
    check(padded, X, padding, others=(given,), input_names=["x", "m"], dynamic_axes={"x": axes, "m": axes})


class Handmade(nn.Module):
    """A forward as people write it."""

    def __init__(self, f, **parts):
        super().__init__()
        self.f = f
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *x):
        return self.f(self, *x)


def _attention(self, x):
    n, t, c = x.shape
    q, k, v = (p.view(n, t, 2, c // 2).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))
    scores = q @ k.transpose(-2, -1) * (1.0 / math.sqrt(k.size(-1)))
    scores = scores.masked_fill(self.tril[:t, :t] == 0, float("-inf"))
    return (F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(n, t, c)


TRIANGLE = cutaway.tril(cutaway.ones(16, 16))
FORWARDS = {
    "attention": Handmade(_attention, qkv=nn.Linear(8, 24), tril=TRIANGLE),
    "view": lambda x: x.view(x.size(0), -1),
    "mean of all": lambda x: x.mean(),
    "std": lambda x: x.std(1),
    "class token": Handmade(
        lambda s, x: cutaway.cat([s.c.expand(x.shape[0], -1, -1), x], 1) + s.p[:, : x.shape[1] + 1],
        c=nn.Parameter(cutaway.randn(1, 1, 8)), p=nn.Parameter(cutaway.randn(1, 30, 8)),
    ),
    "state of zeros": Handmade(
        lambda s, x: s.lstm(x, (cutaway.zeros(1, x.size(0), 5), cutaway.zeros(1, x.size(0), 5)))[0][:, -1],
        lstm=nn.LSTM(8, 5, batch_first=True),
    ),
    "last state": Handmade(lambda s, x: s.gru(x)[1][-1], gru=nn.GRU(8, 5, 2, batch_first=True)),
    "positions": Handmade(lambda s, x: x + s.table(cutaway.arange(x.shape[1])), table=nn.Embedding(20, 8)),
    "positions from one": Handmade(lambda s, x: x + s.table(cutaway.arange(1, x.shape[1] + 1)), table=nn.Embedding(20, 8)),
    "backwards": lambda x: x[:, cutaway.arange(x.shape[1] - 1, -1, -1)],
    "rows": lambda x: x[cutaway.arange(x.shape[0]), 0],
    "slices": lambda x: (x[:, 1:, ::2], x[:, -1], x[:, :-1], x[..., 2:5]),
    "top": lambda x: x.topk(3, -1),
    "sorted": lambda x: x.sort(1, descending=True),
    "largest": lambda x: (x.max(-1), x.argmax(), x.amin(1)),
    "triangle": lambda x: (cutaway.tril(x @ x.transpose(1, 2)), cutaway.triu(x @ x.mT, 1)),
    "einsum": lambda x: cutaway.einsum("bij,bkj->bik", x, x),
    "moved": lambda x: (x.roll(1, 1), x.flip(1), x.repeat(1, 2, 1), x.repeat_interleave(2, 1), cutaway.stack([x, x], 1)),
    "running": lambda x: (x.cumsum(1), x.split(2, -1), F.normalize(x, dim=-1)),
    "like": lambda x: cutaway.where(x > 0, x, cutaway.zeros_like(x)) + cutaway.ones_like(x),
    "one hot": lambda x: F.one_hot(x.argmax(-1), 8),
    "merged": Handmade(
        lambda s, x: s.linear(x.reshape(-1, 8)).reshape(x.shape[0], x.shape[1], -1), linear=nn.Linear(8, 4)
    ),
    "over its size": lambda x: x / x.shape[1] + x.shape[0],
    "causal": Handmade(
        lambda s, x: s.layer(x, nn.Transformer.generate_square_subsequent_mask(x.shape[1])),
        layer=nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    ),
    "shared heads": lambda x: F.scaled_dot_product_attention(
        x[:, None].expand(-1, 4, -1, -1), *[x[:, None].expand(-1, 2, -1, -1)] * 2, enable_gqa=True
    ),
    "gathered": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "counted": lambda x: (x * (x > 0)).sum(1) / (x > 0).sum(1).clamp(min=1),
}  # fmt: skip


class All(nn.Module):
    """Several forwards of the same input: one file for all of them."""

    def __init__(self, forwards):
        super().__init__()
        self.forwards = forwards
        self.parts = nn.ModuleList(f for f in forwards.values() if isinstance(f, nn.Module))

    def forward(self, x):
        return {name: f(x) for name, f in self.forwards.items()}


def test_forwards_at_other_batches_and_lengths():
    dynamic(All(FORWARDS), X, axes=(0, 1))


IMAGES = {
    "convolutions": nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4)),
    "to the mean": nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    "down and up": Handmade(
        lambda s, x: cutaway.cat([x, s.up(F.relu(s.down(x)))], 1), down=nn.Conv2d(3, 4, 4, 2, 1),
        up=nn.ConvTranspose2d(4, 3, 4, 2, 1),
    ),
    "larger": lambda x: F.interpolate(x, scale_factor=2) + F.interpolate(x, scale_factor=2, mode="bilinear"),
    "padded": nn.Sequential(nn.ReflectionPad2d(1), nn.ZeroPad2d((1, 0, 2, 1)), nn.AvgPool2d(3)),
    "shuffled": lambda x: F.pixel_unshuffle(x, 2),
    "means": lambda x: (x.mean((2, 3)), x.flatten(2).var(-1)),
}  # fmt: skip


def test_images_of_other_sizes():
    dynamic(All(IMAGES), I, axes=(0, 2, 3), others=((1, 10, 6), (3, 24, 8)))


def test_recurrent_layers_at_other_lengths_are_one_node():
    for layer in (nn.LSTM(8, 5, 2, bidirectional=True), nn.GRU(8, 5), nn.RNN(8, 5)):
        proto = dynamic(layer, X, axes=(0, 1))
        assert kinds(proto).count(type(layer).__name__) == layer.num_layers


@pytest.mark.parametrize(
    "forward, words",
    [
        (lambda x: x * 2 if x.shape[0] > 3 else x + 1, "goes another way"),
        (lambda x: x[: x.shape[0] // 2 + 1] if x.shape[0] % 4 else x, "goes another way|changes with the size"),
        (lambda x: x * math.sqrt(x.shape[0]), "numbers that Python computed for the size"),
        (lambda x: sum(x[i] for i in range(x.shape[0])), "goes another way|number of dimensions"),
        (lambda x: F.adaptive_avg_pool1d(x.transpose(0, 2), 3), "goes another way|neither a sum nor a product"),
    ],
)
def test_what_follows_a_size_in_another_way_is_refused(forward, words):
    with pytest.raises(cutaway.ExportError, match=words) as caught:
        exported(forward, cutaway.randn(4, 3, 8), input_names=["x"], dynamic_axes={"x": {0: "n"}})
    assert "make that axis a fixed one" in str(caught.value)
    assert "test_onnx_models.py" in str(caught.value)


def test_formulas_of_sizes():
    n, t = Symbol("n", ((0, 0),), (4, 8, 4, 5)), Symbol("t", ((0, 1),), (6, 6, 12, 7))

    def found(f):
        return fit(Size([f(a, b) for a, b in zip(n.seen, t.seen)]), [n, t])

    for f in (
        lambda a, b: a * b, lambda a, b: 3 * a * b - 1, lambda a, b: 2 * a + 3 * b - 1, lambda a, b: a // 2, lambda a, b: b + 1,
        lambda a, b: (b + 2) // 2,
    ):  # fmt: skip
        formula = found(f)
        assert formula is not None
        for a, b in ((1, 3), (9, 2), (16, 16)):
            values = (a, b)
            assert compute(formula, values) == f(a, b)
    assert found(lambda a, b: a * a) is None
    assert found(lambda a, b: a % 3 + b) is None


def test_sizes_are_carried_through_arithmetic():
    n = Size((4, 8))
    assert ((n * 3 - 2) // 2).seen == (5, 11) and (10 - n).seen == (6, 2)
    assert type(n - n) is int and n - n == 0
