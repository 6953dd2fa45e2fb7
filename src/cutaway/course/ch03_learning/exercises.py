"""Chapter 3, Learning: a loss says how wrong, its gradient which way is down, and steps that way are learning.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 3.NAME`.
The functions that end in _spec say what is right, slowly and obviously.
"""

import math
from collections.abc import Callable

import numpy as np


def mse_spec(y, t):
    total, count = 0.0, 0
    for row_y, row_t in zip(y, t):
        for a, b in zip(row_y, row_t):
            total += (a - b) * (a - b)
            count += 1
    return total / count


def mse(y: np.ndarray, t: np.ndarray) -> float:
    """Mean squared error: the mean of (y - t)^2 over all elements.  y[N, D], t[N, D]."""
    raise NotImplementedError


def cross_entropy_spec(p, t):
    total = 0.0
    for n in range(len(p)):
        total -= math.log(p[n][t[n]] + 1e-7)
    return total / len(p)


def cross_entropy(p: np.ndarray, t: np.ndarray) -> float:
    """How surprised the shares p[N, C] are by the right classes t[N]: the mean over the rows of -log(p[n, t[n]] + 1e-7).

    The 1e-7 keeps log away from 0. The logarithm is the natural one.
    """
    raise NotImplementedError


def derivative(f: Callable[[float], float], x: float) -> float:
    """The slope of f at x, by central differences with h = 1e-4: (f(x + h) - f(x - h)) / 2h."""
    raise NotImplementedError


def gradient(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """All partial derivatives of f at x, an array of any shape: the result has the shape of x.

    Element by element: move this one by h = 1e-4 and by -h, let the others be, and take the central difference. x is the
    caller's: leave it as it was.
    """
    raise NotImplementedError


def descend_spec(grad, x, lr, steps):
    where = [float(v) for v in x]
    for _ in range(steps):
        slope = grad(np.array(where))
        where = [v - lr * s for v, s in zip(where, slope)]
    return np.array(where)


def descend(grad: Callable[[np.ndarray], np.ndarray], x: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Gradient descent: from x[D], `steps` times a step of -lr times the gradient at the place where one is by then."""
    raise NotImplementedError


def sgd_spec(p, g, lr):
    return np.array([v - lr * s for v, s in zip(p, g)])


def sgd(p: np.ndarray, g: np.ndarray, lr: float) -> np.ndarray:
    """One step of stochastic gradient descent: the new value of a parameter p whose gradient is g.  p[N], g[N] -> p[N].

    Once it has passed, `cutaway train mnist-mlp --mine` takes every step with it. Use + - * / only: it gets Tensors, too.
    """
    raise NotImplementedError


def minibatch(x: np.ndarray, t: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`size` different rows of x[N, D], chosen by chance, and the targets t[N] of those very rows: (x[size, D], t[size])."""
    raise NotImplementedError


def net_loss_spec(x, t, w1, b1, w2, b2):
    total = 0.0
    for n in range(len(x)):
        h = [1 / (1 + math.exp(-(sum(x[n][k] * w1[k][m] for k in range(len(w1))) + b1[m]))) for m in range(len(b1))]
        z = [sum(h[k] * w2[k][c] for k in range(len(w2))) + b2[c] for c in range(len(b2))]
        total += -math.log(math.exp(z[t[n]]) / sum(math.exp(v) for v in z) + 1e-7)
    return total / len(x)


def net_loss(x: np.ndarray, t: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> float:
    """The loss of the two-layer network: affine, sigmoid, affine, softmax, and cross-entropy (with its 1e-7) against t[N].

    x[N, D], w1[D, H], b1[H], w2[H, C], b2[C]. With `gradient` this is all that learning needs, if one can wait.
    """
    raise NotImplementedError
