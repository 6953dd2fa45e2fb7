"""The exercises of chapter 2, with the mistakes that are made in them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

import cutaway
from cutaway.course.ch02_network import exercises as stub
from cutaway.course.exercise import Exercise, Wrong
from cutaway.nn import functional as F

PLACES = (np.linspace(-4, 4, 41),)


def tensors(f: Any) -> Any:
    """The library's function of arrays."""
    return lambda *inputs: f(*map(cutaway.tensor, inputs))


# --- thresholds -------------------------------------------------------------------------------------------------------


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def relu(x: Any) -> Any:
    return np.maximum(0.0, x)


def relu_in_place(x: Any) -> Any:
    x[x < 0] = 0.0
    return x


STEP = Exercise(
    "step", "The step", lambda x: (x > 0).astype(float), spec=stub.step_spec, oracle=tensors(F.step),
    cases=((np.array([0.0]),),), draw=lambda d, n: (d.array(n),), show="curve", example=PLACES,
    wrong=[
        Wrong(lambda x: (x >= 0).astype(float), "At exactly 0 the step is 0: it needs more than 0 (>, not >=)."),
        Wrong(lambda x: np.sign(x), "Below 0 it gives -1: the step has only 0 and 1."),
        Wrong(lambda x: (x < 0).astype(float), "It is turned round: 1 belongs above 0."),
        Wrong(lambda x: float(x[0] > 0), "There is an answer for the first element only: give an array of them all."),
        Wrong(relu, "Above 0 it gives x itself: the step gives 1, however large x is."),
        Wrong(lambda x: np.ones(len(x)), "It is 1 everywhere: compare with 0."),
        Wrong(lambda x: float((x > 0).sum()), "That is how many are above 0: give an answer for each element."),
    ],
)  # fmt: skip

SIGMOID = Exercise(
    "sigmoid", "The sigmoid", sigmoid, spec=stub.sigmoid_spec, oracle=tensors(F.sigmoid),
    cases=((np.array([-800.0, 800.0]),),), draw=lambda d, n: (d.array(n),), show="curve", example=PLACES,
    wrong=[
        Wrong(lambda x: 1 / (1 + np.exp(x)), "It falls instead of rising: the exponent is -x."),
        Wrong(lambda x: np.exp(x) / (1 + np.exp(x)), "For large x it is infinity by infinity, NaN: write 1 / (1 + exp(-x))."),
        Wrong(lambda x: 1 / 1 + np.exp(-x), "Brackets: 1 / 1 + exp(-x) is 1 + exp(-x); divide by the whole sum."),
        Wrong(lambda x: 1 / (1 - np.exp(-x)), "The sum in the denominator is 1 + exp(-x), not 1 - exp(-x)."),
        Wrong(np.tanh, "That is tanh, from -1 to 1: the sigmoid goes from 0 to 1."),
        Wrong(lambda x: 1 / np.exp(-x), "The 1 in the denominator is missing: without it that is exp(x)."),
        Wrong(lambda x: (x > 0).astype(float), "That is the step: the sigmoid is its smooth kin, 0.5 at 0."),
    ],
)  # fmt: skip

RELU = Exercise(
    "relu", "ReLU", relu, spec=stub.relu_spec, oracle=tensors(F.relu),
    cases=((np.array([-1.0, 1.0]),),), draw=lambda d, n: (d.array(n),), show="curve", example=PLACES,
    wrong=[
        Wrong(np.abs, "Below 0 it gives |x|: ReLU gives 0 there."),
        Wrong(lambda x: np.minimum(0.0, x), "That is the part below 0: the larger of 0 and x, not the smaller."),
        Wrong(lambda x: (x > 0).astype(float), "That is the step: above 0 ReLU gives x itself."),
        Wrong(lambda x: float(max(0.0, x.max())), "There is one number: compare each element with 0, not all of them."),
        Wrong(relu_in_place, "It writes zeros into its input, which the caller still needs: make a new array."),
        Wrong(lambda x: np.where(x > 0, x, 0.01 * x), "Below 0 it leaks: that is leaky ReLU; plain ReLU gives exactly 0."),
        Wrong(lambda x: x[x > 0], "The elements below 0 are gone: they stay, as zeros, so that the shape stays."),
    ],
)  # fmt: skip


