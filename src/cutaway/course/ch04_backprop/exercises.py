"""Chapter 4, Back-propagation: the chain rule, node by node and backwards.

Write each class or function whose bodies are `raise NotImplementedError`, and judge it with `cutaway check 4.NAME`.
A layer computes in `forward`, and keeps on `self` what `backward` will need. `backward` gets g, the gradient of the loss
with respect to what forward gave, and gives the gradient with respect to each input, in their order. What is right is said by the
functions that end in _spec, slow and obvious, and for backward by the numerical gradient of them: chapter 3's, by trying.
"""

import math

import numpy as np


def shopping_spec(apples, apple_price, oranges, orange_price, tax):
    def total(a, p, o, q, t):
        return (a * p + o * q) * t

    given = [apples, apple_price, oranges, orange_price, tax]
    slopes = []
    for i in range(5):
        more, less = list(given), list(given)
        more[i] += 1e-4
        less[i] -= 1e-4
        slopes.append((total(*more) - total(*less)) / 2e-4)
    return total(*given), tuple(slopes)


def shopping(
    apples: float, apple_price: float, oranges: float, orange_price: float, tax: float
) -> tuple[float, tuple[float, float, float, float, float]]:
    """What fruit costs, (apples apple_price + oranges orange_price) tax, and how much that grows with each of the five inputs.

    Forward through two products, a sum and a product; then backward through the same nodes with the chain rule, from 1.
    """
    raise NotImplementedError


def multiply_spec(x, y):
    return np.array([a * b for a, b in zip(x, y)])


class Multiply:
    """z = x y, element by element.  x[N], y[N] -> z[N]; backward g[N] -> (gx[N], gy[N])."""

    def forward(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


def add_bias_spec(x, b):
    return np.array([[v + c for v, c in zip(row, b)] for row in x])


class AddBias:
    """z = x + b, the same b for every row.  x[N, D], b[D] -> z[N, D]; backward g[N, D] -> (gx[N, D], gb[D])."""

    def forward(self, x: np.ndarray, b: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


def divide_spec(x, y):
    return np.array([a / b for a, b in zip(x, y)])


class Divide:
    """z = x / y, element by element.  x[N], y[N] -> z[N]; backward g[N] -> (gx[N], gy[N])."""

    def forward(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


def exp_spec(x):
    return np.array([math.exp(v) for v in x])


class Exp:
    """y = exp(x).  x[N] -> y[N]; backward g[N] -> gx[N]."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def relu_spec(x):
    return np.array([v if v > 0 else 0.0 for v in x])


class ReLU:
    """y = max(0, x).  x[N] -> y[N]; backward g[N] -> gx[N], where the slope at exactly 0 is 0. Any number of axes is welcome.

    Once it has passed, `cutaway train --mine` uses it wherever a network has a ReLU.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def sigmoid_spec(x):
    return np.array([1 / (1 + math.exp(-v)) for v in x])


class Sigmoid:
    """y = 1 / (1 + exp(-x)).  x[N] -> y[N]; backward g[N] -> gx[N].

    Keep y: its slope is y (1 - y), and no exponential is needed a second time. `cutaway train mnist-mlp --mine` uses it.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def affine_spec(x, w, b):
    return np.array([[sum(x[n][k] * w[k][m] for k in range(len(w))) + b[m] for m in range(len(b))] for n in range(len(x))])


class Affine:
    """y = x w + b.  x[N, D], w[D, M], b[M] -> y[N, M]; backward g[N, M] -> (gx[N, D], gw[D, M], gb[M]).

    The shapes leave hardly a choice: which product of g with w, or of x with g, has the shape that is asked for? It is this
    layer that `cutaway train mnist-mlp --mine` spends its time in.
    """

    def forward(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        raise NotImplementedError


def softmax_loss_spec(z, t):
    total = 0.0
    for n in range(len(z)):
        total -= z[n][t[n]] - max(z[n]) - math.log(sum(math.exp(v - max(z[n])) for v in z[n]))
    return total / len(z)


class SoftmaxLoss:
    """Softmax and cross-entropy in one layer.  z[N, C], t[N] -> the mean loss, a number; backward g (a number) -> gz[N, C].

    Apart each has an awkward gradient; together it is the share less the target, p - 1 for the right class and p for the
    others, over N. Subtract each row's maximum before exp, so that large z do no harm.
    """

    def forward(self, z: np.ndarray, t: np.ndarray) -> float:
        raise NotImplementedError

    def backward(self, g: float) -> np.ndarray:
        raise NotImplementedError


def gradient_error_spec(a, b):
    worst = 0.0
    for u, v in zip(a.ravel(), b.ravel()):
        worst = max(worst, abs(u - v) / max(abs(u) + abs(v), 1e-8))
    return worst


def gradient_error(a: np.ndarray, b: np.ndarray) -> float:
    """How far two gradients of one shape are apart: the largest |a - b| / max(|a| + |b|, 1e-8) of all elements.

    Below 1e-6 backward is right; about 1 it is wrong. The second term keeps two zeros from being divided.
    """
    raise NotImplementedError


def net_gradients_spec(x, t, w1, b1, w2, b2):
    def loss(*params):
        v1, c1, v2, c2 = params
        h = [[1 / (1 + math.exp(-u)) for u in row] for row in affine_spec(x, v1, c1)]
        return softmax_loss_spec(affine_spec(h, v2, c2), t)

    params = [np.array(p, float) for p in (w1, b1, w2, b2)]
    gradients = [np.zeros(p.shape) for p in params]
    for p, g in zip(params, gradients):
        for at in np.ndindex(p.shape):
            kept = p[at]
            p[at] = kept + 1e-5
            above = loss(*params)
            p[at] = kept - 1e-5
            g[at] = (above - loss(*params)) / 2e-5
            p[at] = kept
    return tuple(gradients)


def net_gradients(
    x: np.ndarray, t: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The gradients (gw1, gb1, gw2, gb2) of the two-layer network's loss, by your layers: Affine, Sigmoid, Affine, SoftmaxLoss.

    Forward through all of them, then backward in reverse, each with what the next one gave.
    """
    raise NotImplementedError
