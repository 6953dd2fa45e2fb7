"""nn: sizes, a forgotten super().__init__, states that do not fit, and in which layer of a model an error arose."""

from collections import OrderedDict

from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    AssertedError,
    DTypeError,
    GradError,
    IndexOutOfRange,
    KindError,
    MissingAttribute,
    MissingKey,
    NameRefused,
    NotWritten,
    ShapeError,
    StateError,
)  # fmt: skip

from .table import array, bad


def mlp(t):
    return t.nn.Sequential(t.nn.Linear(4, 3), t.nn.ReLU(), t.nn.Linear(3, 2))


def named(t):
    return t.nn.Sequential(OrderedDict(body=t.nn.Sequential(OrderedDict(norm=t.nn.LayerNorm(4), out=t.nn.Linear(4, 2)))))


def own(t, forward=lambda self, x: x, build=lambda self, t: None, init=True):
    """A class of the user's own, made."""

    class Net(t.nn.Module):
        def __init__(self):
            if init:
                super().__init__()
            build(self, t)

    Net.forward = forward
    return Net()


def with_encoder(t):
    def build(self, t):
        self.encoder = t.nn.ModuleList([t.nn.Linear(4, 4), t.nn.Linear(5, 2)])

    def forward(self, x):
        for layer in self.encoder:
            x = layer(x)
        return x

    return own(t, forward, build)


def with_gradient(t):
    w = t.ones(2, requires_grad=True)
    w.grad = t.ones(2)
    return w


def state(t, **changes):
    made = mlp(t).state_dict()
    made.update({k.replace("_", "."): v for k, v in changes.items()})
    return made


def without(t, key):
    made = mlp(t).state_dict()
    del made[key]
    return made


