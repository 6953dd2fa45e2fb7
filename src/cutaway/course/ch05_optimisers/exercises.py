"""Chapter 5, Optimisers: six rules that turn gradients into steps, and the problem each is best at.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 5.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them.

A rule gets the parameter p, its gradient g and what it remembered, and gives the new p and what it remembers now. Give new
arrays and write into none, with + - * / ** only: then your rule runs in compiled training as well.
"""

import numpy as np

EPS = 1e-8  # added to a root before dividing by it, so that 0 / 0 is 0


def sgd_spec(p, g, lr):
    new = p.copy()
    for i in range(len(p)):
        new[i] = p[i] - lr * g[i]
    return new


def sgd(p: np.ndarray, g: np.ndarray, lr: float) -> np.ndarray:
    """Gradient descent: the new p, a step of lr times the gradient downhill.  p[N], g[N] -> p[N]."""
    raise NotImplementedError


def largest_rate_spec(curvatures):
    def grows(lr):
        return any(abs(1 - lr * c) > 1 for c in curvatures)

    low, high = 0.0, 1.0
    while not grows(high):
        high = 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if grows(middle):
            high = middle
        else:
            low = middle
    return low


def largest_rate(curvatures: np.ndarray) -> float:
    """The learning rate above which `sgd` flies off the bowl f(p) = ½ Σ cᵢ pᵢ².  curvatures c[N], all above 0.

    The gradient is cᵢ pᵢ, so a step multiplies pᵢ by 1 - lr cᵢ. No factor may be larger than 1 in size, whatever its sign.
    """
    raise NotImplementedError


def momentum_spec(p, g, v, lr, momentum):
    new_p, new_v = p.copy(), v.copy()
    for i in range(len(p)):
        new_v[i] = momentum * v[i] - lr * g[i]
        new_p[i] = p[i] + new_v[i]
    return new_p, new_v


def momentum(p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: float, momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """SGD that rolls on: v ← momentum v - lr g, then p ← p + v.  Arrays [N] -> (p, v)."""
    raise NotImplementedError


def nesterov_spec(p, g, v, lr, momentum):
    new_p, new_v = p.copy(), v.copy()
    for i in range(len(p)):
        new_v[i] = momentum * v[i] - lr * g[i]
        new_p[i] = p[i] + momentum * new_v[i] - lr * g[i]
    return new_p, new_v


def nesterov(p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: float, momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """Momentum that looks ahead: v ← momentum v - lr g, then p ← p + momentum v - lr g with the new v.

    Arrays [N] -> (p, v).
    """
    raise NotImplementedError


def adagrad_spec(p, g, h, lr):
    new_p, new_h = p.copy(), h.copy()
    for i in range(len(p)):
        new_h[i] = h[i] + g[i] ** 2
        new_p[i] = p[i] - lr * g[i] / (new_h[i] ** 0.5 + EPS)
    return new_p, new_h


def adagrad(p: np.ndarray, g: np.ndarray, h: np.ndarray, lr: float) -> tuple[np.ndarray, np.ndarray]:
    """A learning rate for each element: h ← h + g², then p ← p - lr g / (√h + EPS).  Arrays [N] -> (p, h)."""
    raise NotImplementedError


def rmsprop_spec(p, g, h, lr, decay):
    new_p, new_h = p.copy(), h.copy()
    for i in range(len(p)):
        new_h[i] = decay * h[i] + (1 - decay) * g[i] ** 2
        new_p[i] = p[i] - lr * g[i] / (new_h[i] ** 0.5 + EPS)
    return new_p, new_h


def rmsprop(p: np.ndarray, g: np.ndarray, h: np.ndarray, lr: float, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """AdaGrad that forgets: h ← decay h + (1 - decay) g², then p ← p - lr g / (√h + EPS).  Arrays [N] -> (p, h)."""
    raise NotImplementedError


def averages_spec(x, beta):
    plain, corrected = [], []
    for t in range(1, len(x) + 1):
        weights = [(1 - beta) * beta ** (t - k) for k in range(1, t + 1)]
        total = sum(w * x[k] for k, w in enumerate(weights))
        plain.append(total)
        corrected.append(total / sum(weights))
    return np.array(plain), np.array(corrected)


def averages(x: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """A moving average of x[T] that begins at 0, m ← beta m + (1 - beta) x, after each number; and the same made fair.

    After t numbers (t = 1, 2, ...) the weights of all numbers so far add up to 1 - beta**t only: divide by it.
    x[T] -> (m[T], m[T] corrected).
    """
    raise NotImplementedError


def adam_spec(p, g, m, v, lr, beta1, beta2, t):
    new_p, new_m, new_v = p.copy(), m.copy(), v.copy()
    for i in range(len(p)):
        new_m[i] = beta1 * m[i] + (1 - beta1) * g[i]
        new_v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2
        fair_m = new_m[i] / (1 - beta1**t)
        fair_v = new_v[i] / (1 - beta2**t)
        new_p[i] = p[i] - lr * fair_m / (fair_v**0.5 + EPS)
    return new_p, new_m, new_v


def adam(
    p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, lr: float, beta1: float, beta2: float, t: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Momentum and a learning rate for each element, both by moving averages; t is the step's number, from 1.

    m ← beta1 m + (1 - beta1) g and v ← beta2 v + (1 - beta2) g² begin at 0, and are made fair for the step, as in
    `averages`: p ← p - lr m̂ / (√v̂ + EPS) with m̂ = m / (1 - beta1**t) and v̂ = v / (1 - beta2**t).
    Arrays [N] -> (p, m, v), m and v as they are remembered, not made fair.
    """
    raise NotImplementedError