# --- layers -----------------------------------------------------------------------------------------------------------


AFFINE = Exercise(
    "affine", "A layer of neurons", lambda x, w, b: x @ w + b, spec=stub.affine_spec,
    oracle=tensors(lambda x, w, b: F.linear(x, w.T, b)),
    cases=((np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([0.0, 1.0])),),
    draw=lambda d, n: (d.array(n, 2), d.array(2, n + 1), d.array(n + 1)),
    wrong=[
        Wrong(lambda x, w, b: x @ w, "The bias is missing."),
        Wrong(lambda x, w, b: x @ w.T + b, "w is transposed: w[D, M] has a column for each neuron, so it is x @ w."),
        Wrong(lambda x, w, b: w @ x + b, "The order is turned round: examples are the rows of x, so it is x @ w."),
        Wrong(lambda x, w, b: x * w + b, "* multiplies element by element: a sum over k is a matrix product, @."),
        Wrong(lambda x, w, b: x @ w - b, "The bias is subtracted: it is added."),
        Wrong(lambda x, w, b: (x @ w + b).T, "The result is transposed: a row for each example, a column for each neuron."),
        Wrong(lambda x, w, b: x @ w + b.sum(), "Every neuron gets the sum of all biases: each has its own, b[m]."),
        Wrong(lambda x, w, b: x @ (w + b), "The bias is added to the weights: add it after the product."),
    ],
)  # fmt: skip


def softmax(z: Any, *, axis: int = 1, keep: bool = True, shift: bool = True) -> Any:
    """Softmax, and by its options the ways to get it wrong."""
    e = np.exp(z - z.max(axis, keepdims=True) if shift else z)
    return e / e.sum(axis, keepdims=True)


SOFTMAX = Exercise(
    "softmax", "Softmax", softmax, spec=stub.softmax_spec, oracle=tensors(lambda z: F.softmax(z, dim=1)),
    cases=((np.array([[1000.0, 999.0], [0.0, -1000.0]]),), (np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]),)),
    draw=lambda d, n: (d.array(n, 3),),
    wrong=[
        Wrong(lambda z: softmax(z, shift=False), "exp overflows for large z: subtract each row's maximum first, which changes nothing."),
        Wrong(lambda z: softmax(z, axis=0), "It shares out along the wrong axis: rows are examples, and each row's sum is 1."),
        Wrong(lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(), "It shares out over the whole batch: each row has its own sum of 1."),
        Wrong(lambda z: np.exp(z - z.max(1, keepdims=True)), "The division by the sum is missing."),
        Wrong(lambda z: z / z.sum(1, keepdims=True), "The exponential is missing: shares of z itself may be negative."),
        Wrong(lambda z: np.exp(z - z.max(1, keepdims=True)) / np.exp(z - z.max(1, keepdims=True)).sum(1),
              "The sums have lost their axis, so columns are divided by rows' sums: sum with keepdims=True."),
        Wrong(lambda z: softmax(-z), "The smallest z gets the largest share: a sign is wrong."),
        Wrong(lambda z: (z == z.max(1, keepdims=True)).astype(float), "That is the hard maximum: softmax gives the others a share, too."),
    ],
)  # fmt: skip


def forward(x: Any, *wb: Any, bend: Any = sigmoid, last: Any = lambda z: z, first: bool = True) -> Any:
    """Three layers, and by its options the ways to get them wrong."""
    w1, b1, w2, b2, w3, b3 = wb
    h = x @ w1 + b1
    h = bend(h) if first else h
    return last(bend(h @ w2 + b2) @ w3 + b3)


def _net(d: Any, n: int) -> tuple[Any, ...]:
    sizes = [2, n + 1, n, 3]
    weights: list[Any] = []
    for a, b in pairwise(sizes):
        weights += [d.array(a, b), d.array(b)]
    return (d.array(n, 2), *weights)


