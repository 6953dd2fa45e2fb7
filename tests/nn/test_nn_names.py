"""The names of `cutaway.nn`: what is there, how it is called, and what a call costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import cutaway
from cutaway import nn

torch = pytest.importorskip("torch")

# What programs use most, counted over many of them.
USED = """Module Parameter Sequential ModuleList ModuleDict Linear Bilinear Conv1d Conv2d ConvTranspose2d MaxPool2d AvgPool2d
AdaptiveAvgPool2d BatchNorm1d BatchNorm2d LayerNorm GroupNorm InstanceNorm2d Dropout Dropout2d Embedding Flatten Identity ReLU
LeakyReLU ELU GELU SiLU Sigmoid Tanh Softmax LogSoftmax Softplus Hardtanh PixelShuffle Upsample ReflectionPad2d ZeroPad2d
RNN LSTM GRU RNNCell LSTMCell GRUCell MultiheadAttention TransformerEncoderLayer TransformerEncoder Transformer
CrossEntropyLoss NLLLoss MSELoss L1Loss SmoothL1Loss HuberLoss BCELoss BCEWithLogitsLoss KLDivLoss HingeEmbeddingLoss
MultiMarginLoss LazyLinear LazyConv2d LazyBatchNorm2d DataParallel functional init utils parallel""".split()

OURS = [name for name in nn.__all__ if name[0].isupper() and hasattr(torch.nn, name)]
# No signature to compare: PyTorch's says *args.
VARIADIC = (
    "Module",
    "RNN",
    "LSTM",
    "GRU",
    "RNNBase",
    "Buffer",
    "Parameter",
    "UninitializedParameter",
    "Sequential",
    "Identity",
)


@pytest.mark.parametrize("name", USED)
def test_is_there(name):
    assert hasattr(nn, name) and name in nn.__all__


def test_star_import_gives_exactly_the_names():
    assert len(nn.__all__) == len(set(nn.__all__))
    assert set(nn.__all__) - set(dir(torch.nn)) == {"Perceptron", "Step"}
    assert all(getattr(nn, name).__doc__ for name in nn.__all__)


@pytest.mark.parametrize("name", [n for n in OURS if n not in VARIADIC])
def test_arguments_are_called_as_in_pytorch(name):
    ours = list(inspect.signature(getattr(nn, name).__init__).parameters.values())
    theirs = list(inspect.signature(getattr(torch.nn, name).__init__).parameters.values())
    if name.endswith("Hardtanh"):
        theirs = theirs[:-2]  # two names that PyTorch itself no longer wants
    if theirs[1:] and theirs[1].kind is inspect.Parameter.VAR_POSITIONAL:
        theirs = theirs[:1]
    if ours[1:] and ours[1].kind is inspect.Parameter.VAR_POSITIONAL:
        ours = ours[:1]
    assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs]
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        if a.name == "activation":  # a function of either library
            continue
        assert a.default == b.default, a.name


def test_functional_is_one_module_under_two_names():
    import cutaway.functional
    import cutaway.nn.functional as F

    assert F.relu is cutaway.functional.relu and nn.functional is F
    assert {"cross_entropy", "conv2d", "pad", "one_hot", "scaled_dot_product_attention"} <= set(dir(F))


def test_import_brings_in_nothing_heavy():
    code = (
        "import sys, cutaway.nn; "
        "print([m for m in ('torch', 'scipy', 'matplotlib', 'llvmlite', 'rich', 'typer', 'dataclasses') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_call_without_hooks_goes_straight_to_forward(monkeypatch):
    layer = nn.Identity()
    monkeypatch.setattr("cutaway.nn.module.call_with_hooks", None)
    x = cutaway.ones(1)
    assert layer(x) is x


def test_a_learner_s_function_is_used_by_the_layers(monkeypatch):
    import cutaway.functional as F

    calls = []
    original = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *args: calls.append("conv2d") or original(*args))
    monkeypatch.setattr(F, "max_pool2d", lambda x, *args: calls.append("pool") or x)
    nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2))(cutaway.ones(1, 1, 4, 4))
    assert calls == ["conv2d", "pool"]
