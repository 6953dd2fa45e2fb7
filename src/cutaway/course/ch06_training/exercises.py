"""Chapter 6, Making it learn: initial values, batch normalisation, weight decay, dropout, and searching at random.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 6.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them; where one is
missing, the answer is compared with the library, or with numerical gradients.
"""

import numpy as np


def initial_std(fan_in: int, fan_out: int, activation: str) -> float:
    """The spread that initial weights of a layer of fan_in inputs and fan_out outputs should have.

    "relu": He's, the root of 2 / fan_in.  "tanh" or "sigmoid": Xavier's, the root of 1 over the mean of fan_in and fan_out.
    """
    raise NotImplementedError


def batchnorm_spec(x, gamma, beta, eps):
    n, channels = x.shape
    y = np.zeros_like(x)
    for c in range(channels):
        mean = sum(x[i, c] for i in range(n)) / n
        variance = sum((x[i, c] - mean) ** 2 for i in range(n)) / n
        for i in range(n):
            y[i, c] = gamma[c] * (x[i, c] - mean) / (variance + eps) ** 0.5 + beta[c]
    return y


def batchnorm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> np.ndarray:
    """Batch normalisation: each column of x[N, C] less its mean, over the root of (its variance + eps), times gamma,
    plus beta.

    Mean and variance are over the N rows; the variance divides by N.  gamma[C], beta[C] -> y[N, C].
    """
    raise NotImplementedError


def batchnorm_backward(
    g: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of x[N, C], gamma[C] and beta[C], for the gradient g[N, C] of `batchnorm`'s result.

    Every row of a column moves its mean and its variance, so a row's gradient hangs on the whole column's.
    """
    raise NotImplementedError


def running_spec(mean, var, x, momentum):
    n, channels = x.shape
    new_mean, new_var = np.zeros(channels), np.zeros(channels)
    for c in range(channels):
        here = sum(x[i, c] for i in range(n)) / n
        spread = sum((x[i, c] - here) ** 2 for i in range(n)) / (n - 1)
        new_mean[c] = (1 - momentum) * mean[c] + momentum * here
        new_var[c] = (1 - momentum) * var[c] + momentum * spread
    return new_mean, new_var


def running(mean: np.ndarray, var: np.ndarray, x: np.ndarray, momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """What batch normalisation remembers for later, when it is asked about a single example: running mean[C] and var[C].

    Each keeps 1 - momentum of itself and takes `momentum` of what the columns of x[N, C] have; the batch's variance
    divides by N - 1 here, for it stands for what is not in the batch.  New arrays (mean, var).
    """
    raise NotImplementedError


def weight_decay_spec(p, g, lr, decay):
    new = p.copy()
    for i in range(len(p)):
        slope = g[i] + decay * p[i]
        new[i] = p[i] - lr * slope
    return new


def weight_decay(p: np.ndarray, g: np.ndarray, lr: float, decay: float) -> np.ndarray:
    """A step of SGD on the loss plus decay/2 times the sum of p²; g is the gradient of the loss without that.

    Arrays [N] -> p[N].
    """
    raise NotImplementedError


def dropout_spec(x, u, p):
    y = np.zeros_like(x)
    for i in range(len(x)):
        if u[i] >= p:
            y[i] = x[i] / (1 - p)
    return y


def dropout(x: np.ndarray, u: np.ndarray, p: float) -> np.ndarray:
    """Dropout while training: a value is 0 where its random number is below p; what is kept grows by 1 / (1 - p).

    u has the shape of x and is drawn from 0 to 1.  The expected value of the result is x.  x[...] -> y[...].
    """
    raise NotImplementedError


def dropout_backward(g: np.ndarray, u: np.ndarray, p: float) -> np.ndarray:
    """The gradient of x, for the gradient g of `dropout`'s result, drawn with the same u.  g[...] -> gx[...]."""
    raise NotImplementedError


def early_stop_spec(losses, patience):
    best = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        elif epoch - best >= patience:
            return epoch, best
    return len(losses) - 1, best


def early_stop(losses: np.ndarray, patience: int) -> tuple[int, int]:
    """When to stop, by the losses[T] on validation data, epoch by epoch: (the epoch after which to stop, the best epoch).

    Stop at the first epoch that comes `patience` epochs after the best so far and is no better than it; if there is
    none, at the last.  Epochs count from 0; of equal losses the first is the best.
    """
    raise NotImplementedError


def log_uniform_spec(u, low, high):
    steps = 1000
    values = []
    for share in u:
        value = low
        for _ in range(steps):  # many equal ratios, as many of them as the share says
            value = value * (high / low) ** (share / steps)
        values.append(value)
    return np.array(values)


def log_uniform(u: np.ndarray, low: float, high: float) -> np.ndarray:
    """Random numbers u[N], even from 0 to 1, as numbers from low to high that are even on a logarithmic scale.

    0 gives low, 1 gives high, and equal steps of u give equal ratios: between 0.001 and 0.1, u = 0.5 gives 0.01.
    """
    raise NotImplementedError