CALLS = [
    # sizes
    bad("linear-negative", lambda t: t.nn.Linear(3, -1), ArgumentError, "Linear", "out_features", "-1", "positive"),
    bad("linear-float", lambda t: t.nn.Linear(3.0, 2), ArgumentTypeError, "Linear", "in_features", "3.0", "int"),
    bad("linear-text", lambda t: t.nn.Linear("3", 2), ArgumentTypeError, "Linear", "in_features", "'3'", "int"),
    bad("linear-none", lambda t: t.nn.Linear(3, None), ArgumentTypeError, "Linear", "out_features", "None", "int"),
    bad("linear-zero", lambda t: t.nn.Linear(0, 2), ArgumentError, "Linear", "in_features", "0", "positive", torch=None),
    bad("linear-dtype-int", lambda t: t.nn.Linear(3, 2, dtype=t.int64), GradError, "requires_grad", "int64", "float"),
    bad("conv2d-kernel-0", lambda t: t.nn.Conv2d(3, 8, 0), ArgumentError, "Conv2d", "kernel_size", "0", torch=None),
    bad("conv2d-groups", lambda t: t.nn.Conv2d(3, 8, 3, groups=2), ArgumentError, "Conv2d", "in_channels", "groups=2"),
    bad("conv2d-groups-out", lambda t: t.nn.Conv2d(4, 7, 3, groups=2), ArgumentError, "Conv2d", "out_channels", "groups=2"),
    bad("conv2d-groups-0", lambda t: t.nn.Conv2d(4, 8, 3, groups=0), ArgumentError, "Conv2d", "groups", "0"),
    bad("conv2d-channels-0", lambda t: t.nn.Conv2d(3, 0, 3), ArgumentError, "Conv2d", "out_channels", "0", torch=None),
    bad("conv2d-stride-0", lambda t: t.nn.Conv2d(3, 8, 3, stride=0), ArgumentError, "Conv2d", "stride", "0", torch=None),
    bad("conv2d-padding-name", lambda t: t.nn.Conv2d(3, 8, 3, padding="full"), ArgumentError, "Conv2d", "'full'", "'same'"),
    bad("conv2d-padding-mode", lambda t: t.nn.Conv2d(3, 8, 3, padding_mode="mirror"), ArgumentError, "Conv2d", "'mirror'", "reflect"),
    bad("conv2d-kernel-text", lambda t: t.nn.Conv2d(3, 8, "3"), ArgumentTypeError, "Conv2d", "kernel_size", "'3'", torch=...),
    bad("conv2d-kernel-three", lambda t: t.nn.Conv2d(3, 8, (3, 3, 3)), ArgumentError, "Conv2d", "kernel_size", "(3, 3, 3)", "2", torch=None),
    bad("conv-transpose2d-mode", lambda t: t.nn.ConvTranspose2d(3, 8, 3, padding_mode="reflect"), ArgumentError, "ConvTranspose2d", "'reflect'", "'zeros'"),
    bad("batch-norm-features", lambda t: t.nn.BatchNorm2d(0), ArgumentError, "BatchNorm2d", "num_features", "0", torch=None),
    bad("layer-norm-empty", lambda t: t.nn.LayerNorm(()), ArgumentError, "LayerNorm", "normalized_shape", "()", torch=None),
    bad("group-norm-divide", lambda t: t.nn.GroupNorm(2, 3), ArgumentError, "GroupNorm", "2", "3"),
    bad("embedding-zero", lambda t: t.nn.Embedding(0, 3), ArgumentError, "Embedding", "num_embeddings", "0", torch=None),
    bad("embedding-padding", lambda t: t.nn.Embedding(3, 2, padding_idx=5), AssertedError, "Embedding", "padding_idx", "5"),
    bad("dropout-1.5", lambda t: t.nn.Dropout(1.5), ArgumentError, "Dropout", "1.5", "between 0 and 1"),
    bad("dropout2d-negative", lambda t: t.nn.Dropout2d(-0.5), ArgumentError, "Dropout2d", "-0.5", "between 0 and 1"),
    bad("lstm-layers", lambda t: t.nn.LSTM(3, 4, num_layers=0), ArgumentError, "LSTM", "num_layers", "0"),
    bad("rnn-nonlinearity", lambda t: t.nn.RNN(3, 4, nonlinearity="gelu"), ArgumentError, "RNN", "'gelu'", "'tanh'"),
    bad("gru-dropout", lambda t: t.nn.GRU(3, 4, dropout=2.0), ArgumentError, "GRU", "2.0", "between 0 and 1"),
    bad("attention-heads", lambda t: t.nn.MultiheadAttention(5, 2), AssertedError, "MultiheadAttention", "5", "2"),
    bad("transformer-activation", lambda t: t.nn.TransformerEncoderLayer(4, 2, activation="swish"), ArgumentError, "TransformerEncoderLayer", "'swish'", "'relu'"),
    bad("upsample-text", lambda t: t.nn.Upsample(scale_factor="2x"), ArgumentTypeError, "Upsample", "2x", torch=ValueError),
    bad("loss-reduction", lambda t: t.nn.MSELoss(reduction="max")(t.ones(2), t.ones(2)), ArgumentError, "MSELoss", "'max'", "'mean'"),
    bad("cross-entropy-smoothing", lambda t: t.nn.CrossEntropyLoss(label_smoothing=2.0)(t.ones(1, 2), t.tensor([0])), ArgumentError, "2.0", "label_smoothing"),
    bad("linear-unexpected", lambda t: t.nn.Module(3), ArgumentTypeError, "Module", "no arguments", "3"),
    # calling
    bad("path-in-sequential", lambda t: mlp(t)(t.ones(2, 5)), ShapeError, "linear", "[2, 5]", "layer 0 (Linear)"),
    bad("path-in-named-sequential", lambda t: named(t)(t.ones(2, 5)), ShapeError, "layer_norm", "[2, 5]", "layer body.norm (LayerNorm)"),
    bad("path-in-own-module", lambda t: with_encoder(t)(t.ones(2, 4)), ShapeError, "linear", "[2, 4]", "layer encoder.1 (Linear)"),
    bad("path-of-dtype", lambda t: mlp(t)(t.ones(2, 4, dtype=t.float64)), DTypeError, "linear", "float64", "layer 0 (Linear)"),
    bad("path-of-list", lambda t: mlp(t)([[1.0, 2.0, 3.0, 4.0]]), ArgumentTypeError, "linear", "list", "layer 0 (Linear)"),
    bad("path-of-lazy", lambda t: t.nn.Sequential(t.nn.ReLU(), t.nn.LazyConv2d(2, 3))(t.ones(4)), ShapeError, "LazyConv2d", "[4]", "layer 1 (LazyConv2d)"),
    bad("path-in-module-list-of-conv", lambda t: t.nn.Sequential(t.nn.Sequential(t.nn.Conv2d(3, 4, 3)))(t.ones(1, 1, 8, 8)), ShapeError, "conv2d", "channels", "layer 0.0 (Conv2d)"),
    bad("linear-none-input", lambda t: t.nn.Linear(3, 2)(None), ArgumentTypeError, "linear", "None", "Tensor"),
    bad("linear-array", lambda t: t.nn.Linear(3, 2)(array(1, 3)), ArgumentTypeError, "linear", "ndarray", "cutaway.tensor"),
    bad("batch-norm1d-dims", lambda t: t.nn.BatchNorm1d(3)(t.ones(2, 3, 4, 5)), ShapeError, "BatchNorm1d", "[2, 3, 4, 5]"),
    bad("batch-norm2d-channels", lambda t: t.nn.BatchNorm2d(3)(t.ones(2, 4, 5, 5)), ShapeError, "batch_norm", "4", "3"),
    bad("batch-norm-one-row", lambda t: t.nn.BatchNorm1d(3)(t.ones(1, 3)), ArgumentError, "batch_norm", "[1, 3]", ".eval()"),
    bad("embedding-call-float", lambda t: t.nn.Embedding(3, 2)(t.ones(2)), DTypeError, "embedding", "float32[2]", ".long()"),
    bad("embedding-call-range", lambda t: t.nn.Embedding(3, 2)(t.tensor([3])), IndexOutOfRange, "embedding", "3", "0 to 2"),
    bad("lstm-call-size", lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 7)), ShapeError, "LSTM", "7", "3"),
    bad("lstm-call-state", lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 3), (t.zeros(1, 2, 4), t.zeros(1, 3, 4))), ShapeError, "LSTM", "[1, 3, 4]", "[1, 2, 4]"),
    bad("rnn-call-dims", lambda t: t.nn.RNN(3, 4)(t.ones(3)), ShapeError, "RNN", "[3]", torch=...),
    bad("attention-call-width", lambda t: t.nn.MultiheadAttention(4, 2)(*[t.ones(5, 2, 6)] * 3), ShapeError, "6", "4", "MultiheadAttention", torch=AssertionError),
    bad("flatten-range", lambda t: t.nn.Flatten(5)(t.ones(2, 3)), IndexOutOfRange, "flatten", "dim 5", "-2 to 1"),
    # modules
    bad("no-forward", lambda t: type("Empty", (t.nn.Module,), {})()(t.ones(2)), NotWritten, "Empty", "forward"),
    bad("module-list-called", lambda t: t.nn.ModuleList([t.nn.ReLU()])(t.ones(2)), NotWritten, "ModuleList", "forward"),
    bad("no-super-init-parameter", lambda t: own(t, build=lambda self, t: setattr(self, "w", t.nn.Parameter(t.ones(2))), init=False), MissingAttribute, "Net", "super().__init__()", "'w'"),
    bad("no-super-init-module", lambda t: own(t, build=lambda self, t: setattr(self, "fc", t.nn.Linear(2, 2)), init=False), MissingAttribute, "Net", "super().__init__()", "'fc'"),
    bad("no-super-init-called", lambda t: own(t, init=False)(t.ones(2)), MissingAttribute, "Net", "super().__init__()"),
    bad("no-super-init-parameters", lambda t: list(own(t, init=False).parameters()), MissingAttribute, "Net", "super().__init__()"),
    bad("attribute-typo", lambda t: t.nn.Linear(2, 3).wieght, MissingAttribute, "Linear", "'wieght'", "weight, bias"),
    bad("parameter-to-tensor", lambda t: setattr(t.nn.Linear(2, 3), "weight", t.ones(3, 2)), ArgumentTypeError, "Linear", "'weight'", "nn.Parameter"),
    bad("module-to-number", lambda t: setattr(own(t, build=lambda self, t: setattr(self, "fc", t.nn.ReLU())), "fc", 3), ArgumentTypeError, "Net", "'fc'", "Module"),
    bad("buffer-to-number", lambda t: setattr(t.nn.BatchNorm1d(2), "running_mean", 0.0), ArgumentTypeError, "BatchNorm1d", "'running_mean'", "Tensor"),
    bad("register-dot", lambda t: t.nn.Module().register_parameter("a.b", None), NameRefused, "register_parameter", "'a.b'", "dot"),
    bad("register-twice", lambda t: t.nn.Linear(2, 2).register_buffer("weight", t.ones(1)), NameRefused, "register_buffer", "'weight'", "another name"),
    bad("register-tensor", lambda t: t.nn.Module().register_parameter("w", t.ones(2)), ArgumentTypeError, "register_parameter", "Tensor", "nn.Parameter"),
    bad("register-result", lambda t: t.nn.Module().register_parameter("w", t.ones(2, requires_grad=True) * 2), ArgumentTypeError, "register_parameter", "nn.Parameter", "'w'"),
    bad("register-buffer-list", lambda t: t.nn.Module().register_buffer("b", [1.0]), ArgumentTypeError, "register_buffer", "list", "cutaway.tensor"),
    bad("add-module-function", lambda t: t.nn.Module().add_module("f", len), ArgumentTypeError, "add_module", "'f'", "Module"),
    bad("sequential-function", lambda t: t.nn.Sequential(t.nn.Linear(2, 2), t.relu), ArgumentTypeError, "'1'", "Module"),
    bad("sequential-class", lambda t: t.nn.Sequential(t.nn.ReLU), ArgumentTypeError, "'0'", "Module", "()"),
    bad("sequential-index", lambda t: mlp(t)[3], IndexOutOfRange, "Sequential", "3"),
    bad("sequential-index-text", lambda t: mlp(t)["0"], ArgumentTypeError, "Sequential", "'0'", "int"),
    bad("module-dict-key", lambda t: t.nn.ModuleDict({"a": t.nn.ReLU()})["b"], MissingKey, "ModuleDict", "'b'", "'a'"),
    bad("module-dict-list", lambda t: t.nn.ModuleDict([1, 2]), KindError, "ModuleDict", "pairs"),
    bad("module-list-number", lambda t: t.nn.ModuleList(3), ArgumentTypeError, "ModuleList", "int"),
    bad("parameter-of-list", lambda t: t.nn.Parameter([1.0]), ArgumentTypeError, "Parameter", "list", "cutaway.tensor", torch=AttributeError),
    bad("parameter-int", lambda t: t.nn.Parameter(t.arange(3)), GradError, "requires_grad", "int64", ".float()"),
    bad("get-submodule", lambda t: mlp(t).get_submodule("7"), MissingAttribute, "Sequential", "'7'"),
    bad("get-parameter", lambda t: mlp(t).get_parameter("0.scale"), MissingAttribute, "Linear", "'scale'"),
    bad("to-int", lambda t: mlp(t).to(t.int64), DTypeError, "to", "int64", "float"),
    bad("train-text", lambda t: mlp(t).train("yes"), KindError, "train", "'yes'", "True"),
    bad("apply-number", lambda t: mlp(t).apply(3), ArgumentTypeError, "apply", "fn=int 3"),
    bad("lazy-shape", lambda t: t.nn.LazyLinear(3).weight.shape, GradError, "lazy", "call the model once"),
    # states
    bad("state-missing", lambda t: mlp(t).load_state_dict(without(t, "2.bias")), StateError, "load_state_dict", "Missing key", '"2.bias"', "strict=False"),
    bad("state-unexpected", lambda t: mlp(t).load_state_dict(state(t, extra=t.ones(1))), StateError, "load_state_dict", "Unexpected key", '"extra"'),
    bad("state-size", lambda t: mlp(t).load_state_dict(state(t, **{"0_weight": t.ones(3, 5)})), StateError, "load_state_dict", "0.weight", "size mismatch", "Size([3, 5])", "Size([3, 4])"),
    bad("state-empty", lambda t: mlp(t).load_state_dict({}), StateError, "load_state_dict", '"0.weight", "0.bias", "2.weight", "2.bias"'),
    bad("state-of-parallel", lambda t: mlp(t).load_state_dict({"module." + k: v for k, v in mlp(t).state_dict().items()}), StateError, "module.", "DataParallel", "removeprefix"),
    bad("state-text", lambda t: mlp(t).load_state_dict("model.pt"), ArgumentTypeError, "load_state_dict", "str", "state_dict()"),
    bad("state-value", lambda t: mlp(t).load_state_dict(state(t, **{"0_bias": "x"})), StateError, "0.bias", "expected cutaway.Tensor", "str"),
    # initial values and clipping
    bad("init-fans", lambda t: t.nn.init.xavier_uniform_(t.ones(3)), ShapeError, "float32[3]", "2 dimensions"),
    bad("init-mode", lambda t: t.nn.init.kaiming_normal_(t.ones(2, 3), mode="fan"), ArgumentError, "kaiming", "'fan'", "'fan_in'"),
    bad("init-gain", lambda t: t.nn.init.calculate_gain("swoosh"), ArgumentError, "calculate_gain", "'swoosh'", "relu"),
    bad("init-orthogonal", lambda t: t.nn.init.orthogonal_(t.ones(3)), ShapeError, "orthogonal_", "float32[3]"),
    bad("init-eye", lambda t: t.nn.init.eye_(t.ones(2, 3, 4)), ShapeError, "eye_", "[2, 3, 4]"),
    bad("init-list", lambda t: t.nn.init.zeros_([1.0]), ArgumentTypeError, "zeros_", "Tensor", "list", torch=AttributeError),
    bad("init-normal-std", lambda t: t.nn.init.normal_(t.ones(3), 0.0, -1.0), ArgumentError, "normal", "-1.0", "std"),
    bad("clip-norm-type", lambda t: t.nn.utils.clip_grad_norm_([t.ones(2)], "a"), ArgumentTypeError, "clip", "'a'", torch=ValueError),
    bad("clip-module", lambda t: t.nn.utils.clip_grad_norm_(mlp(t), 1.0), ArgumentTypeError, "clip_grad_norm_", "model.parameters()", torch=AttributeError),
    bad("clip-negative", lambda t: t.nn.utils.clip_grad_norm_([with_gradient(t)], -1.0), ArgumentError, "clip_grad_norm_", "-1.0", "0 or more", torch=None),
    bad("clip-value-negative", lambda t: t.nn.utils.clip_grad_value_([with_gradient(t)], -1.0), ArgumentError, "clip_grad_value_", "-1.0", "0 or more", torch=None),
    bad("clip-not-finite", lambda t: (lambda w: (setattr(w, "grad", t.ones(2) / 0), t.nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)))(t.ones(2, requires_grad=True)), GradError, "clip_grad_norm_", "inf", "learning rate"),
    bad("vector-size", lambda t: t.nn.utils.vector_to_parameters(t.ones(3), mlp(t).parameters()), ShapeError, "vector_to_parameters", "23", "[3]"),
    bad("pad-sequence-empty", lambda t: t.nn.utils.rnn.pad_sequence([]), ShapeError, "pad_sequence", "none", torch=...),
    bad("pack-lengths", lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(4, 2, 3), [4, 0]), ArgumentError, "pack_padded_sequence", "0"),
    bad("pack-unsorted", lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(4, 2, 3), [2, 4]), ArgumentError, "pack_padded_sequence", "enforce_sorted=False"),
]
