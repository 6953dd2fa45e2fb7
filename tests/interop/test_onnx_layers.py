"""Each layer as an ONNX file: onnxruntime's numbers, and the nodes by which others recognise it."""

from __future__ import annotations

import pytest

import cutaway
from cutaway import nn

from .exported import check, compare, expected, exported, kinds, run

cutaway.manual_seed(0)
X, T, K = cutaway.randn(3, 8), cutaway.randn(5, 3, 8), cutaway.randint(0, 10, (3, 4))
S, I, V = cutaway.randn(2, 4, 9), cutaway.randn(2, 4, 9, 8), cutaway.randn(2, 4, 5, 6, 7)
CLASSES = cutaway.tensor([1, 7, 0])

# layer, inputs, and the nodes that it becomes ("" where they are many)
LAYERS = [
    (nn.Linear(8, 5), (X,), "Gemm"), (nn.Linear(8, 5, bias=False), (X,), "Gemm"), (nn.Linear(8, 5), (T,), "MatMul Add"),
    (nn.Linear(8, 5), (X[0],), "MatMul Add"), (nn.Bilinear(8, 8, 3), (X, X + 1), ""), (nn.Identity(), (X,), "Identity"),
    (nn.Conv1d(4, 6, 3, padding=1), (S,), "Conv"), (nn.Conv1d(4, 6, 3, padding="same", dilation=2), (S,), "Conv"),
    (nn.Conv2d(4, 6, 3, stride=2, padding=(1, 2)), (I,), "Conv"), (nn.Conv2d(4, 8, 3, groups=2), (I,), "Conv"),
    (nn.Conv2d(4, 4, 3, groups=4, padding="same"), (I,), "Conv"), (nn.Conv2d(4, 6, 3), (I[0],), "Unsqueeze Conv Squeeze"),
    (nn.Conv2d(4, 6, (3, 2), padding="same"), (I,), "Conv"), (nn.Conv3d(4, 2, 3, padding=1), (V,), "Conv"),
    (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (I,), "Pad Conv"),
    (nn.ConvTranspose1d(4, 3, 3, stride=2), (S,), "ConvTranspose"),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), (I,), "ConvTranspose"),
    (nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2), (I,), "ConvTranspose"),
    (nn.ConvTranspose3d(4, 2, 2, stride=2), (V,), "ConvTranspose"),
    (nn.MaxPool1d(2), (S,), "MaxPool"), (nn.MaxPool2d(3, 2, 1), (I,), "MaxPool"), (nn.MaxPool3d(2), (V,), "MaxPool"),
    (nn.MaxPool2d(2, ceil_mode=True), (I,), "MaxPool"), (nn.MaxPool2d(3, 1, 1, dilation=2), (I,), "MaxPool"),
    (nn.MaxPool2d(2, return_indices=True), (I,), ""), (nn.MaxPool2d(2), (I[0],), "Unsqueeze MaxPool Squeeze"),
    (nn.AvgPool1d(2), (S,), "AveragePool"), (nn.AvgPool2d(3, 2, 1), (I,), "AveragePool"),
    (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (I,), "AveragePool"), (nn.AvgPool2d(2, ceil_mode=True), (I,), ""),
    (nn.AvgPool2d(3, 2, 1, divisor_override=5), (I,), "AveragePool Mul"), (nn.AvgPool3d(2), (V,), "AveragePool"),
    (nn.AdaptiveAvgPool1d(3), (S,), "AveragePool"), (nn.AdaptiveAvgPool2d(1), (I,), "GlobalAveragePool"),
    (nn.AdaptiveAvgPool2d((3, 4)), (I,), "AveragePool"), (nn.AdaptiveAvgPool2d((4, 5)), (I,), ""),
    (nn.AdaptiveAvgPool2d((None, 4)), (I,), "AveragePool"), (nn.AdaptiveMaxPool2d(1), (I,), "GlobalMaxPool"),
    (nn.AdaptiveMaxPool2d((3, 2)), (I,), "MaxPool"), (nn.AdaptiveMaxPool2d((2, 5)), (I,), ""),
    (nn.BatchNorm1d(8), (X,), "BatchNormalization"), (nn.BatchNorm1d(4), (S,), "BatchNormalization"),
    (nn.BatchNorm2d(4), (I,), "BatchNormalization"), (nn.BatchNorm2d(4, affine=False), (I,), "BatchNormalization"),
    (nn.BatchNorm3d(4), (V,), "BatchNormalization"), (nn.LayerNorm(8), (T,), "LayerNormalization"),
    (nn.LayerNorm((9, 8)), (I,), "LayerNormalization"),
    (nn.LayerNorm(8, elementwise_affine=False), (T,), "LayerNormalization"), (nn.RMSNorm(8), (T,), ""),
    (nn.GroupNorm(2, 4), (I,), "Reshape InstanceNormalization Reshape Mul Add"),
    (nn.GroupNorm(4, 4, affine=False), (S,), "Reshape InstanceNormalization Reshape"),
    (nn.InstanceNorm1d(4), (S,), "InstanceNormalization"), (nn.InstanceNorm2d(4, affine=True), (I,), "InstanceNormalization"),
    (nn.InstanceNorm2d(4, track_running_stats=True), (I,), "BatchNormalization"), (nn.LocalResponseNorm(3), (I,), "LRN"),
    (nn.LocalResponseNorm(2), (I,), ""), (nn.Dropout(), (X,), "Identity"), (nn.Dropout2d(), (I,), "Identity"),
    (nn.Embedding(10, 6), (K,), "Gather"), (nn.Embedding(10, 6, padding_idx=2), (K,), "Gather"),
    (nn.Flatten(), (I,), "Flatten"), (nn.Unflatten(1, (2, 2)), (I,), "Reshape"),
    (nn.ReLU(), (X,), "Relu"), (nn.ReLU(inplace=True), (X + 0,), "Relu"), (nn.LeakyReLU(0.2), (X,), "LeakyRelu"),
    (nn.ELU(0.7), (X,), "Elu"), (nn.SELU(), (X,), "Selu"), (nn.CELU(1.5), (X,), "Celu"),
    (nn.GELU(), (X,), "Div Erf Add Mul Mul"), (nn.GELU("tanh"), (X,), ""), (nn.SiLU(), (X,), "Sigmoid Mul"),
    (nn.Mish(), (X,), "Mish"), (nn.Softplus(), (X,), "Softplus"), (nn.Softplus(2.0), (X,), "Mul Softplus Div"),
    (nn.Softplus(2.0, 1), (X,), ""), (nn.LogSigmoid(), (X,), "Neg Softplus Neg"), (nn.Hardtanh(-0.5, 2), (X,), "Clip"),
    (nn.ReLU6(), (X,), "Clip"), (nn.Hardsigmoid(), (X,), "HardSigmoid"), (nn.Hardswish(), (X,), "HardSwish"),
    (nn.Softsign(), (X,), "Softsign"), (nn.Tanhshrink(), (X,), "Tanh Sub"), (nn.Threshold(0.1, 20), (X,), ""),
    (nn.GLU(), (X,), ""), (nn.GLU(1), (I,), ""), (nn.Softmax(1), (I,), "Softmax"), (nn.Softmin(1), (X,), "Neg Softmax"),
    (nn.LogSoftmax(-1), (X,), "LogSoftmax"), (nn.Sigmoid(), (X,), "Sigmoid"), (nn.Tanh(), (X,), "Tanh"),
    (nn.PReLU(), (X,), "PRelu"), (nn.PReLU(4), (I,), "PRelu"),
    (nn.PixelShuffle(2), (I,), "DepthToSpace"), (nn.PixelUnshuffle(2), (I[:, :, :8],), "Reshape Transpose Reshape"),
    (nn.Upsample(scale_factor=2), (I,), "Resize"), (nn.Upsample(scale_factor=2, mode="bilinear"), (I,), "Resize"),
    (nn.Upsample(size=(5, 13), mode="bilinear", align_corners=True), (I,), "Resize"),
    (nn.Upsample(size=(5, 13), mode="bilinear"), (I,), "Resize"), (nn.Upsample(size=(3, 13)), (I,), "Gather Gather"), (nn.Upsample(size=(18, 24)), (I,), "Resize"),
    (nn.Upsample(scale_factor=(1.5, 2.5), mode="bilinear"), (I,), ""), (nn.Upsample(scale_factor=1.7), (I,), ""),
    (nn.Upsample(scale_factor=1.5, mode="bicubic"), (I,), "Resize"), (nn.Upsample(size=(5, 13), mode="bicubic"), (I,), "Resize"),
    (nn.Upsample(scale_factor=2, mode="nearest-exact"), (I,), ""), (nn.Upsample(scale_factor=2, mode="linear"), (S,), "Resize"),
    (nn.Upsample(scale_factor=2, mode="trilinear"), (V,), "Resize"),
    (nn.Upsample(scale_factor=0.5, mode="area"), (I[:, :, :8],), "AveragePool"),
    (nn.ReflectionPad2d(2), (I,), "Pad"), (nn.ReplicationPad2d((1, 2, 0, 3)), (I,), "Pad"), (nn.ZeroPad2d(1), (I,), "Pad"),
    (nn.ConstantPad2d((1, -1, 2, 0), 3.5), (I,), "Slice Pad"), (nn.CircularPad2d(2), (I,), "Gather Gather"),
    (nn.Unfold(3, padding=1), (I,), ""), (nn.Fold((4, 5), 2), (cutaway.randn(2, 8, 12),), "Col2Im"),
    (nn.Fold((4, 5), 2), (cutaway.randn(8, 12),), ""), (nn.CosineSimilarity(), (X, X + 1), ""),
    (nn.PairwiseDistance(), (X, X + 1), ""), (nn.RNN(8, 6), (T,), "RNN Squeeze"),
    (nn.RNN(8, 6, 2, nonlinearity="relu", bidirectional=True), (T,), "RNN Transpose Reshape RNN Transpose Reshape Concat"),
    (nn.GRU(8, 6, 2), (T,), "GRU Squeeze GRU Squeeze Concat"), (nn.GRU(8, 6, 2), (T, cutaway.randn(2, 3, 6)), ""),
    (nn.GRU(8, 6, bias=False, batch_first=True, bidirectional=True), (T,), "Transpose GRU Transpose Reshape Transpose"),
    (nn.LSTM(8, 6), (T,), "LSTM Squeeze"), (nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True, dropout=0.2), (T,), ""),
    (nn.LSTM(8, 6), (T[:, 0],), ""), (nn.LSTM(8, 6, 2), (T, (cutaway.randn(2, 3, 6), cutaway.randn(2, 3, 6))), ""),
    (nn.RNNCell(8, 6), (X,), ""), (nn.GRUCell(8, 6), (X, cutaway.randn(3, 6)), ""), (nn.LSTMCell(8, 6), (X,), ""),
    (nn.MultiheadAttention(8, 2), (T, T, T), ""), (nn.MultiheadAttention(8, 2, batch_first=True, bias=False), (T, T + 1, T + 1), ""),
    (nn.MultiheadAttention(8, 2, kdim=6, vdim=4, add_bias_kv=True, add_zero_attn=True),
     (T, cutaway.randn(7, 3, 6), cutaway.randn(7, 3, 4)), ""),
    (nn.TransformerEncoderLayer(8, 2, 16), (T,), ""), (nn.TransformerDecoderLayer(8, 2, 16), (T, T[:3]), ""),
    (nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu"), 2), (T,), ""),
    (nn.Transformer(8, 2, 1, 1, 16), (T, T[:4]), ""),
    (nn.MSELoss(), (X, X + 1), "Sub Mul ReduceMean"), (nn.L1Loss(), (X, X + 1), "Sub Abs ReduceMean"),
    (nn.SmoothL1Loss(), (X, X + 1), ""), (nn.HuberLoss(), (X, X + 1), ""), (nn.CrossEntropyLoss(), (X, CLASSES), ""),
    (nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=1), (X, CLASSES), ""), (nn.NLLLoss(), (X, CLASSES), ""),
    (nn.BCELoss(), (X.sigmoid(), X.sigmoid()), ""), (nn.BCEWithLogitsLoss(), (X, X.sigmoid()), ""),
    (nn.KLDivLoss(reduction="batchmean"), (X, X.sigmoid()), ""), (nn.MultiMarginLoss(), (X, CLASSES), ""),
]  # fmt: skip


