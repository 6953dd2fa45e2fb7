"""Chapter 2, Neural network: weighted sums in bulk, with something smooth between them.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 2.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer should need no loop.
"""

import math

import numpy as np


def step_spec(x):
    return np.array([1.0 if v > 0 else 0.0 for v in x])


def step(x: np.ndarray) -> np.ndarray:
    """The perceptron's threshold: 1 where x is above 0, else 0, as floats.  x[N] -> y[N]."""
    raise NotImplementedError


def sigmoid_spec(x):
    return np.array([1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in x])


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), the threshold made smooth.  x[N] -> y[N]."""
    raise NotImplementedError


def relu_spec(x):
    return np.array([v if v > 0 else 0.0 for v in x])


def relu(x: np.ndarray) -> np.ndarray:
    """The larger of 0 and x, for each element.  x[N] -> y[N]."""
    raise NotImplementedError


def affine_spec(x, w, b):
    y = np.zeros((len(x), len(b)))
    for n in range(len(x)):
        for m in range(len(b)):
            total = b[m]
            for k in range(len(w)):
                total += x[n][k] * w[k][m]
            y[n][m] = total
    return y


def affine(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A layer of M neurons before their thresholds, for N examples at once.  x[N, D], w[D, M], b[M] -> y[N, M].

    Neuron m of example n is the sum over k of x[n, k] w[k, m], plus b[m].
    """
    raise NotImplementedError


def softmax_spec(z):
    p = np.zeros(z.shape)
    for n in range(len(z)):
        largest = max(z[n])
        powers = [math.exp(v - largest) for v in z[n]]
        for c in range(len(powers)):
            p[n][c] = powers[c] / sum(powers)
    return p


def softmax(z: np.ndarray) -> np.ndarray:
    """Shares: exp(z[n, c]) divided by the sum of exp(z[n, :]).  z[N, C] -> p[N, C], every row with sum 1.

    exp(1000) is infinite: subtract something from each row first that does not change the result.
    """
    raise NotImplementedError


def forward_spec(x, w1, b1, w2, b2, w3, b3):
    out = []
    for row in x:
        for w, b, last in ((w1, b1, False), (w2, b2, False), (w3, b3, True)):
            sums = [sum(row[k] * w[k][m] for k in range(len(w))) + b[m] for m in range(len(b))]
            row = sums if last else [1 / (1 + math.exp(-s)) for s in sums]
        out.append(row)
    return np.array(out)


def forward(
    x: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray, w3: np.ndarray, b3: np.ndarray
) -> np.ndarray:
    """Three layers: affine and sigmoid, affine and sigmoid, affine.  x[N, D] -> z[N, C], the sums before softmax."""
    raise NotImplementedError


def accuracy_spec(z, t):
    right = 0
    for n in range(len(z)):
        best = 0
        for c in range(len(z[n])):
            if z[n][c] > z[n][best]:
                best = c
        if best == t[n]:
            right += 1
    return right / len(z)


def accuracy(z: np.ndarray, t: np.ndarray) -> float:
    """The share of the rows of z[N, C] whose largest number is in the column t[N]."""
    raise NotImplementedError


def batches_spec(x, size):
    out = []
    batch = []
    for row in x:
        batch.append(row)
        if len(batch) == size:
            out.append(np.array(batch))
            batch = []
    if batch:
        out.append(np.array(batch))
    return out


def batches(x: np.ndarray, size: int) -> list[np.ndarray]:
    """x[N, D] cut into pieces of `size` rows, in order; the last one may be shorter, and no row is lost."""
    raise NotImplementedError
