"""The perceptron: gates by hand, and Rosenblatt's rule with its guarantee."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.nn.perceptron import AND, NAND, OR, XOR, Fit, Perceptron

CORNERS = cutaway.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("gate", "truth"), [(AND, [0, 0, 0, 1]), (NAND, [1, 1, 1, 0]), (OR, [0, 1, 1, 1]), (XOR, [0, 1, 1, 0])]
)
def test_gates_by_hand(gate, truth):
    assert gate()(CORNERS).tolist() == truth
    assert gate()(CORNERS[2]).item() == truth[2]


@pytest.mark.parametrize("truth", [[0, 0, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]])
def test_learns_what_a_line_separates(truth):
    p = Perceptron(2)
    report = p.fit(CORNERS, cutaway.tensor(truth))
    assert p(CORNERS).tolist() == truth
    assert report.separated and report.mistakes[-1] == 0 and report.epochs == len(report.mistakes) < 20
    assert all(report.mistakes[:-1])
    assert str(report).startswith(f"separated after {report.epochs} epochs")


@pytest.mark.parametrize("truth", [[0, 1, 1, 0], [1, 0, 0, 1]])
def test_says_when_the_data_were_not_separated(truth):
    p = Perceptron(2)
    report = p.fit(CORNERS, cutaway.tensor(truth), epochs=50)
    assert not report.separated and report.epochs == 50 and report.mistakes[-1] > 0
    assert "not separated after 50 epochs" in str(report) and "no straight line divides the two classes" in str(report)
    assert p(CORNERS).tolist() != truth


def test_makes_no_more_mistakes_than_novikoff_allows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5))
    w = rng.standard_normal(6)
    inputs = np.c_[x, np.ones(200)]  # the bias is the weight of a constant 1
    margin = inputs @ w / np.linalg.norm(w)
    keep = np.abs(margin) > 0.1
    x, y = x[keep], (margin[keep] > 0).astype(np.float32)
    report = Perceptron(5).fit(x, y)
    bound = (np.linalg.norm(inputs[keep], axis=1).max() / np.abs(margin[keep]).min()) ** 2
    assert report.separated and 0 < sum(report.mistakes) <= bound


def test_one_step_of_the_rule():
    p = Perceptron(2)
    report = p.fit(cutaway.tensor([[2.0, -3.0]]), cutaway.tensor([1]), epochs=1, lr=0.5)
    assert p.weight.tolist() == [1.0, -1.5] and p.bias.item() == 0.5
    assert repr(report) == repr(Fit([1])) == "Fit(mistakes=[1])"


def test_it_is_a_module_without_parameters():
    p = nn.Perceptron(3)
    assert repr(p) == "Perceptron(in_features=3)" and not list(p.parameters())
    assert list(p.state_dict()) == ["weight", "bias"]
    assert p(cutaway.zeros(4, 2, 3)).shape == (4, 2)
    assert repr(XOR()).count("Perceptron") == 3


ERRORS = [
    (lambda: Perceptron(0), ArgumentError, "in_features must be a positive int"),
    (lambda: Perceptron(2)(cutaway.zeros(3)), ShapeError, r"Perceptron: expected \[..., 2\], got float32\[3\]"),
    (lambda: Perceptron(2).fit(cutaway.zeros(4, 3), cutaway.zeros(4)), ShapeError, r"expected x\[N, 2\] and y\[N\]"),
    (
        lambda: Perceptron(2).fit(cutaway.zeros(4, 2), cutaway.zeros(4, 1)),
        ShapeError,
        r"got float32\[4, 2\] and float32\[4, 1\]",
    ),
    (
        lambda: Perceptron(2).fit(CORNERS, cutaway.tensor([1, -1, 1, 1])),
        ArgumentError,
        r"labels must be 0 or 1, got \[-1, 1\]",
    ),
    (
        lambda: Perceptron(2).fit(CORNERS, cutaway.zeros(4), lr=0),
        ArgumentError,
        "lr and epochs must be positive, got lr=0",
    ),
    (lambda: Perceptron(2).fit(CORNERS, cutaway.zeros(4), epochs=0), ArgumentError, "epochs=0"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