def name(x):
    return type(x).__name__ if isinstance(x, nn.Module) else ""


def _shaken(layer):
    with cutaway.no_grad():
        for p in layer.parameters():
            p.add_(cutaway.randn(p.shape) * 0.1)
        for n, b in layer.named_buffers():
            if "var" in n:
                b.uniform_(0.5, 2.0)
            elif "mean" in n:
                b.normal_()
    return layer.eval()


def _flat(x):
    return [x] if isinstance(x, cutaway.Tensor) else [t for i in x for t in _flat(i)]


class All(nn.Module):
    """The layers side by side: one file for all of them."""

    def __init__(self, layers, inputs):
        super().__init__()
        self.layers, self.inputs = nn.ModuleList(layers), inputs

    def forward(self, *tensors):
        rest = iter(tensors)
        return [layer(*map_structure(lambda _: next(rest), given)) for layer, given in zip(self.layers, self.inputs)]


def map_structure(f, x):
    return f(x) if isinstance(x, cutaway.Tensor) else tuple(map_structure(f, i) for i in x)


@pytest.fixture(scope="module")
def written():
    """Of each layer: its own results, the file's, and the file's nodes."""
    model = All([_shaken(layer) for layer, _, _ in LAYERS], [inputs for _, inputs, _ in LAYERS])
    tensors = _flat(model.inputs)
    proto = exported(model, *tensors)
    theirs = iter(run(proto, *tensors))
    nodes = [[] for _ in LAYERS]
    for n in proto.graph.node:
        path = n.name.split("/")
        if path[1] == "layers":
            nodes[int(path[2])].append(n.op_type)
    found = []
    for (layer, inputs, _), there in zip(LAYERS, nodes):
        ours = expected(layer, *inputs)
        found.append((ours, [next(theirs) for _ in ours], there))
    return found


