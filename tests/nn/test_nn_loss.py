"""Losses against PyTorch's: options, reductions, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ShapeError

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(5)
X = RNG.standard_normal((4, 3))
T = RNG.standard_normal((4, 3))
P = RNG.uniform(0.05, 0.95, (4, 3))
Q = RNG.uniform(0.05, 0.95, (4, 3))
LOG_P = np.log(P / P.sum(1, keepdims=True))
CLASSES = np.array([2, 0, 1, 2])
SIGNS = np.sign(RNG.standard_normal(4))
WEIGHT = np.array([0.5, 2.0, 1.0])

CASES = [
    ("MSELoss", {}, (X, T)),
    ("L1Loss", {}, (X, T)),
    ("SmoothL1Loss", {}, (X, T)),
    ("SmoothL1Loss", {"beta": 0.3}, (X, T)),
    ("HuberLoss", {}, (X, T)),
    ("HuberLoss", {"delta": 0.3}, (X, T)),
    ("CrossEntropyLoss", {}, (X, CLASSES)),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.1}, (X, CLASSES)),
    ("CrossEntropyLoss", {"ignore_index": 2}, (X, CLASSES)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, (X, P / P.sum(1, keepdims=True))),
    ("NLLLoss", {"weight": WEIGHT}, (LOG_P, CLASSES)),
    ("NLLLoss", {"ignore_index": 0}, (LOG_P, CLASSES)),
    ("BCELoss", {}, (P, Q)),
    ("BCELoss", {"weight": WEIGHT}, (P, Q)),
    ("BCEWithLogitsLoss", {}, (X, Q)),
    ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": WEIGHT[::-1].copy()}, (X, Q)),
    ("KLDivLoss", {}, (LOG_P, Q)),
    ("KLDivLoss", {"log_target": True}, (LOG_P, np.log(Q))),
    ("HingeEmbeddingLoss", {}, (X, np.sign(T))),
    ("HingeEmbeddingLoss", {"margin": 0.4}, (X, np.sign(T))),
    ("MultiMarginLoss", {}, (X, CLASSES)),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": WEIGHT}, (X, CLASSES)),
    ("CosineEmbeddingLoss", {"margin": 0.2}, (X, T, SIGNS)),
    ("MarginRankingLoss", {"margin": 0.3}, (X[:, 0], T[:, 0], SIGNS)),
    ("TripletMarginLoss", {}, (X, T, P)),
    ("TripletMarginLoss", {"margin": 0.5, "p": 1.0, "swap": True}, (X, T, P)),
]


def build(module, make, name, options):
    return getattr(module, name)(**{k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()})


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "inputs"), CASES, ids=[f"{n}-{list(o)}" for n, o, _ in CASES])
def test_same_loss_and_gradient(name, options, inputs, reduction):
    values = []
    for module, make in ((nn, cutaway.from_numpy), (torch.nn, torch.from_numpy)):
        loss = build(module, make, name, {**options, "reduction": reduction})
        given = [make(a.copy()) for a in inputs]
        given[0].requires_grad_()
        y = loss(*given)
        (y * y).sum().backward()
        values.append((y.detach().numpy(), given[0].grad.numpy()))
    (y, g), (z, h) = values
    assert y.shape == z.shape
    np.testing.assert_allclose(y, z, atol=1e-12)
    np.testing.assert_allclose(g, h, atol=1e-12)


def test_batchmean():
    ours = nn.KLDivLoss(reduction="batchmean")(cutaway.from_numpy(LOG_P), cutaway.from_numpy(Q))
    theirs = torch.nn.KLDivLoss(reduction="batchmean")(torch.from_numpy(LOG_P), torch.from_numpy(Q))
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-12)


def test_the_older_flags():
    assert nn.MSELoss(size_average=False).reduction == "sum"
    assert nn.L1Loss(reduce=False).reduction == "none"
    assert nn.CrossEntropyLoss(None, True).reduction == "mean"


def test_class_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=cutaway.ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype is cutaway.float64
    assert list(nn.BCEWithLogitsLoss(pos_weight=cutaway.ones(3)).state_dict()) == ["pos_weight"]


BAD = [
    (lambda: nn.MSELoss(reduction="average"), ArgumentError, "MSELoss: reduction 'average' is unknown"),
    (lambda: nn.MSELoss()(cutaway.zeros(4, 1), cutaway.zeros(4)), ShapeError, r"squeeze.*, in layer MSELoss$"),
    (
        lambda: nn.CrossEntropyLoss(label_smoothing=2.0),
        ArgumentError,
        "label_smoothing must lie between 0 and 1, got 2.0",
    ),
    (lambda: nn.MultiMarginLoss(p=3), ArgumentError, "p must be 1 or 2, got 3"),
    (lambda: nn.BCELoss()(cutaway.zeros(4, 1), cutaway.zeros(4)), ShapeError, "in layer BCELoss"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=range(len(BAD)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
