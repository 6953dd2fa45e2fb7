"""Rosenblatt's perceptron: one artificial neuron with a threshold, and the rule by which it learns (book, chapter 2).

Gates need no learning: their weights are set by hand. One neuron can be AND, NAND or OR; XOR takes two layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway import functional as F
from cutaway.core.autograd import no_grad
from cutaway.core.aval import show
from cutaway.core.creation import as_tensor, zeros
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import stack
from cutaway.core.tensor import Tensor
from cutaway.nn.linear import counts
from cutaway.nn.module import Module


class Fit:
    """How learning went: mistakes[e] examples were answered wrongly in epoch e; separated: the last epoch had none."""

    def __init__(self, mistakes: Sequence[int] = ()) -> None:
        self.mistakes = list(mistakes)

    @property
    def separated(self) -> bool:
        """True if the perceptron answers every example rightly."""
        return bool(self.mistakes) and self.mistakes[-1] == 0

    @property
    def epochs(self) -> int:
        """How often the examples were gone through."""
        return len(self.mistakes)

    def __repr__(self) -> str:
        return f"Fit(mistakes={self.mistakes})"

    def __str__(self) -> str:
        if self.separated:
            return f"separated after {self.epochs} epochs ({sum(self.mistakes)} mistakes on the way)"
        return (
            f"not separated after {self.epochs} epochs, {self.mistakes[-1]} mistakes in the last: "
            "no straight line divides the two classes, or more epochs are needed"
        )


class Perceptron(Module):
    """y = 1 where w · x + b > 0, else 0.  x[..., in_features] -> y[...] of 0 and 1 (Rosenblatt 1958; book, eq. 2.3).

    Weight and bias start at 0. They are buffers: the step has no slope, so gradients cannot train them; `fit` does.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, in_features: int) -> None:
        super().__init__()
        counts("Perceptron", in_features=in_features)
        self.in_features = in_features
        self.register_buffer("weight", zeros(in_features))
        self.register_buffer("bias", zeros(()))

    def forward(self, input: Tensor) -> Tensor:
        if not input.ndim or input.shape[-1] != self.in_features:
            raise ShapeError(f"Perceptron: expected [..., {self.in_features}], got {show(input)}")
        return F.step((input * self.weight).sum(-1) + self.bias)

    @no_grad()
    def fit(self, x: Any, y: Any, epochs: int = 1000, lr: float = 1.0) -> Fit:
        """Go through the examples until none is answered wrongly, or `epochs` are over.  x[N, I], y[N] of 0 and 1.

        A wrong answer moves the neuron towards the example: w += lr (y - ŷ) x, b += lr (y - ŷ).  If a straight line (a
        hyperplane) separates the classes, this ends after at most (R / margin)² mistakes (Novikoff 1962).
        Raises ShapeError for other shapes, ArgumentError for labels other than 0 and 1, or lr or epochs not positive.
        """
        x, y = as_tensor(x).to(self.weight.dtype), as_tensor(y)
        if x.ndim != 2 or x.shape[1] != self.in_features or tuple(y.shape) != (x.shape[0],):
            raise ShapeError(f"Perceptron.fit: expected x[N, {self.in_features}] and y[N], got {show(x)} and {show(y)}")
        labels = y._data
        if not np.isin(labels, (0, 1)).all():
            raise ArgumentError(f"Perceptron.fit: labels must be 0 or 1, got {sorted(set(labels.tolist()))[:5]}")
        if not lr > 0 or epochs < 1:
            raise ArgumentError(f"Perceptron.fit: lr and epochs must be positive, got lr={lr}, epochs={epochs}")
        w, b = self.weight._data.astype(np.float64), float(self.bias)
        points = x._data.astype(np.float64)
        report = Fit()
        while report.epochs < epochs and not report.separated:
            wrong = 0
            for point, label in zip(points, labels.tolist(), strict=True):
                error = label - (w @ point + b > 0)
                if error:
                    w += lr * error * point
                    b += lr * error
                    wrong += 1
            report.mistakes.append(wrong)
        self.weight.copy_(as_tensor(w))
        self.bias.fill_(b)
        return report

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}"


def by_hand(weight: Sequence[float], bias: float) -> Perceptron:
    """A perceptron with weights set by hand."""
    p = Perceptron(len(weight))
    p.weight.copy_(as_tensor(list(map(float, weight))))
    p.bias.fill_(bias)
    return p


def AND() -> Perceptron:
    """1 only if both inputs are 1 (book, section 2.3)."""
    return by_hand([0.5, 0.5], -0.7)


def NAND() -> Perceptron:
    """0 only if both inputs are 1: AND with the signs turned."""
    return by_hand([-0.5, -0.5], 0.7)


def OR() -> Perceptron:
    """1 if any input is 1."""
    return by_hand([0.5, 0.5], -0.2)


class XOR(Module):
    """1 if exactly one input is 1.  x[..., 2] -> y[...].

    No line separates the two classes (Minsky & Papert 1969); two layers do it: AND(NAND(x), OR(x)) (book, section 2.5).
    """

    def __init__(self) -> None:
        super().__init__()
        self.nand, self.or_, self.and_ = NAND(), OR(), AND()

    def forward(self, input: Tensor) -> Tensor:
        return self.and_(stack([self.nand(input), self.or_(input)], -1))