@pytest.mark.parametrize("k", range(len(LAYERS)), ids=lambda k: f"{k}-{name(LAYERS[k][0])}")
def test_layer(written, k):
    ours, theirs, there = written[k]
    compare(ours, theirs)
    nodes = LAYERS[k][2]
    assert not nodes or [n for n in there if n != "Identity"] == [n for n in nodes.split() if n != "Identity"]


VERSIONED = (
    nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.GELU, nn.Mish, nn.Hardswish, nn.CircularPad2d, nn.Fold, nn.MSELoss, nn.LSTM,
    nn.MaxPool2d, nn.TransformerEncoderLayer, nn.BatchNorm2d, nn.AdaptiveMaxPool2d, nn.Upsample,
)  # fmt: skip


@pytest.mark.parametrize("opset", [13, 17, 21, 23])
def test_opsets(opset):
    some = [(_shaken(layer), inputs) for layer, inputs, _ in LAYERS if isinstance(layer, VERSIONED)]
    some = [(layer, inputs) for layer, inputs in some if opset > 15 or not isinstance(layer, nn.Fold)]

    model = All(*zip(*some))
    check(model, *_flat(model.inputs), opset_version=opset)


@pytest.mark.parametrize(
    "layer, opset, node",
    [(nn.LayerNorm(8), 17, "LayerNormalization"), (nn.RMSNorm(8), 23, "RMSNormalization"), (nn.GELU(), 20, "Gelu"),
     (nn.GELU("tanh"), 20, "Gelu"), (nn.GroupNorm(3, 3), 21, "GroupNormalization"), (nn.Mish(), 18, "Mish")],
    ids=lambda x: name(x) or str(x),
)  # fmt: skip
def test_a_node_is_used_as_soon_as_the_opset_has_it(layer, opset, node):
    assert kinds(check(layer, T, opset_version=opset)) == [node]
    assert node not in kinds(check(layer, T, opset_version=opset - 1))