FORWARD = Exercise(
    "forward", "Three layers", forward, spec=stub.forward_spec, draw=_net,
    wrong=[
        Wrong(lambda *a: forward(*a, bend=relu), "Between the layers is ReLU: this network was made with sigmoids."),
        Wrong(lambda *a: forward(*a, bend=lambda z: z), "Nothing bends between the layers, so all three are one: sigmoid after the first two."),
        Wrong(lambda *a: forward(*a, last=sigmoid), "The last layer has a sigmoid: its sums are the result."),
        Wrong(lambda *a: forward(*a, last=softmax), "The last layer has a softmax: the sums before it are asked for."),
        Wrong(lambda *a: forward(*a, first=False), "The first sigmoid is missing."),
        Wrong(lambda x, w1, b1, w2, b2, w3, b3: sigmoid(x @ w1) @ w2 @ w3, "The biases are missing, and a sigmoid."),
        Wrong(lambda x, w1, b1, w2, b2, w3, b3: sigmoid(sigmoid(x @ w1 + b1) @ w2 + b2) @ w3, "The last bias is missing."),
        Wrong(lambda x, w1, b1, w2, b2, w3, b3: sigmoid(x @ w1 + b1) @ w2 @ w3 + b3, "The second layer has neither bias nor sigmoid."),
    ],
)  # fmt: skip


# --- reading digits ---------------------------------------------------------------------------------------------------


ACCURACY = Exercise(
    "accuracy", "How many are right", lambda z, t: float((z.argmax(1) == t).mean()), spec=stub.accuracy_spec, show="table",
    cases=((np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0], [0.0, 1.0, 5.0]]), np.array([1, 0, 0])),),
    draw=lambda d, n: (d.distinct(n + 1, 3), d.labels(n + 1, 3)),
    wrong=[
        Wrong(lambda z, t: int((z.argmax(1) == t).sum()), "That is how many are right: divide by the number of rows."),
        Wrong(lambda z, t: float((z.argmax(1) != t).mean()), "That is the share that is wrong."),
        Wrong(lambda z, t: float((z.argmin(1) == t).mean()), "The smallest number is taken for the answer: take the largest."),
        Wrong(lambda z, t: float((z.argmax() == t).mean()), "argmax looks through the whole array: along the rows it needs axis=1."),
        Wrong(lambda z, t: float((z.max(1) == t).mean()), "max is the largest number itself: its column is wanted, argmax."),
        Wrong(lambda z, t: (z.argmax(1) == t), "There is an answer for each row: take their mean."),
        Wrong(lambda z, t: float((z.argmax(1) == t).sum() / z.size), "It divides by the number of elements: divide by the number of rows."),
    ],
)  # fmt: skip


BATCHES = Exercise(
    "batches", "Batches", lambda x, size: [x[i : i + size] for i in range(0, len(x), size)], spec=stub.batches_spec, show="table",
    cases=((np.array([[1.0], [2.0], [3.0]]), 2), (np.array([[1.0], [2.0], [3.0], [4.0]]), 2)),
    draw=lambda d, n: (d.array(2 * n + 1, 1), d.integer(1, n + 1)),
    wrong=[
        Wrong(lambda x, size: [x[i : i + size] for i in range(0, len(x) - size + 1, size)], "The last, shorter batch is missing: no row may be lost."),
        Wrong(lambda x, size: [x[i : i + size] for i in range(0, len(x))], "The batches overlap: the next begins `size` rows further on."),
        Wrong(lambda x, size: np.array_split(x, size), "There are `size` pieces: there should be pieces of `size` rows."),
        Wrong(lambda x, size: [x[i : i + size - 1] for i in range(0, len(x), size)], "Each batch lacks its last row: a slice's end is not included already."),
        Wrong(lambda x, size: [x[i::size] for i in range(size)], "It deals the rows out in turn: a batch is rows next to each other."),
        Wrong(lambda x, size: x[:size], "That is the first batch only."),
    ],
)  # fmt: skip


EXERCISES = (STEP, SIGMOID, RELU, AFFINE, SOFTMAX, FORWARD, ACCURACY, BATCHES)