def test_softmax_written_out_is_recognised():
    def attention(q):
        z = q @ q.transpose(-2, -1)
        e = (z - z.amax(-1, keepdim=True)).exp()
        return (e / e.sum(-1, keepdim=True)) @ q

    assert kinds(check(attention, T)) == ["Transpose", "MatMul", "Softmax", "MatMul"]
    assert "Softmax" in kinds(check(nn.MultiheadAttention(8, 2), T, T, T))
    assert "Softmax" not in kinds(check(lambda x: x.exp() / x.exp().sum(0, keepdim=True), T))


def test_a_mask_that_leaves_nothing_to_look_at_gives_zeros_as_here():
    mask = cutaway.tensor([[False, False, False], [True, True, False], [True, True, True]])
    F = nn.functional
    proto = check(lambda x, m: F.scaled_dot_product_attention(x, x, x, attn_mask=m), T.transpose(0, 1)[:, :3], mask)
    assert "Softmax" not in kinds(proto)


def test_half_precision_layers():
    layer = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4), nn.Softmax(-1)).half()
    check(layer, T.half(), rtol=5e-3, atol=5e-3)


def test_double_precision_layers():
    check(nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Softmax(-1)).double(), T.double(), rtol=1e-12, atol=1e-14)


def test_a_softplus_in_double_precision_is_not_rounded():
    check(nn.Softplus(), cutaway.tensor([19.9, 20.1, 25.0, -3.0], dtype=cutaway.float64), rtol=1e-12, atol=0.0)
